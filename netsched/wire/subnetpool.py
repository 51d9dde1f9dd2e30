"""Subnet pools: address space out of which subnets are cut. Prefix lengths are numbers that are sent as text."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, with_config
from typing_extensions import TypedDict

from netsched import errors
from netsched.wire import types
from netsched.wire.resource import READ_ONLY, Attr, Definition, Resource
from netsched.wire.subnet import LISTED, WRITABLE

MAX_PREFIXES = 1000
_MAX = 2**31 - 1  # what the column holds


def _not_empty(value: str) -> str:
    if not value.strip():
        raise ValueError(f"{types.shown(value)} Blank strings are not permitted")
    return value


def _natural(value: Any) -> int:
    number = types.integer(value)
    if not 0 <= number <= _MAX:
        raise ValueError(f"{types.shown(value)} must be non-negative and not above {_MAX}")
    return number


_CIDR: dict[str, Any] = {"type": "string", "format": "cidr", "minLength": 4}
_SOME: dict[str, Any] = {"type": "array", "minItems": 1, "maxItems": MAX_PREFIXES, "items": _CIDR}
_NATURAL: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": _MAX}
_DIGITS: dict[str, Any] = {"type": "string", "pattern": "^[0-9]{1,9}$"}
_NAME: dict[str, Any] = {"type": "string", "maxLength": types.LONG, "pattern": "^[!-~]([ -~]*[!-~])?$"}  # such as these
Name = Annotated[types.Line, AfterValidator(_not_empty), WithJsonSchema(_NAME)]
Natural = Annotated[int, BeforeValidator(_natural), WithJsonSchema(_NATURAL)]
PrefixLength = Annotated[int, BeforeValidator(_natural), WithJsonSchema({"anyOf": [_NATURAL, _DIGITS]})]
Prefixes = Annotated[
    list[types.Cidr], AfterValidator(types.distinct), Field(max_length=MAX_PREFIXES), WithJsonSchema(_SOME)
]


class SubnetPool(Resource):
    """Prefixes of one IP version, out of which projects get subnets."""

    id: Annotated[types.Uuid, READ_ONLY]
    name: Annotated[Name, Attr(post=True, put=True, required=True)]
    description: Annotated[types.Prose, WRITABLE] = ""
    project_id: Annotated[types.Line, Attr(post=True)]
    tenant_id: Annotated[types.Line, Attr(post=True)]
    ip_version: Annotated[types.IpVersion, READ_ONLY]
    prefixes: Annotated[Prefixes, Attr(post=True, put=True, required=True, sort=False)]
    min_prefixlen: Annotated[PrefixLength, WRITABLE]
    max_prefixlen: Annotated[PrefixLength, WRITABLE]
    default_prefixlen: Annotated[PrefixLength, WRITABLE]
    default_quota: Annotated[Natural | None, LISTED]
    address_scope_id: Annotated[types.Uuid | None, WRITABLE]
    is_default: Annotated[types.Boolean, LISTED] = False
    shared: Annotated[types.Boolean, Attr(post=True, sort=False)] = False
    created_at: Annotated[types.Time, READ_ONLY]
    updated_at: Annotated[types.Time, READ_ONLY]
    revision_number: Annotated[types.Integer, READ_ONLY]
    tags: Annotated[types.Tags, Attr(post=True, sort=False)] = []


SUBNETPOOL = Definition(SubnetPool, "subnetpool", "subnetpools", errors.SubnetPoolNotFound)


@with_config(ConfigDict(extra="forbid"))
class PoolPrefixes(TypedDict):
    """Prefixes to add to a pool, or to take out of it."""

    prefixes: Prefixes


@with_config(ConfigDict(extra="forbid"))
class Onboarding(TypedDict):
    """A network whose subnets a pool takes over."""

    network_id: types.Uuid


PREFIXES: pydantic.TypeAdapter[PoolPrefixes] = pydantic.TypeAdapter(PoolPrefixes)
ONBOARDING: pydantic.TypeAdapter[Onboarding] = pydantic.TypeAdapter(Onboarding)
