"""Until a change is in force: on every agent that is to have it, read back there, and gone where it is to be gone.

Nobody is told when that is so: an acknowledgement may reach any server. So who waits looks, three statements a time,
and seldom enough that all the waiters that a process admits cost less than its heartbeats.
"""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netsched import clock as clocks
from netsched import errors
from netsched.db import agent as agents
from netsched.db import base, change, progress
from netsched.db.progress import Late
from netsched.db.session import Database
from netsched.model import scope as scopes
from netsched.model.principal import Principal

Object = dict[str, Any]
NAMED, REASON = 10, 300  # late ones in a summary at most, and characters of a reason


@dataclass(frozen=True)
class WaitSettings:
    """`waiters`: requests of this process that may wait at once, so that others still find a thread.

    `pause`: s between two looks, at first and at most.
    """

    waiters: int = 8
    pause: tuple[float, float] = (0.05, 0.2)


@dataclass(frozen=True)
class Outcome:
    """`applied`: nobody is late whom waiting longer could help; dead agents that lost it may be among `late` still."""

    applied: bool
    late: tuple[Late, ...]

    def summary(self, principal: Principal) -> str:
        """Who is late, in one line of ASCII; "" for nobody. Others than administrators learn no host's name."""
        if principal.is_admin:
            said = list(dict.fromkeys(f"{_who(one)}: {one.reason[:REASON].replace(';', ',')}" for one in self.late))
        else:
            counted = Counter((one.agent_type or "agent", one.plain) for one in self.late)
            said = [f"{count} {kind}: {plain}" for (kind, plain), count in counted.items()]
        more = [f"and {len(said) - NAMED} more"] if len(said) > NAMED else []
        return "; ".join(" ".join(text.split()) for text in [*said[:NAMED], *more]).encode("ascii", "replace").decode()


class WaitingService:
    def __init__(
        self,
        database: Database,
        clock: clocks.Clock,
        settings: WaitSettings | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`stopping`: does this process want to end? Then who waits is answered with how it is."""
        self._database = database
        self._clock = clock
        self._settings = settings or WaitSettings()
        self._places = threading.BoundedSemaphore(self._settings.waiters)
        self._stopping = stopping

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place among those who wait, to be taken before a change is made. Raises TooManyWaiters."""
        if not self._places.acquire(blocking=False):
            raise errors.TooManyWaiters(waiters=self._settings.waiters)
        try:
            yield
        finally:
            self._places.release()

    def until_applied(self, wanted: Collection[str], timeout: float) -> Outcome:
        """Until what is committed in these scopes is in force, or `timeout` seconds have passed.

        It never fails: what was asked for is done, and only how far it got may be unknown.
        """
        look, end = _Look(self._database, frozenset(wanted)), self._clock.monotonic() + timeout
        pause, longest = self._settings.pause
        while True:
            outcome = look.once()
            left = end - self._clock.monotonic()
            if outcome.applied or left <= 0 or self._stopping():
                return outcome
            self._clock.sleep(min(pause, left))
            pause = min(longest, pause * 1.3)

    def of_agent(self, principal: Principal, agent_id: str) -> Object:
        """What an agent is behind with, as GET /agents/{id}/delivery shows it. Raises AgentNotFound."""
        with self._database.read() as connection:
            if not agents.by_ids(connection, [agent_id]):
                raise errors.AgentNotFound(id=agent_id)
            late = progress.of_agent(connection, agent_id)
        behind = [
            {
                "scope": one.scope,
                "position": one.position,
                "applied": one.applied,
                "since": _time(one.since),
                "age": one.age,
                "reason": one.reason,
            }
            for one in late
        ]
        return {"agent_id": agent_id, "behind": behind, "in_step": not behind}

    def of_resource(self, principal: Principal, resource_type: str, resource_id: str, timeout: float = 0.0) -> Object:
        """Who is late with a network or router, as GET /networks/{id}/delivery shows it; waits up to `timeout` s."""
        outcome = self.until_applied([scopes.key(resource_type, resource_id)], timeout)
        return {"applied": outcome.applied, "late": [_shown(one) for one in outcome.late]}


class _Look:
    """One waiter's looks. Once the scheduler has done its part and that is sent, only its positions are waited for:
    on a busy network somebody is always behind with something newer."""

    def __init__(self, database: Database, wanted: frozenset[str]) -> None:
        self._database = database
        self._wanted = wanted
        self._newest: int | None = None  # of the rows that are ours to wait for, once that is known
        self._targets: Mapping[str, int] | None = None

    def once(self) -> Outcome:
        try:
            with self._database.read() as connection:
                found = progress.of(connection, self._wanted, self._targets)
                if self._targets is None:
                    self._aim(connection, found)
        except errors.Unavailable as error:
            unknown = "the server cannot tell at the moment"
            return Outcome(False, tuple(Late(one, f"{unknown}: {error}", unknown) for one in sorted(self._wanted)))
        return Outcome(all(one.dead_end for one in found.late), found.late)

    def _aim(self, connection: Any, found: progress.Progress) -> None:
        if found.open_slots:
            return
        if self._newest is None:
            self._newest = found.unstamped[1] if found.unstamped else 0
        if found.unstamped is None or found.unstamped[0] > self._newest:
            self._targets = change.positions(connection, self._wanted)


def _who(one: Late) -> str:
    return f"{one.host} ({one.agent_type})" if one.host else one.scope


def _shown(one: Late) -> Object:
    named = {"agent_id": one.agent_id, "host": one.host, "agent_type": one.agent_type}
    return {**named, "scope": one.scope, "since": _time(one.since), "reason": one.reason}


def _time(value: datetime.datetime | None) -> str | None:
    return base.timestamp(value) if value else None
