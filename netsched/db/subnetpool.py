"""Subnet pools: rows, the subnets that are cut out of them, and the locks under which that happens.

A subnet names its pool; nothing else is kept of what is taken, so that nothing can differ from it. Two servers that cut
at once would both find the same gap: therefore each first counts up `allocations` on the pools' rows, which locks them
on all three databases, proves that the pools still exist, and lets Galera refuse the later of two nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query, rbac
from netsched.db.query import Fields
from netsched.db.transaction import Transaction
from netsched.model.query import Query
from netsched.model.subnetpool import Allocation

OBJECT_TYPE = "subnetpool"

subnetpool = sa.Table(
    "subnetpool",
    base.metadata,
    *base.standard_columns(),
    sa.Column("ip_version", sa.SmallInteger, nullable=False),
    sa.Column("prefixes", base.Json, nullable=False),
    sa.Column("min_prefixlen", sa.SmallInteger, nullable=False),
    sa.Column("max_prefixlen", sa.SmallInteger, nullable=False),
    sa.Column("default_prefixlen", sa.SmallInteger, nullable=False),
    sa.Column("default_quota", sa.Integer, nullable=True),
    # The IP version whose default pool it is, or null. A flag could not keep two servers from setting two.
    sa.Column("default_of", sa.SmallInteger, nullable=True, unique=True),
    sa.Column("address_scope_id", base.Id, sa.ForeignKey("address_scope.id"), nullable=True, index=True),
    sa.Column("allocations", sa.BigInteger, nullable=False, default=0),
)

_PLAIN = ("ip_version", "prefixes", "default_quota", "address_scope_id")
_LENGTHS = ("min_prefixlen", "max_prefixlen", "default_prefixlen")

# subnet.py imports this file; these of its columns are wanted here.
_subnet = sa.table(
    "subnet",
    sa.column("id", sa.String),
    sa.column("network_id", sa.String),
    sa.column("project_id", sa.String),
    sa.column("subnetpool_id", sa.String),
    sa.column("ip_version", sa.SmallInteger),
    sa.column("cidr", sa.String),
    sa.column("revision_number", sa.BigInteger),
    sa.column("updated_at", base.DateTime),
)


_FIELDS = Fields(
    table=subnetpool,
    columns=query.standard_fields(subnetpool)
    | {name: subnetpool.c[name] for name in ("ip_version", *_LENGTHS, "default_quota", "address_scope_id")},
    conditions={
        "is_default": query.either("is_default", subnetpool.c.default_of.is_not(None)),
        "prefixes": query.json_holds(subnetpool.c.prefixes),
        "tags": query.json_holds(subnetpool.c.tags),
    },
)


def visible(project_id: str | None) -> sa.ColumnElement[bool] | None:
    """What a project sees: its own, and what is shared with it. None: no restriction."""
    if project_id is None:
        return None
    return sa.or_(subnetpool.c.project_id == project_id, _shared(project_id))


def _shared(project_id: str | None) -> sa.ColumnElement[bool]:
    return rbac.granted(subnetpool.c.id, OBJECT_TYPE, rbac.SHARED, project_id)


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The pools of one page; one statement, or two with a marker."""
    shared = _shared(asked.visible_to)
    fields = query.with_shared(_FIELDS, shared)
    page = query.page(connection, fields, asked, visible(asked.visible_to)).subquery()
    wanted = sa.select(subnetpool, shared.label("shared")).join(page, page.c.id == subnetpool.c.id)
    found = connection.execute(wanted.order_by(*query.order(fields, asked))).mappings()
    return query.turned([_object(row, row["shared"]) for row in found], asked)


def get(connection: sa.Connection, pool_id: str, visible_to: str | None = None) -> dict[str, Any]:
    """Raises SubnetPoolNotFound, also for what the project may not see."""
    return query.only(list_(connection, query.by_id(pool_id, visible_to)), errors.SubnetPoolNotFound, pool_id)


def seen(connection: sa.Connection, pool_ids: Iterable[str], visible_to: str | None) -> dict[str, dict[str, Any]]:
    """Those of the pools that the project sees, by id."""
    found: dict[str, dict[str, Any]] = {}
    for batch in query.batches(set(pool_ids)):
        asked = Query(filters={"id": tuple(sorted(batch))}, visible_to=visible_to)
        found.update({item["id"]: item for item in list_(connection, asked)})
    return found


def defaults(connection: sa.Connection, visible_to: str | None) -> dict[int, str]:
    """The default pool of each IP version, as far as the project sees it."""
    asked = Query(filters={"is_default": (True,)}, visible_to=visible_to)
    return {item["ip_version"]: item["id"] for item in list_(connection, asked)}


def _object(row: query.Row, shared: Any) -> dict[str, Any]:
    return (
        query.standard_attributes(row)
        | {name: row[name] for name in _PLAIN}
        | {name: str(row[name]) for name in _LENGTHS}  # text, as the incumbent sends them
        | {"is_default": row["default_of"] is not None, "shared": bool(shared)}
    )


