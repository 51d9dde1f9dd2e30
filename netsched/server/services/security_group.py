"""Use cases of security groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netsched.db import security_group, security_group_change, security_group_default_rule, security_group_use
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model.principal import Principal
from netsched.model.query import Query
from netsched.server.services.quota import Quotas

Object = dict[str, Any]
Objects = list[Object]


class SecurityGroupService:
    def __init__(self, database: Database, quotas: Quotas | None = None) -> None:
        self._database = database
        self._quotas = quotas or Quotas()

    def create(self, principal: Principal, bodies: Objects) -> Objects:
        """Raises OverQuota."""
        owned = [{"project_id": principal.project_id, **body} for body in bodies]

        def work(tx: Transaction) -> Objects:
            projects = [body["project_id"] for body in owned]
            self._quotas.claim(tx, "security_group", projects)
            templates = security_group_default_rule.of_new_groups(tx, default=False)
            self._quotas.claim(tx, "security_group_rule", projects * len(templates))
            return security_group_change.insert_many(tx, owned, templates)

        return self._database.write(work)

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return security_group.get(connection, id, principal.sees)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Raises SecurityGroupNotFound, RevisionNumberConstraintFailed, SecurityGroupCannotUpdateDefault,
        SecurityGroupInUse for `stateful` while ports are in the group."""

        def work(tx: Transaction) -> Object:
            return security_group_change.update(tx, id, changes, if_match, principal.sees)

        return self._database.write(work)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Raises SecurityGroupNotFound, RevisionNumberConstraintFailed, SecurityGroupInUse,
        SecurityGroupCannotRemoveDefault."""
        self._database.write(lambda tx: security_group_change.remove(tx, id, if_match, principal))

    def list(self, principal: Principal, query: Query) -> Objects:
        """A project's default group is made when the project first looks for its groups."""
        make_default(self._database, principal, query)
        with self._database.read() as connection:
            return security_group.list_(connection, replace(query, visible_to=principal.sees))


def make_default(database: Database, principal: Principal, query: Query) -> None:
    """Make the default group of the project that asks, or about which an administrator asks; one read if it is there.

    Whoever reads has no role that lets it write; still it is to find the group, as by the incumbent.
    """
    named = query.filters.get("project_id", ())
    project = str(named[0]) if named and principal.is_admin else principal.project_id
    if not project:
        return
    with database.read() as connection:
        if security_group_use.has_default(connection, project):
            return
    database.write(lambda tx: security_group_use.for_new_ports(tx, (), [project]))
