"""What carries a network between hosts: its segment, and the word for it that agents say they reach.

The word is one string, since it is compared and nothing else: "vxlan" for every VXLAN network, "flat:physnet1" and
"vlan:physnet1" for networks on a physical one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FLAT, VLAN, VXLAN = "flat", "vlan", "vxlan"
TYPES = (FLAT, VLAN, VXLAN)


def word(network_type: str, physical_network: str | None) -> str:
    return network_type if network_type == VXLAN else f"{network_type}:{physical_network}"


def of(network: Mapping[str, Any]) -> str | None:
    """The word for a network in the REST API's format; None for one that has no segment."""
    network_type = network["provider:network_type"]
    return word(network_type, network["provider:physical_network"]) if network_type else None


def reached(capabilities: Mapping[str, Any]) -> tuple[str, ...]:
    """The words in what an agent says of itself; none if it does not say."""
    return tuple(capabilities.get("reaches") or ())


def missing(requires: Sequence[str], reaches: Sequence[str]) -> list[str]:
    """Those of the words required that an agent does not reach."""
    return [word for word in requires if word not in reaches]
