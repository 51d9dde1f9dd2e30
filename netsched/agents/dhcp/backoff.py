"""When to start again what keeps dying: at once the first time, then with growing pauses. Pure."""

from __future__ import annotations

_STABLE_AFTER = 60.0  # s; who lived that long died of something new
_LONGEST_PAUSE = 60.0  # s


class Backoff:
    def __init__(self) -> None:
        self.deaths = 0
        self._started_at: float | None = None
        self._died_at = 0.0

    def started(self, now: float) -> None:
        self._started_at = now

    def died(self, now: float) -> None:
        """It was found dead, or failed to start; counted once per start."""
        if self._started_at is None:
            return
        lived = now - self._started_at
        self.deaths = 1 if lived > _STABLE_AFTER else self.deaths + 1
        self._started_at, self._died_at = None, now

    def pause(self, now: float) -> float:
        """Seconds still to wait; 0 when it may start. 0, 1, 2, 4 ... 60 s after the first, second ... death."""
        if self.deaths < 2:
            return 0.0
        length = min(_LONGEST_PAUSE, 2.0 ** (self.deaths - 2))
        return max(0.0, self._died_at + length - now)
