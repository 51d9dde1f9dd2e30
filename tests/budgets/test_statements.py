"""What the API's operations may cost the database: statements sent, begin and commit included, on all three."""

from __future__ import annotations

from typing import Any

import pytest

from netsched.conf.quotas import DEFAULTS
from netsched.db.session import Database
from netsched.model.query import Query
from tests.cloud import ADMIN, SLAAC, TENANT, Cloud, Object
from tests.db.placements import World
from tests.land import Land
from tests.statements import counted

LIMITS = dict.fromkeys(DEFAULTS, 1_000_000)  # each creation pays for asking how much is there


@pytest.fixture
def cloud(database: Database) -> Cloud:
    made = Cloud(database, LIMITS)
    for who in (ADMIN, TENANT):  # first use, which makes a project's default security group, is not counted
        warm = made.network(who)
        made.subnet(warm, "10.0.0.0/24", who)
        made.ports.delete(ADMIN, made.port(warm, who)["id"], None)
        made.networks.delete(ADMIN, warm, None)
    made.groups.list(TENANT, Query())  # makes the project's default group, as its first port would
    return made


def cost(cloud: Cloud, work: Any, *arguments: Any) -> int:
    with counted(cloud.database) as sent:
        work(*arguments)
    return len(sent)


def test_creating(cloud: Cloud) -> None:
    with counted(cloud.database) as sent:
        network_id = cloud.network(TENANT)
    assert len(sent) <= 8, sent
    for cidr, more in (("10.0.0.0/24", {}), ("fd00::/64", {}), ("fd01::/64", SLAAC)):
        with counted(cloud.database) as sent:
            cloud.subnet(network_id, cidr, TENANT, **more)
        assert len(sent) <= 10 + (more != {}), sent  # one more looks for ports that make themselves an address
    chosen: list[Object] = [
        {},
        {"fixed_ips": [{"ip_address": "10.0.0.9"}, {"ip_address": "fd00::7"}]},
        {"mac_address": "fa:16:3e:00:00:01", "fixed_ips": []},
    ]
    for body in chosen:
        with counted(cloud.database) as sent:
            cloud.port(network_id, TENANT, **body)
        assert len(sent) <= 14, sent


def test_networks_of_every_kind_and_many_of_them(cloud: Cloud) -> None:
    flat = {"provider:network_type": "flat", "provider:physical_network": "physnet1", "router:external": True}
    inside = {"provider:network_type": "vxlan", "provider:segmentation_id": 77_777}
    outside = {"provider:network_type": "vxlan", "provider:segmentation_id": 7_777_777}
    for bodies in ([flat], [inside], [outside], [{}] * 100, [*[{}] * 50, *[inside | {"provider:segmentation_id": 5}]]):
        assert cost(cloud, cloud.networks.create, ADMIN, bodies) <= 11, bodies[-1]
    assert cost(cloud, cloud.networks.update, ADMIN, cloud.network(), {"admin_state_up": False}, None) <= 9


def test_a_port_costs_fourteen_and_the_thousandth_no_more(cloud: Cloud) -> None:
    network_id = cloud.network(TENANT)
    cloud.subnet(network_id, "10.0.0.0/16", TENANT)
    first = cost(cloud, cloud.port, network_id, TENANT)
    for _ in range(10):
        cloud.ports.create(ADMIN, [{"network_id": network_id}] * 100)
    assert cost(cloud, cloud.port, network_id, TENANT) == first <= 14
    chosen = {"network_id": network_id, "fixed_ips": [{"ip_address": "10.0.9.9"}], "mac_address": "fa:16:3e:00:00:01"}
    assert cost(cloud, cloud.ports.create, TENANT, [chosen]) <= 14


