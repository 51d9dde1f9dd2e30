"""Routers: a row; their interfaces and their gateway are ports (device_id is the router's id).

Whoever changes a router or its ports counts up its revision first. That locks the row, so what is then read of its
ports (overlaps, what needs the gateway) stays true until the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query, zone
from netsched.db.address import fixed_ip
from netsched.db.network import network
from netsched.db.port import port
from netsched.db.query import Fields
from netsched.db.subnet import subnet
from netsched.db.transaction import Transaction
from netsched.model import addressing, scope, segment
from netsched.model.query import Query
from netsched.model.router import Leg, State

router = sa.Table(
    "router",
    base.metadata,
    *base.standard_columns(),
    sa.Column("admin_state_up", sa.Boolean, nullable=False, default=True),
    sa.Column("status", sa.String(16), nullable=False, default="ACTIVE"),
    sa.Column("enable_snat", sa.Boolean, nullable=False, default=True),
    sa.Column("gateway_port_id", base.Id, sa.ForeignKey("port.id"), nullable=True, index=True),
    sa.Column("routes", base.Json, nullable=False),  # [{"destination", "nexthop"}]
    sa.Column("availability_zone_hints", base.Json, nullable=False),
    # Counted up by every association of a floating IP (association.py), which holds off changes of the router's ports
    # until the commit. No revision: clients never see it.
    sa.Column("associations", sa.BigInteger, nullable=False, default=0, server_default="0"),
    sa.Index("ix_router_name", "name"),  # clients that are given a name ask for it in a list
)

_PLAIN = ("admin_state_up", "status")
CHANGEABLE = ("name", "description", "admin_state_up", "tags")


def visible(project_id: str | None) -> sa.ColumnElement[bool] | None:
    """What a project sees: its own. None: no restriction."""
    return None if project_id is None else router.c.project_id == project_id


FIELDS = Fields(
    table=router,
    columns=query.standard_fields(router) | {name: router.c[name] for name in _PLAIN},
    conditions={
        "availability_zones": zone.holding("router", router.c.id),
        "availability_zone_hints": query.json_holds(router.c.availability_zone_hints),
        "tags": query.json_holds(router.c.tags),
        "routes": query.json_holds(router.c.routes),
    },
)


def insert_many(
    tx: Transaction, routers: Sequence[Mapping[str, Any]], gateways: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Create routers, whose ids are given, with the ports (by router) that are their gateways."""
    rows = [_row(tx, wanted, gateways.get(wanted["id"])) for wanted in routers]
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(router).values(batch))
    for row in rows:
        note(tx, row["id"], "create")
    return [_object(row, gateways.get(row["id"]), ()) for row in rows]


def _row(tx: Transaction, wanted: Mapping[str, Any], gateway: Mapping[str, Any] | None) -> dict[str, Any]:
    info = wanted.get("external_gateway_info") or {}
    return query.standard_row(tx, wanted) | {
        "admin_state_up": wanted.get("admin_state_up", True),
        "status": "ACTIVE",
        "enable_snat": info.get("enable_snat", True),
        "gateway_port_id": gateway["id"] if gateway else None,
        "routes": [],
        "availability_zone_hints": list(wanted.get("availability_zone_hints") or []),
    }


def _object(row: query.Row, gateway: Mapping[str, Any] | None, zones: Iterable[str]) -> dict[str, Any]:
    """`gateway`: network_id and fixed_ips of the port."""
    info = None
    if gateway is not None:
        addresses = sorted(gateway["fixed_ips"], key=lambda ip: (":" in ip["ip_address"], ip["ip_address"]))
        info = {
            "network_id": gateway["network_id"],
            "enable_snat": row["enable_snat"],
            "external_fixed_ips": [dict(ip) for ip in addresses],
        }
    return (
        query.standard_attributes(row)
        | {name: row[name] for name in _PLAIN}
        | {
            "external_gateway_info": info,
            "routes": row["routes"],
            "availability_zone_hints": row["availability_zone_hints"],
            "availability_zones": sorted(zones),
        }
    )


def note(tx: Transaction, router_id: str, operation: str) -> None:
    """Log a change of a router in its scope."""
    tx.log("router", router_id, operation, scope.key("router", router_id))


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The routers of one page. At most three statements, whatever the number of rows."""
    page = query.page(connection, FIELDS, asked, visible(asked.visible_to)).subquery()
    return query.turned(_read(connection, page, query.order(FIELDS, asked)), asked)


def by_ids(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The routers of those ids that exist."""
    found = {}
    for batch in query.batches(ids):
        page = sa.select(router.c.id).where(router.c.id.in_(batch)).subquery()
        found.update({item["id"]: item for item in _read(connection, page, [router.c.id])})
    return found


