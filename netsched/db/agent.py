"""Agents: who they are (`agent`), what their last beat said (`agent_beat`), what is claimed of them (`agent_claim`).

Three tables, because three different writers: operators and introductions, beats, and the scheduler. A beat that
rewrote the claims, or a claim that waited for a beat, would be the incumbent's race.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from netsched.db import base
from netsched.db.interest import interest
from netsched.db.transaction import Transaction
from netsched.model import liveness

agent = sa.Table(
    "agent",
    base.metadata,
    sa.Column("id", base.Id, primary_key=True),
    sa.Column("agent_type", sa.String(100), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("binary", sa.String(100), nullable=False),
    sa.Column("address", sa.String(255), nullable=False),  # apart from host: agents of one process may share it
    sa.Column("zone", sa.String(100), nullable=False),
    sa.Column("version", sa.String(20), nullable=False),
    sa.Column("admin_state_up", sa.Boolean, nullable=False, default=True),
    sa.Column("description", sa.String(255), nullable=True),
    sa.Column("created_at", base.DateTime, nullable=False),
    sa.Column("started_at", base.DateTime, nullable=True),
    sa.Column("boot_id", sa.String(100), nullable=False, default=""),
    sa.Column("capabilities", base.Json, nullable=False),
    sa.Column("configurations", base.Json, nullable=False),
    sa.Column("settings_mismatch", base.Json, nullable=False),  # {"mtu": [ours, theirs]}
    # Who said that it is dead, whatever its beats say: {"user_id", "project_id", "request_id", "at"}; null: nobody.
    sa.Column("forced_down", base.Json, nullable=True),
    # When what is on its host wants looking at, since it came, came back or said something new; see rebinding.py.
    sa.Column("ports_due_at", base.DateTime, nullable=True, index=True),
    sa.Column("ports_due_again", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    sa.UniqueConstraint("agent_type", "host"),
)

agent_beat = sa.Table(
    "agent_beat",
    base.metadata,
    sa.Column("agent_id", base.Id, sa.ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("received_at", base.DateTime, nullable=False),  # database's time
    sa.Column("sent_at", base.DateTime, nullable=True),  # judged by echo; null until there was one
    # Seconds of silence after which it counts as dead, as it was told in the answer. Here, so that whoever needs only
    # to know whether an agent is dead need not be told the configuration.
    sa.Column("lease", sa.Float, nullable=False, default=40.0, server_default="40"),
    # Heard of without a gap of two dead limits since then; see model/brake.py.
    sa.Column("present_since", base.DateTime, nullable=True),
    sa.Column("sequence", sa.BigInteger, nullable=False, default=0),
    sa.Column("load", base.Json, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False, default=0),  # of `applied` rows
    sa.Column("checksum", sa.BigInteger, nullable=False, default=0),  # over them
    sa.Column("last_error", base.Text, nullable=True),
)

agent_claim = sa.Table(
    "agent_claim",
    base.metadata,
    sa.Column("agent_id", base.Id, sa.ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("resource_class", sa.String(100), primary_key=True),
    sa.Column("capacity", sa.BigInteger, nullable=False),  # as reported; UNLIMITED if it named none
    sa.Column("used", sa.BigInteger, nullable=False, default=0),
)

UNLIMITED = 2**62
SUSPECT = liveness.Limits().suspect_after / liveness.Limits().dead_after  # leases
DUE: dict[str, Any] = {"ports_due_at": base.now(), "ports_due_again": True}


def judged(row: Any) -> liveness.State:
    """The state of an agent by its own lease, whatever the configuration is by now.

    `row` has agent.created_at and .forced_down, agent_beat.sent_at and .lease (None: no beat is stored), and `now`, the
    database's time.
    """
    limits = liveness.Limits() if row.lease is None else liveness.Limits.for_lease(row.lease)
    return liveness.state(row.sent_at, row.created_at, row.now, limits, forced_down=row.forced_down is not None)


def unheard_of(connection: sa.Connection, leases: float = 1.0) -> sa.ColumnElement[bool]:
    """Of an agent, joined with its beat: for so many of its leases. Only narrows down what `judged` then decides."""
    heard = sa.func.coalesce(agent_beat.c.sent_at, agent.c.created_at)
    return heard <= base.before_now(connection, leases * lease_of(agent_beat))


def lease_of(beat: Any) -> sa.ColumnElement[float]:
    """`beat`: the table or an alias of it. An agent without a stored beat has not been told a lease yet."""
    return sa.func.coalesce(beat.c.lease, liveness.Limits().dead_after, type_=sa.Float())


def id_of(connection: sa.Connection, agent_type: str, host: str) -> str | None:
    row = connection.execute(
        sa.select(agent.c.id).where(agent.c.agent_type == agent_type, agent.c.host == host)
    ).first()
    return row.id if row else None


def list_(connection: sa.Connection, where: sa.ColumnElement[bool] | None = None) -> list[dict[str, Any]]:
    """Agents in the REST API's format, by id; `where` is a condition on `agent`. One statement."""
    beat_columns = [agent_beat.c[name] for name in ("received_at", "sent_at", "lease", "load", "last_error")]
    rows = connection.execute(
        sa.select(agent, *beat_columns, base.now().label("now"), sa.case((_behind, 1), else_=0).label("behind"))
        .outerjoin_from(agent, agent_beat, agent_beat.c.agent_id == agent.c.id)
        .where(sa.true() if where is None else where)
        .order_by(agent.c.id)
    )
    return [_as_rest(row) for row in rows]


