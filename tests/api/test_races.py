"""Clients that ask for the same thing at the same moment: one gets it, the others are told why not, nobody a 5xx."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from netsched.db.session import Database
from tests.api.ground import Api

pytestmark = pytest.mark.three

CLIENTS = 4
ROUNDS = 2
MAC = "fa:16:3e:00:00:01"
Works = list[Callable[[], Any]]


class Site:
    """What the clients compete for."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.network = self.on("10.0.0.0/24")
        self.outside = api.make("network", {"router:external": True})["id"]
        pool = [{"start": "203.0.113.10", "end": "203.0.113.200"}]
        subnet = {"network_id": self.outside, "ip_version": 4, "cidr": "203.0.113.0/24", "allocation_pools": pool}
        api.make("subnet", subnet)

    def on(self, cidr: str) -> str:
        """A network with one subnet."""
        network = self.api.make("network", {})
        self.subnet = self.api.make("subnet", {"network_id": network["id"], "ip_version": 4, "cidr": cidr})["id"]
        return str(network["id"])

    def post(self, plural: str, body: dict[str, Any]) -> Any:
        return partial(self.api.ask, "POST", f"/v2.0/{plural}", {plural.removesuffix("s"): body})

    def port(self, **attributes: Any) -> Any:
        return self.post("ports", {"network_id": self.network, **attributes})

    def routed(self) -> str:
        """A port that floating IPs can be given to."""
        gateway = {"external_gateway_info": {"network_id": self.outside}}
        router = self.api.make("router", gateway)["id"]
        self.network = self.on("10.7.0.0/24")
        path = f"/v2.0/routers/{router}/add_router_interface"
        assert self.api.ask("PUT", path, {"subnet_id": self.subnet}).status_int == 200
        return str(self.api.make("port", {"network_id": self.network})["id"])


@pytest.fixture
def site(database: Database) -> Site:
    return Site(Api(database))


def race(works: Works) -> list[Any]:
    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(lambda work: work(), works))


def outcome(answers: list[Any]) -> Counter[Any]:
    """How often each status, and the type of error that came with it."""
    kinds_ = [answer.json["NeutronError"]["type"] if answer.status_int >= 400 else "" for answer in answers]
    return Counter(zip([answer.status_int for answer in answers], kinds_, strict=True))


def one_of_them(works: Works, kind: str, status: int = 409, done: int = 201) -> None:
    assert outcome(race(works)) == {(done, ""): 1, (status, kind): len(works) - 1}


def test_the_same_mac_address(site: Site) -> None:
    for number in range(ROUNDS):
        one_of_them([site.port(mac_address=f"{MAC[:-1]}{number}")] * CLIENTS, "MacAddressInUse")


def test_the_same_fixed_address(site: Site) -> None:
    for number in range(ROUNDS):
        chosen = [{"ip_address": f"10.0.0.{100 + number}"}]
        one_of_them([site.port(fixed_ips=chosen)] * CLIENTS, "IpAddressAlreadyAllocated")


def test_the_same_fixed_address_for_ports_that_are_there(site: Site) -> None:
    ports = [site.api.make("port", {"network_id": site.network})["id"] for _ in range(CLIENTS)]
    change = {"port": {"fixed_ips": [{"ip_address": "10.0.0.200"}]}}
    works: Works = [partial(site.api.ask, "PUT", f"/v2.0/ports/{id}", change) for id in ports]
    one_of_them(works, "IpAddressAlreadyAllocated", done=200)


