"""Security groups by the L2 driver: real packets that arrive or do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.content import uuid
from tests.netns import l2_hosts
from tests.netns.groups import connects, group, listen, rule, tcp, tell
from tests.netns.l2_hosts import L2Node, Machine, SegmentContent, hosts, wait_active

ANY = (rule("egress"), rule("egress", "IPv6"))
G1, G2 = uuid(1, 7), uuid(2, 7)


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[L2Node]]:
    with hosts(2) as made:
        for node in made:  # only our own bridges hand their packets over
            node.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0")
        yield made


def machines(nodes: list[L2Node]) -> tuple[SegmentContent, list[Machine]]:
    """Two on the first host, in group 1 and in group 2, and a third on the second, in group 2."""
    network = SegmentContent()
    network.subnet(1, "10.0.0.0/24")
    network.subnet(2, "fd00::/64")
    places = {1: (nodes[0], G1), 2: (nodes[0], G2), 3: (nodes[1], G2)}
    for number, (node, id_) in places.items():
        network.bound(number, node, f"10.0.0.{number}", f"fd00::{number}", security_groups=[id_])
    l2_hosts.tell(nodes, network)
    made = [node.vm(network, number) for number, (node, _) in places.items()]
    wait_active(nodes[0], network, 1, 2)
    wait_active(nodes[1], network, 3)
    return network, made


def test_what_is_allowed_passes_and_answers_come_back(nodes: list[L2Node]) -> None:
    network, (first, second, third) = machines(nodes)
    listen(first, "10.0.0.1", 80)
    listen(second, "10.0.0.2", 80)
    # Nothing is known of the groups yet.
    assert not connects(second, "10.0.0.1", 80) and not first.reaches("10.0.0.2")
    for node in nodes:
        tell(node, group(2, *ANY))
    tell(nodes[0], group(1, tcp("ingress", 80), rule("ingress", "IPv6", protocol="icmp")))
    assert connects(second, "10.0.0.1", 80, 5) and connects(third, "10.0.0.1", 80, 5)
    assert second.reaches("fd00::1") and third.reaches("fd00::1")
    assert not connects(first, "10.0.0.2", 80)
    assert not second.reaches("10.0.0.1") and not first.reaches("fd00::2")
