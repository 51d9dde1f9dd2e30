"""Who must hear of a change (`interest`) and what each agent has in force (`applied`)."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from netsched.db import base
from netsched.db.transaction import Transaction

HELD = "held"
RELEASED = "released"

# Outlives its cause: a released holder still hears, until it has acknowledged the removal.
interest = sa.Table(
    "interest",
    base.metadata,
    sa.Column("agent_id", base.Id, sa.ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("scope", sa.String(100), primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False, default=0),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("cause", sa.String(20), nullable=False),  # binding, host, registered
    sa.Column("filter", base.Json, nullable=True),  # registered ones: see holder.Filter
    # Where the agent's copy must get to. On this row, and not only in scope_position, so that the acknowledgement's
    # conditional UPDATE and a stamping that runs meanwhile contend for the same row.
    sa.Column("position", sa.BigInteger, nullable=False, default=0),
    # Since when the agent owes an acknowledgement; null when what it applied is what there is. Makes "who lags?"
    # an index look-up instead of agents x scopes.
    sa.Column("behind_since", base.DateTime, nullable=True),
    sa.Index("ix_interest_scope", "scope"),
    sa.Index("ix_interest_agent_id_behind_since", "agent_id", "behind_since"),
)

applied = sa.Table(
    "applied",
    base.metadata,
    sa.Column("agent_id", base.Id, sa.ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("scope", sa.String(100), primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
)


def grant(
    tx: Transaction,
    held: Iterable[tuple[str, str, int]],
    lost: Iterable[tuple[str, str, int]] = (),
    cause: str = "binding",
) -> None:
    """Holders of (agent id, scope, epoch) from now on, and those that lost it, in one statement.

    Both owe an acknowledgement from now on: the one of the content, the other of its removal.
    """
    rows = [_row(entry, RELEASED, cause) for entry in lost] + [_row(entry, HELD, cause) for entry in held]
    base.upsert(tx.connection, interest, rows, "epoch", "state", "cause", "filter", "behind_since")


def _row(entry: tuple[str, str, int], state: str, cause: str) -> dict[str, object]:
    agent_id, scope, epoch = entry
    owed = {"epoch": epoch, "state": state, "cause": cause, "filter": None, "behind_since": base.now()}
    return {"agent_id": agent_id, "scope": scope, **owed}


def release(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> None:
    """The agents hold these scopes no more: they still hear, until they have acknowledged the removal."""
    wanted = sorted(set(pairs))
    if not wanted:
        return
    where = (
        interest.c.scope.in_({scope for _, scope in wanted}),  # what MariaDB can use its index for
        sa.tuple_(interest.c.agent_id, interest.c.scope).in_(wanted),
    )
    tx.execute(sa.update(interest).where(*where).values(state=RELEASED, behind_since=base.now()))
