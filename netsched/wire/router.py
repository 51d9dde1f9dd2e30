"""Routers, and the bodies and answers of what is done to them besides the five verbs.

Limits are the incumbent's; what needs the database (is the network external, is the next hop connected) is the
service's business.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

import pydantic
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from netsched import errors
from netsched.wire import types
from netsched.wire.port import FixedIps
from netsched.wire.resource import READ_ONLY, UNSORTED, Attr, Definition, Resource
from netsched.wire.subnet import HostRoute

WRITABLE = Attr(post=True, put=True)
MAX_ROUTES = 1000  # bounds the work of a request; a project has its own limit


@with_config(ConfigDict(extra="forbid"))
class Gateway(TypedDict):
    """Where a router leads to. Absent: SNAT is on; the addresses are any that are free."""

    network_id: types.Uuid
    enable_snat: NotRequired[types.Boolean]
    external_fixed_ips: NotRequired[FixedIps]


def _empty_is_null(value: Any) -> Any:
    return None if value == {} else value


Routes = Annotated[
    list[HostRoute], AfterValidator(types.distinct), Field(max_length=MAX_ROUTES), BeforeValidator(types.null_is_empty)
]


class Router(Resource):
    """Connects subnets with each other and with an external network."""

    id: Annotated[types.Uuid, READ_ONLY]
    name: Annotated[types.Line, WRITABLE] = ""
    description: Annotated[types.Prose, WRITABLE] = ""
    project_id: Annotated[types.Line, Attr(post=True)]
    tenant_id: Annotated[types.Line, Attr(post=True)]
    admin_state_up: Annotated[types.Boolean, WRITABLE] = True
    status: Annotated[types.Text, READ_ONLY]
    external_gateway_info: Annotated[
        Gateway | None, BeforeValidator(_empty_is_null), Attr(post=True, put=True, filter=False, sort=False)
    ] = None
    routes: Annotated[Routes, Attr(put=True, sort=False)]
    availability_zone_hints: Annotated[list[types.Zone], Attr(post=True, sort=False)] = []
    availability_zones: Annotated[list[types.Text], UNSORTED]
    created_at: Annotated[types.Time, READ_ONLY]
    updated_at: Annotated[types.Time, READ_ONLY]
    revision_number: Annotated[types.Integer, READ_ONLY]
    tags: Annotated[types.Tags, Attr(post=True, sort=False)] = []


ROUTER = Definition(Router, "router", "routers", errors.RouterNotFound)


@with_config(ConfigDict(extra="forbid"))
class RouterInterface(TypedDict):
    """Which interface: that on a subnet, or that which a port is. Whether one or both are wanted depends."""

    subnet_id: NotRequired[types.Uuid]
    port_id: NotRequired[types.Uuid]


@with_config(ConfigDict(extra="forbid"))
class ExtraRoutes(TypedDict):
    routes: Routes


@with_config(ConfigDict(extra="forbid"))
class RouterOfExtraRoutes(TypedDict):
    router: ExtraRoutes


INTERFACE: pydantic.TypeAdapter[RouterInterface] = pydantic.TypeAdapter(RouterInterface)
EXTRA_ROUTES: pydantic.TypeAdapter[RouterOfExtraRoutes] = pydantic.TypeAdapter(RouterOfExtraRoutes)
