"""A token bucket: how many of something may be done now, so that no more than `rate` are done a second."""

from __future__ import annotations


class Bucket:
    """Holds one second's worth at most, so a burst is at most that. `now` is any clock in seconds that only grows."""

    def __init__(self, rate: float, now: float, full: bool = True) -> None:
        self._tokens = max(rate, 1.0) if full else 0.0
        self._at = now

    def fill(self, rate: float, now: float) -> int:
        """Let time pass at this rate; how many whole tokens there are."""
        self._tokens = min(max(rate, 1.0), self._tokens + rate * max(now - self._at, 0.0))
        self._at = now
        return int(self._tokens)

    def take(self, count: int) -> None:
        self._tokens -= count
