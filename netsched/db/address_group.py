"""Address groups: lists of addresses that rules of security groups name, so that one change reaches all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query, rbac
from netsched.db.query import Fields
from netsched.db.security_group import security_group_rule
from netsched.db.transaction import Transaction
from netsched.model import scope
from netsched.model.query import Query

OBJECT_TYPE = "address_group"

address_group = sa.Table(
    "address_group",
    base.metadata,
    *base.standard_columns(),
    # CIDRs. Not rows: they are only ever wanted together, and changed with the group's row locked.
    sa.Column("addresses", base.Json, nullable=False),
)

FIELDS = Fields(
    table=address_group,
    columns=query.standard_fields(address_group),
    conditions={name: query.json_holds(address_group.c[name]) for name in ("addresses", "tags")},
)


def visible(project_id: str | None) -> sa.ColumnElement[bool] | None:
    """What a project sees: its own groups, and those that are shared with it."""
    if project_id is None:
        return None
    return sa.or_(address_group.c.project_id == project_id, _shared(project_id))


def _shared(project_id: str | None) -> sa.ColumnElement[bool]:
    return rbac.granted(address_group.c.id, OBJECT_TYPE, rbac.SHARED, project_id)


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The groups of one page; one statement, or two with a marker."""
    fields = query.with_shared(FIELDS, _shared(asked.visible_to))
    page = query.page(connection, fields, asked, visible(asked.visible_to)).subquery()
    columns = (address_group, _shared(asked.visible_to).label("shared"))
    statement = sa.select(*columns).join(page, page.c.id == address_group.c.id)
    rows = connection.execute(statement.order_by(*query.order(fields, asked))).mappings()
    return query.turned([_as_rest(row) for row in rows], asked)


def get(connection: sa.Connection, group_id: str, visible_to: str | None = None) -> dict[str, Any]:
    """Raises AddressGroupNotFound, also for what the project may not see."""
    return query.only(list_(connection, query.by_id(group_id, visible_to)), errors.AddressGroupNotFound, group_id)


def by_ids(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The groups of those ids that exist."""
    columns = (address_group, _shared(None).label("shared"))
    found = {}
    for batch in query.batches(ids):
        rows = connection.execute(sa.select(*columns).where(address_group.c.id.in_(batch))).mappings()
        found.update({row["id"]: _as_rest(row) for row in rows})
    return found


def in_groups(connection: sa.Connection, ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """A group is the one member of its kind in its own scope."""
    return {found: [item] for found, item in by_ids(connection, ids).items()}


def check_visible(tx: Transaction, ids: Iterable[str], project_id: str | None) -> None:
    """Raises AddressGroupNotFound for the first that the project does not see; one statement, none without any."""
    wanted = sorted(set(ids))
    if not wanted:
        return
    seen = visible(project_id)
    condition = address_group.c.id.in_(wanted)
    rows = tx.execute(sa.select(address_group.c.id).where(condition if seen is None else sa.and_(condition, seen)))
    missing = sorted(set(wanted) - {row.id for row in rows})
    if missing:
        raise errors.AddressGroupNotFound(id=missing[0])


def insert_many(tx: Transaction, groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Create groups of attributes of the REST API; `shared` shares them with everybody."""
    rows = [query.standard_row(tx, wanted) | {"addresses": _distinct(wanted.get("addresses", ()))} for wanted in groups]
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(address_group).values(batch))
    open_ = [(row["id"], row["project_id"]) for row, wanted in zip(rows, groups, strict=True) if wanted.get("shared")]
    if open_:
        rbac.share(tx, OBJECT_TYPE, open_)
    for row in rows:
        tx.log("address_group", row["id"], "create", scope.key("address_group", row["id"]))
    return [_as_rest({**row, "shared": bool(wanted.get("shared"))}) for row, wanted in zip(rows, groups, strict=True)]


def update(tx: Transaction, group_id: str, changes: Mapping[str, Any], if_match: int | None) -> None:
    """Raises AddressGroupNotFound, RevisionNumberConstraintFailed."""
    query.revise(tx, address_group, group_id, if_match, errors.AddressGroupNotFound, changes)
    tx.log("address_group", group_id, "update", scope.key("address_group", group_id))


def add(tx: Transaction, group_id: str, addresses: Sequence[str]) -> None:
    """Raises AddressesAlreadyExist."""
    there = _locked(tx, group_id)
    if known := [one for one in _distinct(addresses) if one in there]:
        raise errors.AddressesAlreadyExist(addresses=known, id=group_id)
    _write(tx, group_id, [*there, *_distinct(addresses)])


def take_out(tx: Transaction, group_id: str, addresses: Sequence[str]) -> None:
    """Raises AddressesNotFound."""
    there = _locked(tx, group_id)
    if missing := [one for one in _distinct(addresses) if one not in there]:
        raise errors.AddressesNotFound(addresses=missing, id=group_id)
    _write(tx, group_id, [one for one in there if one not in addresses])


def _locked(tx: Transaction, group_id: str) -> list[str]:
    update(tx, group_id, {}, None)
    return list(tx.execute(sa.select(address_group.c.addresses).where(address_group.c.id == group_id)).scalar_one())


def _write(tx: Transaction, group_id: str, addresses: Sequence[str]) -> None:
    tx.execute(sa.update(address_group).where(address_group.c.id == group_id).values(addresses=list(addresses)))


def remove(tx: Transaction, group_id: str, if_match: int | None) -> None:
    """Raises AddressGroupNotFound, RevisionNumberConstraintFailed, AddressGroupInUse."""
    query.revise(tx, address_group, group_id, if_match, errors.AddressGroupNotFound, {})
    naming = sa.select(security_group_rule.c.id).where(security_group_rule.c.remote_address_group_id == group_id)
    if tx.execute(naming.limit(1)).first() is not None:
        raise errors.AddressGroupInUse(id=group_id)
    rbac.forget(tx, [group_id])
    query.guarded(tx, sa.delete(address_group).where(address_group.c.id == group_id))
    tx.log("address_group", group_id, "delete", scope.key("address_group", group_id))


def _distinct(addresses: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(addresses))


def _as_rest(row: query.Row) -> dict[str, Any]:
    return query.standard_attributes(row) | {"addresses": list(row["addresses"]), "shared": bool(row["shared"])}
