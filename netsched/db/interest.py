"""Who must hear of a change (`interest`) and what each agent has in force (`applied`)."""

from __future__ import annotations

import sqlalchemy as sa

from netsched.db import base

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
    sa.Column("filter", base.Json, nullable=True),  # registered ones: {kind: [operations]}, [] for all
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
