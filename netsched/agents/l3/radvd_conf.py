"""radvd's configuration of one interface. Every word in it is made here or proved: tenant text cannot add to it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

Subnet = Mapping[str, Any]

STATEFUL, STATELESS, SLAAC = "dhcpv6-stateful", "dhcpv6-stateless", "slaac"
# Hosts that ask are answered at once; the interval is what a host waits that did not hear of a new router, and a
# router is believed in for three of them.
_MIN_INTERVAL, _MAX_INTERVAL = 10, 30  # s
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")


def safe_id(value: str) -> bool:
    """Can this id be part of a path and of a namespace's name?"""
    return bool(_ID.fullmatch(value))


def interface(name: str, mtu: int, subnets: Sequence[Subnet]) -> str:
    """What is advertised on a link that carries these IPv6 subnets (in the API's format, at least one).

    The managed flag sends hosts to DHCPv6 for addresses, the other one for the rest (RFC 4861, 4.2).
    """
    modes = {subnet["ipv6_ra_mode"] for subnet in subnets}
    lines = [
        f"interface {name} {{",
        "  AdvSendAdvert on;",
        f"  MinRtrAdvInterval {_MIN_INTERVAL};",
        f"  MaxRtrAdvInterval {_MAX_INTERVAL};",
        f"  AdvLinkMTU {int(mtu)};",
        f"  AdvManagedFlag {_flag(STATEFUL in modes)};",
        f"  AdvOtherConfigFlag {_flag(bool(modes & {STATEFUL, STATELESS}))};",
    ]
    for subnet in sorted(subnets, key=lambda s: str(s["id"])):
        lines += _prefix(subnet)
    servers = sorted({address for subnet in subnets for address in _name_servers(subnet)})
    if servers:
        lines.append(f"  RDNSS {' '.join(servers)} {{ }};")
    return "\n".join([*lines, "};", ""])


def _prefix(subnet: Subnet) -> list[str]:
    # Autonomous: hosts make addresses of it. With stateful DHCPv6 they get theirs from there, and no second one.
    return [
        f"  prefix {ipaddress.IPv6Network(subnet['cidr'])} {{",
        "    AdvOnLink on;",
        f"    AdvAutonomous {_flag(subnet['ipv6_ra_mode'] != STATEFUL)};",
        "  };",
    ]


def _name_servers(subnet: Subnet) -> list[str]:
    found = []
    for text in subnet.get("dns_nameservers") or []:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        if address.version == 6 and "%" not in str(address):
            found.append(str(address))
    return found


def _flag(on: bool) -> str:
    return "on" if on else "off"
