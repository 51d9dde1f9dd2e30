"""Flat networks: machines on a physical wire, and what stands in the way of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from netsched.agents.kernel.host import Host
from tests.fakes.content import uuid
from tests.netns.hosts import ROOT, as_in_the_unit, wait_for
from tests.netns.l2_hosts import L2Node, SegmentContent, hosts, tell, wait_active

MAPPING = {"physnet1": "eth1"}


def flat() -> SegmentContent:
    network = SegmentContent(1, "flat", mtu=1500)
    network.subnet(1, "192.0.2.0/24")
    return network


def test_machines_and_the_world_share_the_wire() -> None:
    with hosts(2, interfaces=MAPPING) as (one, two):
        network = flat()
        network.bound(1, one, "192.0.2.1")
        tell([one, two], network)
        machine = one.vm(network, 1)
        wait_active(one, network, 1)
        two.run("ip", "addr", "add", "192.0.2.99/24", "dev", "eth1")  # any machine on the wire
        assert machine.reaches("192.0.2.99", "-M", "do", "-s", str(1500 - 28))
        assert one.run("ls", "/sys/class/net/brq00000001-00/brif").split() == ["eth1", machine.tap]
        assert one.want(network, held=False) is None
        assert "master" not in one.run("ip", "link", "show", "eth1")
        assert not machine.reaches("192.0.2.99")


def test_an_interface_in_use_by_others_is_left_to_them() -> None:
    with hosts(1, interfaces=MAPPING) as (one,):
        one.run("ip", "link", "add", "theirs", "type", "bridge")
        one.run("ip", "link", "set", "eth1", "master", "theirs")
        network = flat()
        network.bound(1, one, "192.0.2.1")
        assert one.want(network) == "eth1 is in theirs already"
        one.run("ip", "link", "set", "eth1", "nomaster")
        wait_for(lambda: "master brq00000001-00" in one.run("ip", "link", "show", "eth1"), 15)


def test_ports_of_a_network_that_this_host_does_not_reach_are_wired_among_themselves() -> None:
    with hosts(1) as (one,):
        network = flat()
        network.bound(1, one, "192.0.2.1")
        network.bound(2, one, "192.0.2.2")
        error = one.want(network)
        assert error == "other hosts are not reached: this host has no interface in physical network physnet1"
        machine = one.vm(network, 1)
        one.vm(network, 2)
        one.want(network)
        wait_for(lambda: machine.reaches("192.0.2.2"), 10)
        assert one.states(network).get(f"port/{uuid(1, 2)}") is None  # and nothing is said of them


_ASK = """
import json, sys
from netsched.agents.l2 import ability
from netsched.agents.l2.compute import Settings
print(json.dumps(ability.problems(Settings("any", **json.loads(sys.argv[1])))))
"""


def ask(host: Host, **settings: object) -> dict[str, str | None]:
    process = host.popen(
        ["env", f"PYTHONPATH={ROOT}", *as_in_the_unit(L2Node.UNIT), sys.executable, "-c", _ASK, json.dumps(settings)],
        stdout=subprocess.PIPE,
        text=True,
    )
    answer: dict[str, str | None] = json.loads(process.communicate(timeout=30)[0])
    return answer


@pytest.mark.parametrize("addressed", [False, True])
def test_a_host_finds_out_what_it_can_serve(addressed: bool) -> None:
    host = Host("host")
    try:
        host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        host.run("ip", "addr", "add", "172.30.0.1/24", "dev", "eth0")
        if addressed:
            host.run("ip", "addr", "add", "192.0.2.1/24", "dev", "eth1")
        links = host.run("ip", "-br", "link")
        found = ask(host, local_ip="172.30.0.1", interfaces={"one": "eth1", "two": "eth7"})
        assert host.run("ip", "-br", "link") == links  # trying left nothing
        assert found["vxlan"] is None
        if addressed:
            assert found["flat:one"] is not None and "eth1 has the address 192.0.2.1/24" in found["flat:one"]
        else:
            assert found["flat:one"] is None
        assert found["flat:two"] == "there is no interface eth7 on this host"
        assert found["vlan:two"] is not None and ("eth7" in found["vlan:two"] or "8021q" in found["vlan:two"])
        assert ask(host, local_ip="172.30.0.2") == {"vxlan": "local_ip 172.30.0.2 is no address of this host"}
        assert ask(host) == {"vxlan": "[linux_bridge] local_ip is not set"}
        assert ask(host, local_ip="x") == {"vxlan": "local_ip x is no address"}
    finally:
        host.close()
