"""What filters and weighers get to see of a request.

Not which object asks, only what is asked for: two objects that ask for the same get the same answers, which lets the
engine judge an agent once for a thousand requests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netsched.model.scheduling import AgentView, Rejection


@dataclass(frozen=True)
class Ask:
    """A place wanted. `holders` have another replica of the same object already, or get it by this very plan.

    `holder_zones` has one entry per holder whose zone is known and that is not about to lose its replica.
    """

    agent_type: str
    demand: tuple[tuple[str, int], ...] = ()  # (resource class, amount), sorted
    zone_hints: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()  # what the agent must reach, as model/segment.py writes it
    holders: tuple[str, ...] = ()
    holder_zones: tuple[str, ...] = ()
    barred: tuple[str, ...] = ()
    moving_from: str | None = None
    failed: tuple[tuple[str, str], ...] = ()  # (agent id, its message): could not apply the object


# The AgentView carries the *proposed* use: what the agent holds, plus what this plan has already given to it.
Filter = Callable[[AgentView, Ask], Rejection | None]
Weigher = Callable[[AgentView, Ask], float]  # 0..1, more is better
