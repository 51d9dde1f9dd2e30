"""Server processes: they beat too, so that an operator sees which run, where, and what their workers do."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from netsched.db import base

server = sa.Table(
    "server",
    base.metadata,
    sa.Column("id", base.Id, primary_key=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("role", sa.String(50), nullable=False),
    sa.Column("version", sa.String(50), nullable=False),
    sa.Column("started_at", base.DateTime, nullable=False),
    sa.Column("seen_at", base.DateTime, nullable=False),
    sa.Column("workers", base.Json, nullable=False),  # status of each: last run, last error
)


def beat(connection: sa.Connection, row: dict[str, Any]) -> None:
    """`row`: id, host, role, version, started_at, workers."""
    base.upsert(connection, server, [{**row, "seen_at": base.now()}], "seen_at", "workers")


def list_(connection: sa.Connection) -> list[dict[str, Any]]:
    """All known processes, with their age in seconds by the database's clock."""
    rows = connection.execute(sa.select(server, base.now().label("now")).order_by(server.c.host, server.c.role))
    return [
        {
            "id": row.id,
            "host": row.host,
            "role": row.role,
            "version": row.version,
            "started_at": base.timestamp(row.started_at),
            "seen_at": base.timestamp(row.seen_at),
            "age": round((row.now - row.seen_at).total_seconds(), 1),
            "workers": row.workers,
        }
        for row in rows
    ]


def remove(connection: sa.Connection, server_id: str) -> None:
    connection.execute(sa.delete(server).where(server.c.id == server_id))


def forget(connection: sa.Connection, unseen_for: float) -> int:
    """Processes that have not been seen for that many seconds are gone. Returns how many."""
    return connection.execute(
        sa.delete(server).where(server.c.seen_at < base.before_now(connection, unseen_for))
    ).rowcount
