"""Replica slots: what is to be placed, and where it is. Applies plans under guards."""

from __future__ import annotations

import sqlalchemy as sa

from netsched.db import base

# A slot row is the wish (agent_id null) and its fulfilment; it lives as long as the resource, so its epoch only grows.
binding = sa.Table(
    "binding",
    base.metadata,
    sa.Column("id", base.Id, primary_key=True),
    sa.Column("resource_type", sa.String(50), nullable=False),
    sa.Column("resource_id", base.Id, nullable=False),
    sa.Column("slot", sa.Integer, nullable=False),
    sa.Column("agent_type", sa.String(100), nullable=False),
    sa.Column("agent_id", base.Id, sa.ForeignKey("agent.id"), nullable=True),
    sa.Column("epoch", sa.BigInteger, nullable=False, default=0),
    # idle (not wanted now), unbound (wanted), bound; error text is a column of its own
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("demand", base.Json, nullable=False),
    sa.Column("zone_hints", base.Json, nullable=False),
    sa.Column("hold_until", base.DateTime, nullable=True),
    sa.Column("error", base.Text, nullable=True),  # the agent's message, when it fails to apply
    sa.Column("bound_at", base.DateTime, nullable=True),
    sa.UniqueConstraint("resource_type", "resource_id", "slot"),
    sa.UniqueConstraint("resource_type", "resource_id", "agent_id"),
    sa.Index("ix_binding_agent_id", "agent_id"),
    sa.Index("ix_binding_state", "state", "hold_until"),
)

# What was decided, by whom and why; the newest of a slot explains it. `record` holds candidates, rejections, scores.
decision = sa.Table(
    "decision",
    base.metadata,
    sa.Column("id", base.BigId, primary_key=True, autoincrement=True),
    sa.Column("resource_type", sa.String(50), nullable=False),
    sa.Column("resource_id", base.Id, nullable=False),
    sa.Column("slot", sa.Integer, nullable=True),
    sa.Column("epoch", sa.BigInteger, nullable=False, default=0),
    sa.Column("agent_id", base.Id, nullable=True),
    sa.Column("action", sa.String(20), nullable=False),  # place, move, unplaced, bind, unbind, agent-disable, ...
    sa.Column("at", base.DateTime, nullable=False),
    sa.Column("user_id", sa.String(255), nullable=True),
    sa.Column("project_id", sa.String(255), nullable=True),
    sa.Column("request_id", sa.String(100), nullable=True),
    sa.Column("plan_id", base.Id, nullable=True),
    sa.Column("record", base.Json, nullable=False),
    sa.Index("ix_decision_resource", "resource_type", "resource_id", "id"),
    sa.Index("ix_decision_at", "at"),
)

# The snapshot of a plan, once for all its decisions: enough to replay them.
plan = sa.Table(
    "plan",
    base.metadata,
    sa.Column("id", base.Id, primary_key=True),
    sa.Column("at", base.DateTime, nullable=False, index=True),
    sa.Column("snapshot", base.Json, nullable=False),
)

# An operator took the resource off that agent: it does not come back until bound there by hand.
bar = sa.Table(
    "bar",
    base.metadata,
    sa.Column("resource_type", sa.String(50), primary_key=True),
    sa.Column("resource_id", base.Id, primary_key=True),
    sa.Column("agent_id", base.Id, sa.ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True),
)
