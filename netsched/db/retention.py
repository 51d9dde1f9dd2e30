"""Deleting what nobody needs any more, in batches: each is one short transaction."""

from __future__ import annotations

import sqlalchemy as sa

from netsched.db import base
from netsched.db.agent import agent, agent_beat
from netsched.db.binding import binding
from netsched.db.decision import decision, plan
from netsched.db.transaction import Transaction

BATCH = 1000


def decisions(tx: Transaction, keep_seconds: float, batch: int = BATCH) -> int:
    """Decisions older than that, except the newest of each slot, which explains what is; returns how many went."""
    newer = decision.alias("newer")
    superseded = sa.exists().where(
        newer.c.resource_type == decision.c.resource_type,
        newer.c.resource_id == decision.c.resource_id,
        newer.c.slot == decision.c.slot,
        newer.c.id > decision.c.id,
    )
    alive = sa.exists().where(
        binding.c.resource_type == decision.c.resource_type, binding.c.resource_id == decision.c.resource_id
    )
    old = decision.c.at < base.before_now(tx.connection, keep_seconds)
    query = sa.select(decision.c.id).where(old, sa.or_(superseded, ~alive)).order_by(decision.c.id).limit(batch)
    ids = tx.execute(query).scalars().all()
    if ids:
        tx.execute(sa.delete(decision).where(decision.c.id.in_(ids)))
    return len(ids)


def plans(tx: Transaction, keep_seconds: float, batch: int = BATCH) -> int:
    """Snapshots that no decision refers to any more."""
    used = sa.exists().where(decision.c.plan_id == plan.c.id)
    old = plan.c.at < base.before_now(tx.connection, keep_seconds)
    ids = tx.execute(sa.select(plan.c.id).where(old, ~used).limit(batch)).scalars().all()
    if ids:
        tx.execute(sa.delete(plan).where(plan.c.id.in_(ids)))
    return len(ids)


def dead_agents(tx: Transaction, silent_for: float, batch: int = BATCH) -> int:
    """Agents that have been silent that long and hold nothing."""
    holds = sa.exists().where(binding.c.agent_id == agent.c.id)
    query = (
        sa.select(agent.c.id)
        .join(agent_beat, agent_beat.c.agent_id == agent.c.id)
        .where(agent_beat.c.received_at < base.before_now(tx.connection, silent_for), ~holds)
        .limit(batch)
    )
    ids = tx.execute(query).scalars().all()
    if ids:
        tx.execute(sa.delete(agent).where(agent.c.id.in_(ids)))
    return len(ids)
