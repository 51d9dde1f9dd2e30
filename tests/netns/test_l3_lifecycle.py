"""A router through its agent's life: restarts that nobody notices, repairs, and takeovers that everybody hears of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.fakes.router_content import EXTERNAL, RouterContent, two_networks
from tests.netns.hosts import wait_for
from tests.netns.l3_hosts import Machine, RouterNode, handles, lost, router_node, world


@dataclass
class Site:
    node: RouterNode
    router: RouterContent
    a1: Machine
    world: Machine

    def entries(self) -> set[str]:
        """Connections as the kernel numbers them."""
        lines = self.node.inside(self.router, "conntrack -L -o id -p tcp").splitlines()
        return {line.rpartition("id=")[2].strip() for line in lines if "id=" in line}

    def addresses(self, device: str) -> set[str]:
        (link,) = json.loads(self.node.inside(self.router, f"ip -j addr show {device}"))
        return {f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"] if each["scope"] == "global"}

    def device(self, address: str) -> str:
        """The router's link with this address."""
        links = json.loads(self.node.inside(self.router, "ip -j addr"))
        (found,) = (link["ifname"] for link in links if any(a["local"] == address for a in link["addr_info"]))
        return str(found)

    def state(self) -> list[str]:
        return [self.node.inside(self.router, each) for each in ("ip route", "nft list ruleset")]

    def found(self, trouble: str) -> None:
        """The driver saw it by itself and said so."""
        wait_for(lambda: f"{self.router.scope}: {trouble}" in self.node.log(), 15)


@pytest.fixture
def site() -> Iterator[Site]:
    with router_node() as node:
        router = two_networks()
        router.subnet(3, 1, "fd00:1::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
        router.interface(3, 1, "fd00:1::1")
        router.floating(1, "203.0.113.20", "10.0.0.5")
        assert node.want(router) is None
        a1 = node.machine("a1", 1, 0x05, "10.0.0.5/24", gateway="10.0.0.1").serve()
        yield Site(node, router, a1, world(node))


def test_restart_of_the_agent_loses_nothing_and_changes_nothing(site: Site) -> None:
    outward, inward = site.a1.connect("203.0.113.1"), site.world.connect("203.0.113.20")
    assert outward.works() and inward.works()
    before = (handles(site.node.rules(site.router)), site.entries(), site.node.radvd_pid(site.router))
    ping = site.a1.popen(["ping", "-i", "0.05", "-c", "80", "203.0.113.1"], stdout=-1)
    site.node.kill_driver()
    site.node.start_driver()
    assert site.node.actual() == [site.router.scope]
    assert site.node.want(site.router) is None
    assert site.node.want(site.router) is None
    assert lost(ping.communicate(timeout=30)[0]) == 0
    assert outward.works() and inward.works()
    assert before == (handles(site.node.rules(site.router)), site.entries(), site.node.radvd_pid(site.router))
    assert len(before[1]) >= 2


def test_another_interface_does_not_disturb_the_traffic_of_others(site: Site) -> None:
    outward, inward = site.a1.connect("203.0.113.1"), site.world.connect("203.0.113.20")
    ping = site.a1.popen(["ping", "-i", "0.05", "-c", "60", "203.0.113.1"], stdout=-1)
    site.router.network(4)
    site.router.subnet(4, 4, "10.0.4.0/24")
    added = site.router.interface(4, 4, "10.0.4.1")
    assert site.node.want(site.router) is None
    b4 = site.node.machine("b4", 4, 0x45, "10.0.4.5/24", gateway="10.0.4.1")
    assert b4.seen_as("203.0.113.1") == "203.0.113.10"
    site.node.run("ip", "link", "del", "v-b4")
    site.router.without("port", added)
    assert site.node.want(site.router) is None
    assert f"brq{added['network_id'][:11]}" not in site.node.run("ip", "-br", "link"), "its bridge went with it"
    assert lost(ping.communicate(timeout=30)[0]) == 0
    assert outward.works() and inward.works()


def test_an_interface_goes_that_the_l2_agent_has_taken_out_of_its_bridge_before(site: Site) -> None:
    site.router.network(4)
    site.router.subnet(4, 4, "10.0.4.0/24")
    added = site.router.interface(4, 4, "10.0.4.1")
    assert site.node.want(site.router) is None
    tap = f"tap{added['id'][:11]}"
    site.node.run("ip", "link", "set", tap, "nomaster")
    site.router.without("port", added)
    assert site.node.want(site.router) is None
    assert tap not in site.node.run("ip", "-br", "link")


def test_an_agent_that_died_between_rules_and_connections_has_them_cut_by_the_next(site: Site) -> None:
    inward = site.world.connect("203.0.113.20")
    assert inward.works()
    site.node.kill_driver()
    swap = "delete element ip netsched fip_in { 203.0.113.20 }; delete element ip netsched fip_out { 10.0.0.5 }; "
    swap += "add element ip netsched fip_in { 203.0.113.20 : 10.0.0.6 }; "
    swap += "add element ip netsched fip_out { 10.0.0.6 : 203.0.113.20 }"
    site.node.run("ip", "netns", "exec", site.router.namespace, "nft", swap)
    next(iter(site.router.content["floatingip"].values()))["fixed_ip_address"] = "10.0.0.6"
    site.node.start_driver()
    assert site.node.want(site.router) is None
    assert not inward.works()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("ip addr del 10.0.0.1/24 dev {inner}", "qr-00000001-01 is not as it ought to be"),
        ("ip addr add 10.0.0.77/24 dev {inner}", "qr-00000001-01 is not as it ought to be"),
        ("ip link set {inner} down", "qr-00000001-01 is not as it ought to be"),
        ("ip link set {outer} mtu 1300", "qg-00000009-01 is not as it ought to be"),
        ("ip link set {outer} address 02:00:00:00:00:01", "qg-00000009-01 is not as it ought to be"),
        ("ip link del {outer}", "qg-00000009-01 is not as it ought to be"),
        ("ip route del default", "routes are not as they ought to be"),
        ("ip route add 10.66.0.0/16 via 10.0.0.9", "routes are not as they ought to be"),
        ("ip route add blackhole 10.67.0.0/16", "routes are not as they ought to be"),
        ("nft delete table ip netsched", "rules are not as they ought to be"),
        ("nft flush chain ip netsched outward", "rules are not as they ought to be"),
        ("nft insert rule ip netsched outward drop", "rules are not as they ought to be"),
        ("nft flush map ip netsched fip_in", "rules are not as they ought to be"),
        ("nft add element ip netsched fip_in {{ 203.0.113.99 : 10.0.0.9 }}", "rules are not as they ought to be"),
        ("sysctl -w net.ipv4.ip_forward=0", "the namespace is not set up as a router's"),
    ],
)
def test_what_somebody_changed_by_hand_is_repaired(site: Site, damage: str, said: str) -> None:
    inner, outer = site.device("10.0.0.1"), site.device("203.0.113.10")
    before = site.state()
    site.node.run("ip", "netns", "exec", site.router.namespace, "sh", "-c", _quoted(damage, inner, outer))
    site.found(said)
    wait_for(lambda: site.state() == before, 15)
    wait_for(lambda: site.addresses(inner) == {"10.0.0.1/24"}, 15)
    wait_for(lambda: site.addresses(outer) == {"203.0.113.10/24", "203.0.113.20/32"}, 15)
    site.world.ping("203.0.113.20")
    assert site.a1.seen_as("203.0.113.1") == "203.0.113.20"


