"""Availability zones, from what the agents say to which networks and routers are given."""

from __future__ import annotations

import dataclasses
from typing import Any

from netsched.model import kinds
from netsched.model.query import Query
from netsched.server.api import query
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Reads
from netsched.wire.availability_zone import AVAILABILITY_ZONE

# Which hints an agent's zone answers.
RESOURCE = {agent_type: resource for resource, agent_type in kinds.HOLDER.items()}


class AvailabilityZones:
    def __init__(self, agents: Reads) -> None:
        self._agents = agents

    def list(self, request: ApiRequest) -> Answer:
        request.rights.check("get_availability_zone", {})
        asked = query.parse(request, AVAILABILITY_ZONE, frozenset(), 0)
        everyone = dataclasses.replace(request.principal, is_admin=True)  # zones are public, agents are not
        zones = _zones(self._agents.list(everyone, Query()))
        chosen = [z for z in zones if all(z[name] in values for name, values in asked.query.filters.items())]
        return Answer(body={"availability_zones": [AVAILABILITY_ZONE.show(z, asked.fields, ()) for z in chosen]})


def _zones(agents: list[dict[str, Any]]) -> list[dict[str, str]]:
    up: dict[tuple[str, str], bool] = {}
    for agent in agents:
        if agent["agent_type"] in RESOURCE and agent["availability_zone"]:
            key = (agent["availability_zone"], RESOURCE[agent["agent_type"]])
            up[key] = up.get(key, False) or bool(agent["admin_state_up"])
    return [
        {"name": name, "resource": resource, "state": "available" if up[name, resource] else "unavailable"}
        for name, resource in sorted(up)
    ]
