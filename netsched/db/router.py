"""Routers: a row; their interfaces and their gateway are ports (device_id is the router's id)."""

from __future__ import annotations

import sqlalchemy as sa

from netsched.db import base

router = sa.Table(
    "router",
    base.metadata,
    *base.standard_columns(),
    sa.Column("admin_state_up", sa.Boolean, nullable=False, default=True),
    sa.Column("status", sa.String(16), nullable=False, default="ACTIVE"),
    sa.Column("enable_snat", sa.Boolean, nullable=False, default=True),
    sa.Column("gateway_port_id", base.Id, sa.ForeignKey("port.id"), nullable=True),
    sa.Column("routes", base.Json, nullable=False),  # [{"destination", "nexthop"}]
    sa.Column("availability_zone_hints", base.Json, nullable=False),
)
