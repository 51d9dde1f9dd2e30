"""Networks: a row, the ids of their subnets, and the zones of the agents that hold them.

What a network gets for a segment is decided in segment.py, before its row is written.

Who else may use a network is said by rows, see rbac.py. What is granted to everybody is in two columns as well,
`shared` and `router_external`: servers of the release before know nothing else, and lists need not look for it. Rows
and columns are written together: by `insert_many`, `update` and `regrant`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query, rbac, zone
from netsched.db.query import Fields
from netsched.db.transaction import Repeat, Transaction
from netsched.model import scope
from netsched.model.query import Query

network = sa.Table(
    "network",
    base.metadata,
    *base.standard_columns(),
    sa.Column("admin_state_up", sa.Boolean, nullable=False, default=True),
    sa.Column("status", sa.String(16), nullable=False, default="ACTIVE"),
    sa.Column("shared", sa.Boolean, nullable=False, default=False, index=True),
    sa.Column("availability_zone_hints", base.Json, nullable=False),
    sa.Column("mtu", sa.Integer, nullable=False),
    sa.Column("router_external", sa.Boolean, nullable=False, default=False, server_default=sa.false(), index=True),
    sa.Column("port_security_enabled", sa.Boolean, nullable=False, default=True, server_default=sa.true()),
    # The segment (see segment.py). Type and id null: made before there were segments. "" and 0: has none of it.
    sa.Column("network_type", sa.String(16), nullable=True),
    sa.Column("physical_network", sa.String(64), nullable=False, default="", server_default=""),
    sa.Column("segmentation_id", sa.Integer, nullable=True),
    sa.Column("dns_domain", sa.String(255), nullable=False, default="", server_default=""),
    # Of one external network at most, hence true or null, and unique.
    sa.Column("is_default", sa.Boolean, nullable=True),
    # Counted up by every change of its set of subnets, first thing: that locks the row, so what is then read of the
    # other subnets (overlaps, the last one with DHCP) stays true until the commit. No revision: clients never see it.
    sa.Column("subnet_changes", sa.BigInteger, nullable=False, default=0),
    sa.Index("ix_network_segment", "network_type", "physical_network", "segmentation_id", unique=True),
    sa.Index("ix_network_is_default", "is_default", unique=True),
    sa.Index("ix_network_name", "name"),  # clients that are given a name ask for it in a list
)

TYPE = "network"  # as rows of rbac.py name it
SCOPES = {"ipv4_address_scope": 4, "ipv6_address_scope": 6}  # of the pools of its subnets, by IP version: all in one
TO_ALL = {"shared": rbac.SHARED, "router_external": rbac.EXTERNAL}  # column: what it says is granted to everybody
_ALIKE = ("admin_state_up", "shared", "port_security_enabled", "mtu", "dns_domain")  # attributes as their columns
_CHANGEABLE = {name: name for name in ("name", "description", "tags", *_ALIKE)} | {"router:external": "router_external"}

# subnet.py imports this file; these of its columns are wanted here, and of its pools'.
_subnet = sa.table(
    "subnet", sa.column("id"), sa.column("network_id"), sa.column("created_at"), sa.column("subnetpool_id")
)
_pool = sa.table("subnetpool", sa.column("id"), sa.column("ip_version"), sa.column("address_scope_id"))
_SCOPE = (_pool.c.address_scope_id.label("scope_id"), _pool.c.ip_version.label("scope_version"))


def visible(project_id: str | None) -> sa.ColumnElement[bool] | None:
    """What a project sees: its own, and what is shared or external for it. None: no restriction."""
    return None if project_id is None else network.c.id.in_(seen_by(project_id))


def seen_by(project_id: str) -> sa.Select[Any]:
    """The ids of what a project sees."""
    table = rbac.rbac_policy.c
    own = sa.select(network.c.id).where(network.c.project_id == project_id)
    granted = sa.select(table.object_id).where(table.object_type == TYPE, table.target_tenant == project_id)
    return _any_of(own, *map(_to_all, TO_ALL), granted)


def shared_with(project_id: str | None) -> sa.Select[Any]:
    """The ids of the networks of which `shared` is told to this reader."""
    granted = [rbac.held(TYPE, rbac.SHARED, project_id)] if project_id is not None else []
    return _any_of(_to_all("shared"), *granted)


def outside_of(project_id: str | None) -> sa.Select[Any]:
    """The ids of the networks that are external for a project, or its own and external for somebody; None: of all."""
    held = rbac.held(TYPE, rbac.EXTERNAL, project_id)
    if project_id is None:
        return _any_of(_to_all("router_external"), held)
    own = network.c.id.in_(rbac.held(TYPE, rbac.EXTERNAL, None))
    return _any_of(
        _to_all("router_external"), held, sa.select(network.c.id).where(network.c.project_id == project_id, own)
    )


def _to_all(column: str) -> sa.Select[Any]:
    return sa.select(network.c.id).where(network.c[column] == sa.true())


def _any_of(*ids: sa.Select[Any]) -> sa.Select[Any]:
    """A union, of which each part has an index: an OR would read all networks."""
    return sa.select(sa.union(*ids).subquery().c.id)


def is_shared(project_id: str | None) -> sa.ColumnElement[bool]:
    """May the project have ports there although it is another's? None: may every project?"""
    return _to_all_or(network.c.shared, rbac.SHARED, project_id)


