"""What there is to read about addresses, not to write: availability by network, and pools of floating IPs."""

from __future__ import annotations

from typing import Annotated

from netsched import errors
from netsched.wire import types
from netsched.wire.resource import READ_ONLY, Attr, Definition, Resource

SHOWN = Attr(filter=False, sort=False)


class NetworkIpAvailability(Resource):
    """How many addresses a network has, and how many are taken; by subnet too."""

    network_id: Annotated[types.Uuid, READ_ONLY]
    network_name: Annotated[types.Text, READ_ONLY]
    project_id: Annotated[types.Line, READ_ONLY]
    tenant_id: Annotated[types.Line, READ_ONLY]
    subnet_ip_availability: Annotated[list[types.Free], SHOWN]
    total_ips: Annotated[types.Integer, SHOWN]
    used_ips: Annotated[types.Integer, SHOWN]
    # Not shown: a filter, on subnets.
    ip_version: Annotated[types.IpVersion, Attr(sort=False)]


class FloatingIpPool(Resource):
    """A subnet from which floating IPs get their addresses."""

    subnet_id: Annotated[types.Uuid, READ_ONLY]
    subnet_name: Annotated[types.Text, READ_ONLY]
    network_id: Annotated[types.Uuid, READ_ONLY]
    cidr: Annotated[types.Text, READ_ONLY]
    project_id: Annotated[types.Line, Attr(sort=False)]
    tenant_id: Annotated[types.Line, Attr(sort=False)]


NETWORK_IP_AVAILABILITY = Definition(
    NetworkIpAvailability, "network_ip_availability", "network_ip_availabilities", errors.NetworkNotFound
)
FLOATINGIP_POOL = Definition(FloatingIpPool, "floatingip_pool", "floatingip_pools", errors.NotFound)