def insert_many(tx: Transaction, pools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Create pools, complete and checked; those that say `shared` are granted to everybody."""
    rows = [query.standard_row(tx, one) | _columns(one) | {"allocations": 0} for one in pools]
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(subnetpool).values(batch))
    shared = [bool(one.get("shared")) for one in pools]
    rbac.share(tx, OBJECT_TYPE, [(r["id"], r["project_id"]) for r, one in zip(rows, shared, strict=True) if one])
    return [_object(row, one) for row, one in zip(rows, shared, strict=True)]


def _columns(pool: Mapping[str, Any]) -> dict[str, Any]:
    return {name: pool[name] for name in (*_PLAIN, *_LENGTHS)} | {
        "default_of": pool["ip_version"] if pool["is_default"] else None
    }


def lock(tx: Transaction, pool_ids: Iterable[str]) -> None:
    """Hold off others who cut subnets out of these pools, or change them. Pools that are gone are ignored."""
    for batch in query.batches(sorted(set(pool_ids))):
        counted = sa.update(subnetpool).where(subnetpool.c.id.in_(batch))
        tx.execute(counted.values(allocations=subnetpool.c.allocations + 1))


def allocated(tx: Transaction, pool_ids: Iterable[str]) -> dict[str, list[Allocation]]:
    """What is cut out of these locked pools; one statement."""
    found: dict[str, list[Allocation]] = {pool_id: [] for pool_id in pool_ids}
    columns = (_subnet.c.subnetpool_id, _subnet.c.cidr, _subnet.c.project_id)
    for row in tx.execute(sa.select(*columns).where(_subnet.c.subnetpool_id.in_(sorted(found)))):
        found[row.subnetpool_id].append(Allocation(row.cidr, row.project_id))
    return found


def claim(tx: Transaction, pool_id: str, if_match: int | None) -> None:
    """Lock the pool, against those who cut subnets too, and give it its next revision, before it is read.

    Raises SubnetPoolNotFound, RevisionNumberConstraintFailed.
    """
    query.revise(tx, subnetpool, pool_id, if_match, errors.SubnetPoolNotFound, {})


def update(tx: Transaction, pool_id: str, after: Mapping[str, Any]) -> None:
    """Write a claimed pool as it is to be, complete and checked."""
    values = _columns(after) | {name: after[name] for name in ("name", "description", "tags")}
    query.guarded(tx, sa.update(subnetpool).where(subnetpool.c.id == pool_id).values(values))


def remove(tx: Transaction, pool_id: str) -> None:
    """Delete the row and its grants; no subnet may be of it any more."""
    rbac.forget(tx, [pool_id])
    query.guarded(tx, sa.delete(subnetpool).where(subnetpool.c.id == pool_id))


def in_scopes(tx: Transaction, scope_ids: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """The prefixes of the pools in each of these locked scopes: {scope: {pool: prefixes}}."""
    found: dict[str, dict[str, list[str]]] = {scope_id: {} for scope_id in scope_ids}
    columns = (subnetpool.c.id, subnetpool.c.address_scope_id, subnetpool.c.prefixes)
    for row in tx.execute(sa.select(*columns).where(subnetpool.c.address_scope_id.in_(sorted(found)))):
        found[row.address_scope_id][row.id] = row.prefixes
    return found


def in_use(tx: Transaction, pool_id: str) -> bool:
    found = tx.execute(sa.select(_subnet.c.id).where(_subnet.c.subnetpool_id == pool_id).limit(1)).first()
    return found is not None


def networks_of(tx: Transaction, pool_id: str) -> list[str]:
    """The networks that have subnets of the pool."""
    wanted = sa.select(_subnet.c.network_id).where(_subnet.c.subnetpool_id == pool_id).distinct()
    return sorted(tx.execute(wanted).scalars())


def mixes(tx: Transaction, pool_id: str, ip_version: int) -> bool:
    """Is there a network that has subnets of this pool, and others of the IP version that are not of it?"""
    its = sa.select(_subnet.c.network_id).where(_subnet.c.subnetpool_id == pool_id)
    # coalesce: of no pool is another than this one, but null is neither.
    others = sa.func.coalesce(_subnet.c.subnetpool_id, "") != pool_id
    wanted = sa.select(_subnet.c.id).where(_subnet.c.network_id.in_(its), _subnet.c.ip_version == ip_version, others)
    return tx.execute(wanted.limit(1)).first() is not None


def adopt(tx: Transaction, pool_id: str, subnet_ids: Iterable[str]) -> None:
    """Make these subnets the pool's."""
    for batch in query.batches(subnet_ids):
        adopted = sa.update(_subnet).where(_subnet.c.id.in_(batch))
        revised = {"revision_number": _subnet.c.revision_number + 1, "updated_at": tx.now}
        tx.execute(adopted.values(subnetpool_id=pool_id, **revised))
