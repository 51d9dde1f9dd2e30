"""The rules that new security groups begin with: what administrators have said that they should be."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query
from netsched.db.query import Fields
from netsched.db.security_group import MATCHES, matching_columns
from netsched.db.transaction import Transaction
from netsched.model import security_rule
from netsched.model.query import Query

default_rule = sa.Table(
    "security_group_default_rule",
    base.metadata,
    *base.standard_columns(),
    *matching_columns(),
    sa.Column("remote_group_id", base.Id, nullable=True),  # or security_rule.PARENT
    sa.Column("remote_address_group_id", base.Id, nullable=True),
    sa.Column("used_in_default_sg", sa.Boolean, nullable=False),
    sa.Column("used_in_non_default_sg", sa.Boolean, nullable=False),
)


@sa.event.listens_for(default_rule, "after_create")
def _fill(_table: sa.Table, connection: sa.Connection, **_more: Any) -> None:
    """A new table begins as the incumbent's groups do: all may go out, and members of a default group come in.

    Migrations make their own tables, and have their own copy of this.
    """
    rows = [
        {
            "id": str(uuid.uuid4()), "project_id": "", "direction": direction, "ethertype": ethertype,
            "remote_group_id": remote, "used_in_default_sg": True, "used_in_non_default_sg": remote is None,
        }
        for direction, remote in (("egress", None), ("ingress", security_rule.PARENT))
        for ethertype in security_rule.ETHERTYPES
    ]  # fmt: skip
    base.insert(connection, default_rule, rows, created_at=base.now(), updated_at=base.now())


USED = ("used_in_default_sg", "used_in_non_default_sg")
FIELDS = Fields(
    table=default_rule,
    columns={name: column for name, column in query.standard_fields(default_rule).items() if name != "name"}
    | {name: default_rule.c[name] for name in (*MATCHES, *USED)},
)


# Of tables that other files have.
_group, _address_group = (sa.table(name, sa.column("id")) for name in ("security_group", "address_group"))


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    page = query.page(connection, FIELDS, asked).subquery()
    statement = sa.select(default_rule).join(page, page.c.id == default_rule.c.id)
    rows = connection.execute(statement.order_by(*query.order(FIELDS, asked))).mappings()
    return query.turned([_as_rest(row) for row in rows], asked)


def get(connection: sa.Connection, rule_id: str) -> dict[str, Any]:
    """Raises DefaultSecurityGroupRuleNotFound."""
    return query.only(list_(connection, query.by_id(rule_id, None)), errors.DefaultSecurityGroupRuleNotFound, rule_id)


def of_new_groups(tx: Transaction, default: bool) -> list[dict[str, Any]]:
    """What a new group begins with, the default one of its project or another; one statement.

    Not a rule that names a group which is gone or never was: no project could have a group any more.
    """
    used = default_rule.c.used_in_default_sg if default else default_rule.c.used_in_non_default_sg
    remote, addresses = default_rule.c.remote_group_id, default_rule.c.remote_address_group_id
    there = sa.and_(
        sa.or_(remote.is_(None), remote == security_rule.PARENT, remote.in_(sa.select(_group.c.id))),
        sa.or_(addresses.is_(None), addresses.in_(sa.select(_address_group.c.id))),
    )
    wanted = sa.select(default_rule).where(used.is_(sa.true()), there)
    wanted = wanted.order_by(default_rule.c.created_at, default_rule.c.id)
    return [_as_rest(row) for row in tx.execute(wanted).mappings()]


def insert_many(tx: Transaction, rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Create rules as security_rule.canonical made them. Raises DuplicateDefaultSgRuleInPost,
    DefaultSecurityGroupRuleExists.

    They are few and changed rarely, so what is there is compared here and not by a key.
    """
    there = {key: row["id"] for row in _all(tx) for key in _fingerprints(row)}
    given: set[str] = set()
    for rule in rules:
        for key in _fingerprints(rule):
            if key in given:
                raise errors.DuplicateDefaultSgRuleInPost()
            if key in there:
                raise errors.DefaultSecurityGroupRuleExists(rule_id=there[key])
            given.add(key)
    rows = [query.standard_row(tx, rule) | {name: rule[name] for name in (*MATCHES, *USED)} for rule in rules]
    tx.execute(sa.insert(default_rule).values(rows))
    return [_as_rest(row) for row in rows]


def _all(tx: Transaction) -> list[sa.RowMapping]:
    return list(tx.execute(sa.select(default_rule)).mappings())


def _fingerprints(rule: query.Row) -> list[str]:
    """For each kind of group that it is used in: the same rule may be there once for each."""
    return [f"{name} {security_rule.fingerprint(dict(rule))}" for name in USED if rule[name]]


def update(tx: Transaction, rule_id: str, changes: Mapping[str, Any], if_match: int | None) -> None:
    """Raises DefaultSecurityGroupRuleNotFound, RevisionNumberConstraintFailed."""
    query.revise(tx, default_rule, rule_id, if_match, errors.DefaultSecurityGroupRuleNotFound, changes)


def remove(tx: Transaction, rule_id: str, if_match: int | None) -> None:
    """Groups that have begun with it keep theirs."""
    query.revise(tx, default_rule, rule_id, if_match, errors.DefaultSecurityGroupRuleNotFound, {})
    tx.execute(sa.delete(default_rule).where(default_rule.c.id == rule_id))


def _as_rest(row: query.Row) -> dict[str, Any]:
    standard = query.standard_attributes(row)
    standard.pop("name")
    return standard | {name: row[name] for name in (*MATCHES, *USED)}
