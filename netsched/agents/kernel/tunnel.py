"""What joins a bridge to other hosts, as values: apart from netlink.py, so that who computes them touches no kernel."""

from __future__ import annotations

from dataclasses import dataclass

BROADCAST = "00:00:00:00:00:00"  # in a tunnel's forwarding table: everything without an entry of its own


@dataclass(frozen=True)
class Vxlan:
    """What makes a VXLAN device: change one of these and it is another device."""

    vni: int
    local_ip: str
    port: int
    learning: bool = False  # of remote hosts from what comes in


@dataclass(frozen=True)
class Vlan:
    parent: int  # index of the interface below
    id: int


@dataclass(frozen=True)
class Forwarding:
    """Of a tunnel in a bridge. `remote`: (hardware address, host); BROADCAST stands for what goes to everybody.
    `static`: hardware addresses that the bridge always sends into the tunnel, whatever it learned."""

    remote: frozenset[tuple[str, str]] = frozenset()
    static: frozenset[str] = frozenset()
