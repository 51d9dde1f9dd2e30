"""Giving a floating IP to a fixed address: which address of the port, and through which router it is reached.

Nothing that this depends on may go meanwhile. The fixed address cannot: the floating IP refers to it. The router's
interface and gateway cannot, since the router's row is counted up here if it still has the revision that was read, and
whoever changes its ports takes the next revision first and looks for floating IPs after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import port
from netsched.db.address import fixed_ip
from netsched.db.floatingip import DOWN, floatingip
from netsched.db.port import DHCP_OWNER
from netsched.db.router import router
from netsched.db.subnet import subnet
from netsched.db.transaction import Repeat, Transaction
from netsched.model import addressing

# Ports that the service itself makes and deletes; a floating IP would stand in its way. An interface of a router does
# not go under a floating IP, whoever's it is.
_NOT_FOR = (addressing.GATEWAY_OWNER, DHCP_OWNER, addressing.FLOATINGIP_OWNER)


@dataclass(frozen=True)
class Wish:
    """A floating IP and the port that it is to reach; `fixed_ip_address` None: the only one that it has."""

    id: str
    floating_ip_address: str
    floating_network_id: str
    port_id: str
    fixed_ip_address: str | None = None


@dataclass(frozen=True)
class _Route:
    router_id: str
    revision: int
    network_id: str  # of its gateway
    subnet_id: str  # of one of its interfaces
    is_gateway: bool  # of that subnet


def resolve(tx: Transaction, wishes: Sequence[Wish], project_id: str | None) -> list[dict[str, Any]]:
    """The columns that say so, one set for each wish; three statements, whatever their number.

    `project_id` None: an administrator. Raises PortNotFound (also for a port that the project may not see),
    BadRequest, ExternalGatewayForFloatingIPNotFound, FloatingIPPortAlreadyAssociated.
    """
    if not wishes:
        return []
    ports = _ports(tx, wishes, project_id)
    chosen = [_fixed_ip(wish, ports[wish.port_id], project_id) for wish in wishes]
    routes = _routes(tx, {ip["subnet_id"] for ip in chosen}, {wish.floating_network_id for wish in wishes})
    taken = [
        _best(routes, wish, ip["subnet_id"], port.router_of(ports[wish.port_id]))
        for wish, ip in zip(wishes, chosen, strict=True)
    ]
    if tx.attempt > 1:  # at first the unique key says so, and costs nothing
        _check_free(tx, wishes, chosen)
    _hold(tx, taken)
    return [
        {
            "port_id": wish.port_id,
            "fixed_subnet_id": ip["subnet_id"],
            "fixed_ip_address": ip["ip_address"],
            "router_id": route.router_id,
            "status": DOWN,
        }
        for wish, ip, route in zip(wishes, chosen, taken, strict=True)
    ]


def _ports(tx: Transaction, wishes: Sequence[Wish], project_id: str | None) -> dict[str, dict[str, Any]]:
    """The ports that are meant, by id."""
    named = port.port.c.id.in_({wish.port_id for wish in wishes})
    own = port.visible(project_id)
    found = port.where(tx.connection, named if own is None else sa.and_(named, own))
    ports = {item["id"]: item for item in found}
    for wish in wishes:
        if wish.port_id not in ports:
            raise errors.PortNotFound(id=wish.port_id)
    return ports


def _fixed_ip(wish: Wish, internal: Mapping[str, Any], project_id: str | None) -> Mapping[str, str]:
    """The fixed IP of the port that is meant, in the incumbent's words where it is none."""
    if project_id is not None and internal["project_id"] != project_id:
        raise _refused(
            f"Cannot process floating IP association with Port {wish.port_id}, since that port is owned by a different "
            "project"
        )
    if internal["device_owner"] in _NOT_FOR:
        raise _refused(f"Port {wish.port_id} is a port of {internal['device_owner']}, which no floating IP can reach")
    addresses = [ip for ip in internal["fixed_ips"] if addressing.parse(ip["ip_address"]).version == 4]
    if wish.fixed_ip_address is not None:
        if addressing.parse(wish.fixed_ip_address).version != 4:
            raise _refused(
                f"fixed_ip_address {wish.fixed_ip_address}: cannot bind a floating IP to it, since that is not an IPv4 "
                "address"
            )
        addresses = [ip for ip in addresses if ip["ip_address"] == wish.fixed_ip_address]
        if not addresses:
            raise _refused(f"Port {wish.port_id} does not have fixed ip {wish.fixed_ip_address}")
    if not addresses:
        raise _refused(f"Cannot add floating IP to port {wish.port_id} that has no fixed IPv4 addresses")
    if len(addresses) > 1:
        raise _refused(
            f"Port {wish.port_id} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address "
            "(fixed_ip_address) when assigning a floating IP"
        )
    chosen: Mapping[str, str] = addresses[0]
    return chosen