def test_a_port_on_a_host_costs_six_more(cloud: Cloud) -> None:
    """The host's L2 agent, the counts of networks and of security groups there, what these are now, and the agent's
    interest where it is the first."""
    World(cloud.database).agent("h1", "Linux bridge agent", reaches=["vxlan"])
    network_id = cloud.network(TENANT)
    cloud.subnet(network_id, "10.0.0.0/16", TENANT)
    on_host = {"network_id": network_id, "binding:host_id": "h1"}
    assert cost(cloud, cloud.ports.create, ADMIN, [on_host]) <= 20
    assert cost(cloud, cloud.ports.create, ADMIN, [on_host]) <= 19
    assert cost(cloud, cloud.ports.create, ADMIN, [on_host] * 100) <= 22
    port = cloud.all_ports()[0]
    assert cost(cloud, cloud.ports.update, ADMIN, port["id"], {"binding:host_id": ""}, None) <= 13
    assert cost(cloud, cloud.ports.update, ADMIN, port["id"], {"binding:host_id": "h1"}, None) <= 14
    assert cost(cloud, cloud.ports.delete, ADMIN, port["id"], None) <= 15
    nowhere = {"network_id": network_id, "binding:host_id": "h2"}
    assert cost(cloud, cloud.ports.create, ADMIN, [nowhere]) <= 15


