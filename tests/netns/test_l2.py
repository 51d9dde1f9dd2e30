"""The L2 driver on several hosts: who reaches whom over VXLAN, and what is left when it is over."""

from __future__ import annotations

from tests.fakes.content import uuid
from tests.netns.hosts import wait_for
from tests.netns.l2_hosts import SegmentContent, hosts, loss, tell, wait_active


def test_machines_on_two_hosts_reach_each_other_with_full_size_packets() -> None:
    with hosts(2) as (one, two):
        network = SegmentContent()
        network.subnet(1, "10.0.0.0/24")
        network.bound(1, one, "10.0.0.1")
        network.bound(2, two, "10.0.0.2")
        tell([one, two], network)
        assert one.states(network) == {f"port/{uuid(1, 2)}": "DOWN"}
        first, second = one.vm(network, 1), two.vm(network, 2)
        print("wired after", wait_active(one, network, 1), wait_active(two, network, 2))
        assert first.reaches("10.0.0.2")
        assert first.reaches("10.0.0.2", "-M", "do", "-s", str(1450 - 28))
        assert second.reaches("10.0.0.1")
