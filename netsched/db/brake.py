"""Which places have their brake on, or had it lately: one row per zone and kind of agents; see model/brake.py."""

from __future__ import annotations

import sqlalchemy as sa

from netsched.db import base

brake = sa.Table(
    "brake",
    base.metadata,
    sa.Column("zone", sa.String(100), primary_key=True),
    sa.Column("agent_type", sa.String(100), primary_key=True),
    sa.Column("engaged_at", base.DateTime, nullable=True),  # null: it has ended
    sa.Column("ended_at", base.DateTime, nullable=True),
    sa.Column("silent", sa.Integer, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("released", base.Json, nullable=True),  # {"user_id", "project_id", "request_id", "at"}
)
