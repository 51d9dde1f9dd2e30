"""the default external network"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("network", sa.Column("is_default", sa.Boolean(), nullable=True))
    op.create_index("ix_network_is_default", "network", ["is_default"], unique=True)
