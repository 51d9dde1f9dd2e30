"""Subnet pools and what hangs on them: scopes of networks, subnets for kinds of ports, what others are told."""

from __future__ import annotations

from typing import Any

import pytest

from netsched import errors
from netsched.db.session import Database
from netsched.model.query import Query
from netsched.server.services.address_scope import AddressScopeService
from netsched.server.services.subnetpool import SubnetPoolService
from tests.cloud import ADMIN, DHCP, OTHER, ROUTER, TENANT, Cloud, Object, ips
from tests.statements import counted

COMPUTE = "compute:nova"


class Pooled(Cloud):
    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.pools = SubnetPoolService(database)
        self.scopes = AddressScopeService(database)

    def pool(self, *prefixes: str, **more: Any) -> str:
        body = {"name": "p", "prefixes": list(prefixes), "default_prefixlen": 24, **more}
        return str(self.pools.create(TENANT, [body])[0]["id"])

    def scope(self) -> str:
        return str(self.scopes.create(TENANT, [{"name": "s", "ip_version": 4}])[0]["id"])

    def cut(self, network_id: str, pool_id: str, **more: Any) -> Object:
        body = {"network_id": network_id, "ip_version": 4, "subnetpool_id": pool_id, **more}
        return self.subnets.create(TENANT, [body])[0]

    def scope_of(self, network_id: str) -> str | None:
        found: str | None = self.networks.get(TENANT, network_id)["ipv4_address_scope"]
        return found

    def routed(self, subnet_id: str) -> str:
        router_id = str(self.routers.create(TENANT, [{"name": "r"}])[0]["id"])
        self.routers.add_interface(TENANT, router_id, None, subnet_id)
        return router_id


@pytest.fixture
def cloud(sqlite_database: Database) -> Pooled:
    return Pooled(sqlite_database)


def test_a_network_changes_its_scope_with_the_pool_and_its_routers_are_told(cloud: Pooled) -> None:
    pool, network_id = cloud.pool("10.0.0.0/16"), cloud.network(TENANT)
    router_id = cloud.routed(cloud.cut(network_id, pool)["id"])
    assert (f"network/{network_id}", "network", network_id, "update") in cloud.changes()
    before, scope_id = len(cloud.changes()), cloud.scope()
    assert cloud.scope_of(network_id) is None
    cloud.pools.update(TENANT, pool, {"address_scope_id": scope_id}, None)
    assert cloud.scope_of(network_id) == scope_id
    told = {scope for scope, kind, id, _ in cloud.changes()[before:] if (kind, id) == ("network", network_id)}
    assert told == {f"network/{network_id}", f"router/{router_id}"}
    cloud.pools.update(TENANT, pool, {"address_scope_id": None}, None)
    assert cloud.scope_of(network_id) is None


def test_subnets_that_are_taken_over_bring_their_network_into_the_scope(cloud: Pooled) -> None:
    network_id, scope_id = cloud.network(TENANT), cloud.scope()
    subnet = cloud.subnet(network_id, "10.5.0.0/24", TENANT)
    router_id = cloud.routed(subnet["id"])
    before = len(cloud.changes())
    pool = cloud.pool("10.0.0.0/24", address_scope_id=scope_id)
    assert cloud.pools.onboard(TENANT, pool, network_id) == [{"id": subnet["id"], "cidr": "10.5.0.0/24"}]
    assert cloud.scope_of(network_id) == scope_id
    told = cloud.changes()[before:]
    assert ("network/" + network_id, "subnet", subnet["id"], "update") in told
    assert ("router/" + router_id, "network", network_id, "update") in told
    other = cloud.pool("10.6.0.0/24", address_scope_id=scope_id)
    second = cloud.network(TENANT)
    cloud.subnet(second, "10.0.0.128/25", TENANT)
    with pytest.raises(errors.AddressScopePrefixConflict):
        cloud.pools.onboard(TENANT, other, second)
    assert [one["subnetpool_id"] for one in cloud.subnets.list(TENANT, Query(filters={"network_id": (second,)}))] == [
        None
    ]


def test_a_deleted_subnet_gives_its_prefix_back(cloud: Pooled) -> None:
    pool, network_id = cloud.pool("10.0.0.0/24"), cloud.network(TENANT)
    first = cloud.cut(network_id, pool)
    with pytest.raises(errors.SubnetAllocationError):
        cloud.cut(cloud.network(TENANT), pool)
    cloud.subnets.delete(TENANT, first["id"], None)
    assert cloud.cut(cloud.network(TENANT), pool)["cidr"] == first["cidr"]