def _refused(reason: str) -> errors.BadRequest:
    return errors.BadRequest(resource="floatingip", reason=reason)


def _routes(tx: Transaction, subnet_ids: Iterable[str], network_ids: Iterable[str]) -> list[_Route]:
    """Routers between these subnets and these external networks, oldest first."""
    interface, gateway = port.port.alias("interface"), port.port.alias("gateway")
    is_gateway = fixed_ip.c.ip_address == subnet.c.gateway_ip
    columns = (router.c.id, router.c.revision_number, gateway.c.network_id, fixed_ip.c.subnet_id)
    statement = (
        sa.select(*columns, sa.case((is_gateway, 1), else_=0).label("is_gateway"))
        .select_from(router)
        .join(gateway, gateway.c.id == router.c.gateway_port_id)
        .join(interface, interface.c.device_id == router.c.id)
        .join(fixed_ip, fixed_ip.c.port_id == interface.c.id)
        .join(subnet, subnet.c.id == fixed_ip.c.subnet_id)
        .where(interface.c.device_owner.in_(addressing.ROUTER_OWNERS))
        .where(fixed_ip.c.subnet_id.in_(sorted(set(subnet_ids))), gateway.c.network_id.in_(sorted(set(network_ids))))
        .order_by(router.c.created_at, router.c.id)
    )
    rows = tx.execute(statement).all()
    return [_Route(row.id, row.revision_number, row.network_id, row.subnet_id, bool(row.is_gateway)) for row in rows]


def _best(routes: Iterable[_Route], wish: Wish, subnet_id: str, own: str | None) -> _Route:
    """Of several routers the one that the hosts of the subnet send to, or else the oldest; no other than its `own` for
    a router's interface."""
    fit = [route for route in routes if (route.subnet_id, route.network_id) == (subnet_id, wish.floating_network_id)]
    fit = [route for route in fit if own in (None, route.router_id)]
    if not fit:
        raise errors.ExternalGatewayForFloatingIPNotFound(
            network_id=wish.floating_network_id, subnet_id=subnet_id, port_id=wish.port_id
        )
    return next((route for route in fit if route.is_gateway), fit[0])


def _check_free(tx: Transaction, wishes: Sequence[Wish], chosen: Sequence[Mapping[str, str]]) -> None:
    """Raise FloatingIPPortAlreadyAssociated where another floating IP of the network, or of the wishes, is there."""
    table = floatingip.c
    rows = tx.execute(sa.select(floatingip).where(table.port_id.in_({wish.port_id for wish in wishes}))).all()
    holders = {(row.port_id, row.fixed_ip_address, row.floating_network_id): row.id for row in rows}
    for wish, ip in zip(wishes, chosen, strict=True):
        key = (wish.port_id, ip["ip_address"], wish.floating_network_id)
        if holders.setdefault(key, wish.id) != wish.id:
            raise errors.FloatingIPPortAlreadyAssociated(
                floating_ip_address=wish.floating_ip_address,
                id=wish.id,
                port_id=wish.port_id,
                fixed_ip=ip["ip_address"],
                network_id=wish.floating_network_id,
            )


def _hold(tx: Transaction, routes: Iterable[_Route]) -> None:
    """Hold off changes of the routers' ports until the commit, if nothing has changed since they were read."""
    pairs = sorted({(route.router_id, route.revision) for route in routes})
    seen = sa.tuple_(router.c.id, router.c.revision_number).in_(pairs)
    held = sa.update(router).where(seen).values(associations=router.c.associations + 1)
    if tx.execute(held).rowcount != len(pairs):
        raise Repeat("a router has changed meanwhile")
