"""Agents: who they are (`agent`), what their last beat said (`agent_beat`), what is claimed of them (`agent_claim`).

Three tables, because three different writers: operators and introductions, beats, and the scheduler. A beat that
rewrote the claims, or a claim that waited for a beat, would be the incumbent's race.
"""

from __future__ import annotations

import sqlalchemy as sa

from netsched.db import base

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
    sa.UniqueConstraint("agent_type", "host"),
)

agent_beat = sa.Table(
    "agent_beat",
    base.metadata,
    sa.Column("agent_id", base.Id, sa.ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("received_at", base.DateTime, nullable=False),  # database's time
    sa.Column("sent_at", base.DateTime, nullable=True),  # judged by echo; null until there was one
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


def id_of(connection: sa.Connection, agent_type: str, host: str) -> str | None:
    row = connection.execute(sa.select(agent.c.id).where(agent.c.agent_type == agent_type, agent.c.host == host)).first()
    return row.id if row else None
