"""Use cases of ports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netsched.db import binding, floatingip, port, port_change
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model.permission import Permit, anyone
from netsched.model.principal import Principal
from netsched.model.query import Query

Object = dict[str, Any]
Objects = list[Object]


class PortService:
    def __init__(self, database: Database, mac_base: str = port_change.MAC_BASE) -> None:
        """`mac_base`: the MACs that are made up begin with its first three octets."""
        self._database = database
        self._mac_base = ":".join(mac_base.split(":")[:3])

    def create(self, principal: Principal, bodies: Objects, permit: Permit = anyone) -> Objects:
        """Raises what `permit` and `port_change.insert_many` raise; on others' networks only where these are shared."""
        owned = [{"project_id": principal.project_id, **body} for body in bodies]
        return self._database.write(
            lambda tx: port_change.insert_many(tx, owned, principal.sees, self._mac_base, permit)
        )

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return port.get(connection, id, principal.sees)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Raises what `port.update` raises."""

        def work(tx: Transaction) -> Object:
            return self._touched(tx, port_change.update(tx, id, changes, if_match, principal.sees))

        return self._database.write(work)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Raises PortNotFound, RevisionNumberConstraintFailed."""

        def work(tx: Transaction) -> None:
            floatingip.dissociate(tx, [id])
            self._touched(tx, port_change.remove(tx, id, if_match, principal.sees))

        self._database.write(work)

    @staticmethod
    def _touched(tx: Transaction, changed: Object) -> Object:
        """A port of the DHCP service is the scheduler's to look after: it puts right what was taken or changed."""
        if changed["device_owner"] == port.DHCP_OWNER:
            binding.ports_due(tx, "network", changed["network_id"])
        return changed

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return port.list_(connection, replace(query, visible_to=principal.sees))
