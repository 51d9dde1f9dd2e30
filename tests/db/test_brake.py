"""Brakes as stored, on all three databases: several servers and an operator at once, and what a look at peace costs."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest
import sqlalchemy as sa

from netsched.db import agent as agents
from netsched.db import base, beat, binding, snapshot
from netsched.db import brake as table
from netsched.db.agent import agent_beat
from netsched.db.interest import applied
from netsched.db.session import Database
from netsched.model import brake, scope
from netsched.model.brake import Brake
from netsched.server.services.brake import BrakeService
from netsched.server.services.scheduling import SchedulingService, SchedulingSettings
from tests.db.placements import DHCP, LOADED, OPERATOR, SETTINGS, World
from tests.fakes.clock import FakeClock
from tests.statements import counted


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def long_there(world: World) -> None:
    """All agents have been heard of for a day."""

    def work(tx: Any) -> None:
        tx.execute(sa.update(agent_beat).values(present_since=base.before_now(tx.connection, 86400)))

    world.database.write(work)


def dark(world: World, count: int = 4, zone: str = "z1") -> list[str]:
    ids = [world.agent(f"{zone}-{n}", zone=zone) for n in range(count)]
    long_there(world)
    return ids


def stored(world: World) -> list[Brake]:
    with world.database.read() as connection:
        return table.list_(connection)


def service(world: World) -> SchedulingService:
    return SchedulingService(world.database, LOADED, SchedulingSettings(SETTINGS))


def test_a_look_at_peace_costs_one_statement_and_an_alarm_is_stored(world: World) -> None:
    ids = dark(world)
    watcher = BrakeService(world.database)
    with counted(world.database) as sent:
        watcher.watch()
    assert len(sent) == 1
    for agent_id in ids:
        world.silent(agent_id, 30)
    watcher.watch()
    (row,) = stored(world)
    assert row.holds and (row.place, row.silent, row.total) == (("z1", DHCP), 4, 4)
    assert row.population == tuple(sorted(ids)) and row.lease == 40
    with counted(world.database) as sent:
        watcher.watch()
    assert len(sent) <= 4, "nothing new, nothing written"
    assert stored(world) == [row]
    BrakeService(world.database, trust=lambda: False).watch()
    for agent_id in ids[:2]:
        world.beat(agent_id)
    BrakeService(world.database, trust=lambda: False).watch()
    assert stored(world) == [row], "who does not trust its ears judges nothing"
    watcher.watch()
    (row,) = stored(world)
    assert row.engaged_at is None and row.ended_at is not None and (row.silent, row.total) == (2, 4)


def test_a_round_engages_by_itself_and_what_is_held_is_not_read_again(world: World) -> None:
    ids = dark(world)
    world.networks(8)
    world.round()
    world.agent("other", zone="z2")
    for agent_id in ids:
        world.silent(agent_id)
    one = service(world)
    assert one.run_once() == 0
    (row,) = stored(world)
    assert row.holds
    with counted(world.database) as sent:
        assert one.run_once() == 0
    assert len(sent) == 6, "as in peace"
    assert not [b for b in world.rows(binding.binding) if b["reason"]], "no reason is written for what only waits"
    BrakeService(world.database).release(OPERATOR, "z1", True)
    assert one.run_once() == 8


def test_of_several_that_judge_the_same_one_stores_it(world: World) -> None:
    ids = dark(world)
    for agent_id in ids:
        world.silent(agent_id, 30)
    with world.database.read() as connection:
        judged = brake.judge((), table.present(connection, [DHCP]), table.time(connection))
    (after,) = judged
    won = []
    barrier = threading.Barrier(4)

    def race() -> None:
        barrier.wait()
        won.append(world.database.write(lambda tx: table.store(tx, None, after)))

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, False, False, True]
    assert stored(world) == [after]
    ended = dataclasses.replace(after, engaged_at=None, ended_at=after.engaged_at, silent=0)
    assert world.database.write(lambda tx: table.store(tx, after, ended))
    late = dataclasses.replace(after, silent=3)
    assert not world.database.write(lambda tx: table.store(tx, after, late)), "an older judgement changes nothing"
    assert stored(world) == [ended]


def test_a_judgement_does_not_undo_a_release(world: World) -> None:
    ids = dark(world)
    for agent_id in ids:
        world.silent(agent_id, 30)
    watcher = BrakeService(world.database)
    watcher.watch()
    (before,) = stored(world)
    watcher.release(OPERATOR, "z1", True)
    assert world.database.write(lambda tx: table.store(tx, before, dataclasses.replace(before, silent=3)))
    (row,) = stored(world)
    assert row.silent == 3 and row.released is not None and row.released["request_id"] == OPERATOR.request_id


def test_without_trust_only_forced_down_agents_lose_what_they_hold(world: World) -> None:
    silent, down = world.agent("h1"), world.agent("h2")
    world.networks(4)
    world.round()
    target = world.agent("h3")
    world.silent(silent)
    by = {"user_id": "anna", "project_id": "", "request_id": "", "at": ""}
    of_down = agents.agent.c.id == down
    world.database.write(lambda tx: tx.execute(sa.update(agents.agent).where(of_down).values(forced_down=by)))
    doubting = SchedulingService(world.database, LOADED, SchedulingSettings(SETTINGS), trust=lambda: False)
    assert doubting.run_once() == 2
    assert [world.used(one) for one in (silent, down, target)] == [2, 0, 2]
    world.check_claims()


def test_a_forced_down_agent_that_is_up_again_keeps_what_it_holds(world: World) -> None:
    down = world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    world.agent("h2")
    its = agents.agent.c.id == down

    def mark(value: Any) -> None:
        world.database.write(lambda tx: tx.execute(sa.update(agents.agent).where(its).values(forced_down=value)))

    mark({"user_id": "anna"})
    found = world.snapshot()
    made = world.plan(found)
    assert len(made.assignments) == 1
    mark(None)
    (refusal,) = world.apply(found, made)
    assert "forced down" in refusal.reason
    mark({"user_id": "anna"})
    world.beat(down)  # it says what it likes
    assert world.apply(found, made) == []
    assert world.holders(net) != [down]


def test_each_agent_has_its_own_lease(world: World) -> None:
    brisk = world.agent("h1")
    world.networks(2)
    world.round()
    slow = world.agent("h2")
    world.networks(2)
    world.round()
    of_slow = agent_beat.c.agent_id == slow
    world.database.write(lambda tx: tx.execute(sa.update(agent_beat).where(of_slow).values(lease=400.0)))
    for agent_id in (brisk, slow):
        world.silent(agent_id)
    assert {one.agent_id for one in world.snapshot().slots} == {brisk}


# Faults


def fault(world: World, net: str, message: str | None) -> None:
    (row,) = world.slots(net)
    told = [(row["agent_id"], "network", net, row["epoch"], message)]
    world.database.write(lambda tx: beat.faults(tx.connection, told))


def in_force(world: World, net: str) -> None:
    (row,) = world.slots(net)
    said = {"agent_id": row["agent_id"], "scope": scope.key("network", net), "epoch": row["epoch"], "position": 7}
    world.database.write(lambda tx: tx.execute(sa.insert(applied).values(said)))


def age_error(world: World, seconds: float = 100) -> None:
    def work(tx: Any) -> None:
        long_ago = base.before_now(tx.connection, seconds)
        failing = binding.binding.c.error.is_not(None)
        tx.execute(sa.update(binding.binding).where(failing).values(error_since=long_ago))

    world.database.write(work)


def test_an_error_has_a_beginning_which_stays_while_it_lasts(world: World) -> None:
    world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    fault(world, net, "first")
    (row,) = world.slots(net)
    began = row["error_since"]
    assert began is not None
    fault(world, net, "second")
    (row,) = world.slots(net)
    assert (row["error"], row["error_since"]) == ("second", began)
    fault(world, net, None)
    (row,) = world.slots(net)
    assert (row["error"], row["error_since"], row["failed_on"]) == (None, None, None)


def test_what_fails_goes_round_once_and_apply_looks_again(world: World) -> None:
    first = world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    second, third = world.agent("h2"), world.agent("h3")
    fault(world, net, "no bridge")
    wanted = snapshot.Wanted(failing_after=60.0)
    assert world.snapshot(wanted=wanted).slots == (), "not yet"
    age_error(world)
    found = world.snapshot(wanted=wanted)
    made = world.plan(found)
    fault(world, net, None)
    (refusal,) = world.apply(found, made)
    assert "applied it by now" in refusal.reason
    fault(world, net, "no bridge")
    age_error(world)
    one = service(world)
    assert one.run_once() == 1
    (row,) = world.slots(net)
    assert row["failed_on"] == {first: "no bridge"} and row["error"] is None and row["error_since"] is None
    fault(world, net, "none here")
    age_error(world)
    assert one.run_once() == 1
    (row,) = world.slots(net)
    assert row["failed_on"].keys() == {first, ({second, third} - {row["agent_id"]}).pop()}
    last = row["agent_id"]
    fault(world, net, "neither")
    age_error(world)
    for _ in range(2):
        assert one.run_once() == 0
    (row,) = world.slots(net)
    assert row["agent_id"] == last and row["error"] == "neither" and "failed: 3" in row["reason"]
    world.check_claims()


def test_what_has_worked_since_is_forgotten(world: World) -> None:
    first = world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    world.agent("h2")
    one = service(world)
    fault(world, net, "no bridge")
    age_error(world)
    assert one.run_once() == 1
    in_force(world, net)
    fault(world, net, "broke later")
    (row,) = world.slots(net)
    assert row["failed_on"] is None
    age_error(world)
    assert one.run_once() == 1
    assert world.holders(net) == [first]


def test_moves_are_limited_and_lonely_ones_go_first_across_pages(world: World) -> None:
    dead = world.agent("h1")
    alone = world.networks(30)
    world.round()
    world.agent("h2")
    paired = world.networks(30, replicas=2)
    world.round()
    world.agent("h3", network=1000)
    world.silent(dead)
    clock = FakeClock()
    settings = SchedulingSettings(SETTINGS, max_moves=40.0, page=8, chunk=5)
    one = SchedulingService(world.database, LOADED, settings, clock=clock)
    first = one.run_once()
    assert 30 < first <= 40, "the last few may not be worth another page: that depends on where the round began"
    moved = {net for net in (*alone, *paired) if dead not in world.holders(net)}
    assert set(alone) <= moved and len(moved) == first
    assert one.run_once() == 0, "the second is not over"
    clock.advance(1)
    assert one.run_once() == 60 - first
    world.check_claims()
