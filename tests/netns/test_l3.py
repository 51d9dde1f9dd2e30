"""What a router does for machines behind it: between networks, to the world, and back by floating IPs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.fakes.router_content import RouterContent, two_networks
from tests.netns.l3_hosts import Machine, RouterNode, handles, router_node, world


@dataclass
class Site:
    """a1 and a2 on network 1, b1 on network 2, and the provider's router."""

    node: RouterNode
    router: RouterContent
    a1: Machine
    a2: Machine
    b1: Machine
    world: Machine

    def want(self) -> None:
        assert self.node.want(self.router) is None


@pytest.fixture
def site() -> Iterator[Site]:
    with router_node() as node:
        router = two_networks()
        assert node.want(router) is None
        yield Site(
            node,
            router,
            a1=node.machine("a1", 1, 0x05, "10.0.0.5/24", gateway="10.0.0.1").serve(),
            a2=node.machine("a2", 1, 0x06, "10.0.0.6/24", gateway="10.0.0.1").serve(),
            b1=node.machine("b1", 2, 0x15, "10.0.1.5/24", gateway="10.0.1.1").serve(),
            world=world(node),
        )


def test_between_networks_machines_keep_their_addresses(site: Site) -> None:
    site.a1.ping("10.0.1.5")
    assert site.a1.seen_as("10.0.1.5") == "10.0.0.5"
    assert site.b1.seen_as("10.0.0.5") == "10.0.1.5"


def test_the_world_sees_the_routers_address(site: Site) -> None:
    assert site.a1.seen_as("203.0.113.1") == "203.0.113.10"
    assert site.b1.seen_as("203.0.113.1") == "203.0.113.10"


def test_without_snat_machines_go_out_as_they_are_and_floating_ips_still_work(site: Site) -> None:
    site.router.router["external_gateway_info"]["enable_snat"] = False
    site.router.floating(1, "203.0.113.20", "10.0.0.5")
    site.want()
    site.world.run("ip route add 10.0.0.0/23 via 203.0.113.10")
    assert site.a2.seen_as("203.0.113.1") == "10.0.0.6"
    assert site.world.seen_as("10.0.1.5") == "203.0.113.1"
    assert site.a1.seen_as("203.0.113.1") == "203.0.113.20"
    assert site.world.seen_as("203.0.113.20") == "203.0.113.1"


def test_a_floating_ip_leads_in_out_and_back_to_the_same_router(site: Site) -> None:
    site.router.floating(1, "203.0.113.20", "10.0.0.5")
    site.want()
    site.world.ping("203.0.113.20")
    assert site.world.seen_as("203.0.113.20") == "203.0.113.1", "the machine sees who comes"
    assert site.a1.seen_as("203.0.113.1") == "203.0.113.20"
    assert site.a2.seen_as("203.0.113.1") == "203.0.113.10"
    # By its public address from inside: from the same link, from another, from itself.
    assert site.a2.seen_as("203.0.113.20")
    assert site.b1.seen_as("203.0.113.20")
    assert site.a1.seen_as("203.0.113.20")
    site.router.floating(2, "203.0.113.21", "10.0.0.6")
    site.want()
    assert site.a2.seen_as("203.0.113.20") == "203.0.113.21", "from one public address to the other"
    assert site.node.floating_states(site.router) == {"203.0.113.20": "ACTIVE", "203.0.113.21": "ACTIVE"}


def test_a_floating_ip_of_the_routers_own_interface(site: Site) -> None:
    site.router.floating(1, "203.0.113.20", "10.0.0.1")
    site.want()
    assert site.node.floating_states(site.router) == {"203.0.113.20": "ACTIVE"}
    site.world.ping("203.0.113.20")
    site.b1.ping("203.0.113.20")
    assert site.a1.seen_as("203.0.113.1") == "203.0.113.10"


