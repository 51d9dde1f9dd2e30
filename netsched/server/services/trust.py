"""Is it me? A server that was stalled, cut off or just started must not take its own silence for the agents' death."""

from __future__ import annotations

import threading

from netsched.clock import Clock

# Of an interval: agents jitter by a tenth and wait for one answer before a beat of theirs is judged.
LISTEN_FOR = 1.5
# Of an interval: the beat writer runs several times in each, so a longer gap is this server's own.
GAP = 1.0


class Trust:
    """Told by the heartbeat writer whenever it has written; asked by the scheduler before it believes in a death."""

    def __init__(self, clock: Clock, interval: float) -> None:
        self._clock = clock
        self._interval = interval
        self._lock = threading.Lock()
        self._heard: float | None = None
        self._listening_until = clock.monotonic() + LISTEN_FOR * interval

    def heard(self) -> None:
        """The writer has come round: everything that had arrived is stored."""
        now = self._clock.monotonic()
        with self._lock:
            if self._heard is not None and now - self._heard > GAP * self._interval:
                self._listening_until = now + LISTEN_FOR * self._interval
            self._heard = now

    def __call__(self) -> bool:
        """True once this server has listened without a gap for long enough to tell who is silent."""
        now = self._clock.monotonic()
        with self._lock:
            heard_lately = self._heard is not None and now - self._heard <= GAP * self._interval
            return heard_lately and now >= self._listening_until
