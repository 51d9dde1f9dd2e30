"""Ways to spoil the product on purpose, each of which the checker must notice: a proof that it can.

They replace functions of a running process, so that the product has no switch for being wrong. Each name is one of the
mistakes that the design is against; `install` is called by node.py and server.py before anything is built.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from netsched.agents.base import cache
from netsched.db import agent as agent_table
from netsched.db import base, change, holder
from netsched.db.interest import interest
from netsched.db.transaction import Entry, Transaction
from netsched.model import brake
from netsched.rpc import agent as rpc
from netsched.server.services import delivery
from netsched.server.services import trust as trust_module

WINDOW = 0.5  # s


def install(name: str) -> None:
    """Spoil this process in the way of that name."""
    BREAKS[name]()


def cast_before_commit() -> None:
    """A request tells the agents from inside its transaction, and leaves nothing behind from which it could be told
    again: what the incumbent does."""
    services: list[delivery.DeliveryService] = []
    original = delivery.DeliveryService.__init__
    sender = concurrent.futures.ThreadPoolExecutor(max_workers=4)

    def construct(self: Any, *rest: Any, **named: Any) -> None:
        original(self, *rest, **named)
        services.append(self)

    def append(tx: Transaction, entries: Sequence[Entry]) -> None:
        if not entries or not services:
            return
        tx.execute(sa.update(change.log_state).values(position=change.log_state.c.position + 1))
        position = tx.execute(sa.select(change.log_state.c.position)).scalar_one()
        scopes: dict[str, list[Entry]] = {}
        for entry in entries:
            scopes.setdefault(entry.scope, []).append(entry)
        before = change.positions(tx.connection, scopes)
        rows = [{"scope": scope, "position": position} for scope in sorted(scopes)]
        base.upsert(tx.connection, change.scope_position, rows, "position")
        told = [change.Stamped(s, before.get(s, 0), position, tuple(found)) for s, found in scopes.items()]
        for address, notices in addressed(services[0], tx.connection, told).items():
            sender.submit(cast, services[0], address, notices)

    def addressed(service: Any, connection: Any, told: list[change.Stamped]) -> dict[str, dict[str, list[rpc.Notice]]]:
        """As DeliveryService does it, but from what this transaction sees."""
        held = holder.holders(connection, {one.scope for one in told})
        content = service._changed(connection, {one.scope: one.entries for one in told})
        incarnation = change.state(connection).incarnation
        found: dict[str, dict[str, list[rpc.Notice]]] = {}
        for one in told:
            upserts, removals = content[one.scope]
            for to in (h for h in held if h.scope == one.scope):
                notice = rpc.Notice(
                    scope=one.scope,
                    epoch=to.epoch,
                    incarnation=incarnation,
                    previous=one.previous,
                    position=one.position,
                    released=to.released,
                    upserts=None if to.released else upserts,
                    removals={} if to.released else removals,
                )
                recipient = rpc.recipient(to.agent_type, to.host)
                found.setdefault(to.address, {}).setdefault(recipient, []).append(notice)
        return found

    def cast(service: Any, address: str, notices: dict[str, list[rpc.Notice]]) -> None:
        with contextlib.suppress(Exception):  # logged and forgotten, as such code does
            service._push.notices(address, notices)

    delivery.DeliveryService.__init__ = construct  # type: ignore[method-assign]
    change.append = append


def no_epoch_check() -> None:
    """The agent takes notices of any epoch, and the server tells anyone about anything."""
    original = cache.Cache._notice

    def take(self: Any, notice: rpc.Notice) -> bool:
        mine = self._copies.get(notice.scope)
        state = self._open.get(notice.scope)
        if notice.released or notice.upserts is None or (state is not None and state.pulling):
            return original(self, notice)
        if mine is None:
            content = cache._patched({}, notice.upserts, notice.removals)
            self._copies[notice.scope] = cache.Copy(notice.epoch, notice.position, content)
            return True
        return original(self, notice.model_copy(update={"epoch": mine.epoch}))

    def answer(connection: sa.Connection, agent_id: str, scopes: Iterable[str]) -> dict[str, holder.Holder]:
        columns = [agent_table.agent.c[name] for name in ("agent_type", "host", "address")]
        one = connection.execute(sa.select(*columns).where(agent_table.agent.c.id == agent_id)).one()
        where = (interest.c.agent_id == agent_id, interest.c.scope.in_(sorted(scopes)))
        epochs = dict(connection.execute(sa.select(interest.c.scope, interest.c.epoch).where(*where)).all())
        return {
            scope: holder.Holder(
                agent_id, one.agent_type, one.host, one.address, scope, epochs.get(scope, 1), False, None
            )
            for scope in scopes
        }

    cache.Cache._notice = take  # type: ignore[method-assign]
    holder.held_by = answer


def no_brake() -> None:
    """Whatever looks dead is moved from at once: no brake on mass failure, no doubt of this server's own hearing."""
    trust_module.Trust.__call__ = lambda self: True  # type: ignore[method-assign]
    brake.engages = lambda silent, total: False


def pull_content_first() -> None:
    """A pull reads content before positions, so that what changes in between is never told."""
    original = delivery.DeliveryService.pull

    def pull(self: Any, request: rpc.PullRequest) -> rpc.PullAnswer:
        whole = rpc.PullRequest(**{**request.model_dump(), "incarnation": "none of mine"})  # asks for all of it
        early = {told.scope: told for told in original(self, whole).scopes}
        time.sleep(WINDOW)
        late = original(self, whole)
        scopes = [
            told.model_copy(update={"upserts": early[told.scope].upserts})
            if told.held and early[told.scope].held
            else told
            for told in late.scopes
        ]
        return late.model_copy(update={"scopes": scopes})

    delivery.DeliveryService.pull = pull  # type: ignore[method-assign]


BREAKS = {
    "cast-before-commit": cast_before_commit,
    "no-epoch-check": no_epoch_check,
    "no-brake": no_brake,
    "pull-content-first": pull_content_first,
}
