"""Networks: a row, the ids of their subnets, and the zones of the agents that hold them.

What a network gets for a segment is decided in segment.py, before its row is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query, zone
from netsched.db.query import Fields
from netsched.db.transaction import Transaction
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
    # Counted up by every change of its set of subnets, first thing: that locks the row, so what is then read of the
    # other subnets (overlaps, the last one with DHCP) stays true until the commit. No revision: clients never see it.
    sa.Column("subnet_changes", sa.BigInteger, nullable=False, default=0),
    sa.Index("ix_network_segment", "network_type", "physical_network", "segmentation_id", unique=True),
)

_CHANGEABLE = {name: name for name in ("name", "description", "admin_state_up", "shared", "port_security_enabled")} | {
    "router:external": "router_external"
}

# subnet.py imports this file; two of its columns are wanted here.
_subnet = sa.table("subnet", sa.column("id"), sa.column("network_id"), sa.column("created_at"))


def visible(project_id: str | None) -> sa.ColumnElement[bool] | None:
    """What a project sees: its own, what is shared, and external networks. None: no restriction."""
    if project_id is None:
        return None
    for_all = (network.c.shared.is_(sa.true()), network.c.router_external.is_(sa.true()))
    return sa.or_(network.c.project_id == project_id, *for_all)


def _with_subnets(values: query.Values) -> query.Condition:
    return network.c.id.in_(sa.select(_subnet.c.network_id).where(query.any_of(_subnet.c.id, values)))


FIELDS = Fields(
    table=network,
    columns=query.standard_fields(network)
    | {name: network.c[name] for name in ("admin_state_up", "status", "shared", "mtu", "port_security_enabled")}
    | {
        "router:external": network.c.router_external,
        "provider:network_type": network.c.network_type,
        "provider:physical_network": network.c.physical_network,
        "provider:segmentation_id": network.c.segmentation_id,
    },
    conditions={
        "subnets": _with_subnets,
        "availability_zones": zone.holding("network", network.c.id),
        "availability_zone_hints": query.json_holds(network.c.availability_zone_hints),
        "tags": query.json_holds(network.c.tags),
    },
)


def insert_many(tx: Transaction, networks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Create networks of attributes of the REST API, `mtu` and their segments among them; no segment if it is absent.

    Two statements less than reading them back. Repeats the transaction when another network has the segment.
    """
    rows = [_row(tx, wanted) for wanted in networks]
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(network).values(batch))
    for row in rows:
        tx.log("network", row["id"], "create", scope.key("network", row["id"]))
    return [_object(row, [], []) for row in rows]


def _row(tx: Transaction, wanted: Mapping[str, Any]) -> dict[str, Any]:
    network_type = wanted.get("provider:network_type")
    return query.standard_row(tx, wanted) | {
        "admin_state_up": wanted.get("admin_state_up", True),
        "status": "ACTIVE",
        "shared": wanted.get("shared", False),
        "availability_zone_hints": list(wanted.get("availability_zone_hints") or []),
        "mtu": wanted["mtu"],
        "router_external": wanted.get("router:external", False),
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
        "shared": row["shared"],
        "subnets": list(subnets),
        "availability_zone_hints": row["availability_zone_hints"],
        "availability_zones": sorted(zones),
        "mtu": row["mtu"],
        "router:external": row["router_external"],
        "port_security_enabled": row["port_security_enabled"],
        "provider:network_type": row["network_type"],
        "provider:physical_network": row["physical_network"] or None,
        "provider:segmentation_id": row["segmentation_id"] or None,
    }


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The networks of one page. At most three statements, whatever the number of rows."""
    page = query.page(connection, FIELDS, asked, visible(asked.visible_to)).subquery()
    return query.turned(_read(connection, page, query.order(FIELDS, asked)), asked)


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


def _read(connection: sa.Connection, page: sa.Subquery, order: Sequence[Any]) -> list[dict[str, Any]]:
    statement = (
        sa.select(network, _subnet.c.id.label("has_subnet"))
        .join(page, page.c.id == network.c.id)
        .outerjoin(_subnet, _subnet.c.network_id == network.c.id)
        .order_by(*order, _subnet.c.created_at, _subnet.c.id)
    )
    rows: dict[str, sa.RowMapping] = {}
    subnets: dict[str, list[str]] = {}
    for row in connection.execute(statement).mappings():
        rows[row["id"]] = row
        subnets.setdefault(row["id"], []).extend([row["has_subnet"]] if row["has_subnet"] else [])
    zones = zone.of(connection, "network", page) if rows else {}
    return [_object(row, subnets[key], zones.get(key, ())) for key, row in rows.items()]


def lock(tx: Transaction, network_ids: Iterable[str]) -> None:
    """Hold off other changes of the networks' sets of subnets until the commit. Networks that are gone are ignored."""
    wanted = sorted(set(network_ids))
    tx.execute(sa.update(network).where(network.c.id.in_(wanted)).values(subnet_changes=network.c.subnet_changes + 1))


def claim(tx: Transaction, network_id: str, if_match: int | None) -> None:
    """Lock the network before it is deleted. Raises NetworkNotFound, RevisionNumberConstraintFailed."""
    query.revise(tx, network, network_id, if_match, errors.NetworkNotFound, {})


def update(tx: Transaction, network_id: str, changes: Mapping[str, Any], if_match: int | None) -> None:
    """Write the changed attributes. Raises NetworkNotFound, RevisionNumberConstraintFailed."""
    values = {column: changes[name] for name, column in _CHANGEABLE.items() if name in changes}
    query.revise(tx, network, network_id, if_match, errors.NetworkNotFound, values)
    tx.log("network", network_id, "update", scope.key("network", network_id))


def remove(tx: Transaction, network_id: str) -> None:
    """Delete the row. Its subnets go along; ports must be gone."""
    query.guarded(tx, sa.delete(network).where(network.c.id == network_id))
    tx.log("network", network_id, "delete", scope.key("network", network_id))