def by_ids(connection: sa.Connection, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Agents in the REST API's format by id; those that are gone are absent."""
    return {found["id"]: found for found in list_(connection, agent.c.id.in_(sorted(ids)))} if ids else {}


def update(tx: Transaction, agent_id: str, changes: dict[str, Any]) -> bool:
    """False when there is no such agent. `changes`: admin_state_up, description, and forced_down as it is stored; the
    rest is the agent's own. Who marked it down first stays the one who did.
    """
    values = dict(changes)
    down = changes.get("forced_down")
    if down is not None:
        values["forced_down"] = sa.func.coalesce(agent.c.forced_down, sa.literal(down, base.Json))
    if changes.get("admin_state_up") or ("forced_down" in changes and down is None):
        values |= DUE
    return bool(tx.execute(sa.update(agent).where(agent.c.id == agent_id).values(values)).rowcount)


# It owes an acknowledgement: one look into an index for each agent.
_behind = sa.exists().where(interest.c.agent_id == agent.c.id, interest.c.behind_since.is_not(None))


def _as_rest(row: Any) -> dict[str, Any]:
    state = judged(row)
    return {
        "id": row.id,
        "agent_type": row.agent_type,
        "binary": row.binary,
        "host": row.host,
        "topic": row.agent_type.lower().replace(" ", "_"),  # the incumbent's names: "DHCP agent" is dhcp_agent
        "availability_zone": row.zone,
        "admin_state_up": row.admin_state_up,
        "alive": liveness.alive_on_the_wire(state),
        "created_at": _time(row.created_at),
        "started_at": _time(row.started_at),
        "heartbeat_timestamp": _time(row.sent_at or row.received_at),
        "configurations": row.configurations,
        "description": row.description,
        "resources_synced": not row.behind and not row.last_error,
        "state": state.value,
        "load": row.load or {},
        "capabilities": row.capabilities,
        "version": row.version,
        "forced_down": row.forced_down is not None,
        "forced_down_by": row.forced_down,
        "last_error": row.last_error or _mismatch(row.settings_mismatch),
    }


def _time(value: datetime.datetime | None) -> str | None:
    """Agents' times have a format of their own in the Networking API."""
    return value.strftime("%Y-%m-%d %H:%M:%S") if value else None


def _mismatch(settings: dict[str, Any]) -> str | None:
    """{"mtu": [1450, 1500]} (ours, theirs) as a sentence."""
    if not settings:
        return None
    parts = [
        f"{name} is {theirs!r} there and {ours!r} on the server" for name, (ours, theirs) in sorted(settings.items())
    ]
    return "settings that must agree do not: " + "; ".join(parts)
