"""What there is to read about addresses: how full networks are, where floating IPs come from and lead to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.ground import ADMIN, OTHER, TENANT, Api
from tests.statements import counted

Object = dict[str, Any]


def subnet(api: Api, network_id: str, cidr: str, who: dict[str, str] = TENANT, **attributes: Any) -> Object:
    body = {"network_id": network_id, "ip_version": 6 if ":" in cidr else 4, "cidr": cidr, **attributes}
    return api.make("subnet", body, who)


def available(api: Api, query: str = "") -> list[Object]:
    answer = api.ask("GET", f"/v2.0/network-ip-availabilities{query}")
    assert answer.status_int == 200, answer.text
    found: list[Object] = answer.json["network_ip_availabilities"]
    return found


@pytest.fixture
def full(api: Api) -> Object:
    """A network with a subnet of each kind and three ports."""
    network = api.make("network", {"name": "full"}, TENANT)
    pools = [{"start": "10.0.0.10", "end": "10.0.0.19"}, {"start": "10.0.0.30", "end": "10.0.0.30"}]
    subnet(api, network["id"], "10.0.0.0/24", allocation_pools=pools, name="pools")
    subnet(api, network["id"], "fd00::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
    for fixed in ({}, {}, {"fixed_ips": [{"ip_address": "10.0.0.200"}]}):  # the last one in no pool
        api.make("port", {"network_id": network["id"], **fixed}, TENANT)
    return network


def test_what_is_there_and_what_is_taken(api: Api, full: Object) -> None:
    (found,) = available(api)
    by_version = {one["ip_version"]: one for one in found["subnet_ip_availability"]}
    assert {name: by_version[4][name] for name in ("subnet_name", "cidr", "total_ips", "used_ips")} == {
        "subnet_name": "pools", "cidr": "10.0.0.0/24", "total_ips": 11, "used_ips": 3,
    }  # fmt: skip
    assert (by_version[6]["total_ips"], by_version[6]["used_ips"]) == (2**64 - 2, 3)
    assert (found["total_ips"], found["used_ips"]) == (11 + 2**64 - 2, 6)
    assert found["network_name"] == "full" and found["project_id"] == found["tenant_id"] == "alice"
    assert set(found) == {
        "network_id", "network_name", "project_id", "tenant_id", "total_ips", "used_ips", "subnet_ip_availability",
    }  # fmt: skip
    one = api.ask("GET", f"/v2.0/network-ip-availabilities/{full['id']}").json
    assert one == {"network_ip_availability": found}


def test_availability_is_filtered_and_for_administrators(api: Api, full: Object) -> None:
    other = api.make("network", {"name": "empty"}, OTHER)
    assert {one["network_name"]: one["total_ips"] for one in available(api)}["empty"] == 0
    for query, names in (
        (f"network_id={full['id']}", ["full"]),
        ("network_name=empty", ["empty"]),
        ("project_id=bob", ["empty"]),
        ("tenant_id=alice", ["full"]),
        ("ip_version=4", ["full"]),
        (f"ip_version=4&network_id={other['id']}", []),
        ("sort_key=network_name&sort_dir=asc", ["empty", "full"]),
    ):
        assert [one["network_name"] for one in available(api, f"?{query}")] == names, query
    (only,) = available(api, "?ip_version=4")
    assert [one["ip_version"] for one in only["subnet_ip_availability"]] == [4] and only["total_ips"] == 11
    assert api.ask("GET", "/v2.0/network-ip-availabilities?nonsense=1").status_int == 400
    path = "/v2.0/network-ip-availabilities"
    assert api.ask("GET", path, None, TENANT).json == {"network_ip_availabilities": []}
    assert api.ask("GET", f"{path}/{full['id']}", None, TENANT).json["NeutronError"]["type"] == "NetworkNotFound"
    assert api.ask("GET", f"{path}/00000000-0000-4000-8000-000000000000").status_int == 404


def test_availability_costs_the_same_for_many_networks(api: Api, full: Object) -> None:
    def cost() -> int:
        with counted(api.database) as sent:
            available(api)
        return len(sent)

    few = cost()
    for number in range(5):
        network = api.make("network", {}, TENANT)["id"]
        subnet(api, network, f"10.{number}.0.0/16")
    assert cost() == few <= 2


def test_pools_of_floating_ips(api: Api) -> None:
    outside = api.make("network", {"router:external": True})["id"]
    made = [subnet(api, outside, cidr, ADMIN, name=cidr) for cidr in ("203.0.113.0/24", "2001:db8::/64")]
    inside = api.make("network", {}, TENANT)["id"]
    subnet(api, inside, "10.0.0.0/24")
    pool = {
        "subnet_id": made[0]["id"], "subnet_name": "203.0.113.0/24", "network_id": outside, "cidr": "203.0.113.0/24",
        "project_id": "alice", "tenant_id": "alice",
    }  # fmt: skip
    for query in ("", f"?network_id={outside}", f"?subnet_id={made[0]['id']}", "?tenant_id=alice"):
        for path in ("floatingip_pools", "floatingip-pools"):
            assert api.ask("GET", f"/v2.0/{path}{query}", None, TENANT).json == {"floatingip_pools": [pool]}
    for query in (f"?network_id={inside}", "?cidr=10.0.0.0/24", "?project_id=bob"):
        assert api.ask("GET", f"/v2.0/floatingip_pools{query}", None, TENANT).json == {"floatingip_pools": []}


def test_a_floating_ip_tells_of_its_port(api: Api) -> None:
    outside = api.make("network", {"router:external": True})["id"]
    subnet(api, outside, "203.0.113.0/24", ADMIN)
    inside = api.make("network", {}, TENANT)["id"]
    private = subnet(api, inside, "10.0.0.0/24")["id"]
    router = api.make("router", {"external_gateway_info": {"network_id": outside}}, TENANT)["id"]
    api.ask("PUT", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": private}, TENANT)
    port = api.make("port", {"network_id": inside, "name": "vm", "device_id": "vm-1"}, TENANT)
    told = {
        name: port[name]
        for name in ("name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner")
    }
    body = {"floating_network_id": outside}
    reached = api.make("floatingip", {**body, "port_id": port["id"]}, TENANT)
    free = api.make("floatingip", body, TENANT)
    assert reached["port_details"] == told and free["port_details"] is None
    listed = api.ask("GET", "/v2.0/floatingips", None, TENANT).json["floatingips"]
    assert {one["id"]: one["port_details"] for one in listed} == {reached["id"]: told, free["id"]: None}
    path = f"/v2.0/floatingips/{reached['id']}"
    assert api.ask("GET", path, None, TENANT).json["floatingip"]["port_details"] == told
    for port_id, expected in ((None, None), (port["id"], told)):
        changed = api.ask("PUT", path, {"floatingip": {"port_id": port_id}}, TENANT).json["floatingip"]
        assert changed["port_details"] == expected
    api.ask("PUT", f"/v2.0/ports/{port['id']}", {"port": {"name": "renamed"}}, TENANT)
    assert api.ask("GET", path, None, TENANT).json["floatingip"]["port_details"]["name"] == "renamed"


def test_availability_zones_are_filtered(api: Api) -> None:
    for host, zone in (("node-1", "east"), ("node-2", "west")):
        api.agent(host, zone=zone)
        l3 = api.agent(host, agent_type="L3 agent", zone=zone)
    api.ask("PUT", f"/v2.0/agents/{l3}", {"agent": {"admin_state_up": False}})

    def found(query: str) -> set[tuple[str, str, str]]:
        zones = api.ask("GET", f"/v2.0/availability_zones?{query}", None, TENANT).json["availability_zones"]
        return {(one["name"], one["resource"], one["state"]) for one in zones}

    east = {("east", "network", "available"), ("east", "router", "available")}
    assert found("name=east") == east
    assert found("name=east&name=west&resource=network") == {
        ("east", "network", "available"),
        ("west", "network", "available"),
    }
    assert found("state=unavailable") == {("west", "router", "unavailable")}
    assert found("state=unavailable&name=east") == set()
    assert api.ask("GET", "/v2.0/availability_zones?nonsense=1", None, TENANT).status_int == 400
