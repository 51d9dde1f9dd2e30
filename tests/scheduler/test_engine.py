"""What the engine does, by example."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections import Counter

import pytest

from netsched.model.liveness import State
from tests.scheduler.worlds import NOW, agent, applied, chosen, plan, slot, snapshot


def test_the_emptiest_agent_is_chosen() -> None:
    world = snapshot([agent("a", used={"network": 2}), agent("b", used={"network": 1})], [slot("n")])
    assert chosen(plan(world)) == {("n", 0): "b"}


def test_a_new_agent_gets_the_next_objects_until_level() -> None:
    agents = [agent("old-1", used={"network": 5}), agent("old-2", used={"network": 5}), agent("new")]
    first = plan(snapshot(agents, [slot(f"n{n}") for n in range(5)]))
    assert set(chosen(first).values()) == {"new"}
    more = plan(snapshot(agents, [slot(f"n{n}") for n in range(11)]))
    assert Counter(chosen(more).values()) == {"new": 7, "old-1": 2, "old-2": 2}


def test_use_is_relative_to_capacity() -> None:
    agents = [agent("big", capacity={"network": 30}), agent("small", capacity={"network": 10})]
    made = plan(snapshot(agents, [slot(f"n{n}") for n in range(20)]))
    assert Counter(chosen(made).values()) == {"big": 15, "small": 5}


def test_what_does_not_fit_stays_unplaced_and_says_why() -> None:
    agents = [
        agent("full", capacity={"network": 1}, used={"network": 1}),
        agent("dead", state=State.DEAD),
        agent("dead-too", state=State.DEAD),
        agent("one-left", capacity={"network": 1}),
    ]
    made = plan(snapshot(agents, [slot("n1"), slot("n2")]))
    assert chosen(made) == {("n1", 0): "one-left"}
    assert made.unplaced[0].reason == "no agent can take it; rejected by alive: 2, capacity: 2"
    assert made.unplaced[0].rejections["one-left"].reason == "has 1 of 1 network in use, wanted are 1"


def test_no_agent_at_all() -> None:
    assert plan(snapshot([], [slot("n")])).unplaced[0].reason == "no agent has reported yet"


@pytest.mark.parametrize("name", ["least_loaded", "chance"])
def test_two_replicas_two_zones(name: str) -> None:
    agents = [agent(f"a{n}", zone="z1") for n in range(9)] + [agent("b", zone="z2", used={"network": 900})]
    made = plan(snapshot(agents, [slot("n", 0), slot("n", 1)]), name)
    assert "b" in chosen(made).values() and len(set(chosen(made).values())) == 2


def test_a_third_replica_in_two_zones_is_on_a_third_agent() -> None:
    agents = [agent("a1"), agent("a2"), agent("b", zone="z2")]
    made = plan(snapshot(agents, [slot("n", number) for number in range(3)]))
    assert sorted(chosen(made).values()) == ["a1", "a2", "b"]


def test_networks_of_a_dead_agent_move_before_new_ones_are_placed() -> None:
    agents = [agent("dead", state=State.DEAD), agent("one-left", capacity={"network": 1})]
    made = plan(snapshot(agents, [slot("a-new-one"), slot("z-moves", agent_id="dead")]))
    assert chosen(made) == {("z-moves", 0): "one-left"}
    assert made.assignments[0].request.moving_from == "dead"


@pytest.mark.parametrize("state", [State.STARTING, State.ALIVE, State.SUSPECT])
def test_nothing_leaves_an_agent_that_is_not_dead(state: State) -> None:
    world = snapshot([agent("a", state=state, admin_state_up=False), agent("b")], [slot("n", agent_id="a")])
    assert plan(world) == plan(snapshot([], []))


def test_a_stored_alternate_is_tried_first() -> None:
    agents = [agent("dead", state=State.DEAD), agent("empty"), agent("second", used={"network": 50})]
    lost = slot("n", agent_id="dead", alternates=("gone", "second", "empty"))
    assert chosen(plan(snapshot(agents, [lost]))) == {("n", 0): "second"}


@pytest.mark.parametrize("changes", [{"admin_state_up": False}, {"zone": "z2"}])
def test_a_stored_alternate_must_still_fit(changes: dict[str, object]) -> None:
    """Out of service, or since then in the zone of the other replica."""
    agents = [agent("dead", state=State.DEAD), agent("empty"), agent("second", **changes), agent("other", zone="z2")]
    lost = slot("n", agent_id="dead", alternates=("second",), siblings=("other",))
    assert chosen(plan(snapshot(agents, [lost]))) == {("n", 0): "empty"}


def test_alternates_of_the_same_zone_come_first() -> None:
    agents = [
        agent("a"),
        agent("b", zone="z2", used={"network": 1}),
        agent("c", used={"network": 9}),
        agent("d", used={"network": 5}),
    ]
    made = plan(snapshot(agents, [slot("n")]), alternates=3)
    assert made.assignments[0].alternates == ("d", "c", "b")
    assert [candidate.agent_id for candidate in made.assignments[0].candidates] == ["a", "b", "d", "c"]


def test_an_emptied_slot_is_held_for_the_operator_and_then_filled() -> None:
    held = slot("n", hold_until=NOW + datetime.timedelta(seconds=1))
    made = plan(snapshot([agent("a")], [held]))
    assert [one.reason for one in made.unplaced] == ["held for the operator until 2026-11-21T12:00:01Z"]
    assert chosen(plan(snapshot([agent("a")], [slot("n", hold_until=NOW)]))) == {("n", 0): "a"}


def test_chance_does_not_look_at_use() -> None:
    agents = [agent("a", used={"network": 900}), agent("b")]
    counts = Counter(chosen(plan(snapshot(agents, [slot(f"n{n}") for n in range(400)]), "chance")).values())
    assert 150 < counts["a"] < 250


def test_the_seed_decides_between_equals() -> None:
    agents = [agent(f"a{n}") for n in range(10)]
    picks = {chosen(plan(snapshot(agents, [slot("n")], seed=str(seed))))["n", 0] for seed in range(200)}
    assert len(picks) == 10


def test_grizzly_never_moves_and_leaves_alone_what_is_hosted() -> None:
    agents = [agent("dead", state=State.DEAD), agent("a"), agent("b")]
    slots = [
        slot("hosted", 0, agent_id="dead"),
        slot("hosted", 1, siblings=("dead",)),
        slot("new", 0),
        slot("new", 1),
    ]
    made = plan(snapshot(agents, slots), "grizzly")
    assert list(chosen(made)) == [("new", 0)]
    assert {(u.request.slot.resource_id, u.request.slot.slot) for u in made.unplaced} == {("hosted", 1), ("new", 1)}
    assert all("only what is not hosted" in one.reason for one in made.unplaced)


def test_automatic_scheduling_can_be_off() -> None:
    agents = [agent("dead", state=State.DEAD), agent("a")]
    made = plan(snapshot(agents, [slot("n1"), slot("n2", agent_id="dead")]), auto_schedule=False)
    assert not made.assignments
    assert [one.reason for one in made.unplaced] == ["left to the operator: automatic scheduling is off"]


def test_one_type_of_resource_can_be_left_to_operators() -> None:
    agents = [agent("dead", state=State.DEAD), agent("a"), agent("l3", agent_type="L3 agent")]
    router = dataclasses.replace(slot("r1", agent_type="L3 agent"), resource_type="router")
    made = plan(snapshot(agents, [router, slot("n2", agent_id="dead")]), left_to_operators=("network",))
    assert chosen(made) == {("r1", 0): "l3"}
    made = plan(snapshot(agents, [router, slot("n2", agent_id="dead")]), left_to_operators=("router",))
    assert chosen(made) == {("n2", 0): "a"}


def test_what_it_requires_decides_where_it_goes() -> None:
    agents = [agent("a"), agent("b", reaches=("flat:physnet1",), used={"network": 9}), agent("c", reaches=("vxlan",))]
    made = plan(snapshot(agents, [slot("n1", requires=("flat:physnet1",)), slot("n2", requires=("vlan:physnet1",))]))
    assert chosen(made) == {("n1", 0): "b"}
    assert {r.reason for r in made.unplaced[0].rejections.values()} == {
        "does not reach vlan:physnet1 (reaches nothing)",
        "does not reach vlan:physnet1 (reaches flat:physnet1)",
        "does not reach vlan:physnet1 (reaches vxlan)",
    }


def test_a_thousand_requests_over_two_hundred_agents_take_seconds() -> None:
    agents = [agent(f"a{n:03}", zone=f"z{n % 3}", capacity={"network": 20}) for n in range(200)]
    world = snapshot(agents, [slot(f"n{n:03}", number) for n in range(500) for number in range(2)])
    started = time.process_time()
    made = plan(world)
    assert time.process_time() - started < 5
    assert set(Counter(chosen(made).values()).values()) <= {4, 5, 6}
    assert not plan(applied(world, made)).assignments
