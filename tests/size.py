"""How much the tests try: what every change can wait for, or with NETSCHED_TESTS=full all of it.

`tools/test.sh --full` sets it. Both forms have the same tests; the long one makes up more examples, races more
processes and plays more stories.
"""

from __future__ import annotations

import os
from typing import TypeVar

FULL = os.environ.get("NETSCHED_TESTS") == "full"
T = TypeVar("T")


def choose(usual: T, full: T) -> T:
    return full if FULL else usual
