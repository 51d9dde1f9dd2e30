"""The L2 driver on several hosts: who reaches whom over VXLAN, and what is left when it is over."""

from __future__ import annotations

from tests.fakes.content import uuid
from tests.netns.hosts import wait_for
from tests.netns.l2_hosts import L2Node, SegmentContent, hosts, tell, wait_active

BROADCAST = "00:00:00:00:00:00"


def one_port_each(nodes: list[L2Node], number: int = 1) -> SegmentContent:
    """Port N, with the address 10.0.0.N, on the Nth host."""
    network = SegmentContent(number)
    network.subnet(1, "10.0.0.0/24")
    for port, node in enumerate(nodes, 1):
        network.bound(port + 16 * (number - 1), node, f"10.0.0.{port}")
    return network


def links(node: L2Node) -> set[str]:
    return {line.split(":")[1].strip().split("@")[0] for line in node.run("ip", "-o", "link").splitlines()}


def test_machines_on_two_hosts_reach_each_other_with_full_size_packets() -> None:
    with hosts(2) as nodes:
        one, two = nodes
        network = one_port_each(nodes)
        tell(nodes, network)
        assert one.states(network) == {f"port/{uuid(1, 2)}": "DOWN"}  # no tap yet
        first, second = one.vm(network, 1), two.vm(network, 2)
        assert wait_active(one, network, 1) + wait_active(two, network, 2) < 10
        assert first.reaches("10.0.0.2") and second.reaches("10.0.0.1")
        assert first.reaches("10.0.0.2", "-M", "do", "-s", str(1450 - 28))
        assert "mtu 1450" in one.run("ip", "link", "show", "vxlan-101")
        assert "mtu 1450" in one.run("ip", "link", "show", "brq00000001-00")
        assert "inet6" not in one.run("ip", "addr", "show", "brq00000001-00")


def test_an_underlay_of_ipv6() -> None:
    with hosts(2, "fd00:172::") as nodes:
        one, two = nodes
        network = one_port_each(nodes)
        network.network["mtu"] = 1430
        tell(nodes, network)
        first = one.vm(network, 1)
        two.vm(network, 2)
        wait_active(one, network, 1)
        wait_active(two, network, 2)
        assert first.reaches("10.0.0.2", "-M", "do", "-s", str(1430 - 28))
        assert f"{BROADCAST} dst fd00:172::2 self permanent" in one.fdb("vxlan-101")
        assert one.faults() == []


def test_networks_do_not_see_each_other_and_may_have_the_same_addresses() -> None:
    with hosts(2) as nodes:
        one, two = nodes
        blue, red = one_port_each(nodes, 1), one_port_each(nodes, 2)
        red.content["port"].pop(uuid(17, 2))  # of red only the second host has a machine: 10.0.0.2 as well
        blue.content["port"].pop(uuid(2, 2))
        tell(nodes, blue)
        tell(nodes, red)
        first, other = one.vm(blue, 1), two.vm(red, 18)
        wait_active(one, blue, 1)
        wait_active(two, red, 18)
        assert not first.reaches("10.0.0.2")
        assert not other.reaches("10.0.0.1")
        blue.bound(2, two, "10.0.0.2")
        tell(nodes, blue)
        two.vm(blue, 2)
        wait_active(two, blue, 2)
        assert first.reaches("10.0.0.2")


