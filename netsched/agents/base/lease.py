"""May this agent serve what it holds? The operator decides, and with on_lease_lost = stop the lease does, too.

keep: the data plane outlives the control plane, so an agent that is cut off goes on serving, beside whoever was given
its work. stop: it takes everything away when its lease ends. A lease counts from when the beat that was answered was
*sent*, and the server judges an agent by when its beats were sent, so by the time the server believes the agent dead
the agent has stopped. What takes time after that is the taking away itself.

A stopped agent serves again when the server has answered a beat and said of each scope whether it is still its own.
"""

from __future__ import annotations

from netsched import clock
from netsched.agents.base.heartbeat import Heart

KEEP, STOP = "keep", "stop"


class Permit:
    """Not thread-safe by itself: each method is one look or one assignment.

    `patience`: seconds for which a started agent waits for its first answer. After that it serves from its own copy
    (keep), or takes away what an earlier life left (stop): nobody knows when that one's lease ended.
    """

    def __init__(self, heart: Heart, clock_: clock.Clock, on_lease_lost: str, patience: float) -> None:
        self._heart = heart
        self._clock = clock_
        self.stops = on_lease_lost == STOP
        self._admitted = True
        self._lapsed = False
        self._until = clock_.monotonic() + patience

    @property
    def serving(self) -> bool:
        return self._admitted and not self._lapsed

    @property
    def lapsed(self) -> bool:
        """The lease is over, and with it the right to serve."""
        return self._lapsed

    @property
    def opened(self) -> bool:
        """Is there no first answer that must be waited for?"""
        return not self.stops or self._heart.was_answered()

    def due(self) -> float:
        """When (monotonic) the lease ends, if that matters; inf if not."""
        if not self.stops or self._lapsed:
            return float("inf")
        return self._clock.monotonic() + self._heart.lease_left() if self._heart.was_answered() else self._until

    def lapse(self) -> bool:
        """Look at the clock: True if the right to serve has just ended."""
        if self.due() > self._clock.monotonic():
            return False
        self._lapsed = True
        return True

    def renew(self) -> bool:
        """After an answer: True if the right to serve, which had ended, has just come back."""
        if not self._lapsed or not self._heart.holds_lease():
            return False
        self._lapsed = False
        return True

    def admit(self, admitted: bool) -> bool:
        """What the operator says; True if that is another word than before."""
        changed, self._admitted = admitted != self._admitted, admitted
        return changed
