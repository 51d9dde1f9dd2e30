"""A clock that stands still until a test moves it."""

from __future__ import annotations

import datetime
import threading

START = datetime.datetime(2026, 1, 1)


class FakeClock:
    """Implements netsched.clock.Clock. `sleep` moves time on itself, so that nothing ever waits for real."""

    def __init__(self, start: datetime.datetime = START) -> None:
        self._lock = threading.Lock()
        self._start = start
        self._elapsed = 0.0
        self._suspended = 0.0
        self._stepped = 0.0

    def utcnow(self) -> datetime.datetime:
        with self._lock:
            return self._start + datetime.timedelta(seconds=self._elapsed + self._suspended + self._stepped)

    def monotonic(self) -> float:
        with self._lock:
            return 1000.0 + self._elapsed

    def boottime(self) -> float:
        with self._lock:
            return 1000.0 + self._elapsed + self._suspended

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Time passes."""
        with self._lock:
            self._elapsed += seconds

    def suspend(self, seconds: float) -> None:
        """The machine sleeps: wall clock and boottime go on, monotonic stands still."""
        with self._lock:
            self._suspended += seconds

    def step_wall(self, seconds: float) -> None:
        """Someone sets the wall clock; nothing else notices."""
        with self._lock:
            self._stepped += seconds
