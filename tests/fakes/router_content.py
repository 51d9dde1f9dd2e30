"""Content of a router's scope as agents get it, built with few words."""

from __future__ import annotations

import copy
import ipaddress
from typing import Any

from tests.fakes.content import Object, uuid

EXTERNAL = 9  # the number of the external network


class RouterContent:
    """`content` is what a driver takes. Everything has a number; a port's MAC ends in the router's and its own."""

    def __init__(self, number: int = 1, host: str = "node1", **attributes: Any) -> None:
        self.id, self.number, self.host = uuid(number, 10), number, host
        router: Object = {
            "id": self.id,
            "admin_state_up": True,
            "routes": [],
            "external_gateway_info": None,
            **attributes,
        }
        self.content: dict[str, dict[str, Object]] = {
            "router": {self.id: router},
            "network": {},
            "subnet": {},
            "port": {},
            "floatingip": {},
        }

    @property
    def scope(self) -> str:
        return f"router/{self.id}"

    @property
    def router(self) -> Object:
        return self.content["router"][self.id]

    @property
    def namespace(self) -> str:
        return f"qrouter-{self.id}"

    def network(self, number: int, mtu: int = 1450, **attributes: Any) -> Object:
        network: Object = {"id": uuid(number, 11), "mtu": mtu, "admin_state_up": True, **attributes}
        return self._add("network", network)

    def subnet(self, number: int, network: int, cidr: str, gateway: str | None = None, **attributes: Any) -> Object:
        """`gateway` by default the first address."""
        net = ipaddress.ip_network(cidr)
        subnet: Object = {
            "id": uuid(number, 12),
            "network_id": uuid(network, 11),
            "ip_version": net.version,
            "cidr": cidr,
            "gateway_ip": gateway or str(net.network_address + 1),
            "dns_nameservers": [],
            "ipv6_ra_mode": None,
            "ipv6_address_mode": None,
            **attributes,
        }
        return self._add("subnet", subnet)

    def interface(self, number: int, network: int, *addresses: str, **attributes: Any) -> Object:
        """Each address belongs to the subnet that contains it."""
        port: Object = {
            "id": uuid(number, 13 + 256 * self.number),
            "network_id": uuid(network, 11),
            "mac_address": f"fa:16:3e:{self.number & 255:02x}:{number >> 8:02x}:{number & 255:02x}",
            "fixed_ips": [{"subnet_id": self._subnet_of(a), "ip_address": a} for a in addresses],
            "device_owner": "network:router_interface",
            "device_id": self.id,
            "admin_state_up": True,
            "binding:host_id": self.host,
            **attributes,
        }
        return self._add("port", port)

    def gateway(self, number: int, *addresses: str, network: int = EXTERNAL, enable_snat: bool = True) -> Object:
        port = self.interface(number, network, *addresses, device_owner="network:router_gateway")
        self.router["external_gateway_info"] = {
            "network_id": uuid(network, 11),
            "enable_snat": enable_snat,
            "external_fixed_ips": port["fixed_ips"],
        }
        return port

    def floating(self, number: int, address: str, fixed: str, network: int = EXTERNAL) -> Object:
        floating: Object = {
            "id": uuid(number, 14),
            "floating_network_id": uuid(network, 11),
            "floating_ip_address": address,
            "fixed_ip_address": fixed,
            "port_id": uuid(number, 15),
            "router_id": self.id,
        }
        return self._add("floatingip", floating)

    def without(self, kind: str, item: Object) -> None:
        del self.content[kind][item["id"]]

    def copy(self) -> RouterContent:
        return copy.deepcopy(self)

    def _add(self, kind: str, item: Object) -> Object:
        return self.content[kind].setdefault(item["id"], item)

    def _subnet_of(self, address: str) -> str:
        for subnet in self.content["subnet"].values():
            if ipaddress.ip_address(address) in ipaddress.ip_network(subnet["cidr"]):
                return str(subnet["id"])
        raise ValueError(f"no subnet for {address}")


def two_networks(number: int = 1, host: str = "node1") -> RouterContent:
    """Networks 1 (10.0.0.0/24) and 2 (10.0.1.0/24), and 203.0.113.10 as its gateway port on the external one."""
    content = RouterContent(number, host)
    for network in (1, 2):
        content.network(network)
        content.subnet(network, network, f"10.0.{network - 1}.0/24")
        content.interface(network, network, f"10.0.{network - 1}.1")
    content.network(EXTERNAL)
    content.subnet(EXTERNAL, EXTERNAL, "203.0.113.0/24")
    content.gateway(EXTERNAL, "203.0.113.10")
    return content
