"""The types of attributes: what is accepted, what it becomes, and the JSON schema that says so.

Each type is one function (any JSON value in, canonical value out, ValueError with a sentence otherwise) and one
schema. The sentences are the incumbent's where it has one, since people search for them.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

LONG = 255
MAX_TAGS = 50  # of one object, as by the incumbent
# C0, DEL, C1, and Unicode's own line and paragraph separators: they would start a new line in somebody's file.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BUT_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_LINE = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$"
_PROSE = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_HOST = re.compile(r"[A-Za-z0-9_.:@-]*")
_ZONE = re.compile(r"[A-Za-z0-9_.:@ -]+")
# What the incumbent takes for booleans (oslo_utils.strutils), in any case and between blanks.
TRUE, FALSE = ("true", "1", "t", "on", "y", "yes"), ("false", "0", "f", "off", "n", "no")


class Unconvertible(ValueError):
    """The value is of another type, and no way of writing this one: another error type than that of a bad value."""


def shown(value: Any) -> str:
    """A value as it is quoted in an error: short, on one line."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def boolean(value: Any) -> bool:
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise Unconvertible(f"{shown(value)} cannot be converted to boolean")


def integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    raise Unconvertible(f"{shown(value)} is not an integer")


def _string(value: Any, limit: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a valid string")
    if len(value) > limit:
        raise ValueError(f"{shown(value)} exceeds maximum length of {limit}")
    return value


def line(value: Any) -> str:
    """Text of one line, such as a name."""
    text = _string(value, LONG)
    if _CONTROL.search(text):
        raise ValueError(f"{shown(text)} contains control characters or line breaks")
    return text


def prose(value: Any) -> str:
    """Text that people read and no file is generated from: tabs and line feeds are welcome."""
    text = _string(value, LONG)
    if _CONTROL_BUT_LINES.search(text):
        raise ValueError(f"{shown(text)} contains control characters")
    return text


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        text = _string(value, LONG)
        if not pattern.fullmatch(text):
            raise ValueError(f"{shown(text)} is not a valid {what}")
        return text

    return check


def _host(value: Any) -> str:
    """Null is on no host: compute services unplug a port so."""
    return "" if value is None else _matching(_HOST, "host name")(value)


def uuid_(value: Any) -> str:
    if isinstance(value, str):
        try:
            canonical = str(uuid.UUID(value))
        except ValueError:
            canonical = ""
        if _UUID.fullmatch(canonical) and len(value) in (32, 36):
            return canonical
    raise ValueError(f"{shown(value)} is not a valid UUID")


def reference(value: Any) -> str:
    """For ids that the incumbent takes as any text: what is not a UUID names nothing that is there."""
    text = line(value)
    if not text:
        raise ValueError("it is empty")
    try:
        return uuid_(text)
    except ValueError:
        return text


def is_uuid(value: str) -> bool:
    return _UUID.fullmatch(value) is not None


def ip(value: Any) -> str:
    # ipaddress takes fe80::1%anything as well; a zone means nothing here and could carry any text.
    if isinstance(value, str) and "%" not in value:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            pass
    raise ValueError(f"{shown(value)} is not a valid IP address")


def cidr(value: Any) -> str:
    """A block of addresses; it may be named by any of them."""
    if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F.:]+/[0-9]{1,3}", value):
        try:
            return str(ipaddress.ip_network(value, strict=False))
        except ValueError:
            pass
    raise ValueError(f"{shown(value)} is not a valid IP subnet")


def route_cidr(value: Any) -> str:
    """Where routes lead, unlike subnets, is named exactly."""
    network = cidr(value)
    if ipaddress.ip_address(value.split("/")[0]) != ipaddress.ip_network(network).network_address:
        raise ValueError(f"{shown(value)} isn't a recognized IP subnet cidr, '{network}' is recommended")
    return network


def mac(value: Any) -> str:
    """Lower case with colons. Zero is refused, and groups (the first bit) are not, as by the incumbent."""
    digits = re.sub(r"[:.-]", "", value).lower() if isinstance(value, str) and len(value) <= 17 else ""
    if not re.fullmatch(r"[0-9a-f]{12}", digits):
        raise ValueError(f"{shown(value)} is not a valid MAC address")
    if digits == "0" * 12:
        raise ValueError(f"{shown(value)} is not a MAC address that an interface can have")
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def _one_of(*values: Any) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value not in values or isinstance(value, bool):
            raise ValueError(f"{shown(value)} is not in {list(values)}")
        return value

    return check


