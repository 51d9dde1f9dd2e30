"""Snapshots for tests: builders with defaults, a random generator, and what a plan does to a snapshot."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from typing import Any

from hypothesis import strategies as st

from netsched.model.liveness import State
from netsched.model.scheduling import AgentView, Assignment, Plan, SlotView, Snapshot
from netsched.scheduler import engine, profile
from netsched.scheduler.filters import (
    admin_up,
    agent_type,
    alive,
    already_hosting,
    capacity,
    failed,
    mode,
    reach,
    zone_hints,
)
from netsched.scheduler.weighers import load, stickiness, zone_spread

NOW = datetime.datetime(2026, 11, 21, 12, 0, 0)
DHCP = "DHCP agent"
FILTERS = {
    "agent_type": agent_type.reject,
    "alive": alive.reject,
    "admin_up": admin_up.reject,
    "mode": mode.reject,
    "already_hosting": already_hosting.reject,
    "failed": failed.reject,
    "zone_hints": zone_hints.reject,
    "reach": reach.reject,
    "capacity": capacity.reject,
}
WEIGHERS = {"load": load.weigh, "zone_spread": zone_spread.weigh, "stickiness": stickiness.weigh}


def agent(name: str, **changes: Any) -> AgentView:
    values = {"agent_type": DHCP, "host": f"host-{name}", "zone": "z1", "state": State.ALIVE, **changes}
    return AgentView(id=name, **values)


def slot(network: str, number: int = 0, **changes: Any) -> SlotView:
    values: dict[str, Any] = {"agent_id": None, "epoch": 0, "demand": {"network": 1}, "agent_type": DHCP, **changes}
    return SlotView(resource_type="network", resource_id=network, slot=number, **values)


def snapshot(agents: list[AgentView], slots: list[SlotView], seed: str = "seed") -> Snapshot:
    return Snapshot(now=NOW, seed=seed, agents=tuple(agents), slots=tuple(slots))


def plan(world: Snapshot, name: str = "least_loaded", **changes: Any) -> Plan:
    settings = dataclasses.replace(profile.PROFILES[name], **changes)
    return engine.plan(world, profile.assemble(settings, FILTERS, WEIGHERS), settings)


def chosen(made: Plan) -> dict[tuple[str, int], str]:
    """(network, slot) to agent."""
    return {(a.request.slot.resource_id, a.request.slot.slot): a.agent_id for a in made.assignments}


def applied(world: Snapshot, made: Plan) -> Snapshot:
    """The snapshot after the plan: holders, siblings, use. Refuses what db/binding.py would refuse."""
    placed = {(a.request.slot.resource_id, a.request.slot.slot): a for a in made.assignments}
    slots = [_placed(one, placed.get((one.resource_id, one.slot))) for one in world.slots]
    used = {one.id: Counter(one.used) for one in world.agents}
    for assignment in made.assignments:
        used[assignment.agent_id].update(assignment.request.slot.demand)
        if assignment.request.moving_from is not None:
            used[assignment.request.moving_from].subtract(assignment.request.slot.demand)
    agents = [dataclasses.replace(one, used=dict(used[one.id])) for one in world.agents]
    return dataclasses.replace(world, agents=tuple(agents), slots=tuple(_with_siblings(slots)))


def _placed(one: SlotView, assignment: Assignment | None) -> SlotView:
    if assignment is None:
        return one
    return dataclasses.replace(one, agent_id=assignment.agent_id, epoch=one.epoch + 1, alternates=assignment.alternates)


def _with_siblings(slots: list[SlotView]) -> list[SlotView]:
    holders: dict[str, list[tuple[int, str]]] = {}
    for one in slots:
        if one.agent_id is not None:
            holders.setdefault(one.resource_id, []).append((one.slot, one.agent_id))
    return [
        dataclasses.replace(
            one, siblings=tuple(sorted(a for n, a in holders.get(one.resource_id, ()) if n != one.slot))
        )
        for one in slots
    ]


@st.composite
def worlds(draw: st.DrawFn) -> Snapshot:
    """Agents in up to three zones, some not fit; networks with up to three slots, some held, barred or on hold."""
    ids = [f"a{n}" for n in range(draw(st.integers(0, 8)))]
    slots = [s for n in range(draw(st.integers(0, 8))) for s in draw(_network(f"n{n}", ids))]
    used = Counter(one.agent_id for one in slots if one.agent_id)
    agents = [draw(_agent(name, used[name])) for name in ids]
    return snapshot(agents, _with_siblings(slots), seed=draw(st.text("abc", max_size=3)))


@st.composite
def _agent(draw: st.DrawFn, name: str, used: int) -> AgentView:
    limit = draw(st.one_of(st.none(), st.integers(used, used + 4)))
    return agent(
        name,
        agent_type=draw(st.sampled_from([DHCP] * 5 + ["L3 agent"])),
        zone=draw(st.sampled_from(["z1", "z2", "z3"])),
        state=draw(st.sampled_from([State.ALIVE] * 5 + list(State))),
        admin_state_up=draw(st.sampled_from([True, True, True, False])),
        mode=draw(st.sampled_from(["active", "active", "active", "passive"])),
        capacity={} if limit is None else {"network": limit},
        used={"network": used},
        load=draw(st.sampled_from([0.0, 0.2, 0.9])),
        reaches=draw(st.sampled_from([("vxlan", "flat:physnet1"), ("vxlan",), ()])),
    )


@st.composite
def _network(draw: st.DrawFn, name: str, agents: list[str]) -> list[SlotView]:
    replicas = draw(st.integers(1, 3))
    order = draw(st.permutations(agents))
    held = order[: draw(st.integers(0, replicas))]
    rest = tuple(order[len(held) :])
    requires = draw(st.sampled_from([(), (), (), ("vxlan",), ("flat:physnet1",)]))
    hints = draw(st.sampled_from([(), (), (), ("z1",), ("z2", "z3")]))
    return [
        slot(
            name,
            n,
            agent_id=held[n] if n < len(held) else None,
            zone_hints=hints,
            requires=requires,
            hold_until=draw(st.sampled_from([None, None, NOW, NOW + datetime.timedelta(seconds=30)])),
            barred=rest[: draw(st.integers(0, 1))],
            alternates=rest[: draw(st.integers(0, 2))],
        )
        for n in range(replicas)
    ]
