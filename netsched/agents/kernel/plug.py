"""A plug as a value: the veth between a network's bridge and a namespace that offers something on that network.

Apart from plugging.py, so that those who compute what is wanted touch no kernel, not even by an import.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    owner: str  # kept with the link, to find what is ours: "dhcp/<network id>"
