"""Use cases of address groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netsched.db import address_group
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model.principal import Principal
from netsched.model.query import Query

Object = dict[str, Any]
Objects = list[Object]


class AddressGroupService:
    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, principal: Principal, bodies: Objects) -> Objects:
        owned = [{"project_id": principal.project_id, **body} for body in bodies]
        return self._database.write(lambda tx: address_group.insert_many(tx, owned))

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return address_group.get(connection, id, principal.sees)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Raises AddressGroupNotFound, RevisionNumberConstraintFailed."""

        def work(tx: Transaction) -> Object:
            address_group.update(tx, id, changes, if_match)
            return address_group.get(tx.connection, id, principal.sees)

        return self._database.write(work)

    def add_addresses(self, principal: Principal, id: str, addresses: list[str]) -> Object:
        """Raises AddressGroupNotFound, AddressesAlreadyExist."""

        def work(tx: Transaction) -> Object:
            address_group.add(tx, id, addresses)
            return address_group.get(tx.connection, id, principal.sees)

        return self._database.write(work)

    def remove_addresses(self, principal: Principal, id: str, addresses: list[str]) -> Object:
        """Raises AddressGroupNotFound, AddressesNotFound."""

        def work(tx: Transaction) -> Object:
            address_group.take_out(tx, id, addresses)
            return address_group.get(tx.connection, id, principal.sees)

        return self._database.write(work)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Raises AddressGroupNotFound, RevisionNumberConstraintFailed, AddressGroupInUse."""

        def work(tx: Transaction) -> None:
            address_group.get(tx.connection, id, principal.sees)
            address_group.remove(tx, id, if_match)

        self._database.write(work)

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return address_group.list_(connection, replace(query, visible_to=principal.sees))
