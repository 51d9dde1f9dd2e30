"""The brakes of zones: watched, stored, shown, released. What they hold is the scheduler's; see scheduler/reconcile.py.

Every server judges: in each of its scheduling rounds, by the round's own snapshot, and here, so that a zone that falls
silent is an alarm even where nothing is to be moved.
"""

from __future__ import annotations

import datetime
import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from netsched import errors
from netsched.db import base
from netsched.db import brake as table
from netsched.db.session import Database
from netsched.model import brake
from netsched.model.brake import Brake
from netsched.model.principal import Principal

LOG = logging.getLogger(__name__)

Object = dict[str, Any]


class BrakeService:
    def __init__(self, database: Database, trust: Callable[[], bool] = lambda: True) -> None:
        """`trust`: may this server believe that silent agents are silent? Without it, it judges nothing."""
        self._database = database
        self._trust = trust

    def watch(self) -> None:
        """One statement in peace; two more while many are silent, or a brake is on."""
        if not self._trust():
            return
        with self._database.read() as connection:
            types = table.to_judge(connection)
            if not types:
                return
            stored = table.list_(connection, types)
            present = table.present(connection, types)
            now = table.time(connection)
        # Asked again after the look: a stop within it would make everybody look silent.
        if self._trust():
            self.keep(stored, brake.judge(stored, present, now))

    def keep(self, stored: Iterable[Brake], judged: Iterable[Brake]) -> None:
        """Store what has changed, and say so; of several servers that see the same, the first one does."""
        before = {one.place: one for one in stored}
        for after in judged:
            known = before.get(after.place)
            if known != after and self._database.write(functools.partial(table.store, before=known, after=after)):
                _tell(known, after)

    def release(self, principal: Principal, zone: str, released: bool) -> list[Object]:
        """The zone's brakes afterwards. False takes a release back. Raises BrakeNotFound when none is on there."""
        with self._database.read() as connection:
            now = table.time(connection)
        by = {
            "user_id": principal.user_id,
            "project_id": principal.project_id,
            "request_id": principal.request_id,
            "at": now.isoformat(),
        }
        if not self._database.write(lambda tx: table.release(tx, zone, by if released else None)):
            raise errors.BrakeNotFound(zone=zone)
        what = "released: what silent agents hold moves" if released else "no longer released: nothing moves"
        LOG.warning("brake of zone %s %s (user %s, %s)", zone, what, principal.user_id, principal.request_id)
        return [one for one in self.list(principal) if one["zone"] == zone]

    def list(self, principal: Principal) -> list[Object]:
        """Those that are engaged, released or resuming."""
        with self._database.read() as connection:
            now = table.time(connection)
            found = table.list_(connection)
        shown = [(one, one.state(now)) for one in found]
        return [_as_rest(one, state) for one, state in shown if state is not None]


def _tell(before: Brake | None, after: Brake) -> None:
    was_on = before is not None and before.engaged_at is not None
    if after.engaged_at is not None and (before is None or before.engaged_at != after.engaged_at):
        LOG.warning("%s", after.reason())
    elif was_on and after.engaged_at is None:
        LOG.warning(
            "the brake of zone %s (%s) has ended: %d of %d agents silent; moves %s",
            *(after.zone, after.agent_type, after.silent, after.total),
            "go on" if after.released else "return gradually",
        )


def _as_rest(one: Brake, state: str) -> Object:
    since = one.engaged_at or one.ended_at
    return {
        "id": f"{one.zone}/{one.agent_type}",
        "zone": one.zone,
        "agent_type": one.agent_type,
        "state": state,
        "since": base.timestamp(since) if since else None,
        "silent": one.silent,
        "total": one.total,
        "released_by": _by(one.released) if one.released else None,
    }


def _by(released: Mapping[str, str]) -> Object:
    at = datetime.datetime.fromisoformat(released["at"])  # stored exactly, since what follows from it is judged by it
    return {**released, "at": base.timestamp(at)}
