"""Which ports of this host are filtered by their security groups, and what belongs to each. Pure.

The same ports as those that are kept to their own addresses (guard.py): without port security there is neither, and
the network's own services are trusted. Content of a server that knows no security groups lacks the attribute: not
filtered.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netsched.agents.kernel import plug
from netsched.agents.l2.group import Network, checked, disjoint
from netsched.agents.l2.guard import guard_of


@dataclass(frozen=True)
class Filtered:
    """`groups`: ids in order; none of them: nothing is allowed. `addresses`: all that the port may have."""

    tap: str
    groups: tuple[str, ...]
    macs: frozenset[str]
    addresses: frozenset[Network]


def filtered_of(port: Mapping[str, Any]) -> Filtered | None:
    """None for a port that is not filtered. Raises Invalid for ids that cannot be names of chains."""
    guard = guard_of(port)
    if guard is None or "security_groups" not in port:
        return None
    groups = tuple(sorted({checked(id_) for id_ in port["security_groups"] or ()}))
    texts = [ip["ip_address"] for ip in port["fixed_ips"]]
    texts += [pair["ip_address"] for pair in port.get("allowed_address_pairs") or ()]
    addresses = disjoint(ipaddress.ip_network(text, strict=False) for text in texts)
    return Filtered(plug.tap(port["id"]), groups, guard.macs, addresses)
