"""From the change log to the agents: notices for those who hold a scope, and answers to their pulls."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from netsched import errors
from netsched.clock import SystemClock
from netsched.db import agent as agent_table
from netsched.db import change, holder
from netsched.db.session import Database
from netsched.model import scope as scopes
from netsched.rpc import agent as rpc
from netsched.server.services import pulling, returning
from netsched.server.services.reading import Reader
from netsched.server.services.rush import Rush
from netsched.tally import Tally

LOG = logging.getLogger(__name__)
RESEND_AFTER = 2.0  # s: a relay that stamped and has not sent by then is taken for dead

Objects = dict[str, Any]
Upserts = dict[str, list[Objects]]
Removals = dict[str, list[str]]
T = TypeVar("T")
ByAgent = dict[str, list[T]]


class Push(Protocol):
    def notices(self, address: str, notices: dict[str, list[rpc.Notice]]) -> None: ...


@dataclass(frozen=True)
class DeliverySettings:
    """`mode`: "push", or "beat" (changes travel on the answers to heartbeats). `payload`: "full" or "id"."""

    mode: str = "push"
    payload: str = "full"


class DeliveryService:
    def __init__(
        self,
        database: Database,
        readers: Mapping[tuple[str, str], Reader],
        push: Push,
        settings: DeliverySettings | None = None,
        rush: Rush | None = None,
    ) -> None:
        """`readers` by scope type and kind: ("network", "port"), or of kinds that this release does not know."""
        self._database = database
        self._readers = readers
        self._push = push
        self.settings = settings or DeliverySettings()
        self._rush = rush or Rush(SystemClock())
        self.pulls = Tally()

    # Relay

    def relay(self) -> int:
        """Stamp what is committed, send what is stamped. Returns how many scopes were told of."""
        moved = self._rush.moved  # before the look at what there is to tell
        with self._database.read() as connection:
            left_behind = change.unsent(connection, RESEND_AFTER)
            waiting = change.has_unstamped(connection)
        stamped = self._database.write(change.stamp) if waiting else []
        self._send(left_behind)
        self._send(stamped)
        if moved and not waiting:
            self._rush.all_told()
        return len(stamped) + len(left_behind)

    def _send(self, stamped: list[change.Stamped]) -> None:
        """Cast and mark; marked only if the transport took all, so a crash or a broker that is away costs a repeat."""
        if not stamped:
            return
        if self.settings.mode == "push":
            by_address = self._addressed(stamped)
            try:
                for address, notices in by_address.items():
                    self._push.notices(address, notices)
            except errors.Unavailable as error:
                LOG.warning("changes wait for the message broker: %s", error)
                return
        self._database.write(lambda tx: change.mark_sent(tx, stamped))

    def _addressed(self, stamped: list[change.Stamped]) -> dict[str, dict[str, list[rpc.Notice]]]:
        with self._database.read() as connection:
            held = holder.holders(connection, {s.scope for s in stamped})
            if not held:
                return {}
            concerned = {h.scope for h in held}
            stamped = [s for s in stamped if s.scope in concerned]
            state = change.state(connection)
            # Who holds a scope newly pulls it whole. A delta that nobody can use would double what a move costs here.
            content = self._changed(connection, _entries([s for s in stamped if s.known]))
        by_scope: dict[str, list[holder.Holder]] = {}
        for one in held:
            by_scope.setdefault(one.scope, []).append(one)
        addressed: dict[str, dict[str, list[rpc.Notice]]] = {}
        for one_stamped in stamped:
            for one in by_scope[one_stamped.scope]:
                notice = self._notice(one, one_stamped, state.incarnation, content.get(one_stamped.scope))
                if notice is not None:
                    to = rpc.recipient(one.agent_type, one.host)
                    addressed.setdefault(one.address, {}).setdefault(to, []).append(notice)
        return addressed

    def _notice(
        self, to: holder.Holder, stamped: change.Stamped, incarnation: str, content: tuple[Upserts, Removals] | None
    ) -> rpc.Notice | None:
        """`content` None: the agent is to pull."""
        concerned = any(holder.lets_through(to.filter, e.kind, e.object_id, e.operation) for e in stamped.entries)
        if not concerned and not to.released:
            return None
        empty = content is None or to.released or self.settings.payload == "id"
        upserts, removals = ({}, {}) if content is None else _filtered(content, to.filter)
        return rpc.Notice(
            scope=to.scope,
            epoch=to.epoch,
            incarnation=incarnation,
            previous=stamped.previous,
            position=stamped.position,
            released=to.released,
            upserts=None if empty else upserts,
            removals={} if empty else removals,
            requests=list(stamped.requests),
        )

    # Content

    def _changed(
        self, connection: Any, entries: Mapping[str, Iterable[change.Entry]]
    ) -> dict[str, tuple[Upserts, Removals]]:
        """What the changed objects are now; one that is not there (any more) is a removal.

        One read per kind and scope type.
        """
        ids: dict[tuple[str, str], dict[str, set[str]]] = {}
        for scope, found in entries.items():
            scope_type, scope_id = scopes.split(scope)
            for entry in found:
                ids.setdefault((scope_type, entry.kind), {}).setdefault(scope_id, set()).add(entry.object_id)
        current = {key: self._readers[key].some(connection, wanted) for key, wanted in ids.items()}
        content: dict[str, tuple[Upserts, Removals]] = {}
        for scope, found in entries.items():
            upserts: Upserts = {}
            removals: Removals = {}
            scope_type, scope_id = scopes.split(scope)
            for kind, object_id in dict.fromkeys((e.kind, e.object_id) for e in found):
                object_ = current[scope_type, kind][scope_id].get(object_id)
                if object_ is None:
                    removals.setdefault(kind, []).append(object_id)
                else:
                    upserts.setdefault(kind, []).append(object_)
            content[scope] = (upserts, removals)
        return content

    def _whole(self, connection: Any, wanted: Sequence[str]) -> dict[str, Upserts]:
        """Everything in these scopes. One read per kind and scope type."""
        by_type: dict[str, list[str]] = {}
        for scope in wanted:
            scope_type, scope_id = scopes.split(scope)
            by_type.setdefault(scope_type, []).append(scope_id)
        content: dict[str, Upserts] = {scope: {} for scope in wanted}
        for scope_type, ids in by_type.items():
            for kind in scopes.members(scope_type):
                if (scope_type, kind) not in self._readers:
                    continue  # a registered interest in a type of which this server keeps no objects
                for scope_id, objects in self._readers[scope_type, kind].whole(connection, ids).items():
                    content[scopes.key(scope_type, scope_id)][kind] = objects
        return content

    # Pull

    def pull(self, request: rpc.PullRequest) -> rpc.PullAnswer:
        """What changed in each scope since the agent's position, or all of it. Not held: said so, nothing more.

        Scopes beyond what one answer should hold are left out, and all of them in a rush: the agent asks again.
        """
        self.pulls.add()
        if self._rush.under_way():
            return rpc.PullAnswer(incarnation=request.incarnation, scopes=[])
        asked = {item.scope: item for item in request.items}
        with self._database.read() as connection:
            state = change.state(connection)
            agent_id = agent_table.id_of(connection, request.agent_type, request.host)
            held = holder.held_by(connection, agent_id, asked) if agent_id else {}
            positions = change.positions(connection, held)
        # Positions are read; the content after them, so that it is at least as new.
        known = request.incarnation == state.incarnation
        ahead = [scope for scope, item in asked.items() if item.position > positions.get(scope, state.position)]
        if known and ahead and returning.restored_before(self._database, request, state.position):
            return self.pull(request)
        shares = pulling.share(held, asked, positions, state.floor, known)
        content, requests = self._content(shares)
        pulled = [rpc.PulledScope(scope=scope, held=False) for scope in asked if scope not in held]
        for scope, (upserts, removals) in content.items():
            upserts, removals = _filtered((upserts, removals), held[scope].filter)
            pulled.append(
                rpc.PulledScope(
                    scope=scope,
                    epoch=held[scope].epoch,
                    position=positions.get(scope, 0),
                    full=scope in shares.whole,
                    upserts=upserts,
                    removals=removals,
                    requests=list(requests.get(scope, ())),
                )
            )
        return rpc.PullAnswer(incarnation=state.incarnation, scopes=pulled)

    def _content(
        self, shares: pulling.Shares
    ) -> tuple[dict[str, tuple[Upserts, Removals]], Mapping[str, Sequence[str]]]:
        """Of each scope that is answered: what is sent, and the requests that made it so."""
        with self._database.read() as connection:
            since = change.since(connection, shares.changed)
            content = self._changed(connection, {scope: found.entries for scope, found in since.items()})
            whole = self._whole(connection, shares.whole)
            requests = {scope: found.requests for scope, found in since.items()} | change.lately(connection, whole)
        content |= {scope: (upserts, {}) for scope, upserts in whole.items()}
        return content | {scope: ({}, {}) for scope in shares.unchanged}, requests

    # Heartbeat answers

    def on_beats(self, owed: Sequence[holder.Behind]) -> tuple[ByAgent[rpc.Lagging], ByAgent[rpc.Notice]]:
        """What the answers to beats carry, by agent id: scopes to pull, and with mode "beat" the changes themselves.

        By push, what is owed is named only when it cannot be under way any more.
        """
        if self.settings.mode == "push":
            return _lagging([one for one in owed if not one.fresh]), {}
        if self.settings.payload == "id":
            return _lagging(owed), {}
        notices = self._deltas([one for one in owed if not one.released and not one.filtered])
        told = {(agent_id, notice.scope) for agent_id, some in notices.items() for notice in some}
        return _lagging([one for one in owed if (one.agent_id, one.scope) not in told]), notices

    def _deltas(self, owed: Sequence[holder.Behind]) -> ByAgent[rpc.Notice]:
        """For each agent that has an earlier state of a scope in force: a notice from there to now."""
        notices: ByAgent[rpc.Notice] = {}
        if not owed:
            return notices
        with self._database.read() as connection:
            state = change.state(connection)
            rows = holder.applied_by(connection, {one.agent_id for one in owed}, {one.scope for one in owed})
            has = {(row.agent_id, row.scope): row for row in rows}
            positions = change.positions(connection, {one.scope for one in owed})
            start: dict[str, int] = {}
            told: list[holder.Behind] = []
            for one in owed:
                mine = has.get((one.agent_id, one.scope))
                if mine is not None and mine.epoch == one.epoch and mine.position >= max(state.floor, 1):
                    start[one.scope] = min(mine.position, start.get(one.scope, mine.position))
                    told.append(one)
            # From the furthest back of its holders: more than one of them needs is harmless, since it is current.
            since = change.since(connection, {s: (low, positions[s]) for s, low in start.items()})
            content = self._changed(connection, {scope: found.entries for scope, found in since.items()})
        for one in told:
            upserts, removals = content[one.scope]
            notice = rpc.Notice(
                scope=one.scope,
                epoch=one.epoch,
                incarnation=state.incarnation,
                previous=has[one.agent_id, one.scope].position,
                position=positions[one.scope],
                upserts=upserts,
                removals=removals,
                requests=list(since[one.scope].requests),
            )
            notices.setdefault(one.agent_id, []).append(notice)
        return notices


def _entries(stamped: Iterable[change.Stamped]) -> dict[str, list[change.Entry]]:
    """By scope. After an outage there are several stampings of one; then each is told with what all of them changed,
    which is harmless, since content is what is there now."""
    entries: dict[str, list[change.Entry]] = {}
    for one in stamped:
        entries.setdefault(one.scope, []).extend(one.entries)
    return entries


def _lagging(owed: Sequence[holder.Behind]) -> ByAgent[rpc.Lagging]:
    named: ByAgent[rpc.Lagging] = {}
    for one in owed:
        entry = rpc.Lagging(scope=one.scope, epoch=one.epoch, position=one.position)
        named.setdefault(one.agent_id, []).append(entry)
    return named


def _filtered(content: tuple[Upserts, Removals], wanted: holder.Filter | None) -> tuple[Upserts, Removals]:
    """What of this a holder is given; all of it unless it registered for less."""
    if wanted is None:
        return content
    upserts = {kind: [o for o in some if holder.covers(wanted, kind, o["id"])] for kind, some in content[0].items()}
    removals = {kind: [i for i in some if holder.covers(wanted, kind, i)] for kind, some in content[1].items()}
    return ({k: some for k, some in upserts.items() if some}, {k: some for k, some in removals.items() if some})
