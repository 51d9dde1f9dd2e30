"""The availability zones in which a resource is served: those of the agents that hold it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from netsched.db import query
from netsched.db.agent import agent
from netsched.db.binding import binding


def holding(resource_type: str, id_column: sa.Column[Any]) -> Callable[[query.Values], query.Condition]:
    """A filter: resources that an agent of one of these zones holds."""
    held = sa.select(binding.c.resource_id).join(agent, agent.c.id == binding.c.agent_id)
    of_type = held.where(binding.c.resource_type == resource_type)
    return lambda values: id_column.in_(of_type.where(query.any_of(agent.c.zone, values)))


def of(connection: sa.Connection, resource_type: str, page: sa.Subquery) -> dict[str, set[str]]:
    """The zones of each resource that somebody holds, of those whose ids are in `page`."""
    statement = (
        sa.select(binding.c.resource_id, agent.c.zone)
        .join(page, page.c.id == binding.c.resource_id)
        .join(agent, agent.c.id == binding.c.agent_id)
        .where(binding.c.resource_type == resource_type)
    )
    zones: dict[str, set[str]] = {}
    for row in connection.execute(statement):
        zones.setdefault(row.resource_id, set()).add(row.zone)
    return zones
