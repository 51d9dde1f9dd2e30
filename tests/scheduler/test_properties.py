"""What must hold in every world."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from netsched.model.brake import Brake
from netsched.model.liveness import State
from netsched.model.scheduling import Snapshot
from netsched.scheduler import engine, explain, profile, replay
from tests.scheduler.worlds import DHCP, FILTERS, NOW, WEIGHERS, applied, plan, worlds
from tests.size import choose

PROFILES = st.sampled_from(sorted(profile.PROFILES))
MANY = settings(max_examples=choose(100, 500), deadline=None)


@MANY
@given(worlds(), PROFILES)
def test_never_over_capacity(world: Snapshot, name: str) -> None:
    after = applied(world, plan(world, name))
    for agent in after.agents:
        limit = agent.capacity.get("network")
        assert limit is None or agent.used.get("network", 0) <= limit


@MANY
@given(worlds(), PROFILES, st.randoms(use_true_random=False))
def test_the_order_of_agents_and_slots_does_not_matter(world: Snapshot, name: str, random: object) -> None:
    agents, slots = list(world.agents), list(world.slots)
    random.shuffle(agents)  # type: ignore[attr-defined]
    random.shuffle(slots)  # type: ignore[attr-defined]
    assert plan(dataclasses.replace(world, agents=tuple(agents), slots=tuple(slots)), name) == plan(world, name)


@MANY
@given(worlds(), PROFILES)
def test_a_plan_leaves_nothing_to_plan(world: Snapshot, name: str) -> None:
    first = plan(world, name)
    again = plan(applied(world, first), name)
    assert not again.assignments
    assert len(again.unplaced) == len(first.unplaced)


@MANY
@given(worlds(), PROFILES)
def test_replicas_are_distinct_and_only_on_fit_agents(world: Snapshot, name: str) -> None:
    made = plan(world, name)
    agents = {agent.id: agent for agent in world.agents}
    for assignment in made.assignments:
        one = agents[assignment.agent_id]
        slot = assignment.request.slot
        assert one.state is State.ALIVE and one.admin_state_up and one.mode == "active"
        assert one.agent_type == slot.agent_type and one.id not in slot.barred
        assert not slot.zone_hints or one.zone in slot.zone_hints
        assert set(slot.requires) <= set(one.reaches)
        assert len(assignment.candidates) + len(assignment.rejections) == len(agents)
        assert assignment.agent_id not in assignment.alternates
    holders = Counter((s.resource_id, s.agent_id) for s in applied(world, made).slots if s.agent_id)
    assert all(count == 1 for count in holders.values())


@MANY
@given(worlds())
def test_two_zones_when_two_zones_can_take_it(world: Snapshot) -> None:
    """The second of two replicas placed by a plan is in a zone without one, if any candidate was."""
    zones = {agent.id: agent.zone for agent in world.agents}
    made = plan(world)
    there: dict[str, list[str]] = {}
    moving = {(a.request.slot.resource_id, a.request.moving_from) for a in made.assignments}
    moving |= {(u.request.slot.resource_id, u.request.moving_from) for u in made.unplaced}
    for assignment in made.assignments:
        slot = assignment.request.slot
        others = {*slot.siblings, *there.get(slot.resource_id, ())}
        taken = Counter(zones[other] for other in others if (slot.resource_id, other) not in moving)
        least = min(taken[zones[candidate.agent_id]] for candidate in assignment.candidates)
        assert taken[zones[assignment.agent_id]] == least
        there.setdefault(slot.resource_id, []).append(assignment.agent_id)


@MANY
@given(worlds(), st.data())
def test_losing_an_agent_moves_only_what_it_hosted(world: Snapshot, data: st.DataObject) -> None:
    settled = applied(world, plan(world))
    if not settled.agents:
        return
    lost = data.draw(st.sampled_from(settled.agents)).id
    agents = tuple(dataclasses.replace(a, state=State.DEAD) if a.id == lost else a for a in settled.agents)
    made = plan(dataclasses.replace(settled, agents=agents))
    assert all(assignment.request.moving_from == lost for assignment in made.assignments)


def _with_brakes_and_failures(world: Snapshot) -> Snapshot:
    """Some of each, by the world's own seed."""
    rng = Random(world.seed)
    before = NOW - datetime.timedelta(seconds=rng.randrange(200))
    agents = [dataclasses.replace(a, sent_at=before, present_since=before, lease=20.0) for a in world.agents]
    slots = [
        dataclasses.replace(s, error="no bridge", error_since=before, failed_on={"a0": "no space"})
        if s.agent_id and rng.random() < 0.5
        else s
        for s in world.slots
    ]
    population = tuple(a.id for a in agents)
    return dataclasses.replace(
        world,
        agents=tuple(agents),
        slots=tuple(slots),
        brakes=(Brake("z1", DHCP, before, silent=3, total=4, population=population, lease=20.0),),
        moves=rng.choice([None, 2]),
        moves_from={f"z2/{DHCP}": rng.randrange(3)},
        trusted=rng.random() < 0.8,
    )


@settings(max_examples=choose(150, 1000), deadline=None)
@given(worlds(), PROFILES)
def test_a_stored_record_gives_the_same_agents(world: Snapshot, name: str) -> None:
    wanted = profile.PROFILES[name]
    world = _with_brakes_and_failures(world)
    stored = json.dumps(replay.to_json(world, wanted))
    again, with_settings = replay.from_json(json.loads(stored))
    assert (again, with_settings) == (world, wanted)
    made = engine.plan(again, profile.assemble(with_settings, FILTERS, WEIGHERS), with_settings)
    assert made == plan(world, name)
    for outcome in (*made.assignments, *made.unplaced):
        record = explain.record(outcome, world.seed, explain.hosts(world))
        assert json.loads(json.dumps(record)) == record
