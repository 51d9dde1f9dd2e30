"""The scheduler's contract: a Snapshot goes in, a Plan comes out, both are values.

`db/snapshot.py` takes the Snapshot, `scheduler/` decides, `db/apply.py` applies the Plan under guards.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from netsched.model.brake import Brake
from netsched.model.liveness import State

DEAD = "dead"  # causes of moves: the agent is dead, or forced down,
FAILING = "failing"  # or it says that it cannot apply what it holds


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
    forced_down: bool = False  # somebody says that it is dead, whatever it says itself
    created_at: datetime.datetime | None = None  # when it was first heard of
    sent_at: datetime.datetime | None = None  # its last judged beat
    present_since: datetime.datetime | None = None  # heard of without a gap of two dead limits since then
    lease: float = 40.0  # seconds: its dead limit


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
    error: str | None = None  # why its agent fails to apply it
    error_since: datetime.datetime | None = None
    failed_on: Mapping[str, str] = field(default_factory=dict)  # agents that failed before this one, each with why


@dataclass(frozen=True)
class Request:
    """Place one slot. `moving_from` is the agent that loses it, None for an empty slot; `cause`: why it does."""

    slot: SlotView
    moving_from: str | None = None
    alternates_wanted: int = 0
    cause: str | None = None


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
    """A slot for which there is no candidate now, or that is held for the operator.

    `for_now`: it only waits (for a brake, or its turn), which passes by itself and is nothing to store.
    """

    request: Request
    rejections: Mapping[str, Rejection]
    reason: str
    for_now: bool = False


@dataclass(frozen=True)
class Snapshot:
    """Everything a decision may depend on. `now` is the database's time, `seed` makes random choices repeatable.

    `agents` are all of the types that the slots ask for, so that the brakes can be judged by them; `brakes` as stored.
    `trusted`: may the silence of agents be taken for their death? `moves`: how many there may be, None for no limit;
    `moves_from`: the same for places where they return gradually, by "zone/agent type".
    """

    now: datetime.datetime
    seed: str
    agents: tuple[AgentView, ...]
    slots: tuple[SlotView, ...]
    brakes: tuple[Brake, ...] = ()
    trusted: bool = True
    moves: int | None = None
    moves_from: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    assignments: tuple[Assignment, ...]
    unplaced: tuple[Unplaced, ...]
