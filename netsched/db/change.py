"""The change log: what changed, in which scope, in which order. The truth that deliveries are repeated from.

A row is one (scope, object): no body, since content is read when it is sent. Rows go committed -> stamped -> sent:

    committed   position is null; written by `append` as the last statement of the transaction that changed something
    stamped     `stamp` gave it a position; all rows of one stamping share one position
    sent        the broker confirmed it; `mark_sent`

Positions are given by the relays and not by the writers: writers must not contend on a counter, and an
auto-increment id is not the order of commits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched import trace
from netsched.db import base, holder
from netsched.db.transaction import Entry, Transaction

log = sa.Table(
    "change",
    base.metadata,
    sa.Column("id", base.BigId, primary_key=True, autoincrement=True),
    sa.Column("scope", sa.String(100), nullable=False),
    sa.Column("kind", sa.String(50), nullable=False),
    sa.Column("object_id", sa.String(100), nullable=False),
    sa.Column("operation", sa.String(10), nullable=False),
    sa.Column("created_at", base.DateTime, nullable=False),
    sa.Column("request_id", sa.String(100), nullable=True),  # of the API request that changed it
    sa.Column("previous", sa.BigInteger, nullable=True),
    sa.Column("position", sa.BigInteger, nullable=True),
    sa.Column("stamped_at", base.DateTime, nullable=True),
    sa.Column("sent", sa.Boolean, nullable=False, default=False),
    sa.Index("ix_change_position_id", "position", "id"),
    sa.Index("ix_change_scope_position", "scope", "position"),
    sa.Index("ix_change_sent_stamped_at", "sent", "stamped_at"),
)

BATCH = 2500  # rows in one stamping, at most: each costs ten statements and a message to each address
REQUESTS = 10  # requests named with a change, at most: for logs, where more would say less
LATELY = 300.0  # s for which a request is named to agents that get the whole scope

# Where each scope stands: the position of its last stamping. Never pruned while someone may hold the scope.
scope_position = sa.Table(
    "scope_position",
    base.metadata,
    sa.Column("scope", sa.String(100), primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
)

# One row. Stampers on all servers serialise on it; Galera's certification rejects a loser.
log_state = sa.Table(
    "log_state",
    base.metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("floor", sa.BigInteger, nullable=False),  # rows at or below it may have been pruned
    sa.Column("incarnation", base.Id, nullable=False),  # changes when the database is restored from a dump
)


def append(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Write the entries in one statement. Called by session.py as the last thing before a commit."""
    if entries:
        request = trace.current()
        same = {"created_at": tx.now, "sent": False, "request_id": request.request_id if request else None}
        base.insert(tx.connection, log, [{**vars(e), **same} for e in entries])


@dataclass(frozen=True)
class Stamped:
    """What one stamping says of one scope: bring it from `previous` to `position` by reading `entries` again.

    `requests`: ids of the API requests that changed it, the newest `REQUESTS` of them. `known` False: all who hold it
    hold it newly, and have nothing that a delta could bring further.
    """

    scope: str
    previous: int
    position: int
    entries: tuple[Entry, ...]
    requests: tuple[str, ...] = ()
    known: bool = True


@dataclass(frozen=True)
class Since:
    """What changed in a scope, and by which requests, as in Stamped."""

    entries: tuple[Entry, ...] = ()
    requests: tuple[str, ...] = ()


@dataclass(frozen=True)
class LogState:
    position: int
    floor: int
    incarnation: str


def state(connection: sa.Connection) -> LogState:
    row = connection.execute(sa.select(log_state.c.position, log_state.c.floor, log_state.c.incarnation)).one()
    return LogState(row.position, row.floor, row.incarnation)


def start(tx: Transaction, incarnation: str) -> None:
    """Begin a log in an empty database, or a new incarnation of it after a restore."""
    if tx.execute(sa.update(log_state).values(incarnation=incarnation)).rowcount == 0:
        tx.execute(sa.insert(log_state).values(id=1, position=0, floor=0, incarnation=incarnation))


def has_unstamped(connection: sa.Connection) -> bool:
    return connection.execute(sa.select(log.c.id).where(log.c.position.is_(None)).limit(1)).first() is not None


def stamp(tx: Transaction, limit: int = BATCH) -> list[Stamped]:
    """Give up to `limit` committed rows one new position, and move their scopes and those who hold them to it.

    The update of the state row comes first: from there on every other stamper waits.
    """
    tx.execute(sa.update(log_state).values(position=log_state.c.position + 1))
    position = tx.execute(sa.select(log_state.c.position)).scalar_one()
    wanted = sa.select(log.c.id, *_SAID).where(log.c.position.is_(None)).order_by(log.c.id).limit(limit)
    rows = tx.execute(wanted).all()
    if not rows:
        return []
    changed = _grouped(rows, "scope")
    before = _before(tx.connection, [scope for (scope,) in changed])
    previous = (
        sa.select(sa.func.coalesce(sa.func.max(scope_position.c.position), 0))
        .where(scope_position.c.scope == log.c.scope)
        .scalar_subquery()
    )
    tx.execute(
        sa.update(log)
        .where(log.c.id.in_([row.id for row in rows]))
        .values(position=position, previous=previous, stamped_at=base.now())
    )
    moved = [{"scope": scope, "position": position} for (scope,) in sorted(changed)]
    base.upsert(tx.connection, scope_position, moved, "position")
    changes = {
        scope: [(e.kind, e.object_id, e.operation) for e in found.entries] for (scope,), found in changed.items()
    }
    holder.move(tx.connection, position, changes)
    return [
        Stamped(scope, before[scope].previous, position, found.entries, found.requests, before[scope].known)
        if scope in before
        else Stamped(scope, 0, position, found.entries, found.requests)
        for (scope,), found in changed.items()
    ]


