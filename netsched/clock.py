"""The only reader of time. Everything else is given a Clock, so that tests decide what time it is."""

from __future__ import annotations

import datetime
import time
from typing import Protocol


class Clock(Protocol):
    def utcnow(self) -> datetime.datetime:
        """Wall clock, UTC, without tzinfo: for timestamps that people read, never for deciding who lives."""

    def monotonic(self) -> float:
        """Seconds since some start, never set back, standing still in suspend: for periods and time-outs."""

    def boottime(self) -> float:
        """Seconds since boot, running on in suspend (CLOCK_BOOTTIME): for the elapsed time of a heartbeat echo."""

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def utcnow(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
