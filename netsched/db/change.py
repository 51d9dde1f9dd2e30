"""The change log: what changed, in which scope, in which order. The truth that deliveries are repeated from.

A row is one (scope, object): no body, since content is read when it is sent. Rows go committed -> stamped -> sent:

    committed   position is null; written by `append` as the last statement of the transaction that changed something
    stamped     `stamp` gave it a position; all rows of one stamping share one position
    sent        the broker confirmed it; `mark_sent`

Positions are given by the relays and not by the writers: writers must not contend on a counter, and an
auto-increment id is not the order of commits.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from netsched.db import base

if TYPE_CHECKING:
    from netsched.db.session import Transaction

log = sa.Table(
    "change",
    base.metadata,
    sa.Column("id", base.BigId, primary_key=True, autoincrement=True),
    sa.Column("scope", sa.String(100), nullable=False),
    sa.Column("kind", sa.String(50), nullable=False),
    sa.Column("object_id", sa.String(100), nullable=False),
    sa.Column("operation", sa.String(10), nullable=False),
    sa.Column("created_at", base.DateTime, nullable=False),
    sa.Column("previous", sa.BigInteger, nullable=True),
    sa.Column("position", sa.BigInteger, nullable=True),
    sa.Column("stamped_at", base.DateTime, nullable=True),
    sa.Column("sent", sa.Boolean, nullable=False, default=False),
    sa.Index("ix_change_position_id", "position", "id"),
    sa.Index("ix_change_scope_position", "scope", "position"),
    sa.Index("ix_change_sent_stamped_at", "sent", "stamped_at"),
)

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


@dataclass(frozen=True)
class Entry:
    scope: str
    kind: str
    object_id: str
    operation: str


def append(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Write the entries in one statement. Called by session.py as the last thing before a commit."""
    if entries:
        tx.execute(sa.insert(log).values([{**vars(e), "created_at": tx.now, "sent": False} for e in entries]))
