"""names to look for: clients that are given a name ask for it in a list"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("network", "subnet", "port", "router"):
        op.create_index(f"ix_{table}_name", table, ["name"], unique=False)
