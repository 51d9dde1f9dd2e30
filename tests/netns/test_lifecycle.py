"""Coming, moving and going: what is left on a host afterwards, and what a client notices."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from netsched.agents.kernel.host import Fabric
from tests.fakes.content import NETWORK, NetworkContent
from tests.netns.hosts import ROOT, Node, node, wait_for
from tests.netns.test_supervision import one_network


@pytest.fixture
def node1() -> Iterator[Node]:
    with node("node1", lease_time=600) as made:
        yield made


def traces(node1: Node) -> tuple[str, str, list[str], list[str]]:
    """Links, namespaces, dnsmasq processes and files of a host."""
    links = "\n".join(line.split()[1] for line in node1.run("ip", "-o", "link").splitlines())
    commands = [pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0] for pid in node1.processes()]
    files = sorted(str(p.relative_to(node1.directory)) for p in node1.directory.rglob("*") if p.name != "driver.log")
    return links, node1.run("ip", "netns"), [c for c in commands if c == "dnsmasq"], files


def test_removal_leaves_nothing(node1: Node) -> None:
    before = traces(node1)
    node1.want(one_network(1))
    node1.want(one_network(2))
    assert len(node1.actual()) == 2
    for number in (1, 2):
        assert node1.want(one_network(number), held=False) is None
    assert node1.actual() == []
    assert traces(node1) == before


def test_a_network_whose_dhcp_port_left_this_host_goes_too(node1: Node) -> None:
    before = traces(node1)
    content = one_network()
    node1.want(content)
    content.dhcp_port(101, "elsewhere", "10.0.0.2")
    assert node1.want(content) is None
    assert traces(node1) == before


def test_removal_after_a_restart_and_of_the_unknown(node1: Node) -> None:
    before = traces(node1)
    node1.want(one_network())
    node1.kill_driver()
    node1.start_driver()
    assert node1.want(one_network(), held=False) is None
    assert node1.want(one_network(), held=False) is None
    assert traces(node1) == before


def test_a_bridge_with_other_ports_stays(node1: Node) -> None:
    node1.want(one_network())
    node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    node1.want(one_network(), held=False)
    links = node1.run("ip", "link")
    assert "brq11111111-11" in links and "tap" not in links
    assert node1.want(one_network()) is None


def test_another_dhcp_port_replaces_the_first(node1: Node) -> None:
    content = one_network()
    node1.want(content)
    content.without_port(101)
    content.dhcp_port(102, "node1", "10.0.0.3")
    assert node1.want(content) is None
    inside = node1.run("ip", "-n", f"qdhcp-{NETWORK}", "addr")
    assert "10.0.0.3/24" in inside and "10.0.0.2/24" not in inside and inside.count(": ns-") == 1
    assert node1.client("vm1", NETWORK, "fa:16:3e:00:00:05").udhcpc()["serverid"] == "10.0.0.3"


ONE = ["dnsmasq", "link", "namespace", "directory", "bridge"]


def cleanup(node1: Node, dry_run: bool) -> list[str]:
    code = (
        "import pathlib, sys; from netsched.agents.cleanup import cleanup\n"
        "from netsched.agents.l2.compute import Settings\n"
        "print('\\n'.join(cleanup(pathlib.Path(sys.argv[1]), Settings('node1'), sys.argv[2] == 'True')))"
    )
    argv = [sys.executable, "-c", code, str(node1.directory), str(dry_run)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = node1.popen(argv, env=environment, stdout=subprocess.PIPE, text=True)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return out.split("\n")[:-1] if out.strip() else []


def test_cleanup_removes_all_of_ours_and_nothing_else(node1: Node) -> None:
    # Things that look like ours and are not.
    node1.run("ip", "netns", "add", "qdhcp-22222222-2222-4222-8222-222222222222")
    node1.run("ip", "link", "add", "brq99999999-99", "type", "bridge")
    node1.run("ip", "link", "add", "tap99999999-99", "type", "veth", "peer", "name", "x")
    node1.run("dnsmasq", "--conf-file=/dev/null", "--port=0", "--pid-file")
    before = traces(node1)
    node1.want(one_network())
    (node1.directory / "wanted").mkdir()
    node1.kill_driver()
    held = traces(node1)
    lines = cleanup(node1, dry_run=True)
    assert traces(node1) == held
    assert [line.split()[0] for line in lines] == [*ONE, "directory", "directory"]
    assert cleanup(node1, dry_run=False) == lines
    links, namespaces, processes, files = traces(node1)
    assert (links, namespaces, processes) == before[:3] and files == []
    assert cleanup(node1, dry_run=False) == []


def test_a_client_renews_by_unicast_after_a_move() -> None:
    """The DHCP port moves with its MAC and address; the old host is cut off with its dnsmasq still running."""
    with node("node1", lease_time=120) as node1, node("node2", lease_time=120) as node2:
        fabric = Fabric()
        try:
            bridge = "brq11111111-11"
            first = fabric.connect(node1, "uplink", bridge)
            fabric.connect(node2, "uplink", bridge)
            content = NetworkContent()
            content.subnet(1, "10.0.0.0/24")
            content.dhcp_port(2, "node1", "10.0.0.2")
            content.port(5, "10.0.0.50")
            assert node1.want(content) is None
            client = node2.client("vm1", NETWORK, "fa:16:3e:00:00:05")
            log = node2.directory / "udhcpc.log"
            script = node2.directory / "client-vm1" / "udhcpc.sh"
            with open(log, "w") as output:
                daemon = node2.popen(
                    ["ip", "netns", "exec", "vm1", "udhcpc", "-f", "-i", "eth0", "-s", str(script)],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            wait_for(lambda: "10.0.0.50 obtained" in log.read_text(), 5)
            fabric.set_link(first, up=False)
            node1.kill_driver()
            content.dhcp_port(2, "node2", "10.0.0.2")
            assert node2.want(content) is None
            daemon.send_signal(signal.SIGUSR1)  # renew now, by unicast to the server that gave the lease
            wait_for(lambda: log.read_text().count("10.0.0.50 obtained") == 2, 10)
            assert log.read_text().count("sending discover") + log.read_text().count("broadcasting discover") == 1
            assert client.resolve("host-10-0-0-50", "10.0.0.2") == ["10.0.0.50"]
            assert "10.0.0.50" in node2.leases(NETWORK)
            daemon.kill()
            daemon.wait()
            # The old host comes back, learns that it lost the network, and its dnsmasq goes.
            fabric.set_link(first, up=True)
            node1.start_driver()
            assert node1.actual() == [content.scope]
            assert node1.want(content, held=False) is None
            assert node1.actual() == []
            assert client.udhcpc()["serverid"] == "10.0.0.2"
        finally:
            fabric.close()