def test_forwarding_is_for_just_the_hosts_with_ports_and_goes_with_them() -> None:
    with hosts(3) as nodes:
        one, two, three = nodes
        network = one_port_each(nodes)
        network.bound(4, two, "10.0.0.4")
        tell(nodes, network)
        assert one.fdb("vxlan-101") == {
            "fa:16:3e:00:00:02 master brq00000001-00 static",
            "fa:16:3e:00:00:04 master brq00000001-00 static",
            "fa:16:3e:00:00:03 master brq00000001-00 static",
            "fa:16:3e:00:00:02 dst 172.30.0.2 self permanent",
            "fa:16:3e:00:00:04 dst 172.30.0.2 self permanent",
            "fa:16:3e:00:00:03 dst 172.30.0.3 self permanent",
            f"{BROADCAST} dst 172.30.0.2 self permanent",
            f"{BROADCAST} dst 172.30.0.3 self permanent",
        }
        network.without_port(4)
        network.without_port(3)
        tell(nodes, network)
        assert one.fdb("vxlan-101") == {
            "fa:16:3e:00:00:02 master brq00000001-00 static",
            "fa:16:3e:00:00:02 dst 172.30.0.2 self permanent",
            f"{BROADCAST} dst 172.30.0.2 self permanent",
        }
        assert not {"vxlan-101", "brq00000001-00"} & links(three) and three.actual() == []
        network.without_port(2)
        tell(nodes, network)
        assert one.fdb("vxlan-101") == set()


def test_admin_down_stops_traffic_and_up_resumes_it() -> None:
    with hosts(2) as nodes:
        one, two = nodes
        network = one_port_each(nodes)
        tell(nodes, network)
        first = one.vm(network, 1)
        two.vm(network, 2)
        wait_active(one, network, 1)
        wait_active(two, network, 2)
        assert first.reaches("10.0.0.2")
        port = network.content["port"][uuid(2, 2)]
        for switch in (port, network.network):
            switch["admin_state_up"] = False
            tell(nodes, network)
            assert two.states(network) == {f"port/{uuid(2, 2)}": "DOWN"}
            assert not first.reaches("10.0.0.2")
            switch["admin_state_up"] = True
            tell(nodes, network)
            wait_active(one, network, 1)
            wait_active(two, network, 2)
            wait_for(lambda: first.reaches("10.0.0.2"), 10)


def test_a_tap_that_goes_is_down_and_one_that_comes_back_is_wired() -> None:
    with hosts(1) as nodes:
        (one,) = nodes
        network = one_port_each(nodes)
        tell(nodes, network)
        machine = one.vm(network, 1)
        wait_active(one, network, 1)
        machine.close()
        wait_for(lambda: one.states(network) == {f"port/{uuid(1, 2)}": "DOWN"}, 15)
        one.vm(network, 1)
        wait_active(one, network, 1)
        assert one.faults() == []  # machines come and go: that is no fault of the network's


def test_what_is_no_port_here_is_taken_out_of_the_bridge() -> None:
    """The tap of a port that was deleted or moved, or that a DHCP or router agent left when it died."""
    with hosts(1) as nodes:
        (one,) = nodes
        network = one_port_each(nodes)
        network.bound(5, one, "10.0.0.5")
        tell(nodes, network)
        left, stays = one.vm(network, 5), one.vm(network, 1)
        wait_active(one, network, 1, 5)
        assert stays.reaches("10.0.0.5")
        network.without_port(5)
        tell(nodes, network)
        assert f"{left.tap}@" in one.run("ip", "link", "show", left.tap)  # it is not ours to delete
        assert not stays.reaches("10.0.0.5")
        one.run("ip", "link", "set", left.tap, "up", "master", "brq00000001-00")
        wait_for(lambda: "master" not in one.run("ip", "link", "show", left.tap), 15)


def test_removal_leaves_nothing_but_what_is_not_ours() -> None:
    with hosts(1) as nodes:
        (one,) = nodes
        before = links(one)
        network, other = one_port_each(nodes, 1), one_port_each(nodes, 2)
        tell(nodes, network)
        tell(nodes, other)
        machine = one.vm(network, 1)
        one.run("ip", "link", "add", "operators", "type", "veth", "peer", "name", "x")
        one.run("ip", "link", "set", "operators", "master", "brq00000002-00")
        assert one.actual() == sorted([network.scope, other.scope])
        one.kill_driver()
        one.start_driver()  # what was made in an earlier life goes too
        for one_network in (network, other):
            assert one.want(one_network, held=False) is None
            assert one.want(one_network, held=False) is None
        assert one.actual() == []
        assert links(one) - before == {machine.tap, "operators", "x", "brq00000002-00"}
        assert "element" not in one.run("nft", "list", "table", "bridge", "netsched")