def ip_version(value: Any) -> int:
    number: int = _one_of(4, 6)(integer(value))
    return number


def profile(value: Any) -> dict[str, Any]:
    """A free dictionary; null is an empty one. Its size is bounded as the incumbent's column is."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is not a dictionary")
    if len(repr(value)) > 4095:
        raise ValueError("it is longer than 4095 characters")
    return value


def null_is_empty(value: Any) -> Any:
    """For lists that clients clear with null."""
    return [] if value is None else value


def distinct(values: list[Any]) -> list[Any]:
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ValueError(f"{shown(value)} is given twice")
    return values


def _tags(values: list[str]) -> list[str]:
    """The incumbent's rules: each once, none empty."""
    for place, value in enumerate(values):
        if not value:
            raise ValueError("a tag is empty")
        if value in values[:place]:
            raise ValueError(f"{shown(value)} is given twice")
    return values


VNIC_TYPES = (
    "normal", "direct", "macvtap", "direct-physical", "baremetal", "virtio-forwarder", "smart-nic",
    "remote-managed", "vdpa", "accelerator-direct", "accelerator-direct-physical",
)  # fmt: skip
IPV6_MODES = ("slaac", "dhcpv6-stateful", "dhcpv6-stateless")
_MAC_SCHEMA = "^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){4}:[0-9a-fA-F][1-9a-fA-F]$"

_TAGS = {
    "type": "array",
    "maxItems": MAX_TAGS,
    "uniqueItems": True,
    "items": {"type": "string", "minLength": 1, "maxLength": LONG, "pattern": _LINE},
}

Boolean = Annotated[bool, BeforeValidator(boolean), WithJsonSchema({"type": "boolean"})]
Integer = Annotated[int, BeforeValidator(integer), WithJsonSchema({"type": "integer"})]
Line = Annotated[str, BeforeValidator(line), WithJsonSchema({"type": "string", "maxLength": LONG, "pattern": _LINE})]
Prose = Annotated[
    str,
    BeforeValidator(prose),
    WithJsonSchema({"type": "string", "maxLength": LONG, "pattern": _PROSE}),
]
Host = Annotated[
    str,
    BeforeValidator(_host),
    WithJsonSchema({"type": "string", "maxLength": LONG, "pattern": "^[A-Za-z0-9_.:@-]*$"}),
]
Zone = Annotated[
    str,
    BeforeValidator(_matching(_ZONE, "availability zone")),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONG, "pattern": "^[A-Za-z0-9_.:@ -]+$"}),
]
Uuid = Annotated[str, BeforeValidator(uuid_), WithJsonSchema({"type": "string", "format": "uuid"})]
Reference = Annotated[
    str,
    BeforeValidator(reference),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONG, "pattern": _LINE}),
]
Ip = Annotated[
    str,
    BeforeValidator(ip),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]}),
]
Cidr = Annotated[str, BeforeValidator(cidr), WithJsonSchema({"type": "string", "format": "cidr", "minLength": 4})]
RouteCidr = Annotated[
    str, BeforeValidator(route_cidr), WithJsonSchema({"type": "string", "format": "cidr", "minLength": 4})
]
Mac = Annotated[str, BeforeValidator(mac), WithJsonSchema({"type": "string", "pattern": _MAC_SCHEMA})]
IpVersion = Annotated[int, BeforeValidator(ip_version), WithJsonSchema({"type": "integer", "enum": [4, 6]})]
Ipv6Mode = Annotated[
    str, BeforeValidator(_one_of(*IPV6_MODES)), WithJsonSchema({"type": "string", "enum": list(IPV6_MODES)})
]
VnicType = Annotated[
    str, BeforeValidator(_one_of(*VNIC_TYPES)), WithJsonSchema({"type": "string", "enum": list(VNIC_TYPES)})
]
Profile = Annotated[dict[str, Any], BeforeValidator(profile), WithJsonSchema({"type": "object", "maxProperties": 20})]
Tags = Annotated[list[Line], AfterValidator(_tags), Field(max_length=MAX_TAGS), WithJsonSchema(_TAGS)]
# Values that only the server writes: their schema is for readers.
Text = Annotated[str, WithJsonSchema({"type": "string"})]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Free = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]