def test_adding_a_floating_ip_changes_no_rule(site: Site) -> None:
    site.router.floating(1, "203.0.113.20", "10.0.0.5")
    site.want()
    before = handles(site.node.rules(site.router))
    site.router.floating(2, "203.0.113.21", "10.0.0.6")
    site.want()
    assert handles(site.node.rules(site.router)) == before and len(before) > 10
    site.world.ping("203.0.113.21")


def test_a_floating_ip_that_goes_cuts_its_connections_and_no_others(site: Site) -> None:
    first = site.router.floating(1, "203.0.113.20", "10.0.0.5")
    site.router.floating(2, "203.0.113.21", "10.0.0.6")
    site.want()
    inward, outward = site.world.connect("203.0.113.20"), site.a1.connect("203.0.113.1")
    others = [site.world.connect("203.0.113.21"), site.b1.connect("203.0.113.1"), site.a1.connect("10.0.1.5")]
    assert (inward.seen_as, outward.seen_as) == ("203.0.113.1", "203.0.113.20")
    assert inward.works() and outward.works()
    site.router.without("floatingip", first)
    site.want()
    assert "203.0.113.20" not in site.node.inside(site.router, "conntrack -L")
    assert not inward.works() and not outward.works()
    assert all(talk.works() for talk in others)
    assert "203.0.113.20" not in site.node.inside(site.router, "ip addr") + site.node.rules(site.router)
    assert site.a1.seen_as("203.0.113.1") == "203.0.113.10"


def test_many_floating_ips_at_once_and_their_connections_with_them(site: Site) -> None:
    stays = site.router.floating(1, "203.0.113.20", "10.0.0.6")
    for number in range(30, 42):
        site.router.floating(number, f"203.0.113.{number}", f"10.0.1.{number}")
    site.router.floating(2, "203.0.113.21", "10.0.0.5")
    site.want()
    first, second = site.world.connect("203.0.113.20"), site.world.connect("203.0.113.21")
    assert first.works() and second.works()
    site.router.content["floatingip"] = {stays["id"]: stays}
    site.want()
    assert first.works() and not second.works()
    assert site.node.inside(site.router, "ip -4 -o addr").count("/32") == 1


def test_a_floating_ip_that_moves_leads_to_the_other_machine_only(site: Site) -> None:
    floating = site.router.floating(1, "203.0.113.20", "10.0.0.5")
    site.want()
    talk = site.world.connect("203.0.113.20")
    assert talk.works()
    floating["fixed_ip_address"] = "10.0.0.6"
    site.want()
    assert not talk.works(), "the connection to the former machine goes on"
    assert site.a2.seen_as("203.0.113.1") == "203.0.113.20"
    assert site.a1.seen_as("203.0.113.1") == "203.0.113.10"


def test_connections_are_in_the_routers_zone(site: Site) -> None:
    assert site.a1.connect("203.0.113.1").works()
    entries = [line for line in site.node.inside(site.router, "conntrack -L -p tcp").splitlines() if "dport" in line]
    assert entries and all("zone=" in line for line in entries)


def test_routes_of_the_router(site: Site) -> None:
    site.b1.run("ip addr add 10.9.0.1/32 dev lo")
    site.router.router["routes"] = [{"destination": "10.9.0.0/16", "nexthop": "10.0.1.5"}]
    site.want()
    site.a1.ping("10.9.0.1")
    site.router.router["routes"] = [{"destination": "10.9.0.0/16", "nexthop": "10.7.7.7"}]
    site.want()
    assert not site.a1.reaches("10.9.0.1")
    assert "no interface here is on a subnet with 10.7.7.7" in site.node.log()


