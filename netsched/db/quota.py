"""Limits that differ from the configured ones, and the locks under which what a project has is counted.

Nothing counts up or down with objects, so nothing can drift: what is there is counted when it matters, by an index, and
a row for the project and the kind of object makes those who count come one after the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched.db import base
from netsched.db.transaction import Transaction

UNLIMITED = -1

quota = sa.Table(
    "quota",
    base.metadata,
    sa.Column("project_id", sa.String(255), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("maximum", sa.Integer, nullable=True),  # null: as configured; -1: none
    # Counted up by each claim, for the lock; Galera would let two nodes pass that only read the row.
    sa.Column("claims", sa.BigInteger, nullable=False, default=0, server_default="0"),
)


@dataclass(frozen=True)
class Usage:
    """How many objects a project may have (-1: any number) and has. `used` is 0 where nothing limits them."""

    limit: int
    used: int


def claim(tx: Transaction, resource: str, projects: Collection[str], default: int) -> dict[str, Usage]:
    """Lock the projects' counts of these objects until the commit, and count. Projects that nothing limits are absent.

    Two statements; one where the default is no limit and none of the projects has one of its own.
    """
    mine = sa.and_(quota.c.project_id.in_(sorted(projects)), quota.c.resource == resource)
    if default != UNLIMITED:
        rows = [{"project_id": project, "resource": resource, "claims": 1} for project in sorted(projects)]
        base.upsert(tx.connection, quota, rows, claims=quota.c.claims + 1)
    elif not tx.execute(sa.update(quota).where(mine).values(claims=quota.c.claims + 1)).rowcount:
        return {}
    limit = sa.func.coalesce(quota.c.maximum, default)
    used = sa.case((limit > UNLIMITED, _used(resource, quota.c.project_id)), else_=0)
    rows_ = tx.execute(sa.select(quota.c.project_id, limit.label("limit"), used.label("used")).where(mine))
    return {row.project_id: Usage(row.limit, row.used) for row in rows_ if row.limit > UNLIMITED}


def used(connection: sa.Connection, project_id: str, resources: Iterable[str]) -> dict[str, int]:
    """How many objects of each kind a project has, in one statement."""
    owner = sa.literal(project_id)
    counts = [_used(name, owner).label(name) for name in resources]
    if not counts:
        return {}
    row = connection.execute(sa.select(*counts)).one()
    return dict(row._mapping)


def _used(resource: str, project_id: sa.ColumnElement[str]) -> sa.ScalarSelect[Any] | sa.ColumnElement[int]:
    """Kinds of objects are named as the tables that hold them; what has none, such as routes, is not counted."""
    table = base.metadata.tables.get(resource)
    if table is None:
        return sa.literal(0)
    return sa.select(sa.func.count()).select_from(table).where(table.c.project_id == project_id).scalar_subquery()


def overrides(connection: sa.Connection, project_id: str | None = None) -> dict[str, dict[str, int]]:
    """Limits other than the configured ones, by project and kind of object."""
    wanted = sa.select(quota.c.project_id, quota.c.resource, quota.c.maximum).where(quota.c.maximum.is_not(None))
    if project_id is not None:
        wanted = wanted.where(quota.c.project_id == project_id)
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(wanted.order_by(quota.c.project_id)):
        found.setdefault(row.project_id, {})[row.resource] = row.maximum
    return found


def limit(connection: sa.Connection, project_id: str, resource: str) -> int | None:
    """A project's own limit; None where it has none."""
    mine = (quota.c.project_id == project_id, quota.c.resource == resource)
    return connection.execute(sa.select(quota.c.maximum).where(*mine)).scalar()


def write(tx: Transaction, project_id: str, limits: Mapping[str, int]) -> None:
    """Give a project limits of its own."""
    rows = [
        {"project_id": project_id, "resource": name, "maximum": maximum, "claims": 0}
        for name, maximum in sorted(limits.items())
    ]
    base.upsert(tx.connection, quota, rows, "maximum")


def reset(tx: Transaction, project_id: str) -> bool:
    """Take a project's own limits away. False if it had none."""
    own = sa.and_(quota.c.project_id == project_id, quota.c.maximum.is_not(None))
    return tx.execute(sa.update(quota).where(own).values(maximum=None)).rowcount > 0