def _quoted(damage: str, inner: str, outer: str) -> str:
    command = damage.format(inner=inner, outer=outer)
    return f"nft '{command.removeprefix('nft ')}'" if command.startswith("nft ") else command


def test_a_namespace_that_somebody_deleted_comes_back(site: Site) -> None:
    site.node.run("ip", "netns", "del", site.router.namespace)
    site.found("the namespace is gone")
    site.a1.ping("203.0.113.1", within=20)
    assert site.a1.seen_as("203.0.113.1") == "203.0.113.20"


def test_rules_that_were_flushed_cut_no_connection_when_they_are_repaired(site: Site) -> None:
    inward = site.world.connect("203.0.113.20")
    assert inward.works()
    site.world.run("sleep 0.5")  # for its last acknowledgement: without rules it would be answered with a reset
    site.node.inside(site.router, "nft delete table ip netsched")
    site.found("rules are not as they ought to be")
    wait_for(lambda: len(handles(site.node.rules(site.router))) > 10, 15)
    assert inward.works()


def test_a_takeover_is_announced_to_those_who_know_better(site: Site) -> None:
    """The provider's router and a machine believe that the addresses are at another host's hardware address."""
    assert site.node.want(site.router, held=False) is None
    assert site.router.namespace not in site.node.run("ip", "netns")
    former = "02:00:00:00:00:99"
    for machine, address in ((site.world, "203.0.113.10"), (site.world, "203.0.113.20"), (site.a1, "10.0.0.1")):
        machine.run(f"ip neigh replace {address} lladdr {former} dev eth0 nud stale")
    for address in ("fd00:1::1", "fe80::f816:3eff:fe01:3"):
        site.a1.run(f"ip -6 neigh replace {address} lladdr {former} dev eth0 nud stale")
    assert site.node.want(site.router) is None
    macs = {p["fixed_ips"][0]["ip_address"]: p["mac_address"] for p in site.router.content["port"].values()}
    outer, inner, inner6 = macs["203.0.113.10"], macs["10.0.0.1"], macs["fd00:1::1"]
    for machine, address, mac in (
        (site.world, "203.0.113.10", outer),
        (site.world, "203.0.113.20", outer),
        (site.a1, "10.0.0.1", inner),
        (site.a1, "fd00:1::1", inner6),
        (site.a1, "fe80::f816:3eff:fe01:3", inner6),
    ):
        wait_for(lambda m=machine, a=address, h=mac: f"lladdr {h}" in m.run(f"ip neigh show {a}"), 10)


def test_an_address_that_left_meanwhile_is_not_announced_again(site: Site) -> None:
    """It may be another host's by then."""
    floating = site.router.floating(2, "203.0.113.30", "10.0.0.6")
    site.node.want(site.router)
    site.router.without("floatingip", floating)
    site.node.want(site.router)
    another = "02:00:00:00:00:77"
    site.world.run(f"ip neigh replace 203.0.113.30 lladdr {another} dev eth0 nud stale")
    site.world.run("sleep 6")
    assert f"lladdr {another}" in site.world.run("ip neigh show 203.0.113.30")


def test_two_routers_with_the_same_addresses_do_not_meet(site: Site) -> None:
    other = RouterContent(2)
    for network in (11, 12):
        other.network(network)
        other.subnet(network, network, f"10.0.{network - 11}.0/24")
        other.interface(network, network, f"10.0.{network - 11}.1")
    other.network(EXTERNAL)
    other.subnet(EXTERNAL, EXTERNAL, "203.0.113.0/24")
    other.gateway(EXTERNAL, "203.0.113.11")
    assert site.node.want(other) is None
    twin = site.node.machine("twin", 11, 0x55, "10.0.0.5/24", gateway="10.0.0.1")
    assert twin.seen_as("203.0.113.1") == "203.0.113.11"
    assert site.a1.seen_as("203.0.113.1") == "203.0.113.20"
    assert site.node.want(other, held=False) is None
    assert site.node.actual() == [site.router.scope]
    site.a1.ping("203.0.113.1")
