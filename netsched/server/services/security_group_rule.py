"""Use cases of the rules of security groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netsched import errors
from netsched.db import security_group, security_group_change
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model import security_rule
from netsched.model.principal import Principal
from netsched.model.query import Query
from netsched.server.services.quota import Quotas
from netsched.server.services.security_group import make_default

Object = dict[str, Any]
Objects = list[Object]


class SecurityGroupRuleService:
    def __init__(self, database: Database, quotas: Quotas | None = None) -> None:
        self._database = database
        self._quotas = quotas or Quotas()

    def create(self, principal: Principal, bodies: Objects) -> Objects:
        """Rules of one group and of one project. Raises what security_rule.canonical and `insert_rules` raise,
        SecurityGroupNotSingleGroupRules, SecurityGroupRulesNotSingleTenant, OverQuota."""
        owned = [security_rule.canonical({"project_id": principal.project_id, **body}) for body in bodies]
        if len({body["security_group_id"] for body in owned}) > 1:
            raise errors.SecurityGroupNotSingleGroupRules()
        if len({body["project_id"] for body in owned}) > 1:
            raise errors.SecurityGroupRulesNotSingleTenant()

        def work(tx: Transaction) -> Objects:
            self._quotas.claim(tx, "security_group_rule", [body["project_id"] for body in owned])
            return security_group_change.insert_rules(tx, owned, principal.sees)

        return self._database.write(work)

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return security_group.get_rule(connection, id, principal.sees)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Raises SecurityGroupRuleNotFound, RevisionNumberConstraintFailed."""

        def work(tx: Transaction) -> Object:
            rule = security_group.get_rule(tx.connection, id, principal.sees)
            security_group_change.update_rule(tx, rule, changes, if_match)
            return security_group.get_rule(tx.connection, id)

        return self._database.write(work)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Raises SecurityGroupRuleNotFound, RevisionNumberConstraintFailed."""

        def work(tx: Transaction) -> None:
            rule = security_group.get_rule(tx.connection, id, principal.sees)
            security_group_change.remove_rule(tx, rule, if_match)

        self._database.write(work)

    def list(self, principal: Principal, query: Query) -> Objects:
        make_default(self._database, principal, query)
        with self._database.read() as connection:
            return security_group.list_rules(connection, replace(query, visible_to=principal.sees))
