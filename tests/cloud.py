"""Networks, subnets and ports made through the services, in few words."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from netsched.db import segment
from netsched.db.address import fixed_ip, free_range
from netsched.db.change import log
from netsched.db.session import Database
from netsched.model import addressing
from netsched.model.principal import Principal
from netsched.model.provider import ProviderSettings
from netsched.model.query import Query
from netsched.server.services.address_group import AddressGroupService
from netsched.server.services.default_security_group_rule import DefaultSecurityGroupRuleService
from netsched.server.services.floatingip import FloatingIPService
from netsched.server.services.network import NetworkService
from netsched.server.services.port import PortService
from netsched.server.services.quota import Quotas
from netsched.server.services.router import RouterService
from netsched.server.services.security_group import SecurityGroupService
from netsched.server.services.security_group_rule import SecurityGroupRuleService
from netsched.server.services.subnet import SubnetService

Object = dict[str, Any]

ADMIN = Principal("anna", "ops", ("admin",), True, "req-1")
TENANT = Principal("tom", "blue", ("member",), False, "req-2")
OTHER = Principal("olga", "red", ("member",), False, "req-3")
ROUTER = "network:router_interface"
DHCP = "network:dhcp"
SLAAC: Object = {"ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}


class Cloud:
    def __init__(self, database: Database, limits: Mapping[str, int] | None = None) -> None:
        """`limits`: of each project, by kind of object; others have none."""
        self.database = database
        quotas = Quotas(limits)
        segment.configure(database, ProviderSettings())
        self.networks = NetworkService(database, ProviderSettings(), quotas)
        self.subnets = SubnetService(database, dhcp_agents_per_network=1, quotas=quotas)
        self.ports = PortService(database, quotas=quotas)
        self.routers = RouterService(database, quotas=quotas)
        self.floatingips = FloatingIPService(database, quotas=quotas)
        self.groups = SecurityGroupService(database, quotas)
        self.rules = SecurityGroupRuleService(database, quotas)
        self.default_rules = DefaultSecurityGroupRuleService(database)
        self.address_groups = AddressGroupService(database)

    def network(self, who: Principal = ADMIN, **attributes: Any) -> str:
        """The id of a new network."""
        return str(self.networks.create(who, [attributes])[0]["id"])

    def subnet(self, network_id: str, cidr: str, who: Principal = ADMIN, **attributes: Any) -> Object:
        body = {"network_id": network_id, "cidr": cidr, "ip_version": ipaddress.ip_network(cidr).version, **attributes}
        return self.subnets.create(who, [body])[0]

    def port(self, network_id: str, who: Principal = ADMIN, **attributes: Any) -> Object:
        return self.ports.create(who, [{"network_id": network_id, **attributes}])[0]

    def read_port(self, port: Object) -> Object:
        return self.ports.get(ADMIN, port["id"])

    def all_ports(self) -> list[Object]:
        return self.ports.list(ADMIN, Query())

    def rows(self, statement: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(statement).all())

    def changes(self) -> list[tuple[str, str, str, str]]:
        """(scope, kind, object id, operation) of everything logged so far, oldest first."""
        columns = (log.c.scope, log.c.kind, log.c.object_id, log.c.operation)
        return [tuple(row) for row in self.rows(sa.select(*columns).order_by(log.c.id))]

    def books(self, subnet: Object) -> tuple[set[str], set[str]]:
        """(free, used) addresses of a small subnet; fails when an interval overlaps another."""
        free: list[str] = []
        for row in self.rows(sa.select(free_range).where(free_range.c.subnet_id == subnet["id"])):
            values = range(int(row.first, 16), int(row.last, 16) + 1)
            free += [addressing.address(value, subnet["ip_version"]) for value in values]
        assert len(free) == len(set(free))
        used = self.rows(sa.select(fixed_ip.c.ip_address).where(fixed_ip.c.subnet_id == subnet["id"]))
        return set(free), {row.ip_address for row in used}


def ips(port: Object) -> list[str]:
    return [ip["ip_address"] for ip in port["fixed_ips"]]