def is_open(project_id: str | None) -> sa.ColumnElement[bool]:
    """May the project use the network as an external one? None: may every project?"""
    return _to_all_or(network.c.router_external, rbac.EXTERNAL, project_id)


def _to_all_or(to_all: sa.Column[Any], action: str, project_id: str | None) -> sa.ColumnElement[bool]:
    if project_id is None:
        return to_all.is_(sa.true())
    return sa.or_(to_all.is_(sa.true()), network.c.id.in_(rbac.held(TYPE, action, project_id)))


def is_external() -> sa.ColumnElement[bool]:
    """`router:external`, to whomever it is."""
    return sa.or_(network.c.router_external.is_(sa.true()), network.c.id.in_(rbac.held(TYPE, rbac.EXTERNAL, None)))


def _with_subnets(values: query.Values) -> query.Condition:
    return network.c.id.in_(sa.select(_subnet.c.network_id).where(query.any_of(_subnet.c.id, values)))


FIELDS = Fields(
    table=network,
    columns=query.standard_fields(network)
    | {name: network.c[name] for name in ("status", *_ALIKE)}
    | {
        "router:external": network.c.router_external,
        "provider:network_type": network.c.network_type,
        "provider:physical_network": network.c.physical_network,
        "provider:segmentation_id": network.c.segmentation_id,
    },
    conditions={
        "is_default": query.either("is_default", network.c.is_default.is_not(None)),
        "subnets": _with_subnets,
        "availability_zones": zone.holding("network", network.c.id),
        "availability_zone_hints": query.json_holds(network.c.availability_zone_hints),
        "tags": query.json_holds(network.c.tags),
    },
)


def _fields(reader: str | None) -> Fields:
    """What is granted to a reader is no column."""
    derived = {"shared": shared_with(reader), "router:external": outside_of(None)}
    named = {name: query.either(name, network.c.id.in_(ids)) for name, ids in derived.items()}
    return replace(FIELDS, conditions={**FIELDS.conditions, **named})


