"""Two agents serve one network, each with its own DHCP port: one may die without anybody noticing."""

from __future__ import annotations

from netsched.agents.kernel.host import Fabric
from tests.fakes.content import NETWORK, NetworkContent
from tests.netns.hosts import node


def test_new_clients_are_served_when_one_of_two_is_cut_off() -> None:
    content = NetworkContent()
    content.subnet(1, "10.0.0.0/24")
    content.dhcp_port(2, "node1", "10.0.0.2")
    content.dhcp_port(3, "node2", "10.0.0.3")
    content.port(5, "10.0.0.50")
    content.port(6, "10.0.0.60")
    with node("node1") as node1, node("node2") as node2, node("node3") as node3:
        fabric = Fabric()
        try:
            ends = [fabric.connect(each, "uplink", "brq11111111-11") for each in (node1, node2, node3)]
            assert node1.want(content) is None and node2.want(content) is None
            first = node3.client("vm1", NETWORK, "fa:16:3e:00:00:05").udhcpc()
            assert first["ip"] == "10.0.0.50" and first["serverid"] in ("10.0.0.2", "10.0.0.3")
            assert sorted(first["dns"].split()) == ["10.0.0.2", "10.0.0.3"]
            fabric.set_link(ends[0], up=False)
            second = node3.client("vm2", NETWORK, "fa:16:3e:00:00:06").udhcpc()
            assert second["ip"] == "10.0.0.60" and second["serverid"] == "10.0.0.3"
        finally:
            fabric.close()
