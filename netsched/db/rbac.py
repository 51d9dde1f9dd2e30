"""Who else may use an object: one row for each project, or for all of them, that is granted an action.

What an object's `shared` says, and for networks `router:external`, is derived from these rows and kept nowhere else.
"""

from __future__ import annotations

import sqlalchemy as sa

from netsched.db import base

SHARED = "access_as_shared"
EXTERNAL = "access_as_external"
EVERYBODY = "*"  # as target project

rbac_policy = sa.Table(
    "rbac_policy",
    base.metadata,
    sa.Column("id", base.Id, primary_key=True),
    sa.Column("project_id", sa.String(255), nullable=False, index=True),
    sa.Column("object_type", sa.String(32), nullable=False),
    sa.Column("object_id", base.Id, nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("target_tenant", sa.String(255), nullable=False),
    sa.Index("ix_rbac_policy_grant", "object_id", "action", "target_tenant", unique=True),
    sa.Index("ix_rbac_policy_target", "target_tenant", "object_type", "action"),
)


def granted(
    object_id: sa.ColumnElement[str], object_type: str, action: str, project_id: str | None
) -> sa.ColumnElement[bool]:
    """Is the action on the object granted to the project, by name or with everybody? `project_id` None: to everybody.

    For a WHERE, or as a column that says `shared`.
    """
    targets = [EVERYBODY] if project_id is None else [EVERYBODY, project_id]
    return object_id.in_(
        sa.select(rbac_policy.c.object_id).where(
            rbac_policy.c.object_type == object_type,
            rbac_policy.c.action == action,
            rbac_policy.c.target_tenant.in_(targets),
        )
    )
