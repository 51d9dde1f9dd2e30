"""Claims on the capacity of agents: the guard that keeps concurrent schedulers from filling an agent twice."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from netsched.db import base
from netsched.db.agent import UNLIMITED, agent_claim
from netsched.db.transaction import Transaction


def settle(tx: Transaction, deltas: Mapping[tuple[str, str], int]) -> bool:
    """Add each delta to the `used` of (agent id, resource class), in one statement.

    False when one of them would exceed its agent's capacity, or has no row: then the caller must roll back.
    Giving back (a negative delta) always succeeds, also on an agent that reports less than is claimed of it.
    """
    wanted = {key: delta for key, delta in sorted(deltas.items()) if delta}
    if not wanted:
        return True
    table = agent_claim
    by_class: dict[str, dict[str, int]] = {}
    for (agent_id, resource_class), delta in wanted.items():
        by_class.setdefault(resource_class, {})[agent_id] = delta
    amount = sa.case(
        *(
            (table.c.resource_class == name, sa.case(amounts, value=table.c.agent_id, else_=0))
            for name, amounts in by_class.items()
        ),
        else_=0,
    )
    these = sa.and_(
        table.c.agent_id.in_(sorted({agent_id for agent_id, _ in wanted})),  # what MariaDB can use its index for
        sa.tuple_(table.c.agent_id, table.c.resource_class).in_(list(wanted)),
    )
    fits = sa.or_(amount < 0, table.c.used + amount <= table.c.capacity)
    changed = sa.update(table).where(these, fits).values(used=table.c.used + amount)
    if tx.connection.dialect.name == "postgresql":
        # Every scheduler writes these few rows. PostgreSQL updates them in any order, which would end in deadlocks, so
        # they are locked in one before; the others go by the primary key.
        key = (table.c.agent_id, table.c.resource_class)
        locked = sa.select(*key).where(these).order_by(*key).with_for_update().subquery()
        changed = changed.where(*(column == locked.c[column.name] for column in key))
    return tx.execute(changed).rowcount == len(wanted)


def open_rows(tx: Transaction, keys: list[tuple[str, str]]) -> None:
    """Make claim rows for classes that an agent did not name, which means that it has no limit for them."""
    rows = [
        {"agent_id": agent_id, "resource_class": resource_class, "capacity": UNLIMITED, "used": 0}
        for agent_id, resource_class in keys
    ]
    base.upsert(tx.connection, agent_claim, rows, "resource_class")  # on conflict: changes nothing
