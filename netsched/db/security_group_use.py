"""Security groups as ports use them: which ones a new port gets, and what the rules of these refer to.

Each project has a default group, made when it is first wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import group_presence, query, rbac
from netsched.db import security_group_default_rule as default_rules
from netsched.db.group_presence import ADDRESSES, MEMBERS, References
from netsched.db.security_group import (
    DEFAULT,
    MATCHES,
    OBJECT_TYPE,
    default_security_group,
    security_group,
    security_group_rule,
)
from netsched.db.transaction import Transaction
from netsched.model import scope, security_rule


@dataclass(frozen=True)
class Group:
    """A group as far as its ports need it. `default_of`: the project whose default group it is."""

    id: str
    project_id: str
    default_of: str | None
    stateful: bool
    references: References


def find(tx: Transaction, group_ids: Iterable[str] = (), default_of: Collection[str] = ()) -> dict[str, Group]:
    """The groups of these ids, and the default groups of these projects, that exist; one statement, none for none."""
    ids, projects = sorted(set(group_ids)), sorted(set(default_of))
    ways = []
    if ids:
        ways.append(security_group.c.id.in_(ids))
    if projects:
        of = default_security_group
        ways.append(security_group.c.id.in_(sa.select(of.c.security_group_id).where(of.c.project_id.in_(projects))))
    if not ways:
        return {}
    rule, presence = security_group_rule, group_presence.group_presence
    names = sa.or_(rule.c.remote_group_id.is_not(None), rule.c.remote_address_group_id.is_not(None))
    wanted = (
        sa.select(
            security_group.c.id,
            security_group.c.project_id,
            security_group.c.stateful,
            default_security_group.c.project_id.label("default_of"),
            presence.c.uses.label("generation"),
            rule.c.remote_group_id,
            rule.c.remote_address_group_id,
        )
        .outerjoin(default_security_group, default_security_group.c.security_group_id == security_group.c.id)
        .outerjoin(presence, group_presence.generation_of(security_group.c.id))
        .outerjoin(rule, sa.and_(rule.c.security_group_id == security_group.c.id, names))
        .where(sa.or_(*ways))
    )
    rows: dict[str, Any] = {}
    named: dict[str, set[str]] = {}
    for row in tx.execute(wanted):
        rows[row.id] = row
        named.setdefault(row.id, set()).update(_named(row.remote_group_id, row.remote_address_group_id))
    return {
        id_: Group(
            id_, row.project_id, row.default_of, row.stateful, References(frozenset(named[id_]), row.generation or 0)
        )
        for id_, row in rows.items()
    }


def _named(group_id: str | None, address_group_id: str | None) -> set[str]:
    """The scopes of what a rule names."""
    return {scope.key(type_, id_) for type_, id_ in ((MEMBERS, group_id), (ADDRESSES, address_group_id)) if id_}


def references(tx: Transaction, group_ids: Iterable[str]) -> dict[str, References]:
    """What the rules of each group refer to."""
    return {id_: group.references for id_, group in find(tx, group_ids).items()}


def named_by(rule: Mapping[str, Any]) -> set[str]:
    return _named(rule["remote_group_id"], rule["remote_address_group_id"])


def for_new_ports(
    tx: Transaction, wanted: Iterable[str], default_of: Collection[str]
) -> tuple[dict[str, Group], dict[str, str]]:
    """All these groups, and the id of the default group of each of these projects, made where it is missing."""
    found = find(tx, wanted, default_of)
    defaults = {group.default_of: group.id for group in found.values() if group.default_of is not None}
    missing = sorted(set(default_of) - set(defaults))
    if missing:
        made = make_defaults(tx, missing)
        found |= find(tx, made.values())
        defaults |= made
    return found, defaults


def make_defaults(tx: Transaction, projects: Collection[str]) -> dict[str, str]:
    """Make the default group of projects that have none; its id by project. Repeats when another is faster."""
    rows = [
        query.standard_row(tx, {"project_id": project, "name": DEFAULT, "description": "Default security group"})
        | {"stateful": True}
        for project in projects
    ]
    insert_rows(tx, rows, default_rules.of_new_groups(tx, default=True))
    made = {row["project_id"]: row["id"] for row in rows}
    values = [{"project_id": project, "security_group_id": id_} for project, id_ in made.items()]
    query.guarded(tx, sa.insert(default_security_group).values(values))
    return made


def insert_rows(tx: Transaction, rows: list[dict[str, Any]], templates: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of `security_group` with the rules that they begin with, made of templates. Two statements."""
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(security_group).values(batch))
    rules = [rule_row(tx, _from_template(template, row)) for row in rows for template in templates]
    for batch in query.batches(rules):
        query.guarded(tx, sa.insert(security_group_rule).values(batch))
    for row in rows:
        tx.log("security_group", row["id"], "create", scope.key("security_group", row["id"]))
    for rule in rules:
        tx.log("security_group_rule", rule["id"], "create", scope.key("security_group", rule["security_group_id"]))


def _from_template(template: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    parent = template["remote_group_id"] == security_rule.PARENT
    return {
        **{name: template[name] for name in (*MATCHES, "description")},
        "remote_group_id": group["id"] if parent else template["remote_group_id"],
        "security_group_id": group["id"],
        "project_id": group["project_id"],
    }


def rule_row(tx: Transaction, rule: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a new rule as security_rule.canonical made it."""
    return query.standard_row(tx, rule) | {
        "security_group_id": rule["security_group_id"],
        **{name: rule[name] for name in MATCHES},
        "normalized_cidr": security_rule.normalized_cidr(rule["remote_ip_prefix"]),
        "fingerprint": security_rule.fingerprint(rule),
    }


def check_alike(found: Mapping[str, Group], group_ids: Iterable[str]) -> None:
    """May they be the groups of one port? Its traffic is tracked or it is not. Raises SecurityGroupConflict."""
    if len({found[group_id].stateful for group_id in group_ids}) > 1:
        reason = "Cannot apply both stateful and stateless security groups on the same port"
        raise errors.SecurityGroupConflict(reason=reason)


def check_usable(tx: Transaction, groups: Iterable[tuple[str, str | None]], found: Mapping[str, Group]) -> None:
    """May each project (None: all may) put a port into the group? (group id, project id) each.

    One statement where groups of other projects are among them. Raises SecurityGroupNotFound.
    """
    foreign: set[tuple[str, str]] = set()
    for group_id, project_id in groups:
        if group_id not in found:
            raise errors.SecurityGroupNotFound(id=group_id)
        if project_id is not None and found[group_id].project_id != project_id:
            foreign.add((group_id, project_id))
    if not foreign:
        return
    table = rbac.rbac_policy.c
    rows = tx.execute(
        sa.select(table.object_id, table.target_tenant).where(
            table.object_type == OBJECT_TYPE,
            table.action == rbac.SHARED,
            table.object_id.in_(sorted({group_id for group_id, _ in foreign})),
        )
    )
    granted = {(row.object_id, row.target_tenant) for row in rows}
    for group_id, project_id in sorted(foreign):
        if not granted & {(group_id, project_id), (group_id, rbac.EVERYBODY)}:
            raise errors.SecurityGroupNotFound(id=group_id)


def has_default(connection: sa.Connection, project_id: str) -> bool:
    """Does the project have its default group already?"""
    wanted = sa.select(default_security_group.c.project_id).where(default_security_group.c.project_id == project_id)
    return connection.execute(wanted).first() is not None
