"""Who else may use an object: one row for each project, or for all of them, that is granted an action.

What an object's `shared` says, and for networks `router:external`, is derived from these rows. Networks have columns
besides that say what is granted to everybody, see network.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query
from netsched.db.query import Fields
from netsched.db.transaction import Transaction
from netsched.model.query import Query

SHARED = "access_as_shared"
EXTERNAL = "access_as_external"
EVERYBODY = "*"  # as target project
_OF_GRANT = ("object_type", "object_id", "action")

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


def held(object_type: str, action: str, project_id: str | None) -> sa.Select[Any]:
    """Ids of the objects on which the action is granted to the project by name; with None, on which to anybody."""
    table = rbac_policy.c
    of_type = sa.select(table.object_id).where(table.object_type == object_type, table.action == action)
    return of_type if project_id is None else of_type.where(table.target_tenant == project_id)


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
    """Grant the action on each object, (its id, its owner's project), to the project `target`; the new policies.

    Repeats the transaction when another grants the same at the same moment.
    """
    grant = {"object_type": object_type, "action": action, "target_tenant": target}
    return insert_many(tx, [{**grant, "object_id": object_id, "project_id": owner} for object_id, owner in objects])


def insert_many(tx: Transaction, policies: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write policies of attributes of the REST API. Repeats the transaction when one of them has just been made."""
    rows = [
        {"id": str(uuid.uuid4()), **{name: wanted[name] for name in ("project_id", *_OF_GRANT, "target_tenant")}}
        for wanted in policies
    ]
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(rbac_policy).values(batch))
    return [as_rest(row) for row in rows]


def share_with_all(tx: Transaction, object_type: str, object_id: str, owner: str, action: str = SHARED) -> None:
    """Grant it to everybody, unless it is."""
    if not tx.execute(
        sa.select(sa.literal(1)).where(granted(sa.literal(object_id), object_type, action, None))
    ).first():
        share(tx, object_type, [(object_id, owner)], action)


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


FIELDS = Fields(
    table=rbac_policy,
    columns={"tenant_id": rbac_policy.c.project_id}
    | {name: rbac_policy.c[name] for name in ("id", "project_id", *_OF_GRANT, "target_tenant")},
)


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The policies of one page, of a project its own; one statement, or two with a marker."""
    own = None if asked.visible_to is None else rbac_policy.c.project_id == asked.visible_to
    page = query.page(connection, FIELDS, asked, own).subquery()
    statement = sa.select(rbac_policy).join(page, page.c.id == rbac_policy.c.id).order_by(*query.order(FIELDS, asked))
    return query.turned([as_rest(row) for row in connection.execute(statement).mappings()], asked)


def as_rest(row: query.Row) -> dict[str, Any]:
    return {**row, "tenant_id": row["project_id"]}


def get(connection: sa.Connection, policy_id: str, visible_to: str | None = None) -> dict[str, Any]:
    """Raises RbacPolicyNotFound, also for another project's."""
    return query.only(list_(connection, query.by_id(policy_id, visible_to)), errors.RbacPolicyNotFound, policy_id)


def any_of(tx: Transaction, grants: Iterable[tuple[str, str, str]]) -> bool:
    """Is one of these there: (object_id, action, target_tenant)?"""
    key = sa.tuple_(rbac_policy.c.object_id, rbac_policy.c.action, rbac_policy.c.target_tenant)
    return any(
        tx.execute(sa.select(rbac_policy.c.id).where(key.in_(batch)).limit(1)).first() is not None
        for batch in query.batches(grants)
    )


def retarget(tx: Transaction, policy_id: str, target: str) -> None:
    """Give the grant to another project. Raises RbacPolicyNotFound; repeats if that one has just got it otherwise."""
    moved = sa.update(rbac_policy).where(rbac_policy.c.id == policy_id).values(target_tenant=target)
    if not query.guarded(tx, moved).rowcount:
        raise errors.RbacPolicyNotFound(id=policy_id)


def remove(tx: Transaction, policy_id: str) -> None:
    """Raises RbacPolicyNotFound."""
    if not tx.execute(sa.delete(rbac_policy).where(rbac_policy.c.id == policy_id)).rowcount:
        raise errors.RbacPolicyNotFound(id=policy_id)
