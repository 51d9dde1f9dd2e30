"""Which ports are in which security groups: rows by which groups find their ports.

Ports know their groups by themselves (`security_groups` in their row), so that reading them costs nothing more. Both
are written together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from netsched.db import base, query
from netsched.db.transaction import Transaction

port_security_group = sa.Table(
    "port_security_group",
    base.metadata,
    sa.Column("port_id", base.Id, sa.ForeignKey("port.id", ondelete="CASCADE"), primary_key=True),
    # No cascade: it is what refuses to delete a group that somebody is just putting a port into.
    sa.Column("security_group_id", base.Id, sa.ForeignKey("security_group.id"), primary_key=True),
    sa.Index("ix_port_security_group_security_group_id", "security_group_id"),
)


def write(tx: Transaction, memberships: Iterable[tuple[str, str]]) -> None:
    """(port id, group id) each. One statement for up to 1,000; none without any."""
    for batch in query.batches(sorted(memberships)):
        rows = [{"port_id": port_id, "security_group_id": group_id} for port_id, group_id in batch]
        query.guarded(tx, sa.insert(port_security_group).values(rows))


def rewrite(tx: Transaction, port_id: str, group_ids: Sequence[str]) -> None:
    """The port is in these groups and in no others; two statements."""
    tx.execute(sa.delete(port_security_group).where(port_security_group.c.port_id == port_id))
    write(tx, [(port_id, group_id) for group_id in group_ids])


def ports_in(group_ids: Iterable[str]) -> sa.Select[tuple[str]]:
    """A select of the ids of ports that are in one of these groups."""
    return sa.select(port_security_group.c.port_id).where(port_security_group.c.security_group_id.in_(list(group_ids)))
