"""What there is to read about addresses: how many networks have, and where floating IPs come from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netsched.db import floatingip_pool, ip_availability
from netsched.db.session import Database
from netsched.model.principal import Principal
from netsched.model.query import Query

Object = dict[str, Any]
Objects = list[Object]


class IpAvailabilityService:
    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return ip_availability.list_(connection, replace(query, visible_to=principal.sees))

    def get(self, principal: Principal, id: str) -> Object:
        """Raises NetworkNotFound."""
        with self._database.read() as connection:
            return ip_availability.get(connection, id, principal.sees)


class FloatingIpPoolService:
    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, principal: Principal, query: Query) -> Objects:
        asked = replace(query, visible_to=principal.sees)
        with self._database.read() as connection:
            return floatingip_pool.list_(connection, asked, principal.project_id)
