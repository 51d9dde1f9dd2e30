"""How often agents beat: as configured, or less often when they are so many that the servers would drown in beats."""

from __future__ import annotations

import math

from netsched.model import liveness

STEP = 1.25  # an interval that followed every agent that comes and goes would never stand still
SLACK = 1.1  # shrinks only when the load is this much below what the smaller interval is good for
LATELY = 600.0  # s: agents heard of within count, so that an outage is not followed by a rush


def stretched(configured: float, load: float, current: float) -> float:
    """The interval (s) for agents that need at least `load` (s), so that the servers get no more than they can take.

    One of configured x 1.25^n. It grows at once, and shrinks when there is some room, so that it does not swing.
    """
    wanted = _step(configured, load)
    return wanted if wanted >= current else min(current, _step(configured, SLACK * load))


def _step(configured: float, load: float) -> float:
    steps = math.ceil(math.log(load / configured, STEP)) if load > configured else 0
    return float(configured * STEP**steps)


class Pace:
    """What this server tells agents. `longest`: what an agent heard of lately may still go by; both in seconds.

    Servers measure for themselves and may tell differently for a while: an agent's lease goes by the longer one.
    """

    def __init__(self, configured: float = 10.0, max_beats: float = 300.0) -> None:
        """`max_beats`: per second and server process."""
        self.configured = configured
        self.interval = configured
        self.longest = configured
        self._max_beats = max_beats

    @property
    def lease(self) -> float:
        return liveness.Limits.for_interval(self.interval).dead_after

    def adapt(self, agents: int, servers: int, lease: float) -> None:
        """There are so many agents, of which one has the `lease`, and servers that hear them."""
        load = agents / (self._max_beats * max(servers, 1))
        self.interval = stretched(self.configured, load, self.interval)
        self.longest = max(self.interval, liveness.Limits.for_lease(lease).interval)
