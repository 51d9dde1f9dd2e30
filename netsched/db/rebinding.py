"""What follows when an agent comes, comes back, is enabled or says something new of itself.

Ports that waited for the L2 agent of their host are bound; those whose network it reaches no more are refused, with the
reason. Routers leave an L3 agent that does not reach their gateways any more.

Such an agent is marked (`ports_due_at`), by its beats and by whoever found it dead, so work is in proportion to what
happened and an idle round costs one statement. It is looked at twice: a port that was written while the agent was, by a
transaction that could not see it yet, is found the second time.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched.db import base, binding, port_binding, presence
from netsched.db.agent import DUE, agent
from netsched.db.network import network
from netsched.db.port import port
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model import kinds, liveness, segment
from netsched.model import port_binding as model
from netsched.model.port_binding import L2Agent

AGENTS = 100  # in one round
PORTS = 500  # in one transaction
AGAIN = 10.0  # s: longer than any transaction lasts


def mark(connection: sa.Connection, agent_ids: Collection[str]) -> None:
    """These agents have news for what is on their hosts. One statement."""
    connection.execute(sa.update(agent).where(agent.c.id.in_(sorted(agent_ids))).values(DUE))


def reconcile(database: Database) -> int:
    """Give the marked agents what is theirs; returns how many there were."""
    done = 0
    while True:
        with database.read() as connection:
            found = _find(connection)
        if not found:
            return done
        l2 = {row.id: row.host for row in found if row.agent_type == kinds.L2_AGENT}
        if l2:
            database.write(functools.partial(presence.restore, agents=l2))
            _rebind(database, sorted(l2.values()))
        for row in found:
            if row.agent_type == kinds.L3_AGENT:
                database.write(functools.partial(binding.leave_what_it_cannot_reach, agent_id=row.id))
        database.write(functools.partial(_unmark, found=found))
        done += len(found)


def _find(connection: sa.Connection) -> list[sa.Row[Any]]:
    columns = (agent.c.id, agent.c.agent_type, agent.c.host, agent.c.ports_due_at)
    wanted = sa.select(*columns).where(agent.c.ports_due_at <= base.now())
    return list(connection.execute(wanted.order_by(agent.c.ports_due_at, agent.c.id).limit(AGENTS)))


def _unmark(tx: Transaction, found: Sequence[sa.Row[Any]]) -> None:
    """Unless there has been more news since."""
    seen = sa.tuple_(agent.c.id, agent.c.ports_due_at).in_([(row.id, row.ports_due_at) for row in found])
    later = sa.case((agent.c.ports_due_again, base.before_now(tx.connection, -AGAIN)), else_=None)
    # MariaDB sets one column after the other.
    tx.execute(
        sa.update(agent).where(seen).ordered_values((agent.c.ports_due_at, later), (agent.c.ports_due_again, False))
    )


def _rebind(database: Database, hosts: Collection[str]) -> None:
    """Decide anew what is not on a bridge, or on one that leads nowhere, and tell what other hosts are to know of a new
    tunnel address."""
    last = ""
    while True:
        with database.read() as connection:
            agents = port_binding.l2_agents(connection, hosts)
            usable = {
                h: one for h, one in agents.items() if one.state is not liveness.State.DEAD and one.admin_state_up
            }
            ids = _waiting(connection, usable, last) if usable else []
        if not ids:
            return
        database.write(functools.partial(port_binding.retry, port_ids=ids))
        last = ids[-1]


def _waiting(connection: sa.Connection, agents: Mapping[str, L2Agent], after: str) -> list[str]:
    details = {host: sa.literal(model.details(one.tunnel_ip), base.Json) for host, one in agents.items()}
    here = port.c.binding_host_id.in_(sorted(agents))
    outdated = port.c.binding_vif_details != sa.case(details, value=port.c.binding_host_id)
    wanted = sa.or_(
        port.c.binding_vif_type.in_((model.FAILED, model.UNBOUND)),
        sa.and_(port.c.binding_vif_type == model.BRIDGE, sa.or_(outdated, _out_of_reach(agents))),
    )
    rows = connection.execute(
        sa.select(port.c.id)
        .join(network, network.c.id == port.c.network_id)
        .where(here, wanted, port.c.id > after)
        .order_by(port.c.id)
        .limit(PORTS)
    )
    return [row.id for row in rows]


def _out_of_reach(agents: Mapping[str, L2Agent]) -> sa.ColumnElement[bool]:
    """Of a port and its network: does the agent of the port's host not reach it? As segment.word says it, in SQL."""
    physical = network.c.network_type.concat(":").concat(network.c.physical_network)
    word = sa.case((network.c.network_type == segment.VXLAN, segment.VXLAN), else_=physical)
    alike: dict[tuple[str, ...], list[str]] = {}
    for host, one in sorted(agents.items()):
        alike.setdefault(one.reaches, []).append(host)
    return sa.or_(
        *[sa.and_(port.c.binding_host_id.in_(hosts), word.not_in(reaches)) for reaches, hosts in alike.items()]
    )
