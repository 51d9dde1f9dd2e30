"""The ports that the DHCP service itself has: one per (network, slot), kept when the slot moves.

The only place that knows that binding a network, and no other kind of resource, brings ports with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netsched.db.session import Transaction

RESOURCE_TYPE = "network"
DEVICE_OWNER = "network:dhcp"


def device_id(network_id: str, slot: int) -> str:
    return f"dhcp-{network_id}-{slot}"


def follow(tx: Transaction, slots: Sequence[tuple[Mapping[str, Any], str]]) -> None:
    """The ports of these slots (rows of `binding`, each with its new host) go where the slots go."""
