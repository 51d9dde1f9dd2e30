"""Which source addresses a port may use. Pure: from the port to sets of addresses, each proved to be one.

What the port has, what allowed_address_pairs add, and the IPv6 link-local address that each of its MACs makes.
"""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netsched.agents.kernel import plug
from netsched.model import addressing

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_LINK_LOCAL = "fe80::/64"


@dataclass(frozen=True)
class Guard:
    """Of one tap. `ipv4`, `ipv6`: (MAC, network such as 10.0.0.5/32); networks of one MAC do not overlap."""

    tap: str
    macs: frozenset[str]
    ipv4: frozenset[tuple[str, str]]
    ipv6: frozenset[tuple[str, str]]


def guard_of(port: Mapping[str, Any]) -> Guard | None:
    """None for a port that may send what it likes: without port security, or one of the network's own services."""
    if not port.get("port_security_enabled", True) or port["device_owner"].startswith("network:"):
        return None
    own = port["mac_address"].lower()
    pairs = [(own, ip["ip_address"]) for ip in port["fixed_ips"]]
    for pair in port.get("allowed_address_pairs") or ():
        pairs.append(((pair.get("mac_address") or own).lower(), pair["ip_address"]))
    pairs = [(mac, address) for mac, address in pairs if _MAC.fullmatch(mac)]
    macs = frozenset({mac for mac, _ in pairs} | ({own} if _MAC.fullmatch(own) else set()))
    networks: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for mac, address in pairs:
        network = ipaddress.ip_network(address, strict=False)
        networks[mac, network.version].append(network)
    for mac in macs:
        networks[mac, 6].append(ipaddress.ip_network(addressing.eui64(_LINK_LOCAL, mac)))
    return Guard(plug.tap(port["id"]), macs, _collapsed(networks, 4), _collapsed(networks, 6))


def _collapsed(networks: Mapping[tuple[str, int], list[Any]], version: int) -> frozenset[tuple[str, str]]:
    return frozenset(
        (mac, str(network))
        for (mac, version_), many in networks.items()
        if version_ == version
        for network in ipaddress.collapse_addresses(many)
    )
