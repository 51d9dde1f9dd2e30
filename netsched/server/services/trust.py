"""Is it me? A server that was stalled, cut off or just started must not take its own silence for the agents' death.

Three things are proved again and again: its own work (the beat writer has stored all that had arrived), the database
(a write of its own went through), and, where there is one, the broker (a message to the servers came back; it waits in
the queue in which the beats wait). A gap in any of them means that beats may have been missed: from its end on the
server listens, long enough for every agent to beat again, before it believes that one is dead.

A process can be stopped between any two lines. So who concludes anything from times asks after reading them, not only
before: then a stop is seen, since the proofs are old by the clock that went on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from netsched import errors
from netsched.clock import Clock
from netsched.server.services.pace import Pace

LOG = logging.getLogger(__name__)

# Of the longest interval that an agent goes by: agents jitter by a tenth, and messages take their time.
LISTEN_FOR = 1.5
# Of the configured interval: every proof comes several times in each, so a longer gap is this server's own.
GAP = 1.0
PROOFS = 4  # of the broker, in an interval

WORK = "work"
DATABASE = "database"
BROKER = "broker"
MISSING = {
    WORK: "it has not kept up with the heartbeats",
    DATABASE: "the database has taken no write of it",
    BROKER: "no message of it has come back through the broker",
}


class Trust:
    """Thread-safe. Times are CLOCK_BOOTTIME, which goes on while the machine sleeps."""

    def __init__(self, clock: Clock, pace: Pace, brokered: bool = False) -> None:
        """`brokered`: messages go through a broker, which has to be proved too."""
        self._clock = clock
        self._pace = pace
        self._lock = threading.Lock()
        self._started = clock.boottime()
        parts = (WORK, DATABASE, BROKER) if brokered else (WORK, DATABASE)
        self._proved: dict[str, float | None] = dict.fromkeys(parts)
        self._listening_since = self._started

    def proved(self, part: str) -> None:
        """WORK, DATABASE or BROKER has just been seen to work."""
        now = self._clock.boottime()
        with self._lock:
            last = self._proved[part]
            if last is None or now - last > GAP * self._pace.configured:
                self._listening_since = max(now, self._listening_since)
            self._proved[part] = now if last is None else max(now, last)

    def missed(self) -> None:
        """Beats have got lost here: they were dropped, or could not be stored."""
        with self._lock:
            self._proved[WORK] = None

    def lacks(self, part: str) -> str | None:
        """What is wrong with that part by itself, in words; None: nothing, or it is not needed here."""
        now = self._clock.boottime()
        with self._lock:
            proved = self._proved.get(part, now)
        return MISSING[part] if proved is None or now - proved > GAP * self._pace.configured else None

    def why(self) -> str | None:
        """What is missing, in words that follow "does not believe in deaths: "; None: nothing, it may."""
        now = self._clock.boottime()
        with self._lock:
            for part, proved in self._proved.items():
                unproved = now - (self._started if proved is None else proved)
                if unproved > GAP * self._pace.configured:
                    return f"{MISSING[part]} for {unproved:.0f} s"
                if proved is None:
                    return "it has just started"
            listening = self._listening_since + LISTEN_FOR * self._pace.longest - now
        return f"it listens for {listening:.0f} s more, after a gap or its start" if listening > 0 else None

    def __call__(self) -> bool:
        """May this server believe that the silent are dead?"""
        return self.why() is None


class BrokerProof:
    """Proves the broker by a ping. `ping` raises Unavailable unless it has come back."""

    def __init__(self, ping: Callable[[], None], trust: Trust) -> None:
        self._ping = ping
        self._trust = trust

    def run(self) -> None:
        try:
            self._ping()
        except errors.Unavailable as error:
            LOG.debug("no proof of the broker: %s", error)
            return
        self._trust.proved(BROKER)