def test_a_hundred_ports_in_one_request(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnets = [cloud.subnet(network_id, cidr) for cidr in ("10.0.0.0/16", "fd00::/64")]
    assert cost(cloud, cloud.ports.create, ADMIN, [{"network_id": network_id}] * 100) <= 16
    for port in cloud.all_ports()[::2]:  # leaves the books in pieces
        cloud.ports.delete(ADMIN, port["id"], None)
    assert cost(cloud, cloud.ports.create, ADMIN, [{"network_id": network_id}] * 100) <= 18
    chosen = [
        {"network_id": network_id, "fixed_ips": [{"subnet_id": subnets[0]["id"], "ip_address": f"10.0.9.{n}"}]}
        for n in range(1, 101)
    ]
    assert cost(cloud, cloud.ports.create, ADMIN, chosen) <= 18
    spread = [{"network_id": cloud.network()} for _ in range(10)]
    for body in spread:
        cloud.subnet(body["network_id"], "10.0.0.0/24")
    assert cost(cloud, cloud.ports.create, ADMIN, spread * 10) <= 18


def test_security_groups_and_their_rules(cloud: Cloud) -> None:
    World(cloud.database).agent("h1", "Linux bridge agent", reaches=["vxlan"])
    network_id = cloud.network(TENANT)
    assert cost(cloud, cloud.groups.create, TENANT, [{}]) <= 13
    groups = [one["id"] for one in cloud.groups.create(TENANT, [{}] * 100)]
    nothing = ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_address_group_id")
    rule = dict.fromkeys(nothing) | {"security_group_id": groups[0], "direction": "ingress", "ethertype": "IPv4"}
    naming = [{**rule, "remote_group_id": group_id} for group_id in groups[1:50]]
    in_many = {"network_id": network_id, "security_groups": groups[:40]}
    assert cost(cloud, cloud.ports.create, TENANT, [in_many] * 50) <= 16
    on_host = {**in_many, "project_id": TENANT.project_id, "binding:host_id": "h1"}
    assert cost(cloud, cloud.ports.create, ADMIN, [on_host] * 10) <= 22
    assert cost(cloud, cloud.rules.create, TENANT, naming) <= 16
    assert cost(cloud, cloud.ports.create, ADMIN, [on_host] * 10) <= 22
    made = cloud.rules.list(TENANT, Query(filters={"remote_group_id": (groups[1],)}))
    assert cost(cloud, cloud.rules.delete, TENANT, made[0]["id"], None) <= 14
    assert cost(cloud, cloud.groups.list, TENANT, Query(limit=100)) <= 4
    port = cloud.ports.list(TENANT, Query(limit=1))[0]
    assert cost(cloud, cloud.ports.update, TENANT, port["id"], {"security_groups": groups[40:60]}, None) <= 14
    assert cost(cloud, cloud.groups.delete, TENANT, groups[99], None) <= 12


def test_deleting(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnets = [cloud.subnet(network_id, cidr) for cidr in ("10.0.0.0/24", "fd00::/64")]
    port = cloud.port(network_id)
    assert cost(cloud, cloud.ports.delete, ADMIN, port["id"], None) <= 10
    assert cost(cloud, cloud.subnets.delete, ADMIN, subnets[0]["id"], None) <= 13
    cloud.port(network_id, device_owner="network:dhcp")
    assert cost(cloud, cloud.networks.delete, ADMIN, network_id, None) <= 16  # with its segment, L2 agents and grants


def test_routers(database: Database) -> None:
    land = Land(database, LIMITS)
    outside, other = land.external("203.0.113.0/24"), land.external("198.51.100.0/24")
    subnets = [land.inside(f"10.0.{n}.0/24") for n in range(12)]
    land.router(outside, subnets[0])  # first use is not counted
    router_id = land.router(None)
    assert cost(land, land.routers.create, TENANT, [{}]) <= 6
    gateway = {"external_gateway_info": {"network_id": outside}}
    assert cost(land, land.routers.create, TENANT, [gateway]) <= 15
    assert cost(land, land.routers.create, TENANT, [gateway] * 50) <= 16
    assert cost(land, land.routers.update, TENANT, router_id, {"name": "r"}, None) <= 6
    assert cost(land, land.routers.update, TENANT, router_id, gateway, None) <= 19
    for subnet in subnets[1:]:  # the last costs no more than the first
        assert cost(land, land.routers.add_interface, TENANT, router_id, None, subnet["id"]) <= 14
    port = land.port(subnets[0]["network_id"], TENANT)
    assert cost(land, land.routers.add_interface, TENANT, router_id, port["id"], None) <= 11
    moved = {"external_gateway_info": {"network_id": other}}
    assert cost(land, land.routers.update, TENANT, router_id, moved, None) <= 26
    routes = [{"destination": f"192.0.2.{n}/32", "nexthop": "10.0.1.9"} for n in range(30)]
    assert cost(land, land.routers.add_routes, TENANT, router_id, routes) <= 9
    assert cost(land, land.routers.remove_routes, TENANT, router_id, routes) <= 8
    for subnet in subnets:
        assert cost(land, land.routers.remove_interface, TENANT, router_id, None, subnet["id"]) <= 12
    assert cost(land, land.routers.delete, TENANT, router_id, None) <= 17


def test_listing_five_hundred_routers(database: Database) -> None:
    land = Land(database)
    outside = land.external("10.0.0.0/16", "2001:db8::/64")
    for _ in range(5):
        land.routers.create(TENANT, [{"external_gateway_info": {"network_id": outside}}] * 100)
    with counted(database) as sent:
        found = land.routers.list(TENANT, Query(limit=1000, sorts=(("name", True),)))
    assert len(found) == 500 and all(len(one["external_gateway_info"]["external_fixed_ips"]) == 2 for one in found)
    assert len(sent) <= 2, sent
    assert cost(land, land.routers.list, TENANT, Query(limit=500, marker=found[9]["id"])) <= 3
    assert cost(land, land.routers.get, TENANT, found[0]["id"]) <= 2


def test_showing(cloud: Cloud) -> None:
    network_id = cloud.network(TENANT)
    subnet = cloud.subnet(network_id, "10.0.0.0/24", TENANT)
    port = cloud.port(network_id, TENANT)
    for principal in (ADMIN, TENANT):
        assert cost(cloud, cloud.networks.get, principal, network_id) <= 3
        assert cost(cloud, cloud.subnets.get, principal, subnet["id"]) <= 3
        assert cost(cloud, cloud.ports.get, principal, port["id"]) <= 3


def test_listing_a_thousand(cloud: Cloud) -> None:
    network_id = cloud.network(TENANT)
    cloud.subnet(network_id, "10.0.0.0/16", TENANT)
    for _ in range(11):
        cloud.ports.create(TENANT, [{"network_id": network_id}] * 100)
    with counted(cloud.database) as sent:
        page = cloud.ports.list(TENANT, Query(limit=1000, sorts=(("name", True),)))
    assert len(page) == 1000 and all(len(port["fixed_ips"]) == 1 for port in page)
    assert len(sent) <= 4, sent
    asked = Query(limit=1000, marker=page[-1]["id"], sorts=(("name", True),))
    assert cost(cloud, cloud.ports.list, TENANT, asked) <= 4
    cloud.networks.create(TENANT, [{}] * 1000)
    assert cost(cloud, cloud.networks.list, TENANT, Query(limit=1000)) <= 4
