"""Address scopes: a row, and who else may use it (rbac.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query, rbac
from netsched.db.query import Fields
from netsched.db.transaction import Transaction
from netsched.model.query import Query

OBJECT_TYPE = "address_scope"

address_scope = sa.Table(
    "address_scope",
    base.metadata,
    *base.standard_columns(),
    sa.Column("ip_version", sa.SmallInteger, nullable=False),
    # Counted up by every change of which prefixes are in it, first thing: so of two that overlap the later one sees
    # the earlier, and a scope is not deleted under a pool that enters it. No revision: clients never see it.
    sa.Column("changes", sa.BigInteger, nullable=False, default=0),
)

_FIELDS = Fields(
    table=address_scope, columns=query.standard_fields(address_scope) | {"ip_version": address_scope.c.ip_version}
)


def visible(project_id: str | None) -> sa.ColumnElement[bool] | None:
    """What a project sees: its own, and what is shared with it. None: no restriction."""
    if project_id is None:
        return None
    return sa.or_(address_scope.c.project_id == project_id, _shared(project_id))


def _shared(project_id: str | None) -> sa.ColumnElement[bool]:
    return rbac.granted(address_scope.c.id, OBJECT_TYPE, rbac.SHARED, project_id)


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The scopes of one page; one statement, or two with a marker."""
    shared = _shared(asked.visible_to)
    fields = query.with_shared(_FIELDS, shared)
    page = query.page(connection, fields, asked, visible(asked.visible_to)).subquery()
    wanted = sa.select(address_scope, shared.label("shared")).join(page, page.c.id == address_scope.c.id)
    found = connection.execute(wanted.order_by(*query.order(fields, asked))).mappings()
    return query.turned([_object(row, row["shared"]) for row in found], asked)


def get(connection: sa.Connection, scope_id: str, visible_to: str | None = None) -> dict[str, Any]:
    """Raises AddressScopeNotFound, also for what the project may not see."""
    return query.only(list_(connection, query.by_id(scope_id, visible_to)), errors.AddressScopeNotFound, scope_id)


def seen(connection: sa.Connection, scope_ids: Iterable[str], visible_to: str | None) -> dict[str, dict[str, Any]]:
    """Those of the scopes that the project sees, by id."""
    found: dict[str, dict[str, Any]] = {}
    for batch in query.batches(set(scope_ids)):
        asked = Query(filters={"id": tuple(sorted(batch))}, visible_to=visible_to)
        found.update({item["id"]: item for item in list_(connection, asked)})
    return found


def _object(row: query.Row, shared: Any) -> dict[str, Any]:
    standard = query.standard_attributes(row)
    return standard | {"ip_version": row["ip_version"], "shared": bool(shared)}


def insert_many(tx: Transaction, scopes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Create scopes; those that say `shared` are granted to everybody."""
    rows = [query.standard_row(tx, one) | {"ip_version": one["ip_version"], "changes": 0} for one in scopes]
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(address_scope).values(batch))
    shared = [bool(one.get("shared")) for one in scopes]
    rbac.share(tx, OBJECT_TYPE, [(r["id"], r["project_id"]) for r, one in zip(rows, shared, strict=True) if one])
    return [_object(row, one) for row, one in zip(rows, shared, strict=True)]


def lock(tx: Transaction, scope_ids: Iterable[str]) -> None:
    """Hold off other changes of which prefixes are in these. Scopes that are gone are ignored."""
    for batch in query.batches(sorted(set(scope_ids))):
        counted = sa.update(address_scope).where(address_scope.c.id.in_(batch))
        tx.execute(counted.values(changes=address_scope.c.changes + 1))


def claim(tx: Transaction, scope_id: str, if_match: int | None) -> None:
    """Lock the scope before it is read to be changed. Raises AddressScopeNotFound, RevisionNumberConstraintFailed."""
    query.revise(tx, address_scope, scope_id, if_match, errors.AddressScopeNotFound, {})


def update(tx: Transaction, scope_id: str, changes: Mapping[str, Any]) -> None:
    """Write the changed name of a claimed scope."""
    values = {name: changes[name] for name in ("name",) if name in changes}
    if values:
        tx.execute(sa.update(address_scope).where(address_scope.c.id == scope_id).values(values))


def remove(tx: Transaction, scope_id: str) -> None:
    """Delete the row and its grants; no pool may be in it any more."""
    rbac.forget(tx, [scope_id])
    query.guarded(tx, sa.delete(address_scope).where(address_scope.c.id == scope_id))
