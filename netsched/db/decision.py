"""What was decided, by whom and why: written with every placement, read by people and by replays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from netsched.db import base
from netsched.db.transaction import Transaction
from netsched.model.principal import Principal

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


@dataclass(frozen=True)
class Decision:
    """`action`: place, move, unplaced (the scheduler's); bind, unbind, agent-update, agent-delete (an operator's);
    leave (what follows from a change: its agent does not reach what it requires by now).

    `slot` is None when the decision concerns more than one, or the agent itself (resource_type "agent").
    """

    resource_type: str
    resource_id: str
    slot: int | None
    action: str
    epoch: int = 0
    agent_id: str | None = None
    plan_id: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    by: Principal | None = None


def insert(tx: Transaction, decisions: Sequence[Decision]) -> None:
    """All in one statement."""
    base.insert(tx.connection, decision, [_row(entry) for entry in decisions], at=base.now())


def _row(entry: Decision) -> dict[str, Any]:
    return {
        "resource_type": entry.resource_type,
        "resource_id": entry.resource_id,
        "slot": entry.slot,
        "epoch": entry.epoch,
        "agent_id": entry.agent_id,
        "action": entry.action,
        "user_id": entry.by.user_id if entry.by else None,
        "project_id": entry.by.project_id if entry.by else None,
        "request_id": entry.by.request_id if entry.by else None,
        "plan_id": entry.plan_id,
        "record": dict(entry.record),
    }


def insert_for_slots(
    tx: Transaction,
    slots: sa.Table,
    where: sa.ColumnElement[bool],
    action: str,
    record: Mapping[str, Any],
    by: Principal | None = None,
) -> None:
    """The same decision for every row of `slots` (the table of bindings) that matches, without reading them."""
    same = {"at": base.now(), **_row(Decision("", "", None, action, record=record, by=by))}
    names = ("resource_type", "resource_id", "slot", "epoch", "agent_id")
    constant = {name: value for name, value in same.items() if name not in names}
    values = [value if name == "at" else sa.literal(value, decision.c[name].type) for name, value in constant.items()]
    rows = sa.select(*(slots.c[name] for name in names), *values).where(where)
    tx.execute(sa.insert(decision).from_select([*names, *constant], rows))


def insert_plan(tx: Transaction, plan_id: str, snapshot: Mapping[str, Any]) -> None:
    tx.execute(sa.insert(plan).values(id=plan_id, at=base.now(), snapshot=dict(snapshot)))


def list_(connection: sa.Connection, resource_type: str, resource_id: str, limit: int = 100) -> list[dict[str, Any]]:
    """The newest decisions about a resource, newest first, as rows of the table."""
    of = (decision.c.resource_type == resource_type, decision.c.resource_id == resource_id)
    query = sa.select(decision).where(*of).order_by(decision.c.id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]
