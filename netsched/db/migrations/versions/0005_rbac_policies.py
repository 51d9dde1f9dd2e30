"""rbac policies"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rbac_policy",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("object_type", sa.String(length=32), nullable=False),
        sa.Column("object_id", sa.String(length=36), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("target_tenant", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rbac_policy")),
    )
    op.create_index("ix_rbac_policy_project_id", "rbac_policy", ["project_id"], unique=False)
    op.create_index("ix_rbac_policy_grant", "rbac_policy", ["object_id", "action", "target_tenant"], unique=True)
    op.create_index("ix_rbac_policy_target", "rbac_policy", ["target_tenant", "object_type", "action"], unique=False)
