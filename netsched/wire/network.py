"""Networks."""

from __future__ import annotations

from typing import Annotated

from netsched import errors
from netsched.wire import types
from netsched.wire.resource import READ_ONLY, UNSORTED, Attr, Definition, Resource

WRITABLE = Attr(post=True, put=True)


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
    mtu: Annotated[types.Integer, READ_ONLY]
    created_at: Annotated[types.Time, READ_ONLY]
    updated_at: Annotated[types.Time, READ_ONLY]
    revision_number: Annotated[types.Integer, READ_ONLY]


NETWORK = Definition(Network, "network", "networks", errors.NetworkNotFound)
