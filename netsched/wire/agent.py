"""Agents as operators see them. Nobody creates one by the API: it appears with its first heartbeat."""

from __future__ import annotations

from typing import Annotated

from netsched import errors
from netsched.wire import types
from netsched.wire.resource import READ_ONLY, UNSORTED, Attr, Definition, Resource

WRITABLE = Attr(put=True)


class Agent(Resource):
    """A process on a node that realises networks. The attributes from `state` on are netsched's own."""

    id: Annotated[types.Uuid, READ_ONLY]
    agent_type: Annotated[types.Text, READ_ONLY]
    binary: Annotated[types.Text, READ_ONLY]
    host: Annotated[types.Text, READ_ONLY]
    topic: Annotated[types.Text, READ_ONLY]
    availability_zone: Annotated[types.Text | None, READ_ONLY]
    admin_state_up: Annotated[types.Boolean, WRITABLE]
    alive: Annotated[types.Boolean, READ_ONLY]
    created_at: Annotated[types.Text, READ_ONLY]
    started_at: Annotated[types.Text | None, READ_ONLY]
    heartbeat_timestamp: Annotated[types.Text | None, READ_ONLY]
    configurations: Annotated[types.Free, UNSORTED]
    description: Annotated[types.Prose | None, WRITABLE]
    resources_synced: Annotated[types.Boolean | None, UNSORTED]
    state: Annotated[types.Text, READ_ONLY]
    load: Annotated[types.Free, UNSORTED]
    capabilities: Annotated[types.Free, UNSORTED]
    version: Annotated[types.Text, READ_ONLY]
    forced_down: Annotated[types.Boolean, WRITABLE]
    forced_down_by: Annotated[types.Free | None, UNSORTED]
    last_error: Annotated[types.Text | None, UNSORTED]


AGENT = Definition(Agent, "agent", "agents", errors.AgentNotFound)
