"""Content of a network's scope as agents get it, built with few words."""

from __future__ import annotations

import copy
import ipaddress
from collections.abc import Sequence
from typing import Any

NETWORK = "11111111-1111-4111-8111-111111111111"
Object = dict[str, Any]


def uuid(number: int, kind: int = 0) -> str:
    return f"{number:08x}-{kind:04x}-4000-8000-000000000000"


class NetworkContent:
    """`content` is what a driver takes. Subnets and ports have numbers; a port's MAC ends in its number."""

    def __init__(self, network_id: str = NETWORK, mtu: int = 1450) -> None:
        self.network_id = network_id
        self.content: dict[str, dict[str, Object]] = {
            "network": {network_id: {"id": network_id, "mtu": mtu, "admin_state_up": True}},
            "subnet": {},
            "port": {},
        }

    @property
    def scope(self) -> str:
        return f"network/{self.network_id}"

    @property
    def network(self) -> Object:
        return self.content["network"][self.network_id]

    def subnet(self, number: int, cidr: str, **attributes: Any) -> Object:
        net = ipaddress.ip_network(cidr)
        subnet: Object = {
            "id": uuid(number, 1),
            "network_id": self.network_id,
            "ip_version": net.version,
            "cidr": cidr,
            "gateway_ip": str(net.network_address + 1),
            "dns_nameservers": [],
            "host_routes": [],
            "enable_dhcp": True,
            "ipv6_ra_mode": None,
            "ipv6_address_mode": None,
            **attributes,
        }
        self.content["subnet"][subnet["id"]] = subnet
        return subnet

    def port(self, number: int, *addresses: str, options: Sequence[Object] = (), **attributes: Any) -> Object:
        """Each address belongs to the subnet that contains it."""
        port: Object = {
            "id": uuid(number, 2),
            "network_id": self.network_id,
            "mac_address": f"fa:16:3e:00:00:{number:02x}",
            "fixed_ips": [{"subnet_id": self._subnet_of(a), "ip_address": a} for a in addresses],
            "device_owner": "compute:nova",
            "device_id": "",
            "extra_dhcp_opts": list(options),
            "admin_state_up": True,
            "binding:host_id": "",
            **attributes,
        }
        self.content["port"][port["id"]] = port
        return port

    def dhcp_port(self, number: int, host: str, *addresses: str) -> Object:
        device_id = f"dhcp-{self.network_id}-0"
        return self.port(
            number, *addresses, device_owner="network:dhcp", device_id=device_id, **{"binding:host_id": host}
        )

    def without_port(self, number: int) -> None:
        del self.content["port"][uuid(number, 2)]

    def copy(self) -> NetworkContent:
        return copy.deepcopy(self)

    def _subnet_of(self, address: str) -> str:
        for subnet in self.content["subnet"].values():
            if ipaddress.ip_address(address) in ipaddress.ip_network(subnet["cidr"]):
                return str(subnet["id"])
        raise ValueError(f"no subnet for {address}")


def option(name: str, value: str | None, version: int = 4) -> Object:
    return {"opt_name": name, "opt_value": value, "ip_version": version}
