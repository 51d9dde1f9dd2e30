"""names of ports"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, name in (
        ("port", "dns_name"),
        ("network", "dns_domain"),
        ("floatingip", "dns_name"),
        ("floatingip", "dns_domain"),
    ):
        op.add_column(table, sa.Column(name, sa.String(length=255), server_default="", nullable=False))
