"""tags and quotas"""

import sqlalchemy as sa
from alembic import op

from netsched.db import base

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("network", "subnet", "port", "router", "floatingip"):
        op.add_column(table, sa.Column("tags", base.Json, nullable=True))
    op.create_table(
        "quota",
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("maximum", sa.Integer(), nullable=True),
        sa.Column("claims", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("project_id", "resource", name=op.f("pk_quota")),
    )
