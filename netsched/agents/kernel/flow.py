"""A connection as conntrack names it, as a value: apart from conntrack.py, so that who judges it touches no kernel."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Flow:
    """How a connection began. `first`, `last`: both the destination's port, or type and code of ICMP, None of others.

    `protocol`: its number."""

    source: Address
    destination: Address
    protocol: int
    first: int | None = None
    last: int | None = None
