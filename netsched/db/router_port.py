"""The ports of a router are on the host of the agent that holds it, and on none while nobody does.

`binding:host_id` is what the L2 agents plug by and forward to: set as soon as the holder changes, it takes the
addresses away from an old host also when the L3 agent there never returns. New ports of a router get their host from
`reconcile`, since whoever adds one repeats `binding.want`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched.db import due, query
from netsched.db.port import note, port
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model import addressing

RESOURCE_TYPE = "router"


def follow(tx: Transaction, placed: Sequence[tuple[Mapping[str, Any], str]]) -> None:
    """All ports of the routers among these slots (rows of `binding`, each with its new host) go where these go."""
    hosts = {row["resource_id"]: host for row, host in placed if row["resource_type"] == RESOURCE_TYPE}
    if hosts:
        _settle(tx, hosts)


def reconcile(database: Database) -> int:
    """Bring the hosts of the ports of all routers that are due in order; returns how many routers were looked at."""
    return due.reconcile(database, RESOURCE_TYPE, _repair)


def _repair(tx: Transaction, slots: Sequence[due.Slot]) -> None:
    _settle(tx, {one.resource_id: one.host or "" for one in slots})


def _settle(tx: Transaction, hosts: Mapping[str, str]) -> None:
    """Move the ports that are not on the host of their router (`hosts` by router id) there."""
    moving = {}
    for row in _ports(tx, hosts):
        host = hosts[row.device_id]
        if row.binding_host_id != host:
            moving[row.id] = host
    if moving:
        _move(tx, moving)


def _ports(tx: Transaction, router_ids: Collection[str]) -> list[sa.Row[Any]]:
    columns = (port.c.id, port.c.device_id, port.c.binding_host_id)
    of_routers = port.c.device_owner.in_(addressing.ROUTER_PORT_OWNERS)
    found: list[sa.Row[Any]] = []
    for batch in query.batches(router_ids):
        found += tx.execute(sa.select(*columns).where(port.c.device_id.in_(batch), of_routers)).all()
    return found


def _move(tx: Transaction, hosts: Mapping[str, str]) -> None:
    for batch in query.batches(hosts.items()):
        of_batch = dict(batch)
        these = port.c.id.in_(sorted(of_batch))
        revised = {"revision_number": port.c.revision_number + 1, "updated_at": tx.now}
        host = sa.case(of_batch, value=port.c.id)
        tx.execute(sa.update(port).where(these).values(binding_host_id=host, **revised))
        columns = (port.c.id, port.c.network_id, port.c.device_owner, port.c.device_id)
        for row in tx.execute(sa.select(*columns).where(these)).mappings():
            note(tx, row, "update")
