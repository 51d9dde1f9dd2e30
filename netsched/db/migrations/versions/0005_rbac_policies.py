"""rbac policies"""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What is granted to everybody was said by these columns alone. They stay: servers of the release before read and write
# them.
TO_ALL = {"shared": "access_as_shared", "router_external": "access_as_external"}


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
    _grant()


def _grant() -> None:
    names = ("id", "project_id", "object_type", "object_id", "action", "target_tenant")
    policy = sa.table("rbac_policy", *[sa.column(name, sa.String) for name in names])
    network = sa.table(
        "network",
        *[sa.column(name, sa.String) for name in ("id", "project_id")],
        *[sa.column(name, sa.Boolean) for name in TO_ALL],
    )
    for column, action in TO_ALL.items():
        wanted = sa.select(network.c.id, network.c.project_id).where(network.c[column].is_(sa.true()))
        rows = [
            {"object_id": row.id, "project_id": row.project_id, "id": str(uuid.uuid4())}
            for row in op.get_bind().execute(wanted)
        ]
        everybody = {"object_type": "network", "action": action, "target_tenant": "*"}
        if rows:
            op.bulk_insert(policy, [row | everybody for row in rows])