def test_several_in_one_request_see_each_other(cloud: Pooled) -> None:
    pool, network_id = cloud.pool("10.0.0.0/22"), cloud.network(TENANT)
    body = {"network_id": network_id, "ip_version": 4, "subnetpool_id": pool}
    made = cloud.subnets.create(TENANT, [body, body])
    assert [one["cidr"] for one in made] == ["10.0.0.0/24", "10.0.1.0/24"]
    mixed = {"network_id": cloud.network(TENANT), "ip_version": 4}
    with pytest.raises(errors.NetworkSubnetPoolAffinityError):
        cloud.subnets.create(TENANT, [mixed | {"cidr": "10.9.0.0/24"}, mixed | {"subnetpool_id": pool}])


def test_what_a_pool_costs_does_not_grow_with_the_subnets(cloud: Pooled) -> None:
    pool, network_id = cloud.pool("10.0.0.0/8", default_prefixlen=28), cloud.network(TENANT)
    body = {"network_id": network_id, "ip_version": 4, "subnetpool_id": pool, "enable_dhcp": False}
    with counted(cloud.database) as first:
        cloud.subnets.create(TENANT, [body])
    with counted(cloud.database) as many:
        cloud.subnets.create(TENANT, [body] * 100)
    assert len(many) == len(first) <= 12, first
    networks = Query()
    with counted(cloud.database) as sent:
        cloud.networks.list(TENANT, networks)
    assert len(sent) <= 3


def test_ports_get_addresses_where_they_are_served(cloud: Pooled) -> None:
    network_id = cloud.network()
    everybody = cloud.subnet(network_id, "10.0.0.0/24")
    compute = cloud.subnet(network_id, "10.0.1.0/24", service_types=[COMPUTE, "network:floatingip"])
    assert compute["service_types"] == [COMPUTE, "network:floatingip"]
    assert [ip["subnet_id"] for ip in cloud.port(network_id, device_owner=COMPUTE)["fixed_ips"]] == [compute["id"]]
    assert [ip["subnet_id"] for ip in cloud.port(network_id)["fixed_ips"]] == [everybody["id"]]
    with pytest.raises(errors.InvalidInput, match="included invalid subnet"):
        cloud.port(network_id, device_owner="baremetal:x", fixed_ips=[{"subnet_id": compute["id"]}])
    with pytest.raises(errors.InvalidInput, match="included invalid subnet"):
        cloud.port(network_id, device_owner=ROUTER, fixed_ips=[{"subnet_id": compute["id"]}])


def test_a_port_that_no_subnet_serves_is_refused(cloud: Pooled) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.1.0/24", service_types=[COMPUTE])
    for owner in ("", ROUTER):
        with pytest.raises(errors.IpAddressGenerationFailureNoMatchingSubnet, match="No valid service subnet"):
            cloud.port(network_id, device_owner=owner)
    assert ips(cloud.port(network_id, fixed_ips=[])) == []
    port = cloud.port(network_id, device_owner=DHCP, fixed_ips=[{"subnet_id": subnet["id"]}])
    assert len(port["fixed_ips"]) == 1, "the DHCP service is on every subnet that it serves"


def test_a_port_keeps_the_address_that_it_would_not_get_any_more(cloud: Pooled) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.1.0/24")
    port = cloud.port(network_id)
    cloud.subnets.update(ADMIN, subnet["id"], {"service_types": [COMPUTE]}, None)
    changed = cloud.ports.update(ADMIN, port["id"], {"name": "x", "fixed_ips": port["fixed_ips"]}, None)
    assert changed["fixed_ips"] == port["fixed_ips"]
    more = [*port["fixed_ips"], {"subnet_id": subnet["id"]}]
    with pytest.raises(errors.IpAddressGenerationFailureNoMatchingSubnet):
        cloud.ports.update(ADMIN, port["id"], {"fixed_ips": more}, None)
    cloud.subnets.update(ADMIN, subnet["id"], {"service_types": []}, None)
    assert len(cloud.ports.update(ADMIN, port["id"], {"fixed_ips": more}, None)["fixed_ips"]) == 2


def test_a_service_type_begins_as_device_owners_do(cloud: Pooled) -> None:
    with pytest.raises(errors.InvalidSubnetServiceType):
        cloud.subnet(cloud.network(), "10.0.1.0/24", service_types=["anything"])


def test_subnets_tell_whether_they_are_outside(cloud: Pooled) -> None:
    outside = cloud.subnet(cloud.network(**{"router:external": True}), "203.0.113.0/24")
    inside = cloud.subnet(cloud.network(), "10.0.0.0/24")
    assert (outside["router:external"], inside["router:external"]) == (True, False)
    asked = Query(filters={"router:external": (True,)})
    assert cloud.subnets.list(ADMIN, asked) == [cloud.subnets.get(OTHER, outside["id"])]
