"""Plain counters that services keep about their own work and somebody else reads: the metrics, a test."""

from __future__ import annotations

import threading


class Tally:
    """How often each combination of labels was counted since the process began. Only grows. Any thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, ...], int] = {}

    def add(self, *labels: str, by: int = 1) -> None:
        if by:
            with self._lock:
                self._counts[labels] = self._counts.get(labels, 0) + by

    def read(self) -> dict[tuple[str, ...], int]:
        """{labels: count}, as it is now."""
        with self._lock:
            return dict(self._counts)

    def total(self) -> int:
        return sum(self.read().values())
