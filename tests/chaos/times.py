"""The time by which everything here is noted."""

from __future__ import annotations

import time


def now() -> float:
    """The kernel's uptime: no fault moves it, libfaketime does not lie about it, all processes share it. Seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
