"""Slots whose own ports want checking (`ports_due_at`): found and locked here, checked by those who know the ports.

A network's slots have ports (dhcp_port.py) and so has a router's (router_port.py). Work is in proportion to what is
due, and an empty round costs one statement.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from netsched.db import base, binding
from netsched.db.agent import agent
from netsched.db.binding import binding as table
from netsched.db.session import Database
from netsched.db.transaction import Transaction

BATCH = 100  # slots in one transaction

Repair = Callable[[Transaction, Sequence["Slot"]], None]


@dataclass(frozen=True)
class Slot:
    """A slot that was due. `host` is its holder's; None without one."""

    resource_id: str
    slot: int
    state: str
    host: str | None


def reconcile(database: Database, resource_type: str, repair: Repair) -> int:
    """Have the due slots of that type repaired, in short transactions; returns how many were looked at.

    `repair` gets slots that are locked, the marks of which are off: it puts a mark back where something is missing.
    """
    done = 0
    while True:
        with database.read() as connection:
            found = _find(connection, resource_type)
        if not found:
            return done
        database.write(functools.partial(_work, resource_type=resource_type, slots=found, repair=repair))
        done += len(found)


def _find(connection: sa.Connection, resource_type: str) -> list[tuple[str, int]]:
    wanted = sa.select(table.c.resource_id, table.c.slot).where(
        table.c.ports_due_at <= base.now(), table.c.resource_type == resource_type
    )
    rows = connection.execute(wanted.order_by(table.c.ports_due_at).limit(BATCH))
    return [(row.resource_id, row.slot) for row in rows]


def _work(tx: Transaction, resource_type: str, slots: Sequence[tuple[str, int]], repair: Repair) -> None:
    these = sa.and_(
        table.c.resource_type == resource_type,
        table.c.resource_id.in_({resource_id for resource_id, _ in slots}),  # what MariaDB can use its index for
        sa.tuple_(table.c.resource_id, table.c.slot).in_(list(slots)),
    )
    # Locks the slots, in the schedulers' order: what is read from here on is not older than a mark that is taken off.
    order = (table.c.resource_type, table.c.resource_id, table.c.slot)
    rows = tx.execute(sa.select(table).where(these).order_by(*order).with_for_update()).all()
    rows = [row for row in rows if row.ports_due_at is not None]  # of several servers, one does it
    if not rows:
        return
    reason = sa.case((table.c.state == binding.BOUND, None), else_=table.c.reason)
    tx.execute(sa.update(table).where(these).values(ports_due_at=None, reason=reason))
    holders = {row.agent_id for row in rows if row.agent_id}
    hosts = {row.id: row.host for row in tx.execute(sa.select(agent.c.id, agent.c.host).where(agent.c.id.in_(holders)))}
    repair(tx, [Slot(row.resource_id, row.slot, row.state, hosts.get(row.agent_id)) for row in rows])
