"""Availability zones: nothing is stored of them, they are what agents say."""

from __future__ import annotations

from typing import Annotated

from netsched import errors
from netsched.wire import types
from netsched.wire.resource import READ_ONLY, Definition, Resource


class AvailabilityZone(Resource):
    """A zone for one kind of resource; `state` is "available" while an agent there takes new work."""

    name: Annotated[types.Text, READ_ONLY]
    resource: Annotated[types.Text, READ_ONLY]
    state: Annotated[types.Text, READ_ONLY]


AVAILABILITY_ZONE = Definition(AvailabilityZone, "availability_zone", "availability_zones", errors.NotFound)
