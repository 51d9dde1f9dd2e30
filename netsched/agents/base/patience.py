"""How long a pull waits for its answer, and how long the agent rests after one that failed.

A server that hangs keeps what it has taken from the queue. So the first wait is short: the next try goes to another
server. And each further one is longer, since a server that is only slow would otherwise do its work for nobody.
"""

from __future__ import annotations

import random

WAIT_FIRST, WAIT_MAX = 10.0, 60.0  # s
PAUSE_FIRST, PAUSE_MAX = 1.0, 30.0  # s


class Patience:
    """Of one agent, which pulls in one thread. Times in seconds."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0
        self.timeout = WAIT_FIRST

    def answered(self, took: float) -> None:
        self._failures = 0
        self.timeout = min(WAIT_MAX, max(WAIT_FIRST, 2 * took))

    def failed(self, took: float) -> float:
        """The pause before the next try; `took` shows whether it was a time-out or an error."""
        if took > 0.9 * self.timeout:
            self.timeout = min(WAIT_MAX, 2 * self.timeout)
        pause = min(PAUSE_MAX, PAUSE_FIRST * 2 ** min(self._failures, 10))
        self._failures += 1
        return pause * self._rng.uniform(0.5, 1.5)
