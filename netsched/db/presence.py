"""On which hosts a network has bound ports: what makes the L2 agent of a host a holder of the network.

A row counts the ports of one network that are plugged into a bridge of one host. It lives as long as the network, so
its epoch, which grows with every return of the host, fences the L2 agent's copy as a slot's epoch fences those of
scheduled agents. Whoever takes or gives a port writes the row first, which locks it, and decides by what it then is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from netsched.db import base, group_presence, interest, query
from netsched.db.agent import agent
from netsched.db.group_presence import Grants
from netsched.db.transaction import Transaction
from netsched.model import kinds, scope

presence = sa.Table(
    "presence",
    base.metadata,
    sa.Column("network_id", base.Id, sa.ForeignKey("network.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("host", sa.String(255), primary_key=True),
    sa.Column("ports", sa.Integer, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Index("ix_presence_host", "host"),
)

CAUSE = "host"
At = tuple[str, str]  # (network id, host)


def count(tx: Transaction, deltas: Mapping[At, int]) -> Grants:
    """Add to the number of ports of each network on each host; what L2 agents get and lose by it, to be granted.

    No statement when nothing changes, two for up to 1,000 pairs. Rows are written in one order, so that those who write
    the same ones wait for each other instead of in a circle.
    """
    grants = Grants([], [])
    for batch in query.batches(sorted(at for at, delta in deltas.items() if delta)):
        rows = [{"network_id": at[0], "host": at[1], "ports": deltas[at], "epoch": 1} for at in batch]
        returns = presence.c.epoch + sa.case((presence.c.ports <= 0, 1), else_=0)
        base.upsert(tx.connection, presence, rows, epoch=returns, ports=lambda new: presence.c.ports + new.ports)
        grants.add(_settle(tx, {at: deltas[at] for at in batch}))
    return grants


def _settle(tx: Transaction, deltas: Mapping[At, int]) -> Grants:
    held, lost = [], []
    for row in tx.execute(_with_agents(_are(deltas))):
        entry = (row.agent_id, scope.key("network", row.network_id), row.epoch)
        if row.ports <= 0:
            lost.append(entry)
        elif row.ports <= deltas[row.network_id, row.host]:
            held.append(entry)
    return Grants(held, lost)


def restore(tx: Transaction, agents: Mapping[str, str]) -> None:
    """Make the interests of these L2 agents (host by id) what is there, for agents that came after the ports.

    Three statements, and two more for what they lack and what they hold in vain.
    """
    # What they hold is read first: what somebody else grants meanwhile is not among it, and thus not taken for vain.
    table = interest.interest
    own = (table.c.agent_id.in_(sorted(agents)), table.c.cause == CAUSE, table.c.state == interest.HELD)
    rows = tx.execute(sa.select(table.c.agent_id, table.c.scope, table.c.epoch).where(*own))
    held = {(row.agent_id, row.scope): row.epoch for row in rows}
    by_host = {host: agent_id for agent_id, host in agents.items()}
    order = (presence.c.network_id, presence.c.host)
    here = presence.c.host.in_(sorted(by_host))
    rows = tx.execute(sa.select(presence).where(here, presence.c.ports > 0).order_by(*order).with_for_update())
    wanted = {(by_host[row.host], scope.key("network", row.network_id)): row.epoch for row in rows}
    for key, host, epoch in group_presence.on_hosts(tx, by_host):
        wanted[by_host[host], key] = epoch
    grant(tx, [(*key, epoch) for key, epoch in wanted.items() if held.get(key) != epoch], [])
    interest.release(tx, [key for key in held if key not in wanted])


def forget(tx: Transaction, network_id: str) -> None:
    """The network is about to be deleted: its hosts' L2 agents lose it. One statement."""
    held = (interest.interest.c.scope == scope.key("network", network_id), interest.interest.c.cause == CAUSE)
    tx.execute(sa.update(interest.interest).where(*held).values(state=interest.RELEASED, behind_since=base.now()))


def grant(tx: Transaction, held: list[tuple[str, str, int]], lost: list[tuple[str, str, int]]) -> None:
    """L2 agents hold and lose these (agent id, scope, epoch), which is what is on their hosts."""
    for batch in query.batches(held):
        interest.grant(tx, batch, lost, CAUSE)
        lost = []
    if lost:
        interest.grant(tx, [], lost, CAUSE)


def _with_agents(condition: sa.ColumnElement[bool]) -> sa.Select[tuple[str, str, int, int, str]]:
    columns = (presence.c.network_id, presence.c.host, presence.c.ports, presence.c.epoch)
    there = sa.and_(agent.c.host == presence.c.host, agent.c.agent_type == kinds.L2_AGENT)
    return sa.select(*columns, agent.c.id.label("agent_id")).join(agent, there).where(condition)


def _are(pairs: Collection[At]) -> sa.ColumnElement[bool]:
    network_ids = sorted({network_id for network_id, _ in pairs})
    return sa.and_(
        presence.c.network_id.in_(network_ids),  # what MariaDB can use its index for
        sa.tuple_(presence.c.network_id, presence.c.host).in_(sorted(pairs)),
    )
