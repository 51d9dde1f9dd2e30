"""Security groups: tables, and reading groups with their rules. Changing them is security_group_change.py's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query, rbac
from netsched.db.query import Fields
from netsched.model.query import Query

OBJECT_TYPE = "security_group"  # in grants to other projects
DEFAULT = "default"  # the name of each project's own

security_group = sa.Table(
    "security_group",
    base.metadata,
    *base.standard_columns(),
    sa.Column("stateful", sa.Boolean, nullable=False, default=True, server_default=sa.true()),
)

# A project has one: the key is what makes two that make it at the same moment agree.
default_security_group = sa.Table(
    "default_security_group",
    base.metadata,
    sa.Column("project_id", sa.String(255), primary_key=True),
    sa.Column(
        "security_group_id",
        base.Id,
        sa.ForeignKey("security_group.id", ondelete="CASCADE"),
        nullable=False,
        unique=True,
    ),
)

# What a rule matches, besides its group.
MATCHES = (
    "direction", "ethertype", "protocol", "port_range_min", "port_range_max",
    "remote_ip_prefix", "remote_group_id", "remote_address_group_id",
)  # fmt: skip

SHOWN = ("security_group_id", *MATCHES, "normalized_cidr")


def matching_columns() -> list[sa.Column[Any]]:
    """The columns of a rule that are plain values."""
    return [
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("ethertype", sa.String(16), nullable=False),
        sa.Column("protocol", sa.String(40), nullable=True),
        sa.Column("port_range_min", sa.Integer, nullable=True),
        sa.Column("port_range_max", sa.Integer, nullable=True),
        sa.Column("remote_ip_prefix", sa.String(64), nullable=True),
    ]


security_group_rule = sa.Table(
    "security_group_rule",
    base.metadata,
    *base.standard_columns(),
    sa.Column("security_group_id", base.Id, sa.ForeignKey("security_group.id", ondelete="CASCADE"), nullable=False),
    *matching_columns(),
    # Without cascades: who deletes a group or an address group looks after the rules that name it.
    sa.Column("remote_group_id", base.Id, sa.ForeignKey("security_group.id"), nullable=True, index=True),
    sa.Column("remote_address_group_id", base.Id, sa.ForeignKey("address_group.id"), nullable=True, index=True),
    sa.Column("normalized_cidr", sa.String(64), nullable=True),
    sa.Column("fingerprint", sa.String(200), nullable=False),  # see model/security_rule.py
    sa.UniqueConstraint("security_group_id", "fingerprint"),
)

_rule = security_group_rule


def visible(project_id: str | None) -> sa.ColumnElement[bool] | None:
    """What a project sees: its own groups, and those that are shared with it."""
    if project_id is None:
        return None
    return sa.or_(security_group.c.project_id == project_id, shared(project_id))


def shared(project_id: str | None) -> sa.ColumnElement[bool]:
    return rbac.granted(security_group.c.id, OBJECT_TYPE, rbac.SHARED, project_id)


FIELDS = Fields(
    table=security_group,
    columns=query.standard_fields(security_group) | {"stateful": security_group.c.stateful},
    conditions={"tags": query.json_holds(security_group.c.tags)},
)


def rules_visible(project_id: str | None) -> sa.ColumnElement[bool] | None:
    """Its own rules, and all rules of the groups that it sees."""
    seen = visible(project_id)
    if seen is None:
        return None
    return sa.or_(
        _rule.c.project_id == project_id, _rule.c.security_group_id.in_(sa.select(security_group.c.id).where(seen))
    )


RULE_FIELDS = Fields(
    table=_rule,
    columns={name: column for name, column in query.standard_fields(_rule).items() if name != "name"}
    | {name: _rule.c[name] for name in SHOWN},
    conditions={
        "belongs_to_default_sg": query.either(
            "belongs_to_default_sg",
            _rule.c.security_group_id.in_(sa.select(default_security_group.c.security_group_id)),
        )
    },
)


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The groups of one page with their rules: three statements at most, whatever the number of rows."""
    fields = query.with_shared(FIELDS, shared(asked.visible_to))
    page = query.page(connection, fields, asked, visible(asked.visible_to)).subquery()
    columns = (security_group, shared(asked.visible_to).label("shared"))
    statement = sa.select(*columns).join(page, page.c.id == security_group.c.id).order_by(*query.order(fields, asked))
    rows = connection.execute(statement).mappings().all()
    rules = rules_of(connection, [row["id"] for row in rows])
    return query.turned([as_rest(row, rules.get(row["id"], ())) for row in rows], asked)


def get(connection: sa.Connection, group_id: str, visible_to: str | None = None) -> dict[str, Any]:
    """Raises SecurityGroupNotFound, also for what the project may not see."""
    return query.only(list_(connection, query.by_id(group_id, visible_to)), errors.SecurityGroupNotFound, group_id)


def as_rest(row: query.Row, rules: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return query.standard_attributes(row) | {
        "stateful": row["stateful"],
        "shared": bool(row["shared"]),
        "security_group_rules": [dict(rule) for rule in rules],
    }


def by_ids(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The groups of those ids that exist, as agents get them: without their rules, which are objects of their own."""
    found = {}
    for batch in query.batches(ids):
        rows = connection.execute(sa.select(security_group).where(security_group.c.id.in_(batch))).mappings()
        found.update({row["id"]: query.standard_attributes(row) | {"stateful": row["stateful"]} for row in rows})
    return found


def in_groups(connection: sa.Connection, ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """A group is the one member of its kind in its own scope."""
    return {found: [item] for found, item in by_ids(connection, ids).items()}


# Rules


def list_rules(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The rules of one page; one statement, or two with a marker."""
    page = query.page(connection, RULE_FIELDS, asked, rules_visible(asked.visible_to)).subquery()
    statement = _rules().join(page, page.c.id == _rule.c.id).order_by(*query.order(RULE_FIELDS, asked))
    return query.turned([_rule_as_rest(row) for row in connection.execute(statement).mappings()], asked)


def get_rule(connection: sa.Connection, rule_id: str, visible_to: str | None = None) -> dict[str, Any]:
    """Raises SecurityGroupRuleNotFound, also for what the project may not see."""
    return query.only(
        list_rules(connection, query.by_id(rule_id, visible_to)), errors.SecurityGroupRuleNotFound, rule_id
    )


def rules_of(connection: sa.Connection, group_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The rules of each group that has some; one statement for up to 1,000 groups."""
    found: dict[str, list[dict[str, Any]]] = {}
    for batch in query.batches(group_ids):
        for rule in rules_where(connection, _rule.c.security_group_id.in_(batch)):
            found.setdefault(rule["security_group_id"], []).append(rule)
    return found


def rules_by_ids(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The rules of those ids that exist."""
    return {rule["id"]: rule for batch in query.batches(ids) for rule in rules_where(connection, _rule.c.id.in_(batch))}


def rules_where(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    """The rules for which a condition on `security_group_rule` holds, oldest first."""
    statement = _rules().where(condition).order_by(_rule.c.created_at, _rule.c.id)
    return [_rule_as_rest(row) for row in connection.execute(statement).mappings()]


def _rules() -> sa.Select[Any]:
    of = default_security_group
    columns = (_rule, of.c.project_id.label("default_of"))
    return sa.select(*columns).outerjoin(of, of.c.security_group_id == _rule.c.security_group_id)


def _rule_as_rest(row: query.Row) -> dict[str, Any]:
    standard = query.standard_attributes(row)
    standard.pop("name")
    return standard | {name: row[name] for name in SHOWN} | {"belongs_to_default_sg": row["default_of"] is not None}
