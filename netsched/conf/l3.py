"""The L3 agent."""

from typing import Any

GROUP = "l3"
OPTS: list[Any] = []