def in_routers(connection: sa.Connection, router_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """A router is the one member of its kind in its own scope."""
    return {found: [item] for found, item in by_ids(connection, router_ids).items()}


def get(connection: sa.Connection, router_id: str, visible_to: str | None = None) -> dict[str, Any]:
    """Raises RouterNotFound, also for what the project may not see."""
    return query.only(list_(connection, query.by_id(router_id, visible_to)), errors.RouterNotFound, router_id)


def _read(connection: sa.Connection, page: sa.Subquery, order: Sequence[Any]) -> list[dict[str, Any]]:
    """Routers, gateways and their addresses come in one statement, so that none appears without the others."""
    statement = (
        sa.select(router, port.c.network_id, fixed_ip.c.subnet_id, fixed_ip.c.ip_address)
        .join(page, page.c.id == router.c.id)
        .outerjoin(port, port.c.id == router.c.gateway_port_id)
        .outerjoin(fixed_ip, fixed_ip.c.port_id == port.c.id)
        .order_by(*order)
    )
    rows: dict[str, sa.RowMapping] = {}
    gateways: dict[str, dict[str, Any]] = {}
    for row in connection.execute(statement).mappings():
        rows[row["id"]] = row
        if row["network_id"] is not None:
            gateway = gateways.setdefault(row["id"], {"network_id": row["network_id"], "fixed_ips": []})
            here = {"subnet_id": row["subnet_id"], "ip_address": row["ip_address"]}
            gateway["fixed_ips"] += [here] if row["subnet_id"] else []
    zones = zone.of(connection, "router", page) if rows else {}
    return [_object(row, gateways.get(key), zones.get(key, ())) for key, row in rows.items()]


def claim(tx: Transaction, router_id: str, if_match: int | None, changes: Mapping[str, Any]) -> None:
    """Lock the router, give it its next revision and write what is changed of its plain attributes.

    Raises RouterNotFound, RevisionNumberConstraintFailed.
    """
    values = {name: changes[name] for name in CHANGEABLE if name in changes}
    query.revise(tx, router, router_id, if_match, errors.RouterNotFound, values)
    note(tx, router_id, "update")


def write(tx: Transaction, router_id: str, **values: Any) -> None:
    """Set columns of a claimed router: routes, enable_snat, gateway_port_id."""
    tx.execute(sa.update(router).where(router.c.id == router_id).values(values))


def state(tx: Transaction, router_id: str, visible_to: str | None = None) -> State:
    """A claimed router with its ports and their networks; one statement. Raises RouterNotFound as `get` does."""
    own = sa.and_(port.c.device_id == router.c.id, port.c.device_owner.in_(addressing.ROUTER_PORT_OWNERS))
    held = sa.and_(fixed_ip.c.port_id == port.c.id, fixed_ip.c.subnet_id == subnet.c.id)
    of_router = [router.c[name] for name in ("project_id", "routes", "availability_zone_hints")]
    of_port = [port.c[name] for name in ("id", "network_id", "device_owner")]
    statement = (
        sa.select(
            *of_router,
            *[column.label(f"port_{column.name}") for column in of_port],
            port.c.project_id.label("port_project_id"),
            network.c.network_type,
            network.c.physical_network,
            subnet.c.id.label("subnet_id"),
            subnet.c.cidr,
            fixed_ip.c.ip_address,
        )
        .select_from(router)
        .outerjoin(port, own)
        .outerjoin(network, network.c.id == port.c.network_id)
        .outerjoin(subnet, subnet.c.network_id == network.c.id)
        .outerjoin(fixed_ip, held)
        .where(router.c.id == router_id)
        .order_by(port.c.created_at, port.c.id, subnet.c.created_at, subnet.c.id)
    )
    rows = tx.execute(statement).mappings().all()
    if not rows or visible_to not in (None, rows[0]["project_id"]):
        raise errors.RouterNotFound(id=router_id)
    by_port: dict[str, list[sa.RowMapping]] = {}
    for row in rows:
        if row["port_id"] is not None:
            by_port.setdefault(row["port_id"], []).append(row)
    return State(
        id=router_id,
        project_id=rows[0]["project_id"],
        zone_hints=tuple(rows[0]["availability_zone_hints"]),
        routes=tuple(rows[0]["routes"]),
        legs=tuple(_leg(found) for found in by_port.values()),
    )


def _leg(rows: Sequence[sa.RowMapping]) -> Leg:
    """Of the rows of one port, one for each subnet of its network and address there."""
    first = rows[0]
    return Leg(
        port_id=first["port_id"],
        project_id=first["port_project_id"],
        network_id=first["port_network_id"],
        is_gateway=first["port_device_owner"] == addressing.GATEWAY_OWNER,
        addresses=tuple((row["subnet_id"], row["ip_address"]) for row in rows if row["ip_address"] is not None),
        cidrs={row["subnet_id"]: row["cidr"] for row in rows if row["subnet_id"] is not None},
        reach=segment.word(first["network_type"], first["physical_network"]) if first["network_type"] else None,
    )


def remove(tx: Transaction, router_id: str) -> None:
    """Delete the row of a claimed router. Repeats the transaction when something refers to it by now."""
    query.guarded(tx, sa.delete(router).where(router.c.id == router_id))
    note(tx, router_id, "delete")