def test_two_providers_reach_the_same_machine(site: Site) -> None:
    """The machine answers by its default router; who came by the other one must get the answer by that one."""
    site.router.floating(1, "203.0.113.20", "10.0.0.5")
    site.want()
    second = RouterContent(2)
    second.network(1)
    second.subnet(1, 1, "10.0.0.0/24")
    second.interface(1, 1, "10.0.0.254")
    second.network(8)
    second.subnet(8, 8, "198.51.100.0/24")
    second.gateway(8, "198.51.100.10", network=8)
    second.floating(3, "198.51.100.20", "10.0.0.5", network=8)
    assert site.node.want(second) is None
    other = site.node.machine("other", 8, 0x88, "198.51.100.1/24").serve()
    assert site.world.seen_as("203.0.113.20") == "203.0.113.1"
    assert other.seen_as("198.51.100.20") == "10.0.0.254"
    gateway = next(p for p in site.router.content["port"].values() if p["device_owner"] == "network:router_gateway")
    gateway["admin_state_up"] = False
    site.want()
    assert not site.world.reaches("203.0.113.20")
    assert other.seen_as("198.51.100.20"), "one provider less, and the machine is still there"


def test_what_is_down_is_not_there(site: Site) -> None:
    floating = site.router.floating(1, "203.0.113.20", "10.0.0.5")
    site.want()
    site.world.ping("203.0.113.20")
    interface = next(p for p in site.router.content["port"].values() if p["fixed_ips"][0]["ip_address"] == "10.0.1.1")
    interface["admin_state_up"] = False
    site.want()
    assert not site.a1.reaches("10.0.1.5") and site.a1.reaches("203.0.113.1")
    site.router.router["admin_state_up"] = False
    site.want()
    assert site.node.floating_states(site.router) == {floating["floating_ip_address"]: "DOWN"}
    assert not site.a1.reaches("203.0.113.1") and not site.world.reaches("203.0.113.20")
    assert site.router.namespace not in site.node.run("ip", "netns")
    assert "tap" not in site.node.run("ip", "-br", "link"), "the ends of its links are gone too"
    site.router.router["admin_state_up"] = True
    interface["admin_state_up"] = True
    site.want()
    site.world.ping("203.0.113.20")
    site.a1.ping("10.0.1.5")


def test_a_router_that_is_lost_leaves_nothing(site: Site) -> None:
    for machine in (site.a1, site.a2, site.b1, site.world):
        site.node.run("ip", "link", "del", f"v-{machine.name}")
    assert site.node.actual() == [site.router.scope]
    assert site.node.want(site.router, held=False) is None
    assert site.node.actual() == [] and site.router.namespace not in site.node.run("ip", "netns")
    assert "brq" not in site.node.run("ip", "-br", "link")


def test_ports_on_other_hosts_are_not_here(site: Site) -> None:
    for port in site.router.content["port"].values():
        port["binding:host_id"] = "node2"
    site.want()
    assert site.router.namespace not in site.node.run("ip", "netns")


def test_only_within_an_address_scope_do_addresses_mean_the_same(site: Site) -> None:
    inner, *_ = (router_port for router_port in site.router.content["port"].values())
    networks = site.router.content["network"]
    outer = next(p for p in site.router.content["port"].values() if p["device_owner"] == "network:router_gateway")
    for port in (inner, outer):
        networks[port["network_id"]]["ipv4_address_scope"] = "one"
    site.router.floating(1, "203.0.113.20", "10.0.1.5")
    site.want()
    site.world.run("ip route add 10.0.0.0/23 via 203.0.113.10")
    assert site.a1.seen_as("203.0.113.1") == "10.0.0.5", "no translation inside the scope"
    assert site.world.seen_as("10.0.0.5") == "203.0.113.1"
    site.b1.ping("203.0.113.1")  # out of no scope into one: by translation
    assert site.b1.seen_as("203.0.113.1") == "203.0.113.20"
    assert not site.a1.reaches("10.0.1.5") and not site.b1.reaches("10.0.0.5")
    assert not site.world.reaches("10.0.1.5")
    assert site.world.seen_as("203.0.113.20") == "203.0.113.1"
    assert site.a1.seen_as("203.0.113.20"), "by an address that means the same to both"
    for port in (inner, outer):
        networks[port["network_id"]]["ipv4_address_scope"] = None
    site.want()
    site.a1.ping("10.0.1.5")
    assert site.a1.seen_as("203.0.113.1") == "203.0.113.10"
