"""Does anything arrive here? A broker that was killed may come back with a queue that takes messages and keeps them.

Whoever listens there cannot tell that from silence. But a server that answers a pull, whose answer comes by another
queue, and no answer to any heartbeat for longer than the leases can only mean that: then another address is taken, and
the next heartbeats tell it.
"""

from __future__ import annotations

import threading

from netsched import clock

FIRST = 15.0  # s without any message before the question is asked; twice the lease where that is longer
LONGEST = 960.0  # s: the address changes less and less often if that does not help


class Hearing:
    """Thread-safe."""

    def __init__(self, clock_: clock.Clock) -> None:
        self._clock = clock_
        self._lock = threading.Lock()
        self._since = clock_.monotonic()
        self._factor = 1

    def heard(self) -> None:
        """A message has come."""
        with self._lock:
            self._since, self._factor = self._clock.monotonic(), 1

    def due(self, lease: float) -> float:
        """When (monotonic) the silence will have lasted too long. `lease`: s, the longest of those who listen."""
        with self._lock:
            return self._since + min(max(FIRST, 2 * lease) * self._factor, LONGEST)

    def asked(self, deaf: bool) -> None:
        """Somebody has found out; the silence is measured anew."""
        with self._lock:
            self._since = self._clock.monotonic()
            self._factor *= 2 if deaf else 1
