"""Use cases of address scopes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netsched import errors
from netsched.db import address_scope, rbac, subnetpool
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model.principal import Principal
from netsched.model.query import Query

Object = dict[str, Any]
Objects = list[Object]


class AddressScopeService:
    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, principal: Principal, bodies: Objects) -> Objects:
        owned = [{"project_id": principal.project_id, **body} for body in bodies]
        return self._database.write(lambda tx: address_scope.insert_many(tx, owned))

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return address_scope.get(connection, id, principal.sees)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Raises AddressScopeNotFound, RevisionNumberConstraintFailed, AddressScopeUpdateError."""

        def work(tx: Transaction) -> Object:
            address_scope.claim(tx, id, if_match)
            before = address_scope.get(tx.connection, id, principal.sees)
            address_scope.update(tx, id, changes)
            to_all = address_scope.get(tx.connection, id)["shared"]
            if to_all and changes.get("shared") is False:
                raise errors.AddressScopeUpdateError(id=id, reason="Shared address scope can't be unshared")
            if not to_all and changes.get("shared"):
                rbac.share(tx, address_scope.OBJECT_TYPE, [(id, before["project_id"])])
            return address_scope.get(tx.connection, id, principal.sees)

        return self._database.write(work)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Raises AddressScopeNotFound, RevisionNumberConstraintFailed, AddressScopeInUse."""

        def work(tx: Transaction) -> None:
            address_scope.claim(tx, id, if_match)
            address_scope.get(tx.connection, id, principal.sees)
            if subnetpool.in_scopes(tx, [id])[id]:
                raise errors.AddressScopeInUse(id=id)
            address_scope.remove(tx, id)

        self._database.write(work)

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return address_scope.list_(connection, replace(query, visible_to=principal.sees))
