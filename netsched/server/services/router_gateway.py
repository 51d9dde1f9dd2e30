"""A router's way out: its port on an external network, made and given up within the transactions of RouterService."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netsched import errors
from netsched.db import network, port_change, router, router_scope, router_use, subnet
from netsched.db.subnet import Surroundings
from netsched.db.transaction import Transaction
from netsched.model import addressing
from netsched.model import router as rules
from netsched.model.principal import Principal

Object = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A new gateway: its port, and its network's segment as agents say that they reach it."""

    port: Object
    reach: str | None


@dataclass(frozen=True)
class Gateways:
    """`mac_base`: the first three octets of MACs that are made up."""

    mac_base: str

    def make(self, tx: Transaction, principal: Principal, routers: Sequence[Object]) -> dict[str, Made]:
        """The gateways of new routers (with id) that are to have one, by router. Raises as `change` does."""
        wanted = {body["id"]: body["external_gateway_info"] for body in routers if body.get("external_gateway_info")}
        if not wanted:
            return {}
        networks = _external(tx, principal, wanted)
        ports = self._insert(tx, wanted)
        return {id: Made(port, networks[port["network_id"]].reach) for id, port in ports.items()}

    def change(self, tx: Transaction, principal: Principal, state: rules.State, info: Object | None) -> None:
        """Give a claimed router the gateway that `info` says, or take it away.

        Raises NetworkNotFound, BadRequest when the network is not external or an address is wrong or overlaps,
        RouterExternalGatewayInUseByFloatingIp, and what port_change raises of addresses.
        """
        old, new_network = state.gateway, info["network_id"] if info else None
        values: Object = {"enable_snat": (info or {}).get("enable_snat", True)}
        if info and old is not None and old.network_id == new_network:
            self._readdress(tx, principal, state, info)
            router.write(tx, state.id, **values)
            return
        if old is not None:
            router_use.check_gateway_unused(tx, state.id, old.network_id)
        values["gateway_port_id"] = None
        if info:
            networks = _external(tx, principal, {state.id: info})
            interfaces = rules.State(state.id, state.project_id, (), (), tuple(state.interfaces))
            rules.check_overlap(interfaces, networks[info["network_id"]].subnets)
            values["gateway_port_id"] = self._insert(tx, {state.id: info})[state.id]["id"]
        router.write(tx, state.id, **values)
        if old is not None:
            give_up(tx, state.id, old)

    @staticmethod
    def forget(tx: Transaction, state: rules.State) -> None:
        """Before a router is deleted. Raises RouterExternalGatewayInUseByFloatingIp."""
        if state.gateway is not None:
            router_use.check_gateway_unused(tx, state.id, state.gateway.network_id)

    def _insert(self, tx: Transaction, wanted: Mapping[str, Object]) -> dict[str, Object]:
        bodies = [
            {
                "network_id": info["network_id"],
                "project_id": "",
                "device_id": router_id,
                "device_owner": addressing.GATEWAY_OWNER,
                "fixed_ips": info.get("external_fixed_ips") or None,
            }
            for router_id, info in wanted.items()
        ]
        ports = port_change.insert_many(tx, bodies, mac_base=self.mac_base)
        for router_id, port in zip(wanted, ports, strict=True):
            on = [ip["subnet_id"] for ip in port["fixed_ips"]]
            router_scope.note_neighbours(tx, router_id, port["network_id"], on)
        return dict(zip(wanted, ports, strict=True))

    def _readdress(self, tx: Transaction, principal: Principal, state: rules.State, info: Object) -> None:
        gateway, addresses = state.gateway, info.get("external_fixed_ips")
        if gateway is None or not addresses:
            return
        _external(tx, principal, {state.id: info})
        port = port_change.update(tx, gateway.port_id, {"fixed_ips": addresses})
        moved = {ip["subnet_id"] for ip in port["fixed_ips"]} ^ set(gateway.connected)
        router_scope.note_neighbours(tx, state.id, gateway.network_id, sorted(moved))


def give_up(tx: Transaction, router_id: str, gateway: rules.Leg) -> None:
    """Delete the port of a gateway to which the router's row no longer refers."""
    port_change.remove(tx, gateway.port_id)
    router_scope.note_neighbours(tx, router_id, gateway.network_id, gateway.connected)


def _external(tx: Transaction, principal: Principal, wanted: Mapping[str, Object]) -> dict[str, Surroundings]:
    """The networks of these gateways (by router), checked."""
    ids = {info["network_id"] for info in wanted.values()}
    network.lock(tx, ids)  # nobody makes one of them internal meanwhile
    networks = subnet.surroundings(tx, ids, principal.sees)
    for info in wanted.values():
        around = networks.get(info["network_id"])
        if around is None or not around.visible_to(principal.sees):
            raise errors.NetworkNotFound(id=info["network_id"])
        if not around.external:
            reason = f"Network {around.id} is not an external network"
            raise errors.BadRequest(resource="router", reason=reason)
        taken = {other["gateway_ip"] for other in around.subnets}
        for ip in info.get("external_fixed_ips") or ():
            if ip.get("ip_address") in taken:
                reason = f"External IP {ip['ip_address']} is the same as the gateway IP"
                raise errors.BadRequest(resource="router", reason=reason)
    return networks