def _before(connection: sa.Connection, scopes: Sequence[str]) -> dict[str, Any]:
    """Where each scope stands that has changed before, and whether anybody who holds it was ever told of a change."""
    table = holder.interest
    mine = table.c.scope == scope_position.c.scope
    told = sa.exists().where(mine, table.c.state == holder.HELD, table.c.position > 0)
    rows = connection.execute(
        sa.select(scope_position.c.scope, scope_position.c.position.label("previous"), told.label("known")).where(
            scope_position.c.scope.in_(sorted(scopes))
        )
    )
    return {row.scope: row for row in rows}


def unsent(connection: sa.Connection, older_than: float, limit: int = BATCH) -> list[Stamped]:
    """What some relay stamped more than `older_than` seconds ago and nobody has sent: its relay died.

    Whole stampings only, as they are marked: a part would be told as if it were all of it.
    """
    waiting = log.c.sent.is_(sa.false())
    old = log.c.stamped_at < base.before_now(connection, older_than)
    newest = sa.select(sa.func.max(log.c.position)).where(waiting, old).scalar_subquery()
    rows = connection.execute(
        sa.select(*_SAID, log.c.previous, log.c.position)
        .where(waiting, log.c.position <= newest)
        .order_by(log.c.position, log.c.id)
        .limit(limit)
    ).all()
    if len(rows) == limit and rows[0].position != rows[-1].position:
        rows = [row for row in rows if row.position != rows[-1].position]  # the limit may have cut that one
    found = _grouped(rows, "scope", "previous", "position")
    return [
        Stamped(scope, previous, position, since.entries, since.requests)
        for (scope, previous, position), since in found.items()
    ]


def mark_sent(tx: Transaction, stamped: Iterable[Stamped]) -> None:
    where = sorted({s.position for s in stamped})
    scopes = sorted({s.scope for s in stamped})
    if where:
        tx.execute(sa.update(log).where(log.c.position.in_(where), log.c.scope.in_(scopes)).values(sent=True))


def positions(connection: sa.Connection, scopes: Iterable[str]) -> dict[str, int]:
    """Where each scope stands; one that never changed is absent."""
    rows = connection.execute(
        sa.select(scope_position.c.scope, scope_position.c.position).where(scope_position.c.scope.in_(sorted(scopes)))
    )
    return {row.scope: row.position for row in rows}


def since(connection: sa.Connection, ranges: dict[str, tuple[int, int]]) -> dict[str, Since]:
    """What changed in each scope after the first and up to the second position."""
    if not ranges:
        return {}
    wanted = [
        sa.and_(log.c.scope == scope, log.c.position > low, log.c.position <= high)
        for scope, (low, high) in ranges.items()
    ]
    found = _grouped(connection.execute(sa.select(*_SAID).where(sa.or_(*wanted)).order_by(log.c.id)), "scope")
    return {scope: found.get((scope,), Since()) for scope in ranges}


def lately(connection: sa.Connection, scopes: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Requests that changed these scopes in the last `LATELY` seconds; scopes without any are absent."""
    if not scopes:
        return {}
    rows = connection.execute(
        sa.select(log.c.scope, log.c.request_id)
        .where(
            log.c.scope.in_(sorted(scopes)),
            log.c.request_id.is_not(None),
            log.c.created_at > base.before_now(connection, LATELY),
        )
        .order_by(log.c.id.desc())
        .limit(REQUESTS * len(scopes))
    ).all()
    return {scope: _requests(row for row in reversed(rows) if row.scope == scope) for scope in {r.scope for r in rows}}


_SAID = (log.c.scope, log.c.kind, log.c.object_id, log.c.operation, log.c.request_id)


def _grouped(rows: Iterable[Any], *key: str) -> dict[tuple[Any, ...], Since]:
    """Rows of `_SAID` columns by the columns named in `key`, in their order."""
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, name) for name in key), []).append(row)
    return {
        where: Since(tuple(Entry(r.scope, r.kind, r.object_id, r.operation) for r in some), _requests(some))
        for where, some in groups.items()
    }


def _requests(rows: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.request_id for row in rows if row.request_id))[-REQUESTS:]


def backlog(connection: sa.Connection) -> dict[str, float]:
    """For `netsched status`: rows that wait for a stamp and for a send, and the age of the oldest, in seconds."""
    waiting = log.c.sent.is_(sa.false())
    unstamped = sa.func.count(sa.case((log.c.position.is_(None), 1)))
    query = sa.select(unstamped, sa.func.count(), sa.func.min(log.c.created_at), base.now()).where(waiting)
    new, unsent, oldest, now = connection.execute(query).one()
    age = round((now - oldest).total_seconds(), 1) if oldest else 0.0
    return {"unstamped": new, "unsent": unsent, "oldest_unsent_age": max(age, 0.0)}


def prune(tx: Transaction, keep_seconds: float, keep_rows: int, batch: int = 1000) -> int:
    """Delete one batch of rows that were sent and are old or too many; the floor rises with them.

    A pull from below the floor gets the whole scope. Returns how many rows went; call again while it is `batch`.
    """
    newest = tx.execute(sa.select(sa.func.max(log.c.id))).scalar() or 0
    old = sa.or_(log.c.created_at < base.before_now(tx.connection, keep_seconds), log.c.id <= newest - keep_rows)
    rows = tx.execute(
        sa.select(log.c.id, log.c.position).where(log.c.sent.is_(sa.true()), old).order_by(log.c.id).limit(batch)
    ).all()
    if rows:
        floor = max(row.position for row in rows)
        tx.execute(sa.update(log_state).where(log_state.c.floor < floor).values(floor=floor))
        tx.execute(sa.delete(log).where(log.c.id.in_([row.id for row in rows])))
    return len(rows)
