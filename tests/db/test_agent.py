"""Agents are judged by the lease that each was told, in SQL that narrows as in Python that decides."""

from __future__ import annotations

import sqlalchemy as sa

from netsched.db import agent as agents
from netsched.db import base
from netsched.db.agent import agent_beat
from netsched.db.session import Database
from netsched.model.liveness import State
from tests.db.placements import World


def told(database: Database, agent_id: str, **values: object) -> None:
    its = agent_beat.c.agent_id == agent_id
    database.write(lambda tx: tx.execute(sa.update(agent_beat).where(its).values(**values)))


def test_each_agent_is_judged_by_its_own_lease(database: Database) -> None:
    world = World(database)
    brisk, slow, odd = (world.agent(host) for host in ("brisk", "slow", "odd"))
    for agent_id, lease in ((brisk, 40.0), (slow, 4000.0), (odd, 0.5)):
        world.silent(agent_id, 100)
        told(database, agent_id, lease=lease)
    with database.read() as connection:
        states = {one["host"]: one["state"] for one in agents.list_(connection)}
        gone = agent_beat.c.sent_at <= base.before_now(connection, agent_beat.c.lease)
        narrowed = set(connection.execute(sa.select(agent_beat.c.agent_id).where(gone)).scalars())
    assert states == {"brisk": State.DEAD, "slow": State.ALIVE, "odd": State.DEAD}
    assert narrowed == {brisk, odd}


def test_times_per_row_are_as_exact_as_the_clock_and_null_where_the_column_is(database: Database) -> None:
    world = World(database)
    for host, lease in (("a", 0.25), ("b", 3600.5)):
        told(database, world.agent(host), lease=lease)
    none = sa.func.nullif(agent_beat.c.lease, 0.25, type_=sa.Float())
    with database.read() as connection:
        columns = (agent_beat.c.lease, base.before_now(connection, agent_beat.c.lease).label("then"))
        rows = connection.execute(sa.select(*columns, base.now().label("now"))).all()
        nulls = connection.execute(sa.select(agent_beat.c.lease, base.before_now(connection, none).label("then"))).all()
    for row in rows:
        assert abs((row.now - row.then).total_seconds() - row.lease) < 0.05
    assert {row.lease: row.then is None for row in nulls} == {0.25: True, 3600.5: False}
