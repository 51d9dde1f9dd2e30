"""The scheduler's contract: a Snapshot goes in, a Plan comes out, both are values.

`db/snapshot.py` takes the Snapshot, `scheduler/` decides, `db/apply.py` applies the Plan under guards.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from netsched.model.liveness import State


@dataclass(frozen=True)
class AgentView:
    """One agent as the scheduler may see it. `capacity` and `used` are amounts per resource class."""

    id: str
    agent_type: str
    host: str
    zone: str
    state: State
    admin_state_up: bool = True
    capacity: Mapping[str, int] = field(default_factory=dict)  # a class that is absent is unlimited
    used: Mapping[str, int] = field(default_factory=dict)
    load: float = 0.0  # 0..1 as reported; says how busy, never how full
    beat: str | None = None  # token of its last judged beat: a move from it is refused once that has changed
    mode: str = "active"  # capabilities' mode; "passive" agents take nothing by themselves
    reaches: tuple[str, ...] = ()  # which segments end at it, as model/segment.py writes them


@dataclass(frozen=True)
class SlotView:
    """A replica slot that may need work, as stored."""

    resource_type: str
    resource_id: str
    slot: int
    agent_type: str
    agent_id: str | None
    epoch: int
    demand: Mapping[str, int] = field(default_factory=dict)
    zone_hints: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()  # what its agent must reach
    hold_until: datetime.datetime | None = None  # emptied by hand: left for the operator until then
    siblings: tuple[str, ...] = ()  # agents that hold another slot of the same resource
    barred: tuple[str, ...] = ()  # agents from which an operator removed the resource
    alternates: tuple[str, ...] = ()  # stored with the last placement


@dataclass(frozen=True)
class Request:
    """Place one slot. `moving_from` is the agent that loses it (dead, drained), None for an empty slot."""

    slot: SlotView
    moving_from: str | None = None
    alternates_wanted: int = 0


@dataclass(frozen=True)
class Rejection:
    """Why an agent was not a candidate: the name of the filter and a sentence for people."""

    filter: str
    reason: str


@dataclass(frozen=True)
class Candidate:
    """An agent that passed all filters. `scores` per weigher, each 0..1; `total` is their weighted sum."""

    agent_id: str
    host: str
    scores: Mapping[str, float]
    total: float


@dataclass(frozen=True)
class Assignment:
    """A slot and the agent that is to hold it, with everything needed to explain the choice."""

    request: Request
    agent_id: str
    candidates: tuple[Candidate, ...]  # best first
    rejections: Mapping[str, Rejection]  # by agent id
    alternates: tuple[str, ...] = ()  # next best agents, same zone first


@dataclass(frozen=True)
class Unplaced:
    """A slot for which there is no candidate now, or that is held for the operator."""

    request: Request
    rejections: Mapping[str, Rejection]
    reason: str


@dataclass(frozen=True)
class Snapshot:
    """Everything a decision may depend on. `now` is the database's time, `seed` makes random choices repeatable."""

    now: datetime.datetime
    seed: str
    agents: tuple[AgentView, ...]
    slots: tuple[SlotView, ...]


@dataclass(frozen=True)
class Plan:
    assignments: tuple[Assignment, ...]
    unplaced: tuple[Unplaced, ...]
