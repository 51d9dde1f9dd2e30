"""Networks. Names of physical networks stand in the agents' configuration between commas and colons."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from netsched import errors
from netsched.model import segment
from netsched.wire import dns, types
from netsched.wire.resource import READ_ONLY, UNSORTED, Attr, Definition, Resource

WRITABLE = Attr(post=True, put=True)
MAX_MTU = 65535  # what a packet can have
_PHYSICAL_NETWORK = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def _network_type(value: Any) -> Any:
    if value is not None and value not in segment.TYPES:
        raise ValueError(f"{types.shown(value)} is not in {list(segment.TYPES)}")
    return value


def _physical_network(value: Any) -> Any:
    if value is not None and not (isinstance(value, str) and _PHYSICAL_NETWORK.fullmatch(value)):
        raise ValueError(
            f"{types.shown(value)} is not the name of a physical network (letters, digits and _.-, 1 to 64)"
        )
    return value


def _mtu(value: Any) -> int:
    """Bytes; 0 is the largest that the network can carry, which is also what null asks for."""
    number = 0 if value is None else types.integer(value)
    if not 0 <= number <= MAX_MTU:
        raise ValueError(f"{types.shown(value)} is not from 0 to {MAX_MTU}")
    return number


def _provider(name: str) -> Attr:
    """Given once, when the network is created."""
    return Attr(post=True, sort=False, name=f"provider:{name}")


def _or_null(schema: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [schema, {"type": "null"}]})


NetworkType = Annotated[
    str | None, BeforeValidator(_network_type), _or_null({"type": "string", "enum": list(segment.TYPES)})
]
PhysicalNetwork = Annotated[
    str | None,
    BeforeValidator(_physical_network),
    _or_null({"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"}),
]


Mtu = Annotated[int, BeforeValidator(_mtu), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 65535})]


class Network(Resource):
    """An isolated layer 2 segment."""

    id: Annotated[types.Uuid, READ_ONLY]
    name: Annotated[types.Line, WRITABLE] = ""
    description: Annotated[types.Prose, WRITABLE] = ""
    project_id: Annotated[types.Line, Attr(post=True)]
    tenant_id: Annotated[types.Line, Attr(post=True)]
    admin_state_up: Annotated[types.Boolean, WRITABLE] = True
    status: Annotated[types.Text, READ_ONLY]
    shared: Annotated[types.Boolean, WRITABLE] = False
    subnets: Annotated[list[types.Text], UNSORTED]
    availability_zone_hints: Annotated[list[types.Zone], Attr(post=True, sort=False)] = []
    availability_zones: Annotated[list[types.Text], UNSORTED]
    ipv4_address_scope: Annotated[types.Text | None, Attr(filter=False, sort=False)]
    ipv6_address_scope: Annotated[types.Text | None, Attr(filter=False, sort=False)]
    mtu: Annotated[Mtu, WRITABLE]
    router_external: Annotated[types.Boolean, Attr(post=True, put=True, name="router:external")] = False
    is_default: Annotated[types.Boolean, Attr(post=True, put=True, sort=False)] = False
    port_security_enabled: Annotated[types.Boolean, WRITABLE] = True
    provider_network_type: Annotated[NetworkType, _provider("network_type")] = None
    provider_physical_network: Annotated[PhysicalNetwork, _provider("physical_network")] = None
    provider_segmentation_id: Annotated[types.Integer | None, _provider("segmentation_id")] = None
    dns_domain: Annotated[dns.Domain, WRITABLE] = ""
    created_at: Annotated[types.Time, READ_ONLY]
    updated_at: Annotated[types.Time, READ_ONLY]
    revision_number: Annotated[types.Integer, READ_ONLY]
    tags: Annotated[types.Tags, Attr(post=True, sort=False)] = []


NETWORK = Definition(Network, "network", "networks", errors.NetworkNotFound)
