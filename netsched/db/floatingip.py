"""Floating IPs: an address on an external network, and the fixed address that it stands for, if any.

The address itself is held by a port of its own (device_owner network:floatingip, device_id the floating IP's id), so
that it comes from the pools like any other and nobody else gets it.
"""

from __future__ import annotations

import sqlalchemy as sa

from netsched.db import base

floatingip = sa.Table(
    "floatingip",
    base.metadata,
    *base.standard_columns(),
    sa.Column("floating_network_id", base.Id, sa.ForeignKey("network.id"), nullable=False, index=True),
    sa.Column("floating_ip_address", sa.String(64), nullable=False),
    sa.Column("floating_port_id", base.Id, sa.ForeignKey("port.id"), nullable=False, index=True),
    sa.Column("port_id", base.Id, sa.ForeignKey("port.id"), nullable=True),
    sa.Column("fixed_ip_address", sa.String(64), nullable=True),
    sa.Column("router_id", base.Id, sa.ForeignKey("router.id"), nullable=True, index=True),
    sa.Column("status", sa.String(16), nullable=False, default="DOWN"),
    # One floating IP of an external network per fixed address.
    sa.UniqueConstraint("port_id", "fixed_ip_address", "floating_network_id"),
)
