"""The ports of a router are on the host of the agent that holds it, and on none while nobody does.

`binding:host_id` is what L2 agents plug by and forward to. It is changed together with the holder, or soon after it is
lost: that takes the router's addresses off the old host even if the L3 agent there never returns. New ports of a router
get their host from `reconcile`, since whoever adds one repeats `binding.want`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netsched.db import due, port_binding
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model import addressing

RESOURCE_TYPE = "router"


def follow(tx: Transaction, placed: Sequence[tuple[Mapping[str, Any], str]]) -> None:
    """All ports of the routers among these slots (rows of `binding`, each with its new host) go where these go."""
    hosts = {row["resource_id"]: host for row, host in placed if row["resource_type"] == RESOURCE_TYPE}
    port_binding.move_with_device(tx, hosts, addressing.ROUTER_PORT_OWNERS)


def reconcile(database: Database) -> int:
    """Bring the hosts of the ports of all routers that are due in order; returns how many routers were looked at."""
    return due.reconcile(database, RESOURCE_TYPE, _repair)


def _repair(tx: Transaction, slots: Sequence[due.Slot]) -> None:
    hosts = {one.resource_id: one.host or "" for one in slots}
    port_binding.move_with_device(tx, hosts, addressing.ROUTER_PORT_OWNERS)
