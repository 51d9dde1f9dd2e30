"""Under a running ping: a port changes its host, an agent restarts, somebody meddles with what it made."""

from __future__ import annotations

from netsched.errors import NetschedError
from tests.fakes.content import uuid
from tests.netns.hosts import wait_for
from tests.netns.l2_hosts import L2Node, Machine, SegmentContent, hosts, loss, tell, wait_active


def network_of(nodes: list[L2Node]) -> SegmentContent:
    network = SegmentContent()
    network.subnet(1, "10.0.0.0/24")
    for number, node in enumerate(nodes, 1):
        network.bound(number, node, f"10.0.0.{number}")
    return network


def started(nodes: list[L2Node], network: SegmentContent) -> list[Machine]:
    tell(nodes, network)
    machines = [node.vm(network, number) for number, node in enumerate(nodes, 1)]
    for number, node in enumerate(nodes, 1):
        wait_active(node, network, number)
    return machines


def test_a_port_that_changes_its_host_is_reached_there_at_once() -> None:
    """Between remote hosts, to the pinging host itself, and away from it. Its old taps are still there each time, as
    in a live migration, and the machine that resumes says nothing by which a switch could learn."""
    with hosts(3) as nodes:
        one, two, three = nodes
        network = network_of(nodes)
        first, _, _ = started(nodes, network)
        for goal in (one, three):
            goal.vm(network, 2)
        ping = first.ping("10.0.0.2")
        for goal in (two, three, one, two):
            network.move(2, goal)
            tell(nodes, network)
            wait_active(goal, network, 2)
            assert wait_for(lambda: first.reaches("10.0.0.2"), 10) < 2
            assert [node for node in nodes if f"port/{uuid(2, 2)}" in node.states(network)] == [goal]
            hosts_of_2 = {line.split()[2] for line in one.fdb("vxlan-101") if line.startswith("fa:16:3e:00:00:02 dst")}
            assert hosts_of_2 == ({goal.address} if goal is not one else set())
        sent, received = loss(ping)
        assert received > sent / 2, f"{received} of {sent} came back"


def test_an_agent_that_restarts_loses_no_packet() -> None:
    with hosts(2) as nodes:
        one, two = nodes
        network = network_of(nodes)
        first, _ = started(nodes, network)
        assert first.reaches("10.0.0.2")
        before = one.run("ip", "link") + one.run("nft", "-a", "list", "sets")
        ping = first.ping("10.0.0.2")
        for node in nodes:
            node.kill_driver()
            node.start_driver()
            assert node.actual() == [network.scope]
        tell(nodes, network)
        wait_active(one, network, 1)
        assert first.reaches("10.0.0.2")
        sent, received = loss(ping)
        assert sent > 10 and sent - received <= 1  # one may be under way when it ends
        assert one.run("ip", "link") + one.run("nft", "-a", "list", "sets") == before


def test_what_somebody_changed_is_repaired() -> None:
    with hosts(2) as nodes:
        one, _ = nodes
        network = network_of(nodes)
        first, _ = started(nodes, network)
        bridge = "brq00000001-00"
        before = traces(one)
        # A few at a time: what breaks again and again the framework repairs with growing pauses.
        for commands in (
            [
                f"ip link set {first.tap} nomaster",
                "ip link set vxlan-101 nomaster",
                f"ip link set {bridge} mtu 1300",
                "bridge fdb del 00:00:00:00:00:00 dev vxlan-101 dst 172.30.0.2",
            ],
            ["ip link del vxlan-101", f"ip link set {bridge} down", f"ip link set {first.tap} down"],
            [
                f"ip link set {first.tap} mtu 1400",
                "ip link set vxlan-101 down",
                "bridge fdb append 00:00:00:00:00:00 dev vxlan-101 dst 172.30.0.77",
                "bridge fdb del fa:16:3e:00:00:02 dev vxlan-101 dst 172.30.0.2 self",
                f"bridge fdb replace fa:16:3e:00:00:02 dev {first.tap} master static",
            ],
        ):
            one.run("sh", "-ec", "\n".join(commands))
            wait_for(lambda: traces(one) == before, 30)
        wait_for(lambda: first.reaches("10.0.0.2"), 10)
        assert "somebody changed something" in one.log()


def traces(node: L2Node) -> tuple[list[str], set[str]]:
    """What `ip` and `bridge` show, without what differs each time: indexes, generated MACs and the order."""
    lines = node.run("ip", "-o", "-d", "link", "show").splitlines()
    words = [line.split()[1:] for line in lines if "brq" in line or "vxlan" in line]
    kept = ("mtu", "master", "state", "vxlan", "id", "local", "dstport")
    found = [
        " ".join([line[0].split("@")[0], *(f"{a}={b}" for a, b in zip(line, line[1:], strict=False) if a in kept)])
        for line in words
    ]
    try:
        return sorted(found), node.fdb("vxlan-101")
    except NetschedError:  # it is not there at the moment
        return sorted(found), set()
