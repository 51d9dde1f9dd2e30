"""Creating, changing and deleting security groups and their rules, in sets.

A rule is part of its group: each change of one gives the group a revision, whose writing also locks the group. What
rules name decides what the L2 agents of hosts need (group_presence.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import address_group, group_presence, presence, query, rbac
from netsched.db import security_group_use as use
from netsched.db.group_presence import References
from netsched.db.port_security_group import port_security_group
from netsched.db.security_group import (
    DEFAULT,
    as_rest,
    get,
    rules_by_ids,
    rules_of,
    rules_where,
    security_group,
    security_group_rule,
)
from netsched.db.transaction import Transaction
from netsched.model import scope
from netsched.model.principal import Principal

Objects = list[dict[str, Any]]


def insert_many(
    tx: Transaction, groups: Sequence[Mapping[str, Any]], templates: Sequence[Mapping[str, Any]]
) -> Objects:
    """Create groups with rules made of these templates; each project has its default group from then on, too."""
    for wanted in groups:
        _check_name(wanted)
    use.for_new_ports(tx, (), {wanted["project_id"] for wanted in groups})
    rows = [query.standard_row(tx, wanted) | {"stateful": wanted.get("stateful", True)} for wanted in groups]
    use.insert_rows(tx, rows, templates)
    rules = rules_of(tx.connection, [row["id"] for row in rows])
    return [as_rest({**row, "shared": False}, rules.get(row["id"], ())) for row in rows]


def update(
    tx: Transaction, group_id: str, changes: Mapping[str, Any], if_match: int | None, visible_to: str | None
) -> dict[str, Any]:
    """Raises SecurityGroupNotFound, RevisionNumberConstraintFailed, SecurityGroupCannotUpdateDefault, and
    SecurityGroupInUse where its ports would have to be tracked in another way."""
    query.revise(tx, security_group, group_id, if_match, errors.SecurityGroupNotFound, {})
    stateful = tx.execute(sa.select(security_group.c.stateful).where(security_group.c.id == group_id)).scalar_one()
    if changes.get("stateful", stateful) != stateful and _has_ports(tx, group_id):
        raise errors.SecurityGroupInUse(id=group_id, reason="in use")
    if changes:
        tx.execute(sa.update(security_group).where(security_group.c.id == group_id).values(changes))
    if "name" in changes and use.find(tx, [group_id])[group_id].default_of is not None:
        raise errors.SecurityGroupCannotUpdateDefault()
    _check_name(changes)
    _note_groups(tx, [group_id])
    return get(tx.connection, group_id, visible_to)


def _check_name(given: Mapping[str, Any]) -> None:
    """One name is reserved: by it, projects know the group that they did not make. One may look for it, though."""
    if str(given.get("name", "")).lower() == DEFAULT:
        raise errors.SecurityGroupDefaultAlreadyExists()


def remove(tx: Transaction, group_id: str, if_match: int | None, principal: Principal) -> None:
    """Delete a group with its rules, and the rules of other groups that name it.

    Raises SecurityGroupNotFound, RevisionNumberConstraintFailed, SecurityGroupInUse, SecurityGroupCannotRemoveDefault.
    """
    query.revise(tx, security_group, group_id, if_match, errors.SecurityGroupNotFound, {})
    found = use.find(tx, [group_id])
    use.check_usable(tx, [(group_id, principal.sees)], found)
    if _has_ports(tx, group_id):
        raise errors.SecurityGroupInUse(id=group_id, reason="in use")
    if found[group_id].default_of is not None and not principal.is_admin:
        raise errors.SecurityGroupCannotRemoveDefault()
    own = security_group_rule.c.security_group_id == group_id
    going = rules_where(tx.connection, sa.or_(own, security_group_rule.c.remote_group_id == group_id))
    _remove(tx, [rule for rule in going if rule["security_group_id"] != group_id])
    rbac.forget(tx, [group_id])
    tx.execute(sa.delete(security_group_rule).where(own))
    query.guarded(tx, sa.delete(security_group).where(security_group.c.id == group_id))
    its = scope.key("security_group", group_id)
    for rule in going:
        if rule["security_group_id"] == group_id:
            tx.log("security_group_rule", rule["id"], "delete", its)
    tx.log("security_group", group_id, "delete", its)


def _has_ports(tx: Transaction, group_id: str) -> bool:
    member = sa.select(port_security_group.c.port_id).where(port_security_group.c.security_group_id == group_id)
    return tx.execute(member.limit(1)).first() is not None


def insert_rules(tx: Transaction, rules: Sequence[Mapping[str, Any]], visible_to: str | None) -> Objects:
    """Create rules of one group, as security_rule.canonical made them.

    Raises SecurityGroupNotFound also for what the project `visible_to` may not see, PolicyNotAuthorized for a group
    that is only shared with it, AddressGroupNotFound, DuplicateSecurityGroupRuleInPost, SecurityGroupRuleExists.
    """
    group_id = rules[0]["security_group_id"]
    query.revise(tx, security_group, group_id, None, errors.SecurityGroupNotFound, {})
    named = {rule["remote_group_id"] for rule in rules if rule["remote_group_id"]}
    found = use.find(tx, {group_id} | named)
    use.check_usable(tx, [(one, visible_to) for one in sorted({group_id} | named)], found)
    if visible_to is not None and found[group_id].project_id != visible_to:
        raise errors.PolicyNotAuthorized(reason="rule:create_security_group_rule is disallowed by policy")
    listed = [rule["remote_address_group_id"] for rule in rules if rule["remote_address_group_id"]]
    address_group.check_visible(tx, listed, visible_to)
    rows = [use.rule_row(tx, rule) for rule in rules]
    _check_new(tx, group_id, [row["fingerprint"] for row in rows])
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(security_group_rule).values(batch))
    gained = set().union(*(use.named_by(row) for row in rows)) - found[group_id].references.scopes
    _refer(tx, {group_id: gained}, {})
    _note_rules(tx, rows, "create")
    made = rules_by_ids(tx.connection, [row["id"] for row in rows])
    return [made[row["id"]] for row in rows]


def _check_new(tx: Transaction, group_id: str, fingerprints: Sequence[str]) -> None:
    if len(set(fingerprints)) < len(fingerprints):
        raise errors.DuplicateSecurityGroupRuleInPost()
    of_group = security_group_rule.c.security_group_id == group_id
    same = sa.select(security_group_rule.c.id).where(of_group, security_group_rule.c.fingerprint.in_(fingerprints))
    there = tx.execute(same.limit(1)).scalar()
    if there is not None:
        raise errors.SecurityGroupRuleExists(rule_id=there)


def update_rule(tx: Transaction, rule: Mapping[str, Any], changes: Mapping[str, Any], if_match: int | None) -> None:
    """What a rule matches never changes. Raises SecurityGroupRuleNotFound, RevisionNumberConstraintFailed."""
    _revise_groups(tx, {rule["security_group_id"]})
    query.revise(tx, security_group_rule, rule["id"], if_match, errors.SecurityGroupRuleNotFound, changes)
    _note_rules(tx, [rule], "update")


def remove_rule(tx: Transaction, rule: Mapping[str, Any], if_match: int | None) -> None:
    """Raises SecurityGroupRuleNotFound, RevisionNumberConstraintFailed."""
    _revise_groups(tx, {rule["security_group_id"]})
    query.revise(tx, security_group_rule, rule["id"], if_match, errors.SecurityGroupRuleNotFound, {})
    _delete(tx, [rule])


def _remove(tx: Transaction, rules: Objects) -> None:
    if rules:
        _revise_groups(tx, {rule["security_group_id"] for rule in rules})
        _delete(tx, rules)


def _revise_groups(tx: Transaction, group_ids: Collection[str]) -> None:
    standard = {"revision_number": security_group.c.revision_number + 1, "updated_at": tx.now}
    tx.execute(sa.update(security_group).where(security_group.c.id.in_(sorted(group_ids))).values(standard))


def _delete(tx: Transaction, rules: Sequence[Mapping[str, Any]]) -> None:
    """Of groups that are locked."""
    groups = {rule["security_group_id"] for rule in rules}
    naming = any(use.named_by(rule) for rule in rules)
    before = use.references(tx, groups) if naming else {}
    for batch in query.batches(rule["id"] for rule in rules):
        tx.execute(sa.delete(security_group_rule).where(security_group_rule.c.id.in_(batch)))
    if naming:
        after = use.references(tx, groups)
        nothing = References(frozenset(), 0)
        _refer(tx, {}, {id_: one.scopes - after.get(id_, nothing).scopes for id_, one in before.items()})
    _note_rules(tx, rules, "delete")


def _refer(tx: Transaction, gained: Mapping[str, Collection[str]], dropped: Mapping[str, Collection[str]]) -> None:
    grants = group_presence.refer(tx, gained, dropped)
    presence.grant(tx, grants.held, grants.lost)


def _note_rules(tx: Transaction, rules: Sequence[Mapping[str, Any]], operation: str) -> None:
    for rule in rules:
        key = scope.key("security_group", rule["security_group_id"])
        tx.log("security_group_rule", rule["id"], operation, key)
    _note_groups(tx, dict.fromkeys(rule["security_group_id"] for rule in rules))


def _note_groups(tx: Transaction, group_ids: Collection[str]) -> None:
    for group_id in group_ids:
        tx.log("security_group", group_id, "update", scope.key("security_group", group_id))
