"""subnet pools and address scopes"""

import sqlalchemy as sa
from alembic import op

from netsched.db import base

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "address_scope",
        *_standard_columns(),
        sa.Column("ip_version", sa.SmallInteger(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_scope")),
    )
    op.create_index(op.f("ix_address_scope_project_id"), "address_scope", ["project_id"], unique=False)
    op.create_table(
        "subnetpool",
        *_standard_columns(),
        sa.Column("ip_version", sa.SmallInteger(), nullable=False),
        sa.Column("prefixes", base.Json, nullable=False),
        sa.Column("min_prefixlen", sa.SmallInteger(), nullable=False),
        sa.Column("max_prefixlen", sa.SmallInteger(), nullable=False),
        sa.Column("default_prefixlen", sa.SmallInteger(), nullable=False),
        sa.Column("default_quota", sa.Integer(), nullable=True),
        sa.Column("default_of", sa.SmallInteger(), nullable=True),
        sa.Column("address_scope_id", base.Id, nullable=True),
        sa.Column("allocations", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["address_scope_id"], ["address_scope.id"], name=op.f("fk_subnetpool_address_scope_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subnetpool")),
        sa.UniqueConstraint("default_of", name=op.f("uq_subnetpool_default_of")),
    )
    op.create_index(op.f("ix_subnetpool_address_scope_id"), "subnetpool", ["address_scope_id"], unique=False)
    op.create_index(op.f("ix_subnetpool_project_id"), "subnetpool", ["project_id"], unique=False)
    op.add_column("subnet", sa.Column("subnetpool_id", base.Id, nullable=True))
    op.add_column("subnet", sa.Column("service_types", base.Json, nullable=True))
    op.create_index(op.f("ix_subnet_subnetpool_id"), "subnet", ["subnetpool_id"], unique=False)


def _standard_columns() -> list[sa.Column]:
    return [
        sa.Column("id", base.Id, nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("created_at", base.DateTime, nullable=False),
        sa.Column("updated_at", base.DateTime, nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("tags", base.Json, nullable=True),
    ]
