"""A plug as a value: the veth between a network's bridge and a namespace that offers something on that network.

Apart from plugging.py, so that those who compute what is wanted touch no kernel, not even by an import.
"""

from __future__ import annotations

from dataclasses import dataclass

BRIDGE = "brq"  # begins the name of a network's bridge
OUTSIDE, INSIDE = "tap", "ns-"  # begin the names of the two ends; what follows is the same
_DEVICE_ID_LENGTH = 11  # of a port's or network's id: a link's name has at most 15 characters


def bridge(network_id: str) -> str:
    """Name of the bridge that is this network on a host."""
    return BRIDGE + network_id[:_DEVICE_ID_LENGTH]


def tap(port_id: str) -> str:
    """Name of the link on the bridge that belongs to this port, whoever made it."""
    return OUTSIDE + port_id[:_DEVICE_ID_LENGTH]


def ends(port_id: str, inside: str = INSIDE) -> tuple[str, str]:
    """Names of the ends of a port's plug: on the host's bridge, and in the namespace, where it begins with `inside`."""
    return tap(port_id), inside + port_id[:_DEVICE_ID_LENGTH]


def outside(inside: str) -> str:
    """The end on the bridge that belongs to this end in a namespace."""
    return OUTSIDE + inside.partition("-")[2]


@dataclass(frozen=True)
class Plug:
    namespace: str
    bridge: str
    outside: str  # the end on the bridge
    inside: str  # the end in the namespace
    mac: str
    mtu: int
    addresses: frozenset[str]  # "10.0.0.2/24"
    gateways: frozenset[str]  # default route per IP version, at most one each
    owner: str  # kept with the link, to find what is ours: "dhcp/<network id>", "l3/<router id>"


@dataclass(frozen=True)
class Route:
    """`nexthop` and `device` are "" for what has none (somebody's blackhole, say); those we set have both."""

    destination: str  # "10.9.0.0/16"
    nexthop: str
    device: str
