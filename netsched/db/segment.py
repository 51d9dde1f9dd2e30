"""Segments of networks: which VXLAN and VLAN ids are free, and taking one, at the same cost for 100 ids as for 200,000.

What is free is kept as intervals (as address.py does), in pools: "vxlan", "vlan/physnet1". A pool begins as many
intervals, and allocators begin at a random place, so that they seldom meet.
"""

from __future__ import annotations

import sqlalchemy as sa

from netsched.db import base

segment_pool = sa.Table(
    "segment_pool",
    base.metadata,
    sa.Column("pool", sa.String(100), primary_key=True),
    sa.Column("ranges", base.Json, nullable=False),  # [[first, last]] as configured when the intervals were made
)

free_segment = sa.Table(
    "free_segment",
    base.metadata,
    sa.Column("pool", sa.String(100), sa.ForeignKey("segment_pool.pool", ondelete="CASCADE"), primary_key=True),
    sa.Column("last", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("first", sa.Integer, nullable=False),
)
