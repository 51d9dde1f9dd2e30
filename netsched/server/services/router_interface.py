"""A router's interfaces: added and removed within the transactions of RouterService, the router claimed.

One interface is one port. Several IPv6 subnets of a network share one, since hosts there take all prefixes from one
router's advertisements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netsched import errors
from netsched.db import port, port_change, router_scope, router_use, subnet
from netsched.db.transaction import Repeat, Transaction
from netsched.model import router as rules
from netsched.model.principal import Principal
from netsched.model.router import Leg, State

Object = dict[str, Any]

OWNER = "network:router_interface"


@dataclass(frozen=True)
class Interface:
    """What was added or removed."""

    port_id: str
    project_id: str
    network_id: str
    subnet_ids: tuple[str, ...]

    def as_rest(self, router_id: str) -> Object:
        return {
            "id": router_id,
            "project_id": self.project_id,
            "port_id": self.port_id,
            "network_id": self.network_id,
            "subnet_id": self.subnet_ids[-1],
            "subnet_ids": list(self.subnet_ids),
        }


def add_by_subnet(tx: Transaction, principal: Principal, state: State, subnet_id: str, mac_base: str) -> Interface:
    """An interface with the subnet's gateway address.

    Raises SubnetNotFound, BadRequest (no gateway, not one's own, overlap), IpAddressAlreadyAllocated.
    """
    wanted = subnet.get(tx.connection, subnet_id, principal.sees)
    if wanted["gateway_ip"] is None:
        _refuse("Subnet for router interface must have a gateway IP")
    if principal.sees not in (None, wanted["project_id"]):
        # Its gateway address is for its owner to give away; a port of one's own on it may still become an interface.
        _refuse(f"Cannot add interface to router because subnet {subnet_id} is not owned by project making the request")
    _check_mode(wanted)
    rules.check_overlap(state, [wanted])
    subnet.hold_gateway(tx, wanted)
    address = {"subnet_id": subnet_id, "ip_address": wanted["gateway_ip"]}
    shared = _ipv6_leg(state, wanted["network_id"]) if wanted["ip_version"] == 6 else None
    if shared is not None:
        before = [{"subnet_id": id, "ip_address": ip} for id, ip in shared.addresses]
        made = port_change.update(tx, shared.port_id, {"fixed_ips": [*before, address]})
    else:
        body = {"network_id": wanted["network_id"], "project_id": state.project_id, "fixed_ips": [address]}
        owned = {**body, "device_id": state.id, "device_owner": OWNER}
        made = port_change.insert_many(tx, [owned], mac_base=mac_base)[0]
    return _added(tx, state, made, [subnet_id])


def add_by_port(tx: Transaction, principal: Principal, state: State, port_id: str) -> Interface:
    """An existing port becomes an interface.

    Raises PortNotFound, PortInUse, BadRequest (no address, two IPv4 subnets, not one's own, overlap).
    """
    found = port.get(tx.connection, port_id, principal.sees)
    if principal.sees not in (None, found["project_id"]):
        _refuse(f"Cannot add interface to router because port {port_id} is not owned by project making the request")
    if found["device_id"]:
        raise errors.PortInUse(port_id=port_id, network_id=found["network_id"], device_id=found["device_id"])
    if not found["fixed_ips"]:
        _refuse("Router port must have at least one fixed IP")
    subnets = subnet.by_ids(tx.connection, {ip["subnet_id"] for ip in found["fixed_ips"]})
    _check_port(state, found, list(subnets.values()))
    device = {"device_id": state.id, "device_owner": OWNER}
    try:
        made = port_change.update(tx, port_id, device, if_match=found["revision_number"])
    except errors.RevisionNumberConstraintFailed:
        raise Repeat("the port has changed since it was looked at") from None
    return _added(tx, state, made, list(dict.fromkeys(ip["subnet_id"] for ip in made["fixed_ips"])))


def remove(tx: Transaction, state: State, port_id: str | None, subnet_id: str | None) -> Interface:
    """Take off the interface that is this port, or the one on this subnet; with both, the port must be on the subnet.

    Raises RouterInterfaceNotFound, RouterInterfaceNotFoundForSubnet, SubnetMismatchForPort,
    RouterInterfaceInUseByFloatingIP, RouterInterfaceInUseByRoute.
    """
    leg = _sought(state, port_id, subnet_id)
    leaving = leg.connected
    if port_id is None and subnet_id is not None:
        leaving = {subnet_id: leg.connected[subnet_id]}
    router_use.check_interfaces_unused(tx, state.id, list(leaving))
    for gone_id, cidr in leaving.items():
        if rules.uses(state.routes, cidr):
            raise errors.RouterInterfaceInUseByRoute(id=state.id, subnet_id=gone_id)
    kept = [{"subnet_id": id, "ip_address": ip} for id, ip in leg.addresses if id not in leaving]
    if kept:
        port_change.update(tx, leg.port_id, {"fixed_ips": kept})
    else:
        port_change.remove(tx, leg.port_id)
    router_scope.note_neighbours(tx, state.id, leg.network_id, leaving)
    return Interface(leg.port_id, leg.project_id, leg.network_id, tuple(leaving))


def left(state: State, removed: Interface) -> list[Leg]:
    """Ports that a router still has when this interface is removed."""
    gone = set(removed.subnet_ids)
    return [leg for leg in state.legs if leg.port_id != removed.port_id or set(leg.connected) - gone]


def _sought(state: State, port_id: str | None, subnet_id: str | None) -> Leg:
    if port_id is None:
        leg = state.leg_on(subnet_id or "")
        if leg is None:
            raise errors.RouterInterfaceNotFoundForSubnet(id=state.id, subnet_id=subnet_id)
        return leg
    leg = next((one for one in state.interfaces if one.port_id == port_id), None)
    if leg is None:
        raise errors.RouterInterfaceNotFound(id=state.id, port_id=port_id)
    if subnet_id is not None and not leg.on(subnet_id):
        raise errors.SubnetMismatchForPort(port_id=port_id, subnet_id=subnet_id)
    return leg


def _added(tx: Transaction, state: State, made: Object, subnet_ids: Sequence[str]) -> Interface:
    router_scope.note_neighbours(tx, state.id, made["network_id"], subnet_ids)
    return Interface(made["id"], made["project_id"], made["network_id"], tuple(subnet_ids))


def _check_port(state: State, found: Object, subnets: Sequence[Object]) -> None:
    for one in subnets:
        _check_mode(one)
    other = _ipv6_leg(state, found["network_id"])
    if other is not None and any(one["ip_version"] == 6 for one in subnets):
        _refuse(
            f"Router already contains IPv6 port {other.port_id} belonging to network id {other.network_id}. "
            "Only one IPv6 port from the same network subnet can be connected to a router."
        )
    rules.check_overlap(state, subnets)
    if len([one for one in subnets if one["ip_version"] == 4]) > 1:
        _refuse("Cannot have multiple IPv4 subnets on router port")


def _check_mode(wanted: Object) -> None:
    if wanted["ipv6_address_mode"] is not None and wanted["ipv6_ra_mode"] is None:
        _refuse(
            f"IPv6 subnet {wanted['id']} configured to receive RAs from an external router cannot be added to Neutron "
            "Router."
        )


def _ipv6_leg(state: State, network_id: str) -> Leg | None:
    return next((leg for leg in state.interfaces if leg.network_id == network_id and leg.has_ipv6), None)


def _refuse(reason: str) -> None:
    raise errors.BadRequest(resource="router", reason=reason.removesuffix("."))
