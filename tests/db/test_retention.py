"""What is old goes, in batches; what explains or feeds what is, stays."""

from __future__ import annotations

import datetime

import sqlalchemy as sa

from netsched.db import binding, retention
from netsched.db.agent import agent, agent_beat
from netsched.db.change import log, prune, state
from netsched.db.decision import decision, plan
from netsched.db.session import Database
from netsched.model.principal import Principal
from netsched.server.services.status import StatusService
from netsched.server.services.upkeep import Process, Retention, UpkeepService
from tests.db.placements import World

LONG_AGO = datetime.datetime(2020, 1, 1)
DAY = 24 * 3600.0


def count(database: Database, table: sa.Table) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_only_what_was_sent_and_is_old_leaves_the_change_log(database: Database) -> None:
    World(database)
    for number in range(6):
        database.write(lambda tx, n=number: tx.log("port", f"p{n}", "create", "network/n"))
    positions = sa.update(log).values(position=log.c.id, previous=0, sent=log.c.object_id != "p5", created_at=LONG_AGO)
    database.write(lambda tx: tx.execute(positions))
    database.write(
        lambda tx: tx.execute(sa.update(log).where(log.c.object_id == "p4").values(created_at=sa.func.now()))
    )
    gone = [database.write(lambda tx: prune(tx, DAY, 1_000_000, batch=3)) for _ in range(3)]
    assert gone == [3, 1, 0]
    with database.read() as connection:
        assert connection.execute(sa.select(log.c.object_id).order_by(log.c.id)).scalars().all() == ["p4", "p5"]
        floor = state(connection).floor
    assert floor > 0


def test_the_log_is_cut_to_its_number_of_rows(database: Database) -> None:
    World(database)
    for number in range(6):
        database.write(lambda tx, n=number: tx.log("port", f"p{n}", "create", "network/n"))
    database.write(lambda tx: tx.execute(sa.update(log).values(position=1, previous=0, sent=True)))
    assert database.write(lambda tx: prune(tx, DAY, 2)) == 4


def test_the_newest_decision_of_a_slot_and_its_plan_outlive_retention(database: Database) -> None:
    world = World(database)
    first = world.agent("h1")
    (network,) = world.networks(1)
    world.round()
    world.silent(first)
    world.agent("h2")
    world.round()
    aged = (sa.update(decision).values(at=LONG_AGO), sa.update(plan).values(at=LONG_AGO))
    database.write(lambda tx: [tx.execute(statement) for statement in aged])
    keeper = UpkeepService(database, Process("", "", "", "", LONG_AGO), Retention())
    heard: list[str] = []
    gone = keeper.purge(lambda what, rows: heard.append(what))
    assert (gone["decisions"], gone["plans"]) == (1, 1) and heard == ["decisions", "plans"]
    (kept,) = world.rows(decision)
    assert (kept["action"], kept["resource_id"]) == ("move", network) and count(database, plan) == 1
    database.write(lambda tx: binding.forget(tx, "network", network))
    assert keeper.purge()["decisions"] == 1 and count(database, plan) == 0


def test_long_dead_agents_that_hold_nothing_are_forgotten(database: Database) -> None:
    world = World(database)
    holder, idle, alive = (world.agent(host) for host in ("holder", "idle", "alive"))
    database.write(lambda tx: tx.execute(sa.update(agent_beat).values(received_at=LONG_AGO)))
    world.networks(1)
    database.write(
        lambda tx: tx.execute(
            sa.update(agent_beat).where(agent_beat.c.agent_id == alive).values(received_at=sa.func.now())
        )
    )
    for one in (idle, alive):
        world.silent(one)
    world.round()
    assert database.write(lambda tx: retention.dead_agents(tx, DAY * 365)) == 1
    assert sorted(row["id"] for row in world.rows(agent)) == sorted([holder, alive])


def test_a_server_that_has_not_been_seen_for_long_is_gone(database: Database) -> None:
    World(database)
    now = datetime.datetime(2026, 1, 1)
    for name in ("one", "two"):
        UpkeepService(database, Process(name, name, "server", "1", now), Retention()).beat([{"name": "relay"}])
    status = StatusService(database, "1", list, lambda: "ok", lambda principal: [], lambda: None)
    asker = Principal("", "", ("admin",), True, "req")
    assert [(s["host"], s["role"], s["workers"]) for s in status.servers(asker)] == [
        ("one", "server", [{"name": "relay"}]),
        ("two", "server", [{"name": "relay"}]),
    ]
    assert UpkeepService(database, Process("", "", "", "", now), Retention(servers=0)).purge()["servers"] == 2
    assert status.servers(asker) == []
    assert status.status(asker)["change_log"]["unsent"] == 0
