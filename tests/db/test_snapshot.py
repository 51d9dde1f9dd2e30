"""What the scheduler gets to see, and what looking costs."""

from __future__ import annotations

import pytest

from netsched.db import manual, snapshot
from netsched.db.session import Database
from netsched.model.liveness import State
from tests.db.placements import OPERATOR, World
from tests.statements import counted


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_nothing_to_do_costs_three_statements(world: World) -> None:
    world.agent("h1")
    world.networks(5)
    world.round()
    with counted(world.database) as sent:
        assert world.snapshot().slots == ()
    assert len(sent) == 3


def test_agents_are_seen_with_state_claims_and_token(world: World) -> None:
    alive = world.agent("h1", network=7)
    dead = world.agent("h2")
    world.agent("w1", kind="Firewall agent")
    world.networks(3)
    world.silent(dead)
    world.round()
    world.networks(1)
    with counted(world.database) as sent:
        found = world.snapshot()
    assert len(sent) <= 7
    views = {view.id: view for view in found.agents}
    assert set(views) == {alive, dead}  # of the kinds that are asked for
    assert (views[alive].state, views[dead].state) == (State.ALIVE, State.DEAD)
    assert (views[alive].capacity, views[alive].used) == ({"network": 7}, {"network": 3})
    assert views[alive].beat != views[dead].beat
    world.beat(alive)
    assert {view.id: view for view in world.snapshot().agents}[alive].beat != views[alive].beat


def test_slots_of_dead_agents_come_with_siblings_and_alternates(world: World) -> None:
    first, second, third = world.agent("h1"), world.agent("h2"), world.agent("h3")
    (net,) = world.networks(1, replicas=2)
    world.round()
    before = world.slots(net)
    world.silent(before[0]["agent_id"])
    (slot,) = world.snapshot().slots
    assert (slot.slot, slot.agent_id, slot.epoch) == (0, before[0]["agent_id"], before[0]["epoch"])
    assert slot.siblings == (before[1]["agent_id"],)
    assert set(slot.alternates) == {first, second, third} - {slot.agent_id}
    assert world.snapshot(wanted=snapshot.Wanted(trust=False)).slots == ()


def test_an_extra_stays_with_a_dead_agent(world: World) -> None:
    world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    second = world.agent("h2")
    world.database.write(lambda tx: manual.bind(tx, ("network", net), second, {"network": 1}, OPERATOR))
    world.silent(second)
    assert world.snapshot().slots == ()


def test_pages_cover_everything_once(world: World) -> None:
    nets = world.networks(7, replicas=2)
    seen: list[snapshot.Key] = []
    after = None
    while True:
        found = world.snapshot(span=snapshot.Span(after), limit=4)
        seen += [snapshot.key(slot) for slot in found.slots]
        if len(found.slots) < 4:
            break
        after = seen[-1]
    assert seen == sorted((net, "network", slot) for net in nets for slot in (0, 1))