def insert_many(tx: Transaction, networks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Create networks of attributes of the REST API, `mtu` and their segments among them; no segment if it is absent.

    Two statements less than reading them back. Repeats the transaction when another network has the segment.
    """
    rows = [_row(tx, wanted) for wanted in networks]
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(network).values(batch))
    for column, action in TO_ALL.items():
        rbac.share(tx, TYPE, [(row["id"], row["project_id"]) for row in rows if row[column]], action)
    for row in rows:
        tx.log("network", row["id"], "create", scope.key("network", row["id"]))
    return [_object({**row, "is_shared": row["shared"], "is_external": row["router_external"]}, [], []) for row in rows]


def _row(tx: Transaction, wanted: Mapping[str, Any]) -> dict[str, Any]:
    network_type = wanted.get("provider:network_type")
    return query.standard_row(tx, wanted) | {
        "admin_state_up": wanted.get("admin_state_up", True),
        "status": "ACTIVE",
        "shared": wanted.get("shared", False),
        "availability_zone_hints": list(wanted.get("availability_zone_hints") or []),
        "mtu": wanted["mtu"],
        "dns_domain": wanted.get("dns_domain") or "",
        "router_external": wanted.get("router:external", False),
        "is_default": True if wanted.get("is_default") and wanted.get("router:external") else None,
        "port_security_enabled": wanted.get("port_security_enabled", True),
        "network_type": network_type,
        "physical_network": wanted.get("provider:physical_network") or "",
        "segmentation_id": (wanted.get("provider:segmentation_id") or 0) if network_type else None,
        "subnet_changes": 0,
    }


def _object(row: query.Row, subnets: Iterable[str], zones: Iterable[str]) -> dict[str, Any]:
    return query.standard_attributes(row) | {
        "admin_state_up": row["admin_state_up"],
        "status": row["status"],
        "shared": bool(row["is_shared"]),
        "subnets": list(subnets),
        "availability_zone_hints": row["availability_zone_hints"],
        "availability_zones": sorted(zones),
        "mtu": row["mtu"],
        "dns_domain": row["dns_domain"],
        "router:external": bool(row["is_external"]),
        "is_default": bool(row["is_default"]),
        "port_security_enabled": row["port_security_enabled"],
        **dict.fromkeys(SCOPES),
        "provider:network_type": row["network_type"],
        "provider:physical_network": row["physical_network"] or None,
        "provider:segmentation_id": row["segmentation_id"] or None,
    }


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The networks of one page. At most three statements, whatever the number of rows."""
    reader = asked.visible_to
    page = query.page(connection, _fields(reader), asked, visible(reader)).subquery()
    return query.turned(_read(connection, page, query.order(FIELDS, asked), reader), asked)


def by_ids(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The networks of those ids that exist."""
    found = {}
    for batch in query.batches(ids):
        page = sa.select(network.c.id).where(network.c.id.in_(batch)).subquery()
        found.update({item["id"]: item for item in _read(connection, page, [network.c.id])})
    return found


def in_networks(connection: sa.Connection, network_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """A network is the one member of its kind in its own scope."""
    return {found: [item] for found, item in by_ids(connection, network_ids).items()}


def get(connection: sa.Connection, network_id: str, visible_to: str | None = None) -> dict[str, Any]:
    """Raises NetworkNotFound, also for what the project may not see."""
    return query.only(list_(connection, query.by_id(network_id, visible_to)), errors.NetworkNotFound, network_id)


def _read(
    connection: sa.Connection, page: sa.Subquery, order: Sequence[Any], reader: str | None = None
) -> list[dict[str, Any]]:
    derived = (_flag(is_shared(reader), "is_shared"), _flag(is_external(), "is_external"))
    statement = (
        sa.select(network, *derived, _subnet.c.id.label("has_subnet"), *_SCOPE)
        .join(page, page.c.id == network.c.id)
        .outerjoin(_subnet, _subnet.c.network_id == network.c.id)
        .outerjoin(_pool, _pool.c.id == _subnet.c.subnetpool_id)
        .order_by(*order, _subnet.c.created_at, _subnet.c.id)
    )
    rows: dict[str, sa.RowMapping] = {}
    subnets: dict[str, list[str]] = {}
    scopes: dict[tuple[str, int], str] = {}
    for row in connection.execute(statement).mappings():
        rows[row["id"]] = row
        subnets.setdefault(row["id"], []).extend([row["has_subnet"]] if row["has_subnet"] else [])
        if row["scope_id"] is not None:
            scopes[row["id"], row["scope_version"]] = row["scope_id"]
    zones = zone.of(connection, "network", page) if rows else {}
    found = [(_object(row, subnets[key], zones.get(key, ())), key) for key, row in rows.items()]
    return [one | {name: scopes.get((key, version)) for name, version in SCOPES.items()} for one, key in found]


def _flag(condition: query.Condition, name: str) -> sa.Label[int]:
    """A condition as a column: the databases have no common type for one."""
    return sa.case((condition, 1), else_=0).label(name)


def lock(tx: Transaction, network_ids: Iterable[str]) -> None:
    """Hold off other changes of the networks' sets of subnets until the commit. Networks that are gone are ignored."""
    wanted = sorted(set(network_ids))
    tx.execute(sa.update(network).where(network.c.id.in_(wanted)).values(subnet_changes=network.c.subnet_changes + 1))


def revise(tx: Transaction, network_ids: Iterable[str]) -> None:
    """As `lock`, for a change of the subnets themselves: these show in the network, as its next revision says. Agents
    get neither."""
    changed = {"subnet_changes": network.c.subnet_changes + 1, "revision_number": network.c.revision_number + 1}
    wanted = sorted(set(network_ids))
    tx.execute(sa.update(network).where(network.c.id.in_(wanted)).values(**changed, updated_at=tx.now))


def hold_shared(tx: Transaction, network_ids: Iterable[str], project_id: str) -> None:
    """Hold off that others' networks are shared with the project no longer; repeats the transaction if one is not.

    Two statements: one that waited for whoever takes a grant back would still see it.
    """
    wanted = sorted(set(network_ids))
    lock(tx, wanted)
    theirs = sa.select(sa.func.count()).where(network.c.id.in_(wanted), is_shared(project_id))
    if tx.execute(theirs).scalar_one() < len(wanted):
        raise Repeat("a network is no longer shared with the project")


def claim(tx: Transaction, network_id: str, if_match: int | None) -> None:
    """Lock the network before it is deleted. Raises NetworkNotFound, RevisionNumberConstraintFailed."""
    query.revise(tx, network, network_id, if_match, errors.NetworkNotFound, {})


def update(tx: Transaction, before: Mapping[str, Any], changes: Mapping[str, Any], if_match: int | None) -> None:
    """Write the changed attributes, and the grants to everybody that two of them mean.

    Made no longer external, it is that for nobody. Raises NetworkNotFound, RevisionNumberConstraintFailed.
    """
    network_id = before["id"]
    values = {column: changes[name] for name, column in _CHANGEABLE.items() if name in changes}
    if before["router:external"] and values.get("router_external"):
        del values["router_external"]  # it stays external for whom it was
    if "is_default" in changes or changes.get("router:external") is False:
        after = {**before, **changes}
        values["is_default"] = True if after["is_default"] and after["router:external"] else None
    query.revise(tx, network, network_id, if_match, errors.NetworkNotFound, values)
    for column, action in TO_ALL.items():
        if values.get(column):
            rbac.share_with_all(tx, TYPE, network_id, before["project_id"], action)
        elif column in values:
            rbac.unshare(tx, [network_id], action, None if action == rbac.EXTERNAL else rbac.EVERYBODY)
    tx.log("network", network_id, "update", scope.key("network", network_id))


def default_external(tx: Transaction) -> str | None:
    """The id of the external network that is the default one, if there is one."""
    return tx.execute(sa.select(network.c.id).where(network.c.is_default.is_(sa.true()))).scalar()


def regrant(tx: Transaction, network_ids: Collection[str], to_all: Collection[str]) -> None:
    """After their rows of rbac.py have changed, give the networks their next revision; that is left to be told.

    `to_all`: the actions that have been granted to everybody, or are that no longer, on some of them; what the rows say
    of these goes into the columns. Repeats the transaction when a network is gone. They are locked: who wants to use
    what was granted has done so before, or finds it taken back.
    """
    values: dict[str, Any] = {"revision_number": network.c.revision_number + 1, "updated_at": tx.now}
    for column, action in TO_ALL.items():
        if action in to_all:
            values[column] = rbac.granted(network.c.id, TYPE, action, None)
    if tx.execute(sa.update(network).where(network.c.id.in_(network_ids)).values(values)).rowcount < len(network_ids):
        raise Repeat("a network was deleted")


def remove(tx: Transaction, network_id: str) -> None:
    """Delete the row. Its subnets go along; ports must be gone."""
    rbac.forget(tx, [network_id])
    query.guarded(tx, sa.delete(network).where(network.c.id == network_id))
    tx.log("network", network_id, "delete", scope.key("network", network_id))
