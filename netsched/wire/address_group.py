"""Address groups, and the bodies of what is done to them besides the five verbs."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, with_config
from typing_extensions import TypedDict

from netsched import errors
from netsched.wire import types
from netsched.wire.resource import READ_ONLY, Attr, Definition, Resource

MAX_ADDRESSES = 1000
WRITABLE = Attr(post=True, put=True)


def _cidr(value: Any) -> str:
    """One form for all ways to write it, so that one address is not there twice."""
    if isinstance(value, str) and "%" not in value and len(value) <= 64:
        try:
            return str(ipaddress.ip_network(value, strict=False))
        except ValueError:
            pass
    raise ValueError(f"{types.shown(value)} is not a valid IP address or IP subnet")


def _with_length(value: Any) -> str:
    """As the incumbent has it: in a new group an address says how many it stands for, later it need not."""
    network = _cidr(value)
    if "/" not in value:
        raise ValueError(f"{types.shown(value)} isn't a recognized IP subnet cidr, '{network}' is recommended")
    return network


_CIDRS = {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]}
Addresses = Annotated[
    list[Annotated[str, BeforeValidator(_cidr), WithJsonSchema(_CIDRS)]], Field(max_length=MAX_ADDRESSES)
]
NewAddresses = Annotated[
    list[Annotated[str, BeforeValidator(_with_length), WithJsonSchema({"type": "string", "format": "cidr"})]],
    Field(max_length=MAX_ADDRESSES),
]


class AddressGroup(Resource):
    """Addresses that rules of security groups name together."""

    id: Annotated[types.Uuid, READ_ONLY]
    name: Annotated[types.Line, WRITABLE] = ""
    description: Annotated[types.Prose, WRITABLE] = ""
    project_id: Annotated[types.Line, Attr(post=True)]
    tenant_id: Annotated[types.Line, Attr(post=True)]
    addresses: Annotated[NewAddresses, Attr(post=True, sort=False)] = []
    shared: Annotated[types.Boolean, Attr(post=True, sort=False)] = False
    created_at: Annotated[types.Time, READ_ONLY]
    updated_at: Annotated[types.Time, READ_ONLY]
    revision_number: Annotated[types.Integer, READ_ONLY]


ADDRESS_GROUP = Definition(AddressGroup, "address_group", "address_groups", errors.AddressGroupNotFound)


@with_config(ConfigDict(extra="forbid"))
class SomeAddresses(TypedDict):
    addresses: Addresses


ADDRESSES: pydantic.TypeAdapter[SomeAddresses] = pydantic.TypeAdapter(SomeAddresses)
