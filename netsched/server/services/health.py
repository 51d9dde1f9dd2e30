"""Is this server alive, and is it ready? For load balancers and supervisors, who ask every few seconds without a name.

Answers name no host, user or URL: whoever can connect may read them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from netsched import errors
from netsched.db import change, schema
from netsched.db.session import Database

LAG_LIMIT = 30.0  # s for which a change may wait for the relay: fifteen times what takes a dead one's place
CHECKS = ("server", "database", "schema", "broker", "relay")

Check = Callable[[], None]  # raises Unavailable with what is wrong


@dataclass(frozen=True)
class Found:
    """What one look at the database found. `revision` None: no schema at all. `waiting`: s, of the oldest change."""

    revision: str | None
    waiting: float


def look(database: Database) -> Found:
    """Three statements. Raises Unavailable."""
    revision = schema.current(database)
    if revision is None:
        return Found(None, 0.0)
    with database.read() as connection:
        return Found(revision, change.backlog(connection)["oldest_unsent_age"])


class HealthService:
    def __init__(
        self,
        look_: Callable[[], Found],
        broker: Callable[[], str | None],
        stopping: Callable[[], bool],
        ended: Callable[[], list[str]],
    ) -> None:
        """`look_` returns soon, whatever the database does. `broker`: what is wrong with it, in words for anybody.

        `ended`: names of workers whose threads run no more.
        """
        self._look = look_
        self._broker = broker
        self._stopping = stopping
        self._ended = ended
        self._wanted = schema.wanted()  # read from the package once: the files do not change under a process

    def alive(self) -> dict[str, Any]:
        """{"status": "alive" | "failed", "checks": {"workers": {"status", "reason"}}}. No I/O."""
        ended = self._ended()
        wrong = f"ended: {', '.join(ended)}" if ended and not self._stopping() else None
        return {"status": "failed" if wrong else "alive", "checks": {"workers": _shown(wrong)}}

    def ready(self, without: Collection[str] = ()) -> dict[str, Any]:
        """{"status": "ready" | "not ready", "checks": {name: {"status": "ok" | "failed", "reason": str | None}}}.

        `without`: names of CHECKS that are not to count; they are not made either.
        """
        found: Found | None = None
        trouble = None
        if {"database", "schema", "relay"} - set(without):
            try:
                found = self._look()
            except errors.Unavailable:
                trouble = "it cannot be reached or does not answer in time"
        made = {
            "server": "it is stopping" if self._stopping() else None,
            "database": trouble,
            "schema": self._schema(found),
            "broker": self._broker(),
            "relay": _relay(found),
        }
        checks = {name: _shown(made[name]) for name in CHECKS if name not in without}
        good = all(one["status"] == "ok" for one in checks.values())
        return {"status": "ready" if good else "not ready", "checks": checks}

    def _schema(self, found: Found | None) -> str | None:
        if found is None:
            return "unknown while the database does not answer"
        if found.revision is None:
            return "there is none: run netsched-manage db upgrade"
        # One that is newer than this release has only more in it: servers of both run side by side during an upgrade.
        if found.revision < self._wanted:
            return f"it is {found.revision}, this release wants {self._wanted}: run netsched-manage db upgrade"
        return None


def _relay(found: Found | None) -> str | None:
    if found is None:
        return "unknown while the database does not answer"
    if found.waiting > LAG_LIMIT:
        return f"a change has waited {found.waiting:.0f} s to be sent to agents"
    return None


def _shown(wrong: str | None) -> dict[str, Any]:
    return {"status": "failed" if wrong else "ok", "reason": wrong}
