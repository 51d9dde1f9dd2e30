"""Subnets. What needs the database (overlaps, the network) is the service's business, not this file's."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from netsched import errors
from netsched.wire import types
from netsched.wire.resource import READ_ONLY, Attr, Definition, Resource

WRITABLE = Attr(post=True, put=True)
LISTED = Attr(post=True, put=True, sort=False)
WRITE_ONLY = Attr(post=True, filter=False, sort=False)  # says how a subnet is made, and is no attribute of it
MAX_DNS_NAMESERVERS = 5  # the incumbent's limits
MAX_HOST_ROUTES = 20
MAX_SERVICE_TYPES = 50  # ours: it has none


@with_config(ConfigDict(extra="forbid"))
class Pool(TypedDict):
    start: types.Ip
    end: types.Ip


@with_config(ConfigDict(extra="forbid"))
class HostRoute(TypedDict):
    destination: types.RouteCidr
    nexthop: types.Ip


class Subnet(Resource):
    """A block of addresses on a network."""

    id: Annotated[types.Uuid, READ_ONLY]
    name: Annotated[types.Line, WRITABLE] = ""
    description: Annotated[types.Prose, WRITABLE] = ""
    project_id: Annotated[types.Line, Attr(post=True)]
    tenant_id: Annotated[types.Line, Attr(post=True)]
    network_id: Annotated[types.Uuid, Attr(post=True, required=True)]
    ip_version: Annotated[types.IpVersion, Attr(post=True, required=True)]
    cidr: Annotated[types.Cidr | None, Attr(post=True)]
    prefixlen: Annotated[types.Integer | None, WRITE_ONLY]
    subnetpool_id: Annotated[types.Uuid | None, Attr(post=True)] = None
    use_default_subnetpool: Annotated[types.Boolean, WRITE_ONLY] = False
    gateway_ip: Annotated[types.Ip | None, WRITABLE]
    allocation_pools: Annotated[list[Pool], LISTED]
    dns_nameservers: Annotated[
        list[types.Ip],
        AfterValidator(types.distinct),
        Field(max_length=MAX_DNS_NAMESERVERS),
        BeforeValidator(types.null_is_empty),
        LISTED,
    ] = []
    host_routes: Annotated[
        list[HostRoute],
        AfterValidator(types.distinct),
        Field(max_length=MAX_HOST_ROUTES),
        BeforeValidator(types.null_is_empty),
        LISTED,
    ] = []
    enable_dhcp: Annotated[types.Boolean, WRITABLE] = True
    ipv6_ra_mode: Annotated[types.Ipv6Mode | None, Attr(post=True)] = None
    ipv6_address_mode: Annotated[types.Ipv6Mode | None, Attr(post=True)] = None
    shared: Annotated[types.Boolean, Attr(sort=False)]  # its network's; asked for in lists, and not shown
    router_external: Annotated[types.Boolean, Attr(sort=False, name="router:external")]
    service_types: Annotated[
        list[types.Line],
        AfterValidator(types.distinct),
        Field(max_length=MAX_SERVICE_TYPES),
        BeforeValidator(types.null_is_empty),
        LISTED,
    ] = []
    created_at: Annotated[types.Time, READ_ONLY]
    updated_at: Annotated[types.Time, READ_ONLY]
    revision_number: Annotated[types.Integer, READ_ONLY]
    tags: Annotated[types.Tags, Attr(post=True, sort=False)] = []


SUBNET = Definition(Subnet, "subnet", "subnets", errors.SubnetNotFound)
