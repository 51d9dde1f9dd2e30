"""What a server looks at every few seconds: how many agents there are, and which of them say nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched.db import base
from netsched.db.agent import SUSPECT, agent, agent_beat, judged, unheard_of
from netsched.db.server import server
from netsched.model.liveness import State

NEW = 60.0  # s since an agent appeared
SEEN = 30.0  # s: a server process that was not seen for that long hears no beats


@dataclass(frozen=True)
class Census:
    """`agents` heard of lately, `lease` the longest of one (0: nobody), `servers` that hear them."""

    agents: int
    lease: float
    servers: int


@dataclass(frozen=True)
class Seen:
    """An agent that is not, or not yet, ordinarily alive. `by`: who marked it down."""

    id: str
    agent_type: str
    host: str
    zone: str
    state: State
    new: bool
    by: str | None


def census(connection: sa.Connection, lately: float) -> Census:
    """One statement. `lately`: seconds."""
    there = server.c.seen_at > base.before_now(connection, SEEN)
    hearing = sa.select(sa.func.count()).select_from(server).where(server.c.role != "api", there)
    row = connection.execute(
        sa.select(
            sa.func.count().label("agents"),
            sa.func.max(agent_beat.c.lease).label("lease"),
            hearing.scalar_subquery().label("servers"),
        ).where(agent_beat.c.received_at > base.before_now(connection, lately))
    ).one()
    return Census(row.agents, row.lease or 0.0, row.servers)


def unusual(connection: sa.Connection) -> list[Seen]:
    """Agents that are silent, marked down, or new. One statement, and no row while all is well."""
    silent = unheard_of(connection, SUSPECT)
    return _seen(connection, sa.or_(silent, agent.c.forced_down.is_not(None), _new(connection)))


def by_ids(connection: sa.Connection, ids: Collection[str]) -> list[Seen]:
    """Those of the agents that still exist. One statement."""
    return _seen(connection, agent.c.id.in_(sorted(ids)))


def _new(connection: sa.Connection) -> sa.ColumnElement[bool]:
    return agent.c.created_at > base.before_now(connection, NEW)


def _seen(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Seen]:
    names = ("id", "agent_type", "host", "zone", "created_at", "forced_down")
    columns: list[Any] = [agent.c[name] for name in names]
    columns += [agent_beat.c.sent_at, agent_beat.c.lease, base.now().label("now")]
    rows = connection.execute(
        sa.select(*columns, sa.case((_new(connection), 1), else_=0).label("new"))
        .outerjoin_from(agent, agent_beat, agent_beat.c.agent_id == agent.c.id)
        .where(where)
        .order_by(agent.c.zone, agent.c.agent_type, agent.c.host)
    )
    return [
        Seen(
            id=row.id,
            agent_type=row.agent_type,
            host=row.host,
            zone=row.zone,
            state=judged(row),
            new=bool(row.new),
            by=row.forced_down["user_id"] if row.forced_down else None,
        )
        for row in rows
    ]
