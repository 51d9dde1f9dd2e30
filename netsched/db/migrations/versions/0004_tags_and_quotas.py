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
