"""Replica slots: what is to be placed and where it is. Applying a plan to them is apply.py's, explaining decision.py's.

A slot row is the wish (`agent_id` null) and its fulfilment. It lives as long as the resource, so its epoch only grows.
Whoever changes a holder first bumps the epoch of the rows, which locks them, then reads who held them: what was read
before the lock may be another scheduler's past.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched.db import base, claim, decision, interest, query
from netsched.db.agent import agent
from netsched.db.transaction import Repeat, Transaction
from netsched.model import scope, segment

IDLE = "idle"  # not wanted now
UNBOUND = "unbound"  # wanted
BOUND = "bound"
# What is said of a slot while it is with one holder, or waits for one; null for the next.
TOLD = ("hold_until", "reason", "error", "error_since", "failed_on")

binding = sa.Table(
    "binding",
    base.metadata,
    sa.Column("resource_type", sa.String(50), primary_key=True),
    sa.Column("resource_id", base.Id, primary_key=True),
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("agent_type", sa.String(100), nullable=False),
    sa.Column("agent_id", base.Id, sa.ForeignKey("agent.id"), nullable=True),
    sa.Column("epoch", sa.BigInteger, nullable=False, default=0),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("extra", sa.Boolean, nullable=False, default=False),  # beyond the replicas, made by an operator
    sa.Column("demand", base.Json, nullable=False),
    sa.Column("zone_hints", base.Json, nullable=False),
    sa.Column("requires", base.Json, nullable=True),  # what its agent must reach, as model/segment.py writes it
    sa.Column("alternates", base.Json, nullable=False),  # next best agents of the last placement
    sa.Column("hold_until", base.DateTime, nullable=True),
    sa.Column("reason", base.Text, nullable=True),  # why it is unbound, or what its own ports lack
    sa.Column("error", base.Text, nullable=True),  # the agent's message, when it fails to apply
    sa.Column("error_since", base.DateTime, nullable=True),  # without a break; of this holder
    # Agents it was moved away from since it last worked, each with its message: {id: message}.
    sa.Column("failed_on", base.Json, nullable=True),
    sa.Column("bound_at", base.DateTime, nullable=True),
    # When the ports that the resource owns want checking; null: they are as they should be.
    sa.Column("ports_due_at", base.DateTime, nullable=True),
    sa.UniqueConstraint("resource_type", "resource_id", "agent_id"),
    sa.Index("ix_binding_agent_id", "agent_id"),
    sa.Index("ix_binding_state", "state", "resource_id"),
    sa.Index("ix_binding_ports_due_at", "ports_due_at"),
    sa.Index("ix_binding_error_since", "error_since"),
)

# An operator took the resource off that agent: it does not come back until bound there by hand.
bar = sa.Table(
    "bar",
    base.metadata,
    sa.Column("resource_type", sa.String(50), primary_key=True),
    sa.Column("resource_id", base.Id, primary_key=True),
    sa.Column("agent_id", base.Id, sa.ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True),
)


def want(
    tx: Transaction,
    resource_type: str,
    resource_ids: str | Sequence[str],
    agent_type: str,
    replicas: int,
    demand: Mapping[str, int],
    zone_hints: Sequence[str],
    requires: Sequence[str] = (),
) -> None:
    """Have `replicas` slots of each resource placed on agents of that type. One statement, and safe to repeat.

    Makes missing slots and wakes idle ones. Repeat it whenever what the resource's own ports depend on has changed
    (a network's DHCP subnets): it also marks those ports for checking. A slot in use keeps its demand, since that is
    what was claimed for it. `requires`: what its agent must reach, in the words of model/segment.py; of a holder that
    does not see leave_if_unreachable.
    """
    fixed = {
        "resource_type": resource_type,
        "agent_type": agent_type,
        "epoch": 0,
        "state": UNBOUND,
        "extra": False,
        "demand": dict(demand),
        "zone_hints": list(zone_hints),
        "requires": list(requires),
        "alternates": [],
        "ports_due_at": base.now(),
    }
    ids = [resource_ids] if isinstance(resource_ids, str) else resource_ids
    rows = [{**fixed, "resource_id": id, "slot": slot} for id in ids for slot in range(replicas)]
    idle = binding.c.state == IDLE
    # A scheduler that has read the slot with other requirements is to fail at its epoch.
    news = binding.c.requires != sa.literal(list(requires), base.Json)
    wake = {
        "epoch": sa.case((sa.and_(binding.c.state == UNBOUND, news), binding.c.epoch + 1), else_=binding.c.epoch),
        "demand": sa.case((idle, sa.literal(dict(demand), base.Json)), else_=binding.c.demand),
        "state": sa.case((idle, UNBOUND), else_=binding.c.state),
    }
    base.upsert(tx.connection, binding, rows, "zone_hints", "requires", "extra", "ports_due_at", **wake)


def unwant(tx: Transaction, resource_type: str, resource_id: str) -> None:
    """Nobody needs the resource placed now: take it off its agents; the slots stay, idle, for their epochs.

    What was not wanted before stays where an operator has put it.
    """
    where = of(resource_type, resource_id)
    idle: dict[str, Any] = {
        "state": IDLE,
        "requires": [],
        "ports_due_at": base.now(),
        **dict.fromkeys(TOLD),
    }
    active = sa.update(binding).where(where, binding.c.state != IDLE).values(epoch=binding.c.epoch + 1, **idle)
    if tx.execute(active.where(binding.c.extra.is_(False))).rowcount:
        tx.execute(active)  # the extra ones too
        vacate(tx, where)


def leave_if_unreachable(tx: Transaction, resource_type: str, resource_id: str, requires: Sequence[str]) -> None:
    """Take the resource off holders that do not reach all that it requires by now; another is found for it.

    To be called after `want` when the requirements have changed. No statement when nothing is required. Raises Repeat.
    """
    if requires:
        _leave(tx, of(resource_type, resource_id))


def leave_what_it_cannot_reach(tx: Transaction, agent_id: str) -> None:
    """As above, for all that an agent holds which reaches less than before. One statement if it reaches enough."""
    _leave(tx, binding.c.agent_id == agent_id)


def _leave(tx: Transaction, held: sa.ColumnElement[bool]) -> None:
    key = (binding.c.resource_type, binding.c.resource_id, binding.c.slot)
    columns = (*key, binding.c.epoch, binding.c.requires, agent.c.capabilities)
    lost: dict[str, list[tuple[str, str, int, int]]] = {}
    for row in tx.execute(sa.select(*columns).join(agent, agent.c.id == binding.c.agent_id).where(held)):
        missing = segment.missing(row.requires or (), segment.reached(row.capabilities))
        if missing:
            lost.setdefault(", ".join(missing), []).append((row.resource_type, row.resource_id, row.slot, row.epoch))
    for lacking, slots in sorted(lost.items()):
        for batch in query.batches(slots):
            still = sa.tuple_(*key, binding.c.epoch).in_(batch)
            if tx.execute(sa.update(binding).where(held, still).values(emptied())).rowcount != len(batch):
                raise Repeat("a slot has changed")
            these = sa.and_(held, sa.tuple_(*key).in_([slot[:3] for slot in batch]))
            decision.insert_for_slots(tx, binding, these, "leave", {"reason": f"its agent does not reach {lacking}"})
            vacate(tx, these)


def forget(tx: Transaction, resource_type: str, resource_id: str) -> None:
    """The resource is deleted: take it off its agents and remove its slots. What was decided stays until purged."""
    where = of(resource_type, resource_id)
    if not tx.execute(sa.update(binding).where(where).values(epoch=binding.c.epoch + 1)).rowcount:
        return
    vacate(tx, where)
    tx.execute(sa.delete(binding).where(where))
    tx.execute(sa.delete(bar).where(bar.c.resource_type == resource_type, bar.c.resource_id == resource_id))


def of(resource_type: str, resource_id: str) -> sa.ColumnElement[bool]:
    """The slots of a resource."""
    return sa.and_(binding.c.resource_type == resource_type, binding.c.resource_id == resource_id)


def emptied() -> dict[str, Any]:
    """The values of a slot that is about to lose its holder and wants another; an extra one goes idle."""
    return {
        "epoch": binding.c.epoch + 1,
        "state": sa.case((binding.c.extra, IDLE), else_=UNBOUND),
        "ports_due_at": base.now(),
        **dict.fromkeys(TOLD),
    }


def vacate(tx: Transaction, where: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    """Take the holders off the slots, give their claims back, release their interests.

    Returns [{"resource_type", "resource_id", "slot", "epoch", "agent_id", "demand"}] with the holders they had. The
    caller has bumped the epochs of these rows and so has locked them.
    """
    names = ("resource_type", "resource_id", "slot", "epoch", "agent_id", "demand")
    columns = [binding.c[name] for name in names]
    held = sa.and_(where, binding.c.agent_id.is_not(None))
    rows = [dict(row) for row in tx.execute(sa.select(*columns).where(held)).mappings()]
    if not rows:
        return []
    tx.execute(sa.update(binding).where(held).values(agent_id=None, bound_at=None))
    back: Counter[tuple[str, str]] = Counter()
    for row in rows:
        for resource_class, amount in row["demand"].items():
            back[row["agent_id"], resource_class] -= amount
    claim.settle(tx, back)
    interest.release(tx, [(row["agent_id"], scope.key(row["resource_type"], row["resource_id"])) for row in rows])
    for row in rows:
        tell(tx, row["resource_type"], row["resource_id"])
    return rows


def tell(tx: Transaction, resource_type: str, resource_id: str) -> None:
    """Log that the holder changed, so that both the old and the new one hear of it."""
    tx.log(resource_type, resource_id, "update", scope.key(resource_type, resource_id))


def ports_due(tx: Transaction, resource_type: str, resource_id: str) -> None:
    """Somebody touched a port that a slot brought with it: the scheduler's next round looks at all of them."""
    of = (binding.c.resource_type == resource_type, binding.c.resource_id == resource_id)
    tx.execute(sa.update(binding).where(*of).values(ports_due_at=base.now()))
