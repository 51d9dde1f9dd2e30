"""security groups"""

import datetime
import uuid

import sqlalchemy as sa
from alembic import op

from netsched.db import base

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "address_group",
        *_standard(),
        sa.Column("addresses", base.Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_group")),
    )
    op.create_table(
        "group_presence",
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "host", name=op.f("pk_group_presence")),
    )
    op.create_index("ix_group_presence_host", "group_presence", ["host"], unique=False)
    op.create_table(
        "security_group",
        *_standard(),
        sa.Column("stateful", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_group")),
    )
    op.create_table(
        "default_security_group",
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("security_group_id", base.Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["security_group_id"],
            ["security_group.id"],
            name=op.f("fk_default_security_group_security_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_default_security_group")),
        sa.UniqueConstraint("security_group_id", name=op.f("uq_default_security_group_security_group_id")),
    )
    _create_rules()
    op.create_table(
        "port_security_group",
        sa.Column("port_id", base.Id, nullable=False),
        sa.Column("security_group_id", base.Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["port_id"], ["port.id"], name=op.f("fk_port_security_group_port_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["security_group_id"], ["security_group.id"], name=op.f("fk_port_security_group_security_group_id")
        ),
        sa.PrimaryKeyConstraint("port_id", "security_group_id", name=op.f("pk_port_security_group")),
    )
    op.create_index(
        "ix_port_security_group_security_group_id", "port_security_group", ["security_group_id"], unique=False
    )
    op.add_column("port", sa.Column("security_groups", base.Json, nullable=True))
    for table in ("address_group", "security_group", "security_group_rule", "security_group_default_rule"):
        op.create_index(op.f(f"ix_{table}_project_id"), table, ["project_id"], unique=False)


def _create_rules() -> None:
    op.create_table(
        "security_group_rule",
        *_standard(),
        sa.Column("security_group_id", base.Id, nullable=False),
        *_matching(),
        sa.Column("remote_group_id", base.Id, nullable=True),
        sa.Column("remote_address_group_id", base.Id, nullable=True),
        sa.Column("normalized_cidr", sa.String(length=64), nullable=True),
        sa.Column("fingerprint", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["security_group_id"],
            ["security_group.id"],
            name=op.f("fk_security_group_rule_security_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["remote_group_id"], ["security_group.id"], name=op.f("fk_security_group_rule_remote_group_id")
        ),
        sa.ForeignKeyConstraint(
            ["remote_address_group_id"],
            ["address_group.id"],
            name=op.f("fk_security_group_rule_remote_address_group_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_group_rule")),
        sa.UniqueConstraint(
            "security_group_id", "fingerprint", name=op.f("uq_security_group_rule_security_group_id_fingerprint")
        ),
    )
    for column in ("remote_group_id", "remote_address_group_id"):
        op.create_index(op.f(f"ix_security_group_rule_{column}"), "security_group_rule", [column], unique=False)
    table = op.create_table(
        "security_group_default_rule",
        *_standard(),
        *_matching(),
        sa.Column("remote_group_id", base.Id, nullable=True),
        sa.Column("remote_address_group_id", base.Id, nullable=True),
        sa.Column("used_in_default_sg", sa.Boolean(), nullable=False),
        sa.Column("used_in_non_default_sg", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_group_default_rule")),
    )
    op.bulk_insert(table, first_rules())


def first_rules() -> list[dict[str, object]]:
    """What the incumbent's groups begin with: all may go out, and members of the default group reach each other."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    return [
        {
            "id": str(uuid.uuid4()),
            "project_id": "",
            "name": "",
            "description": text,
            "created_at": now,
            "updated_at": now,
            "revision_number": 0,
            "direction": direction,
            "ethertype": ethertype,
            "remote_group_id": remote,
            "used_in_default_sg": True,
            "used_in_non_default_sg": remote is None,
        }
        for direction, remote, text in (
            ("egress", None, "Legacy default SG rule for egress traffic"),
            ("ingress", "PARENT", "Legacy default SG rule for ingress traffic"),
        )
        for ethertype in ("IPv4", "IPv6")
    ]


def _standard() -> list[sa.Column]:
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


def _matching() -> list[sa.Column]:
    return [
        sa.Column("direction", sa.String(length=16), nullable=False),
        sa.Column("ethertype", sa.String(length=16), nullable=False),
        sa.Column("protocol", sa.String(length=40), nullable=True),
        sa.Column("port_range_min", sa.Integer(), nullable=True),
        sa.Column("port_range_max", sa.Integer(), nullable=True),
        sa.Column("remote_ip_prefix", sa.String(length=64), nullable=True),
    ]
