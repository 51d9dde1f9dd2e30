"""Security groups by the L2 driver: real packets that arrive or do not.

The machines are made once; each test says what their groups are. That a packet does not arrive takes a while to be
sure of, so few are waited for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from netsched.agents.kernel import plug
from netsched.model import security_rule
from tests.fakes.content import uuid
from tests.netns import l2_hosts
from tests.netns.groups import (
    Scope,
    address_group,
    connected,
    connects,
    group,
    listen,
    members,
    passes,
    rule,
    tcp,
    tell,
)
from tests.netns.hosts import wait_for
from tests.netns.l2_hosts import L2Node, SegmentContent, hosts, loss, wait_active

pytestmark = pytest.mark.xdist_group("security groups")
OUT = (rule("egress"), rule("egress", "IPv6"))
FIRST, OTHERS = uuid(1, 7), uuid(2, 7)  # groups 1 and 2
TRACKED = ("nft", "list", "set", "inet", "netsched_groups", "tracked")
PLACES = {1: (0, FIRST), 2: (0, OTHERS), 3: (1, OTHERS)}


class Town:
    """Machine 1 in group 1, and 2 in group 2, on the first host; 3 in group 2 on the second. 1 serves."""

    def __init__(self, nodes: list[L2Node]) -> None:
        self.nodes = nodes
        self.network = SegmentContent()
        self.network.subnet(1, "10.0.0.0/24")
        self.network.subnet(2, "fd00::/64")
        for number, (place, id_) in PLACES.items():
            self.bound(number, place, [id_])
        self.tell_network()
        self.first, self.second, self.third = (self.nodes[PLACES[n][0]].vm(self.network, n) for n in PLACES)
        wait_active(nodes[0], self.network, 1, 2)
        wait_active(nodes[1], self.network, 3)

    def bound(self, number: int, place: int, groups: list[str]) -> None:
        addresses = f"10.0.0.{number}", f"fd00::{number}"
        self.network.bound(number, self.nodes[place], *addresses, security_groups=groups)

    def tell_network(self) -> None:
        l2_hosts.tell(self.nodes, self.network)

    @contextlib.contextmanager
    def changed(self, number: int, **attributes: object) -> Iterator[None]:
        """This port, until the end of the block."""
        port = self.network.content["port"][uuid(number, 2)]
        before = dict(port)
        port.update(attributes)
        self.tell_network()
        yield
        port.clear()
        port.update(before)
        self.tell_network()

    def tell(self, *scopes: Scope) -> None:
        """The second host has no port of group 1."""
        for scope in scopes:
            tell(self.nodes[0], scope)
            if not scope.scope.endswith(FIRST):
                tell(self.nodes[1], scope)

    def shown(self) -> list[str]:
        """The words of all rules, in an order that does not depend on that of elements, without counts of packets."""
        words = self.nodes[0].run("nft", "list", "ruleset").replace(",", " ").split()
        return sorted(word for word in words if not word.isdigit())


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with hosts(2) as nodes:
        for node in nodes:  # as an operator may have it: nobody's bridges but ours hand their packets over
            node.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0")
        made = Town(nodes)
        for port in (80, 81):
            listen(made.first, "10.0.0.1", port)
        listen(made.first, "fd00::1", 80)
        listen(made.second, "10.0.0.2", 80)
        # Nothing is known of the groups yet.
        assert not connects(made.second, "10.0.0.1", 80)
        yield made


def test_what_is_allowed_passes_and_its_answers_and_nothing_else(town: Town) -> None:
    town.tell(group(1, tcp("ingress", 80), rule("ingress", "IPv6", protocol="icmp")), group(2, *OUT))
    assert connects(town.second, "10.0.0.1", 80, 5) and connects(town.third, "10.0.0.1", 80, 5)
    assert town.second.reaches("fd00::1") and town.third.reaches("fd00::1")
    assert town.third.reaches("fd00::1", "-s", "4000"), "in fragments"
    assert not connects(town.second, "10.0.0.1", 81)
    assert not passes(town.third, 7, town.first, "10.0.0.1", 80)
    assert not connects(town.first, "10.0.0.2", 80)  # neither may it send, nor the other receive
    town.tell(group(1, *OUT))
    assert not connects(town.first, "10.0.0.2", 80)
    with town.changed(2, port_security_enabled=False):
        assert connects(town.first, "10.0.0.2", 80, 5)


def test_stateless_groups_need_a_rule_for_the_answers(town: Town) -> None:
    answers = rule("egress", protocol="tcp", port_range_min=1024, port_range_max=65535)
    town.tell(group(1, tcp("ingress", 80), stateful=False), group(2, *OUT, stateful=False))
    assert not connects(town.third, "10.0.0.1", 80)
    town.tell(group(1, tcp("ingress", 80), answers, stateful=False))
    assert not connects(town.third, "10.0.0.1", 80)
    town.tell(group(2, *OUT, rule("ingress", protocol="6"), stateful=False))
    assert connects(town.third, "10.0.0.1", 80, 5)
    wait_for(lambda: all("fa:16:3e" not in node.run(*TRACKED) for node in town.nodes), 10)
    for node in town.nodes:
        node.run("conntrack", "-F")
    assert connects(town.third, "10.0.0.1", 80, 5)
    assert all("10.0.0.3" not in node.run("conntrack", "-L", "-d", "10.0.0.1") for node in town.nodes)


def test_members_of_remote_groups_and_address_groups(town: Town) -> None:
    of_group, of_addresses = {"remote_group_id": OTHERS}, {"remote_address_group_id": uuid(3, 9)}
    town.tell(group(1, tcp("ingress", 80, **of_group), tcp("ingress", 81, **of_addresses)), group(2, *OUT))
    town.tell(members(2, second="10.0.0.2"), address_group(3, "10.0.0.3/32", "10.0.0.0/31"))
    talk = connected(town.second, "10.0.0.1", 80)
    assert talk.line() == "hello" and talk.ask() == "alive"
    assert connects(town.third, "10.0.0.1", 81, 5)
    assert not connects(town.third, "10.0.0.1", 80) and not connects(town.second, "10.0.0.1", 81)
    town.tell(members(2, second="10.0.0.2", third="10.0.0.3"), address_group(3, "10.0.0.2/31"))
    assert connects(town.third, "10.0.0.1", 80, 5) and connects(town.second, "10.0.0.1", 81, 5)
    assert talk.ask() == "alive"
    town.tell(members(2, third="10.0.0.3"), address_group(3))
    assert not connects(town.second, "10.0.0.1", 80) and not connects(town.second, "10.0.0.1", 81)
    assert connects(town.third, "10.0.0.1", 80, 5)
    talk.close()


def test_connections_end_with_the_last_rule_that_allows_them(town: Town) -> None:
    six = tcp("ingress", 80, ethertype="IPv6")
    town.tell(group(1, tcp("ingress", 80), tcp("ingress", 81), six), group(2, *OUT))
    ends = (("10.0.0.1", 80), ("10.0.0.1", 81), ("fd00::1", 80))
    cut, kept, over_six = (connected(town.third, *end, 1) for end in ends)
    assert {one.line() for one in (cut, kept, over_six)} == {"hello"}
    assert {one.ask() for one in (cut, kept, over_six)} == {"alive"}
    town.tell(group(1, rule("ingress", protocol="tcp", port_range_min=80, port_range_max=90)))
    assert (cut.ask(), kept.ask(), over_six.ask()) == ("alive", "alive", "dead")
    town.tell(group(1, tcp("ingress", 81)))
    assert (cut.ask(), kept.ask()) == ("dead", "alive")
    with town.changed(1, security_groups=[OTHERS]):
        assert kept.ask() == "dead"
    for one in (cut, kept, over_six):
        one.close()


def test_networks_with_the_same_addresses_know_nothing_of_each_other(town: Town) -> None:
    other = SegmentContent(2)
    other.subnet(1, "10.0.0.0/24")
    for number in (11, 12):
        other.bound(number, town.nodes[0], f"10.0.0.{number - 10}", security_groups=[OTHERS])
    l2_hosts.tell(town.nodes, other)
    first, second = (town.nodes[0].vm(other, number) for number in (11, 12))
    wait_active(town.nodes[0], other, 11, 12)
    town.tell(group(1, rule("ingress")), group(2, *OUT))
    assert passes(town.second, 5000, town.first, "10.0.0.1", 80)
    assert passes(town.first, 80, town.second, "10.0.0.2", 5000)  # an answer, though nothing lets it out or in
    assert not passes(first, 80, second, "10.0.0.2", 5000)
    other.content["port"].clear()
    l2_hosts.tell(town.nodes, other)
    assert plug.bridge(other.network_id) not in " ".join(town.shown())


def test_a_port_without_any_rule_gets_its_addresses(town: Town) -> None:
    """Both versions of DHCP, and routers' advertisements, which other ports cannot fake."""
    town.tell(group(1), group(2))
    server = [
        "dnsmasq -k --conf-file=/dev/null --port=0 --bind-dynamic --interface=eth0 --leasefile-ro --enable-ra",
        "--dhcp-range=10.0.0.50,10.0.0.60,60 --dhcp-range=fd00::50,fd00::60,64,120",
    ]
    with town.changed(3, device_owner="network:dhcp"):
        command = ["ip", "netns", "exec", town.third.name, *" ".join(server).split()]
        dnsmasq = town.nodes[1].popen(command)
        town.first.run("udhcpc -i eth0 -f -n -q -t 5 -T 1 -s /bin/true")  # fails without a lease
        assert "fd00::" in town.first.run("rdisc6 -1 eth0")
        lease, pid = (town.nodes[0].directory / name for name in ("lease6", "pid6"))
        town.first.run(f"dhclient -6 -1 -D LL -sf /bin/true -lf {lease} -pf {pid} eth0")
        assert "iaaddr fd00::" in lease.read_text()
        assert not town.first.reaches("10.0.0.3")
        dnsmasq.kill()
        dnsmasq.wait()


