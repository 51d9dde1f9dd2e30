"""Who else may use an object: one row for each project, or for all of them, that is granted an action.

What an object's `shared` says, and for networks `router:external`, is derived from these rows and kept nowhere else.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from netsched.db import base, query
from netsched.db.transaction import Transaction

SHARED = "access_as_shared"
EXTERNAL = "access_as_external"
EVERYBODY = "*"  # as target project

rbac_policy = sa.Table(
    "rbac_policy",
    base.metadata,
    sa.Column("id", base.Id, primary_key=True),
    sa.Column("project_id", sa.String(255), nullable=False, index=True),
    sa.Column("object_type", sa.String(32), nullable=False),
    sa.Column("object_id", base.Id, nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("target_tenant", sa.String(255), nullable=False),
    sa.Index("ix_rbac_policy_grant", "object_id", "action", "target_tenant", unique=True),
    sa.Index("ix_rbac_policy_target", "target_tenant", "object_type", "action"),
)


def granted(
    object_id: sa.ColumnElement[str], object_type: str, action: str, project_id: str | None
) -> sa.ColumnElement[bool]:
    """Is the action on the object granted to the project, by name or with everybody? `project_id` None: to everybody.

    For a WHERE, or as a column that says `shared`.
    """
    targets = [EVERYBODY] if project_id is None else [EVERYBODY, project_id]
    return object_id.in_(
        sa.select(rbac_policy.c.object_id).where(
            rbac_policy.c.object_type == object_type,
            rbac_policy.c.action == action,
            rbac_policy.c.target_tenant.in_(targets),
        )
    )


def share(
    tx: Transaction,
    object_type: str,
    objects: Iterable[tuple[str, str]],
    action: str = SHARED,
    target: str = EVERYBODY,
) -> list[dict[str, Any]]:
    """Grant the action on each object, (its id, its owner's project), to the project `target`; the new rows.

    Repeats the transaction when another grants the same at the same moment.
    """
    rows = [
        {
            "id": str(uuid.uuid4()),
            "project_id": owner,
            "object_type": object_type,
            "object_id": object_id,
            "action": action,
            "target_tenant": target,
        }
        for object_id, owner in objects
    ]
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(rbac_policy).values(batch))
    return rows


def unshare(tx: Transaction, object_ids: Iterable[str], action: str = SHARED, target: str | None = EVERYBODY) -> None:
    """Take the action on the objects back from the project `target`, or with None from all that have it."""
    table = rbac_policy.c
    whom = sa.true() if target is None else table.target_tenant == target
    for batch in query.batches(object_ids):
        tx.execute(sa.delete(rbac_policy).where(table.object_id.in_(batch), table.action == action, whom))


def forget(tx: Transaction, object_ids: Iterable[str]) -> None:
    """Drop every grant of objects that are being deleted."""
    for batch in query.batches(object_ids):
        tx.execute(sa.delete(rbac_policy).where(rbac_policy.c.object_id.in_(batch)))
