"""Floating IPs. Whether the network is external and the port reachable is the service's business, not this file's."""

from __future__ import annotations

from typing import Annotated

from netsched import errors
from netsched.wire import dns, types
from netsched.wire.resource import READ_ONLY, Attr, Definition, Resource

WRITABLE = Attr(post=True, put=True)


class FloatingIP(Resource):
    """An address on an external network that stands for a fixed address of a port."""

    id: Annotated[types.Uuid, READ_ONLY]
    description: Annotated[types.Prose, WRITABLE] = ""
    project_id: Annotated[types.Line, Attr(post=True)]
    tenant_id: Annotated[types.Line, Attr(post=True)]
    floating_network_id: Annotated[types.Uuid, Attr(post=True, required=True)]
    floating_ip_address: Annotated[types.Ip | None, Attr(post=True)] = None
    # From which subnet the address is to come: asked once and not kept.
    subnet_id: Annotated[types.Uuid | None, Attr(post=True, filter=False, sort=False)] = None
    port_id: Annotated[types.Uuid | None, WRITABLE] = None
    fixed_ip_address: Annotated[types.Ip | None, WRITABLE] = None
    port_details: Annotated[types.Free | None, Attr(filter=False, sort=False)]
    router_id: Annotated[types.Uuid | None, READ_ONLY]
    status: Annotated[types.Text, READ_ONLY]
    # Kept for those who publish it: there is no DNS service outside of the networks.
    dns_name: Annotated[dns.RelativeName, Attr(post=True)] = ""
    dns_domain: Annotated[dns.Domain, Attr(post=True)] = ""
    created_at: Annotated[types.Time, READ_ONLY]
    updated_at: Annotated[types.Time, READ_ONLY]
    revision_number: Annotated[types.Integer, READ_ONLY]
    tags: Annotated[types.Tags, Attr(post=True, sort=False)] = []


FLOATINGIP = Definition(FloatingIP, "floatingip", "floatingips", errors.FloatingIPNotFound)