def test_what_somebody_changed_is_repaired_and_a_restart_of_the_agent_unnoticed(town: Town) -> None:
    scopes = group(1, rule("ingress")), group(2, *OUT), members(2, second="10.0.0.2")
    town.tell(*scopes)
    before = town.shown()
    node, bridge = town.nodes[0], plug.bridge(town.network.network_id)
    for damage in (
        f"nft flush chain bridge netsched_groups in-{FIRST}",
        f"nft flush set bridge netsched_groups members4-{OTHERS}",
        "nft flush chain bridge netsched_groups platform_in",
        "nft flush map bridge netsched_groups sent_to",
        "nft delete table inet netsched_groups",
        f"ip link set {bridge} type bridge nf_call_iptables 0",
    ):
        node.run(*damage.split())
    wait_for(lambda: town.shown() == before and connects(town.second, "10.0.0.1", 80, 5), 30)
    ping = town.second.ping("10.0.0.1")
    node.kill_driver()
    node.start_driver()
    assert node.want(town.network) is None  # before it knows a group
    tell(node, *scopes)
    sent, back = loss(ping)
    assert sent == back > 10
    assert town.shown() == before


def test_nft_takes_every_protocol_of_the_api(town: Town) -> None:
    given = [
        rule(direction, ethertype, protocol=protocol, remote_ip_prefix=prefix)
        for protocol in security_rule.PROTOCOLS
        for direction, ethertype, prefix in (("ingress", "IPv4", "0.0.0.0/0"), ("egress", "IPv6", "fd00::7/48"))
    ]
    types = {"port_range_min": 3, "port_range_max": 4}
    given += [rule("egress", protocol="icmp", **types), rule("egress", "IPv6", protocol="icmp", **types)]
    town.tell(group(1, *given), address_group(3, "0.0.0.0/0", "::/0", "10.0.0.0/25", "10.0.0.128/25"))
    assert town.nodes[0].run("nft", "list", "chain", "bridge", "netsched_groups", f"in-{FIRST}").count("accept") > 20


def test_what_is_gone_leaves_nothing(town: Town) -> None:
    node = town.nodes[0]
    tell(node, group(1, rule("ingress", remote_group_id=OTHERS)), members(2, second="10.0.0.2"))
    scopes = {f"security_group/{FIRST}", f"security_group_members/{OTHERS}", town.network.scope}
    assert scopes <= set(node.actual())
    held = {n: dict(port) for n, port in town.network.content["port"].items()}
    town.network.content["port"].clear()
    for scope in (*scopes, f"security_group/{OTHERS}"):
        assert node.want(Scope(scope, {}), held=False) is None
    assert not scopes & set(node.actual())
    left = " ".join(town.shown())
    assert FIRST not in left and OTHERS not in left and "tap" not in left and plug.BRIDGE not in left
    town.network.content["port"].update(held)
