"""The rules that new security groups begin with."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from netsched import errors
from netsched.model import security_rule
from netsched.wire import types
from netsched.wire.resource import READ_ONLY, Attr, Definition, Resource
from netsched.wire.security_group import POSTED, WRITABLE, Direction, Ethertype, Port, Prefix, Protocol


def _remote(value: Any) -> str | None:
    if value is None or value == security_rule.PARENT:
        return None if value is None else str(value)
    return types.uuid_(value)


Remote = Annotated[
    str | None,
    BeforeValidator(_remote),
    WithJsonSchema(
        {"anyOf": [{"const": security_rule.PARENT}, {"type": "string", "format": "uuid"}, {"type": "null"}]}
    ),
]


class DefaultSecurityGroupRule(Resource):
    """A rule that new groups begin with. `remote_group_id` PARENT is the group itself."""

    id: Annotated[types.Uuid, READ_ONLY]
    description: Annotated[types.Prose, WRITABLE] = ""
    direction: Annotated[Direction, Attr(post=True, required=True)]
    ethertype: Annotated[Ethertype, POSTED] = security_rule.IPV4
    protocol: Annotated[Protocol, POSTED] = None
    port_range_min: Annotated[Port, POSTED] = None
    port_range_max: Annotated[Port, POSTED] = None
    remote_ip_prefix: Annotated[Prefix, POSTED] = None
    remote_group_id: Annotated[Remote, POSTED] = None
    remote_address_group_id: Annotated[types.Uuid | None, POSTED] = None
    used_in_default_sg: Annotated[types.Boolean, POSTED] = False
    used_in_non_default_sg: Annotated[types.Boolean, POSTED] = True
    created_at: Annotated[types.Time, READ_ONLY]
    updated_at: Annotated[types.Time, READ_ONLY]
    revision_number: Annotated[types.Integer, READ_ONLY]


DEFAULT_SECURITY_GROUP_RULE = Definition(
    DefaultSecurityGroupRule,
    "default_security_group_rule",
    "default_security_group_rules",
    errors.DefaultSecurityGroupRuleNotFound,
)
