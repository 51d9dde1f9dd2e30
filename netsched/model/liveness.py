"""Is the agent alive? The one definition; nothing else may decide it.

A beat is judged by when it was sent (see rpc/agent.py on echo), in the database's time; ``now`` is that clock too.
"""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass


class State(enum.StrEnum):
    STARTING = "starting"  # appeared, but has not yet proved by an echo when its beats are sent
    ALIVE = "alive"
    SUSPECT = "suspect"  # keeps what it has, gets nothing new
    DEAD = "dead"


@dataclass(frozen=True)
class Limits:
    """Seconds. The ratios to the interval (2.5 and 4) let two beats be lost before anything is concluded."""

    interval: float = 10.0
    suspect_after: float = 25.0
    dead_after: float = 40.0

    @classmethod
    def for_interval(cls, interval: float) -> Limits:
        return cls(interval=interval, suspect_after=2.5 * interval, dead_after=4 * interval)

    @classmethod
    def for_lease(cls, lease: float) -> Limits:
        """Those of an agent that was told this lease, which is its dead limit."""
        return cls.for_interval(lease / 4)


def state(
    sent_at: datetime.datetime | None,
    created_at: datetime.datetime,
    now: datetime.datetime,
    limits: Limits,
    forced_down: bool = False,
) -> State:
    """The state of an agent whose newest judged beat was sent at `sent_at` (None: it never had an echo).

    An agent that never gets beyond its first beat is starting until the dead limit, counted from its creation.
    `forced_down`: an operator, or a monitor of theirs, says that it is dead, whatever it says itself.
    """
    if forced_down:
        return State.DEAD
    if sent_at is None:
        return State.STARTING if (now - created_at).total_seconds() < limits.dead_after else State.DEAD
    age = (now - sent_at).total_seconds()
    if age < limits.suspect_after:
        return State.ALIVE
    return State.SUSPECT if age < limits.dead_after else State.DEAD


def alive_on_the_wire(current: State) -> bool:
    """The Networking API's ``alive``: everything that is not dead."""
    return current is not State.DEAD
