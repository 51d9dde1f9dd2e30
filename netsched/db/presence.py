"""On which hosts a network has bound ports: what makes the L2 agent of a host a holder of the network.

A row counts the ports of one network on one host. It lives as long as the network, so its epoch, which grows with
every return of the host, fences the L2 agent's copy as a slot's epoch fences those of scheduled agents.
"""

from __future__ import annotations

import sqlalchemy as sa

from netsched.db import base

presence = sa.Table(
    "presence",
    base.metadata,
    sa.Column("network_id", base.Id, sa.ForeignKey("network.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("host", sa.String(255), primary_key=True),
    sa.Column("ports", sa.Integer, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Index("ix_presence_host", "host"),
)
