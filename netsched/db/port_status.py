"""What makes a port ACTIVE: its L2 agent has wired it, and where it needs one it has its reservation at a DHCP agent.

Both are what agents say of themselves, so there is no log row and no revision for it: nobody is told. Every function
works on a whole batch of agents.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched.db import change, query, subnet
from netsched.db.address import fixed_ip
from netsched.db.port import port
from netsched.db.subnet import Surroundings
from netsched.db.transaction import Transaction
from netsched.model import port_binding, scope

ACTIVE, DOWN = "ACTIVE", "DOWN"


@dataclass(frozen=True)
class Wired:
    """What the L2 agent of `host` says of a port, as it is at `revision`."""

    host: str
    port_id: str
    revision: int
    status: str


def needs_nothing(row: Mapping[str, Any], fixed_ips: Iterable[Mapping[str, str]], around: Surroundings) -> bool:
    """Does a port (device_owner) with these addresses go without a DHCP agent? The service's own ports do."""
    serving = {one["id"] for one in around.subnets if one["enable_dhcp"]}
    return row["device_owner"].startswith("network:") or not any(ip["subnet_id"] in serving for ip in fixed_ips)


def given(wired: sa.ColumnElement[bool], reserved: sa.ColumnElement[bool]) -> sa.ColumnElement[str]:
    """The status that follows."""
    return sa.case((sa.and_(wired, reserved), ACTIVE), else_=DOWN)


def wire(tx: Transaction, said: Sequence[Wired]) -> None:
    """Store what L2 agents say, as far as the port is bound to that host and has not changed since; one statement.

    A port that has changed since is said anew by its agent when it has applied the change.
    """
    for batch in query.batches(sorted(said, key=lambda one: one.port_id)):
        up = _are((one.port_id, one.host, one.revision) for one in batch if one.status == ACTIVE)
        where = (
            port.c.id.in_([one.port_id for one in batch]),  # what MariaDB can use its index for
            _are((one.port_id, one.host, one.revision) for one in batch),
            port.c.binding_vif_type == port_binding.BRIDGE,
        )
        # The status first: MariaDB sets one column after the other.
        status, wired = (port.c.status, given(up, port.c.reserved)), (port.c.wired, sa.case((up, True), else_=False))
        tx.execute(sa.update(port).where(*where).ordered_values(status, wired))


def _are(said: Iterable[tuple[str, str, int]]) -> sa.ColumnElement[bool]:
    ports = list(said)
    return sa.tuple_(port.c.id, port.c.binding_host_id, port.c.revision_number).in_(ports) if ports else sa.false()


def reserve(tx: Transaction, applied: Mapping[str, int]) -> None:
    """DHCP agents that hold these networks have applied them up to these positions; one statement for 1,000.

    Ports that were told by then have their reservations: no row of theirs in the log is without a position or beyond.
    That is to be seen where the log still has all rows beyond, or there are none.
    """
    log, at = change.log, change.scope_position
    name = sa.literal(scope.key("network", "")).concat(port.c.network_id)
    for batch in query.batches(sorted(applied.items())):
        here = port.c.network_id.in_([network_id for network_id, _ in batch])
        reached = sa.case(dict(batch), value=port.c.network_id, else_=-1)
        beyond = sa.or_(log.c.position.is_(None), log.c.position > reached)
        news = sa.exists().where(log.c.scope == name, log.c.object_id == port.c.id, beyond)
        complete = sa.select(change.log_state.c.floor).scalar_subquery() <= reached
        newest = sa.exists().where(at.c.scope == name, at.c.position <= reached)
        _reserve(tx, here, ~news, sa.or_(complete, newest))


def release(tx: Transaction, network_ids: Collection[str]) -> None:
    """Subnets of these networks went, or their DHCP: ports that need it no more wait no longer. One statement."""
    served = (
        sa.exists()
        .where(fixed_ip.c.port_id == port.c.id, fixed_ip.c.subnet_id == subnet.subnet.c.id)
        .where(subnet.subnet.c.enable_dhcp.is_(sa.true()))
    )
    _reserve(tx, port.c.network_id.in_(sorted(network_ids)), ~served)


def _reserve(tx: Transaction, *where: sa.ColumnElement[bool]) -> None:
    values = {"status": given(port.c.wired, sa.true()), "reserved": True}
    tx.execute(sa.update(port).where(port.c.reserved.is_(sa.false()), *where).values(values))
