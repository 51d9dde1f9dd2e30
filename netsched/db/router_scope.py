"""What belongs to a router besides itself: its ports, and the networks and subnets on which it has them.

Both directions: what is in a router's scope, and in which routers' scopes a change is to be told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from netsched.db import network, port, query, subnet
from netsched.db.address import fixed_ip
from netsched.db.transaction import Transaction
from netsched.model import addressing, scope

Objects = dict[str, list[dict[str, Any]]]


def ports_in(connection: sa.Connection, router_ids: Iterable[str]) -> Objects:
    """The ports of each router that has some, its gateway's too."""
    found: Objects = {}
    for batch in query.batches(router_ids):
        for item in port.where(connection, _of_routers(port.port.c.device_id.in_(batch))):
            found.setdefault(item["device_id"], []).append(item)
    return found


def networks_in(connection: sa.Connection, router_ids: Iterable[str]) -> Objects:
    """The networks on which each router has a port."""
    pairs = _pairs(connection, router_ids, port.port.c.network_id, port.port)
    return _gathered(pairs, network.by_ids(connection, {network_id for _, network_id in pairs}))


def subnets_in(connection: sa.Connection, router_ids: Iterable[str]) -> Objects:
    """The subnets in which each router has an address."""
    joined = port.port.join(fixed_ip, fixed_ip.c.port_id == port.port.c.id)
    pairs = _pairs(connection, router_ids, fixed_ip.c.subnet_id, joined)
    return _gathered(pairs, subnet.by_ids(connection, {subnet_id for _, subnet_id in pairs}))


def tell(tx: Transaction, kind: str, object_id: str, network_ids: Collection[str]) -> None:
    """Log a change of a network or a subnet in the scopes of all routers that have a port on these networks too."""
    columns = sa.select(port.port.c.device_id, port.port.c.device_owner)
    rows = tx.execute(columns.where(_of_routers(port.port.c.network_id.in_(sorted(network_ids))))).mappings()
    for router_id in dict.fromkeys(map(port.router_of, rows)):
        if router_id is not None:
            tx.log(kind, object_id, "update", scope.key("router", router_id))


def tell_networks(tx: Transaction, network_ids: Collection[str]) -> None:
    """Log a change of each of these networks, in its own scope and in those of the routers that have a port on it."""
    scopes = {network_id: [scope.key("network", network_id)] for network_id in network_ids}
    columns = sa.select(port.port.c.network_id, port.port.c.device_id, port.port.c.device_owner).distinct()
    for batch in query.batches(sorted(scopes)):
        for row in tx.execute(columns.where(_of_routers(port.port.c.network_id.in_(batch)))).mappings():
            router_id = port.router_of(row)
            if router_id is not None:
                scopes[row["network_id"]].append(scope.key("router", router_id))
    for network_id, keys in scopes.items():
        tx.log("network", network_id, "update", *keys)


def note_neighbours(tx: Transaction, router_id: str, network_id: str, subnet_ids: Iterable[str]) -> None:
    """Log what came into a router's scope, or went out of it, with one of its ports."""
    here = scope.key("router", router_id)
    tx.log("network", network_id, "update", here)
    for subnet_id in subnet_ids:
        tx.log("subnet", subnet_id, "update", here)


def _of_routers(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.and_(condition, port.port.c.device_owner.in_(addressing.ROUTER_PORT_OWNERS))


def _pairs(
    connection: sa.Connection, router_ids: Iterable[str], column: sa.Column[Any], table: Any
) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for batch in query.batches(router_ids):
        wanted = sa.select(port.port.c.device_id, column).select_from(table).distinct()
        rows = connection.execute(wanted.where(_of_routers(port.port.c.device_id.in_(batch))))
        pairs += [(row[0], row[1]) for row in rows]
    return pairs


def _gathered(pairs: Iterable[tuple[str, str]], objects: Mapping[str, dict[str, Any]]) -> Objects:
    found: Objects = {}
    for router_id, object_id in sorted(pairs):
        if object_id in objects:
            found.setdefault(router_id, []).append(objects[object_id])
    return found