SEGMENTS: list[tuple[dict[str, Any], str]] = [
    ({"network_type": "vxlan", "segmentation_id": 77_777}, "TunnelIdInUse"),
    ({"network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 150}, "VlanIdInUse"),
    ({"network_type": "flat", "physical_network": "physnet1"}, "FlatNetworkInUse"),
]


def test_the_same_segment(site: Site) -> None:
    for attributes, kind in SEGMENTS:
        body = {f"provider:{name}": value for name, value in attributes.items()}
        one_of_them([site.post("networks", body)] * CLIENTS, kind)


def test_the_same_floating_address(site: Site) -> None:
    for number in range(ROUNDS):
        body = {"floating_network_id": site.outside, "floating_ip_address": f"203.0.113.{100 + number}"}
        one_of_them([site.post("floatingips", body)] * CLIENTS, "IpAddressAlreadyAllocated")


def test_the_same_port_for_several_floating_addresses(site: Site) -> None:
    body = {"floating_network_id": site.outside, "port_id": site.routed()}
    one_of_them([site.post("floatingips", body)] * CLIENTS, "FloatingIPPortAlreadyAssociated")


def test_the_same_subnet_for_several_routers(site: Site) -> None:
    for number in range(ROUNDS):
        site.on(f"10.{number}.0.0/24")
        routers = [site.api.make("router", {})["id"] for _ in range(CLIENTS)]
        add = {"subnet_id": site.subnet}
        works: Works = [partial(site.api.ask, "PUT", f"/v2.0/routers/{id}/add_router_interface", add) for id in routers]
        one_of_them(works, "IpAddressAlreadyAllocated", done=200)


def test_the_same_interface_of_one_router(site: Site) -> None:
    path = f"/v2.0/routers/{site.api.make('router', {})['id']}/add_router_interface"
    works: Works = [partial(site.api.ask, "PUT", path, {"subnet_id": site.subnet})] * CLIENTS
    one_of_them(works, "BadRequest", status=400, done=200)


def test_the_same_addresses_for_several_subnets(site: Site) -> None:
    body = {"network_id": site.network, "ip_version": 4, "cidr": "10.9.0.0/24"}
    one_of_them([site.post("subnets", body)] * CLIENTS, "InvalidInput", status=400)


def test_the_same_agent_for_a_network_and_several_for_a_router(site: Site) -> None:
    dhcp = site.api.agent("node-1")
    hold = {"network_id": site.network}
    works: Works = [partial(site.api.ask, "POST", f"/v2.0/agents/{dhcp}/dhcp-networks", hold)] * CLIENTS
    one_of_them(works, "NetworkHostedByDHCPAgent")


def test_the_same_rule_of_a_security_group(site: Site) -> None:
    group = site.api.ask("POST", "/v2.0/security-groups", {"security_group": {"name": "web"}}).json["security_group"][
        "id"
    ]
    rule = {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": 22}
    body = {"security_group_rule": {**rule, "port_range_max": 22}}
    works: Works = [partial(site.api.ask, "POST", "/v2.0/security-group-rules", body)] * CLIENTS
    one_of_them(works, "SecurityGroupRuleExists")


def test_the_default_group_of_a_project_that_nobody_has_seen(site: Site) -> None:
    """It is made on first use, by whichever request comes first."""
    for number in range(ROUNDS):
        headers = {"X-Project-Id": f"new-{number}", "X-Roles": "member"}
        works: Works = [partial(site.api.ask, "GET", "/v2.0/security-groups", None, headers)] * CLIENTS
        found = {group["id"] for answer in race(works) for group in answer.json["security_groups"]}
        again = site.api.ask("GET", "/v2.0/security-groups?name=default", None, headers).json["security_groups"]
        assert found == {again[0]["id"]} and len(again) == 1


def test_the_same_grant(site: Site) -> None:
    grant = {"object_type": "network", "object_id": site.network, "action": "access_as_shared", "target_tenant": "bob"}
    works: Works = [partial(site.api.ask, "POST", "/v2.0/rbac-policies", {"rbac_policy": grant})] * CLIENTS
    answers = race(works)
    assert Counter(answer.status_int for answer in answers) == {201: 1, 409: CLIENTS - 1}


def test_the_same_prefix_out_of_a_pool(site: Site) -> None:
    pool = site.api.make("subnetpool", {"name": "p", "prefixes": ["10.50.0.0/24"]})["id"]
    networks = [site.api.make("network", {})["id"] for _ in range(CLIENTS)]
    wanted = {"subnetpool_id": pool, "ip_version": 4, "prefixlen": 25}
    answers = race([site.post("subnets", {**wanted, "network_id": network}) for network in networks])
    made = sorted(answer.json["subnet"]["cidr"] for answer in answers if answer.status_int == 201)
    assert made == ["10.50.0.0/25", "10.50.0.128/25"]
    assert {answer.status_int for answer in answers} == {201, 409}


def test_deleting_the_same_thing(site: Site) -> None:
    port = site.api.make("port", {"network_id": site.network})["id"]
    made = {
        "ports": port,
        "routers": site.api.make("router", {})["id"],
        "floatingips": site.api.make("floatingip", {"floating_network_id": site.outside})["id"],
        "networks": site.api.make("network", {})["id"],
    }
    for plural, id in made.items():
        answers = race([partial(site.api.ask, "DELETE", f"/v2.0/{plural}/{id}")] * CLIENTS)
        assert Counter(answer.status_int for answer in answers) == {204: 1, 404: CLIENTS - 1}, plural


def test_things_that_need_not_differ(site: Site) -> None:
    """Names, and whatever the service chooses itself."""
    works: Works = [site.post("networks", {"name": "same"}), site.post("routers", {"name": "same"}), site.port()]
    works.append(site.post("floatingips", {"floating_network_id": site.outside}))
    assert outcome(race(works * 3)) == {(201, ""): 12}
