"""Security groups and the rules in them."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from netsched import errors
from netsched.model import security_rule
from netsched.wire import types
from netsched.wire.resource import READ_ONLY, UNSORTED, Attr, Definition, Resource

WRITABLE = Attr(post=True, put=True)
POSTED = Attr(post=True)
MAX_PORT = 65535


def direction(value: Any) -> str:
    if value not in security_rule.DIRECTIONS:
        raise ValueError(f"{types.shown(value)} is not in {list(security_rule.DIRECTIONS)}")
    return str(value)


def ethertype(value: Any) -> str:
    for known in security_rule.ETHERTYPES:
        if isinstance(value, str) and value.lower() == known.lower():
            return known
    allowed = list(security_rule.ETHERTYPES)
    raise errors.SecurityGroupRuleInvalidEtherType(ethertype=types.shown(value)[1:-1], values=allowed)


def protocol(value: Any) -> str | None:
    """A name in lower case, or a number as text: what was given comes back."""
    if value is None or value == "":
        return None
    text = str(value).lower()
    if text in security_rule.PROTOCOLS:
        return text
    if isinstance(value, int | str) and not isinstance(value, bool) and text.isascii() and text.isdigit():
        number = int(text[:10])
        if number <= 255:
            return str(number)
    known = [None, *security_rule.PROTOCOLS]
    raise errors.SecurityGroupRuleInvalidProtocol(protocol=types.shown(value), values=known)


def port(value: Any) -> int | None:
    if value is None or value == "":
        return None
    try:
        number = types.integer(value)
    except ValueError:
        number = -1
    if not 0 <= number <= MAX_PORT:
        raise errors.SecurityGroupInvalidPortValue(port=types.shown(value))
    return number


def prefix(value: Any) -> str | None:
    """An address is a prefix of one; bits of the host are kept, see `normalized_cidr`."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and "%" not in value and len(value) <= 64:
        try:
            return str(ipaddress.ip_interface(value))
        except ValueError:
            pass
    raise ValueError(f"{types.shown(value)} is not a valid CIDR")


def _schema(*alternatives: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [*alternatives, {"type": "null"}]})


_NAME = {"type": "string", "maxLength": types.LONG, "not": {"pattern": "^[dD][eE][fF][aA][uU][lL][tT]$"}}
_PROTOCOLS = {"type": "string", "enum": list(security_rule.PROTOCOLS)}
_CIDRS = ({"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"})
Name = Annotated[str, BeforeValidator(types.line), WithJsonSchema(_NAME)]
Direction = Annotated[
    str, BeforeValidator(direction), WithJsonSchema({"type": "string", "enum": list(security_rule.DIRECTIONS)})
]
Ethertype = Annotated[
    str, BeforeValidator(ethertype), WithJsonSchema({"type": "string", "enum": list(security_rule.ETHERTYPES)})
]
Protocol = Annotated[
    str | None,
    BeforeValidator(protocol),
    _schema(
        _PROTOCOLS, {"type": "string", "pattern": "^[0-9]{1,2}$"}, {"type": "integer", "minimum": 0, "maximum": 255}
    ),
]
Port = Annotated[int | None, BeforeValidator(port), _schema({"type": "integer", "minimum": 0, "maximum": MAX_PORT})]
Prefix = Annotated[str | None, BeforeValidator(prefix), _schema(*_CIDRS)]


class SecurityGroup(Resource):
    """What ports may send and receive: nothing but what a rule of one of their groups allows."""

    id: Annotated[types.Uuid, READ_ONLY]
    name: Annotated[Name, WRITABLE] = ""
    description: Annotated[types.Prose, WRITABLE] = ""
    project_id: Annotated[types.Line, POSTED]
    tenant_id: Annotated[types.Line, POSTED]
    stateful: Annotated[types.Boolean, WRITABLE] = True
    shared: Annotated[types.Boolean, UNSORTED]
    security_group_rules: Annotated[list[types.Free], Attr(filter=False, sort=False)]
    created_at: Annotated[types.Time, READ_ONLY]
    updated_at: Annotated[types.Time, READ_ONLY]
    revision_number: Annotated[types.Integer, READ_ONLY]
    tags: Annotated[types.Tags, Attr(post=True, sort=False)] = []


class SecurityGroupRule(Resource):
    """Allows some traffic of the ports of a group. Only its description can be changed."""

    id: Annotated[types.Uuid, READ_ONLY]
    description: Annotated[types.Prose, WRITABLE] = ""
    project_id: Annotated[types.Line, POSTED]
    tenant_id: Annotated[types.Line, POSTED]
    security_group_id: Annotated[types.Reference, Attr(post=True, required=True)]
    direction: Annotated[Direction, Attr(post=True, required=True)]
    ethertype: Annotated[Ethertype, POSTED] = security_rule.IPV4
    protocol: Annotated[Protocol, POSTED] = None
    port_range_min: Annotated[Port, POSTED] = None
    port_range_max: Annotated[Port, POSTED] = None
    remote_ip_prefix: Annotated[Prefix, POSTED] = None
    remote_group_id: Annotated[types.Reference | None, POSTED] = None
    remote_address_group_id: Annotated[types.Reference | None, POSTED] = None
    normalized_cidr: Annotated[types.Text | None, READ_ONLY]
    belongs_to_default_sg: Annotated[types.Boolean, UNSORTED]
    created_at: Annotated[types.Time, READ_ONLY]
    updated_at: Annotated[types.Time, READ_ONLY]
    revision_number: Annotated[types.Integer, READ_ONLY]


SECURITY_GROUP = Definition(SecurityGroup, "security_group", "security_groups", errors.SecurityGroupNotFound)
SECURITY_GROUP_RULE = Definition(
    SecurityGroupRule, "security_group_rule", "security_group_rules", errors.SecurityGroupRuleNotFound
)
