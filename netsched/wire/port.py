"""Ports. Host names and DHCP options end up in files of the DHCP server, so their alphabets are narrow."""

from __future__ import annotations

import re
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, with_config
from typing_extensions import TypedDict

from netsched import errors
from netsched.wire import dns, types
from netsched.wire.resource import READ_ONLY, Attr, Definition, Resource

WRITABLE = Attr(post=True, put=True)
LISTED = Attr(post=True, put=True, sort=False)
_OPTION_NAME = re.compile(r"[A-Za-z0-9:_-]{1,64}")
_OPTION_VALUE = re.compile(r"[\x20-\x7e]{0,255}")
MAX_FIXED_IPS = 16
MAX_DHCP_OPTIONS = 64
MAX_ADDRESS_PAIRS = 64


def _option_name(value: Any) -> str:
    if not isinstance(value, str) or not _OPTION_NAME.fullmatch(value):
        raise ValueError(f"{types.shown(value)} is not the name of a DHCP option (letters, digits and :_-)")
    return value


def _option_value(value: Any) -> str:
    """One line of ASCII: it becomes the rest of a line in a file, where commas separate the values of an option."""
    if not isinstance(value, str) or not _OPTION_VALUE.fullmatch(value):
        raise ValueError(f"{types.shown(value)} is not a value of a DHCP option (printable ASCII, at most 255)")
    return value


def _ip_or_cidr(value: Any) -> str:
    """One address, or all of a subnet."""
    try:
        return types.cidr(value) if isinstance(value, str) and "/" in value else types.ip(value)
    except ValueError:
        raise ValueError(f"{types.shown(value)} is not a valid IP address or IP subnet") from None


def _reserved(owner: Any) -> bool:
    """Owners by which the service knows its own ports; one of a tenant's would be treated as the service's."""
    return isinstance(owner, str) and owner.startswith("network:")


OptionName = Annotated[
    str, BeforeValidator(_option_name), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9:_-]{1,64}$"})
]
OptionValue = Annotated[
    str, BeforeValidator(_option_value), WithJsonSchema({"type": "string", "pattern": "^[ -~]{0,255}$"})
]


@with_config(ConfigDict(extra="forbid"))
class FixedIp(TypedDict):
    subnet_id: NotRequired[types.Uuid]
    ip_address: NotRequired[types.Ip]


@with_config(ConfigDict(extra="forbid"))
class DhcpOption(TypedDict):
    """`opt_value` null removes the option in a PUT."""

    opt_name: OptionName
    opt_value: OptionValue | None
    ip_version: NotRequired[types.IpVersion]


IpOrCidr = Annotated[str, BeforeValidator(_ip_or_cidr), WithJsonSchema({"type": "string", "minLength": 2})]


@with_config(ConfigDict(extra="forbid"))
class AddressPair(TypedDict):
    """What else a port may send from. Without mac_address it is from the port's own."""

    ip_address: IpOrCidr
    mac_address: NotRequired[types.Mac]


def _pairs(values: list[AddressPair]) -> list[AddressPair]:
    seen: set[tuple[str, str | None]] = set()
    for pair in values:
        key = (pair["ip_address"], pair.get("mac_address"))
        if key in seen:
            raise ValueError(f"{pair['ip_address']!r} is given twice for the same MAC address")
        seen.add(key)
    return values


def _fixed_ip(value: FixedIp) -> FixedIp:
    if not value:
        raise ValueError("neither subnet_id nor ip_address is given")
    return value


def _options(values: list[DhcpOption]) -> list[DhcpOption]:
    seen: set[tuple[str, int]] = set()
    for option in values:
        option.setdefault("ip_version", 4)
        key = (option["opt_name"], option["ip_version"])
        if key in seen:
            raise ValueError(f"{option['opt_name']!r} is given twice")
        seen.add(key)
    return values


def _null_is_empty(value: Any) -> Any:
    return [] if value is None else value


FixedIps = Annotated[
    list[Annotated[FixedIp, AfterValidator(_fixed_ip), Field(json_schema_extra={"minProperties": 1})]],
    Field(max_length=MAX_FIXED_IPS),
]
DhcpOptions = Annotated[
    list[DhcpOption], AfterValidator(_options), Field(max_length=MAX_DHCP_OPTIONS), BeforeValidator(_null_is_empty)
]
AddressPairs = Annotated[
    list[AddressPair], AfterValidator(_pairs), Field(max_length=MAX_ADDRESS_PAIRS), BeforeValidator(_null_is_empty)
]


class Port(Resource):
    """An attachment to a network."""

    id: Annotated[types.Uuid, READ_ONLY]
    name: Annotated[types.Line, WRITABLE] = ""
    description: Annotated[types.Prose, WRITABLE] = ""
    project_id: Annotated[types.Line, Attr(post=True)]
    tenant_id: Annotated[types.Line, Attr(post=True)]
    network_id: Annotated[types.Uuid, Attr(post=True, required=True)]
    mac_address: Annotated[types.Mac | None, WRITABLE]  # null: one that the service makes up
    fixed_ips: Annotated[
        FixedIps, Attr(post=True, put=True, sort=False, filter_pattern="^(ip_address=|subnet_id=|ip_address_substr=)")
    ]
    admin_state_up: Annotated[types.Boolean, WRITABLE] = True
    status: Annotated[types.Text, READ_ONLY]
    device_id: Annotated[types.Line, WRITABLE] = ""
    device_owner: Annotated[types.Line, Attr(post=True, put=True, guarded=_reserved)] = ""
    extra_dhcp_opts: Annotated[DhcpOptions, LISTED] = []
    allowed_address_pairs: Annotated[AddressPairs, Attr(post=True, put=True, filter=False, sort=False)] = []
    port_security_enabled: Annotated[types.Boolean, WRITABLE]
    security_groups: Annotated[Annotated[list[types.Uuid], AfterValidator(types.distinct)] | None, LISTED]
    dns_name: Annotated[dns.Name, WRITABLE] = ""
    dns_assignment: Annotated[list[types.Free], Attr(filter=False, sort=False)]
    binding_host_id: Annotated[types.Host, Attr(post=True, put=True, name="binding:host_id")] = ""
    binding_vnic_type: Annotated[types.VnicType, Attr(post=True, put=True, name="binding:vnic_type")] = "normal"
    binding_profile: Annotated[types.Profile, Attr(post=True, put=True, sort=False, name="binding:profile")] = {}
    binding_vif_type: Annotated[types.Text, Attr(name="binding:vif_type")]
    binding_vif_details: Annotated[types.Free, Attr(sort=False, name="binding:vif_details")]
    created_at: Annotated[types.Time, READ_ONLY]
    updated_at: Annotated[types.Time, READ_ONLY]
    revision_number: Annotated[types.Integer, READ_ONLY]
    tags: Annotated[types.Tags, Attr(post=True, sort=False)] = []


PORT = Definition(Port, "port", "ports", errors.PortNotFound)
