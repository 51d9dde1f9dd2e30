"""Use cases of the rules that new security groups begin with: everybody sees them, administrators change them."""

from __future__ import annotations

from typing import Any

from netsched.db import security_group_default_rule as table
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model import security_rule
from netsched.model.principal import Principal
from netsched.model.query import Query

Object = dict[str, Any]
Objects = list[Object]


class DefaultSecurityGroupRuleService:
    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, principal: Principal, bodies: Objects) -> Objects:
        """Raises what security_rule.canonical raises, DuplicateDefaultSgRuleInPost, DefaultSecurityGroupRuleExists."""
        rules = [security_rule.canonical(body) for body in bodies]
        return self._database.write(lambda tx: table.insert_many(tx, rules))

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return table.get(connection, id)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Raises DefaultSecurityGroupRuleNotFound, RevisionNumberConstraintFailed."""

        def work(tx: Transaction) -> Object:
            table.update(tx, id, changes, if_match)
            return table.get(tx.connection, id)

        return self._database.write(work)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Raises DefaultSecurityGroupRuleNotFound, RevisionNumberConstraintFailed."""
        self._database.write(lambda tx: table.remove(tx, id, if_match))

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return table.list_(connection, query)
