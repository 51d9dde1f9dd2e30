"""Which places have their brake on, or had it lately: one row per zone and kind of agents; see model/brake.py.

Every server judges, and the first to see a change writes it: a row is changed only as long as it is what was judged.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from netsched.db import base
from netsched.db.agent import SUSPECT, agent, agent_beat, judged, unheard_of
from netsched.db.transaction import Transaction
from netsched.model.brake import LEAST, Brake
from netsched.model.liveness import Limits
from netsched.model.scheduling import AgentView

brake = sa.Table(
    "brake",
    base.metadata,
    sa.Column("zone", sa.String(100), primary_key=True),
    sa.Column("agent_type", sa.String(100), primary_key=True),
    sa.Column("engaged_at", base.DateTime, nullable=True),  # null: it has ended
    sa.Column("ended_at", base.DateTime, nullable=True),
    sa.Column("silent", sa.Integer, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("released", base.Json, nullable=True),  # {"user_id", "project_id", "request_id", "at"}
    sa.Column("population", base.Json, nullable=False),  # ids of the agents that count
    sa.Column("lease", sa.Float, nullable=False),  # s: the longest of the population
)


def time(connection: sa.Connection) -> datetime.datetime:
    """The database's: what brakes are judged by."""
    return connection.execute(sa.select(base.now())).scalar_one()


def list_(connection: sa.Connection, agent_types: Collection[str] | None = None) -> list[Brake]:
    """All that are stored, of these types of agents; one statement."""
    of_types = sa.true() if agent_types is None else brake.c.agent_type.in_(sorted(agent_types))
    rows = connection.execute(sa.select(brake).where(of_types).order_by(brake.c.zone, brake.c.agent_type)).mappings()
    return [Brake(**{**row, "population": tuple(row["population"])}) for row in rows]


def to_judge(connection: sa.Connection) -> set[str]:
    """The types of agents of which a place may need its brake changed; one statement, which finds nothing in peace.

    Only narrows down what model/brake.py then judges: three are silent at least, or the brake is on.
    """
    silent = sa.and_(
        unheard_of(connection, SUSPECT),
        agent.c.admin_state_up.is_(True),
        agent.c.forced_down.is_(None),
    )
    much = (
        sa.select(agent.c.agent_type)
        .join(agent_beat, agent_beat.c.agent_id == agent.c.id)
        .where(silent)
        .group_by(agent.c.zone, agent.c.agent_type)
        .having(sa.func.count() >= LEAST)
    )
    on = sa.select(brake.c.agent_type).where(brake.c.engaged_at.is_not(None))
    return set(connection.execute(sa.union(much, on)).scalars())


def present(connection: sa.Connection, agent_types: Collection[str]) -> list[AgentView]:
    """The agents of these types with all that brakes are judged by, and nothing else; one statement."""
    names = ("id", "agent_type", "host", "zone", "admin_state_up", "created_at", "forced_down")
    beat = (agent_beat.c.sent_at, agent_beat.c.present_since, agent_beat.c.lease, base.now().label("now"))
    rows = connection.execute(
        sa.select(*(agent.c[name] for name in names), *beat)
        .outerjoin_from(agent, agent_beat, agent_beat.c.agent_id == agent.c.id)
        .where(agent.c.agent_type.in_(sorted(agent_types)))
    )
    return [AgentView(row.id, row.agent_type, row.host, row.zone, **seen(row)) for row in rows]


def seen(row: Any) -> dict[str, Any]:
    """Of an AgentView: what liveness and brakes are judged by. `row`: as in agent.judged, admin_state_up and
    agent_beat.present_since."""
    return {
        "state": judged(row),
        "admin_state_up": row.admin_state_up,
        "forced_down": row.forced_down is not None,
        "created_at": row.created_at,
        "sent_at": row.sent_at,
        # What servers of an earlier release stored of it has no such time.
        "present_since": row.present_since or row.created_at,
        "lease": Limits().dead_after if row.lease is None else row.lease,
    }


def store(tx: Transaction, before: Brake | None, after: Brake) -> bool:
    """False if the row is not what was judged any more: another server, or an operator, was faster."""
    if before is None:
        before = Brake(*after.place)
        # On conflict it changes nothing, and the update finds the row as another server has made it.
        base.upsert(tx.connection, brake, [vars(before) | {"population": []}], "agent_type")
    values = vars(after) | {"population": list(after.population)}
    if after.engaged_at in (None, before.engaged_at):
        del values["released"]  # an operator's; it ends with the next one
    same = [brake.c[name].is_not_distinct_from(getattr(before, name)) for name in ("engaged_at", "ended_at")]
    where = (brake.c.zone == after.zone, brake.c.agent_type == after.agent_type, *same)
    return bool(tx.execute(sa.update(brake).where(*where).values(values)).rowcount)


def release(tx: Transaction, zone: str, by: Mapping[str, str] | None) -> bool:
    """For all kinds of agents in the zone whose brake is on; `by` None takes the release back. False: none is on."""
    on = (brake.c.zone == zone, brake.c.engaged_at.is_not(None))
    return bool(tx.execute(sa.update(brake).where(*on).values(released=by)).rowcount)
