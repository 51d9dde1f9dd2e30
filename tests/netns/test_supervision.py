"""Whatever happens to dnsmasq, the agent or the host: service comes back, and leases are kept."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from netsched.agents.kernel import process
from tests.fakes.content import NETWORK, NetworkContent, option
from tests.netns.hosts import Client, Node, node, wait_for

HEALED_WITHIN = 5.0  # s


@pytest.fixture
def node1() -> Iterator[Node]:
    with node("node1", lease_time=600) as made:
        yield made


def one_network(number: int = 1) -> NetworkContent:
    content = NetworkContent(f"{number}1111111-1111-4111-8111-111111111111")
    content.subnet(1, "10.0.0.0/24")
    content.dhcp_port(number + 100, "node1", "10.0.0.2")
    content.port(5, "10.0.0.50")
    return content


def served(node1: Node) -> Client:
    """A client with a lease from one_network()."""
    assert node1.want(one_network()) is None
    client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    assert client.udhcpc()["ip"] == "10.0.0.50"
    return client


def healthy(node1: Node, other_than: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ValueError):
        pid = node1.dnsmasq_pid(NETWORK)
        found = process.find(pid)
        return pid != other_than and found is not None and not found.stopped
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV])
def test_it_heals_and_keeps_its_leases(node1: Node, number: signal.Signals) -> None:
    client = served(node1)
    pid = node1.dnsmasq_pid(NETWORK)
    os.kill(pid, number)
    wait_for(lambda: healthy(node1, pid), HEALED_WITHIN)
    assert process.find(pid) is None
    assert "10.0.0.50" in node1.leases(NETWORK)
    assert client.udhcpc()["ip"] == "10.0.0.50"


def test_it_heals_from_the_crash_at_sighup(node1: Node) -> None:
    """dnsmasq 2.90 dies when it rereads a tagged host that has a lease; we write none, so the test does."""
    client = served(node1)
    pid = node1.dnsmasq_pid(NETWORK)
    hosts = node1.directory / "dhcp" / NETWORK / "hosts"
    hosts.write_text("fa:16:3e:00:00:05,set:port-x,host-10-0-0-50,10.0.0.50\n")
    os.kill(pid, signal.SIGHUP)
    client.udhcpc()  # the lease now refers to the tag
    os.kill(pid, signal.SIGHUP)
    wait_for(lambda: process.find(pid) is None, 2)
    wait_for(lambda: healthy(node1, pid), HEALED_WITHIN)
    assert "set:" not in hosts.read_text()
    assert "10.0.0.50" in node1.leases(NETWORK)
    assert client.udhcpc()["ip"] == "10.0.0.50"


def test_a_reload_with_tagged_ports_and_leases_is_no_crash(node1: Node) -> None:
    content = one_network()
    content.port(5, "10.0.0.50", options=[option("ntp-server", "10.0.0.77")])
    node1.want(content)
    client = node1.client("vm1", NETWORK, "fa:16:3e:00:00:05")
    client.udhcpc()
    pid = node1.dnsmasq_pid(NETWORK)
    for number in range(10, 15):
        content.port(number, f"10.0.0.{number}")
        assert node1.want(content) is None
        assert client.udhcpc()["ntpsrv"] == "10.0.0.77"
    assert node1.dnsmasq_pid(NETWORK) == pid


def test_a_crash_loop_backs_off_and_is_reported(node1: Node) -> None:
    served(node1)
    killed = []
    for _ in range(4):
        pid = node1.dnsmasq_pid(NETWORK)
        killed.append(pid)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: healthy(node1, pid), 15)  # type: ignore[misc]
    assert len(set(killed)) == 4
    assert "dnsmasq does not run, again and again" in node1.faults()


def test_what_dnsmasq_says_becomes_the_error() -> None:
    with node("node1", dns_servers=["not an address"]) as broken:
        error = broken.want(one_network())
    assert error is not None and error.startswith("dnsmasq failed: ") and "bad" in error


def test_dnsmasq_outlives_the_agent_and_is_taken_over(node1: Node) -> None:
    client = served(node1)
    pid = node1.dnsmasq_pid(NETWORK)
    node1.kill_driver()
    assert client.udhcpc()["ip"] == "10.0.0.50", "leases do not depend on the agent"
    assert os.getsid(pid) == pid or os.getsid(pid) != os.getsid(0)
    node1.start_driver()
    assert node1.actual() == [f"network/{NETWORK}"]
    assert node1.want(one_network()) is None
    assert node1.dnsmasq_pid(NETWORK) == pid
    assert client.udhcpc()["ip"] == "10.0.0.50"


def test_a_change_made_while_the_agent_was_away_is_served(node1: Node) -> None:
    client = served(node1)
    pid = node1.dnsmasq_pid(NETWORK)
    node1.kill_driver()
    node1.start_driver()
    content = one_network()
    content.port(5, "10.0.0.55")
    node1.want(content)
    assert node1.dnsmasq_pid(NETWORK) == pid
    assert client.udhcpc()["ip"] == "10.0.0.55"


def test_a_lost_pid_file_does_not_make_two(node1: Node) -> None:
    served(node1)
    pid = node1.dnsmasq_pid(NETWORK)
    (node1.directory / "dhcp" / NETWORK / "pid").unlink()
    wait_for(lambda: healthy(node1, pid), HEALED_WITHIN)
    assert process.find(pid) is None


def test_after_a_reboot_everything_is_rebuilt(node1: Node) -> None:
    served(node1)
    pid = node1.dnsmasq_pid(NETWORK)
    node1.kill_driver()
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: process.find(pid) is None, 2)
    # The namespaces and links of a host end with it; the disk stays.
    node1.run("sh", "-c", f"umount /run/netns/qdhcp-{NETWORK} && rm /run/netns/qdhcp-{NETWORK}")
    node1.run("ip", "netns", "del", "vm1")
    wait_for(lambda: "tap" not in node1.run("ip", "link"), 5)
    node1.run("ip", "link", "del", "brq11111111-11")
    node1.start_driver()
    assert node1.actual() == [f"network/{NETWORK}"], "the directory says that something was here"
    assert node1.want(one_network()) is None
    assert "10.0.0.50" in node1.leases(NETWORK)
    client = node1.client("vm2", NETWORK, "fa:16:3e:00:00:05")
    assert client.udhcpc()["ip"] == "10.0.0.50"


@pytest.mark.parametrize(
    "damage",
    [
        "ip link del tap00000065-00",
        f"ip -n qdhcp-{NETWORK} addr del 10.0.0.2/24 dev ns-00000065-00",
        "ip link set tap00000065-00 nomaster",
        "ip link set brq11111111-11 down",
        f"ip -n qdhcp-{NETWORK} link set ns-00000065-00 down",
        f"umount /run/netns/qdhcp-{NETWORK}",
    ],
)
def test_damage_is_repaired_at_the_next_apply(node1: Node, damage: str) -> None:
    client = served(node1)
    node1.run("sh", "-c", damage)
    assert node1.want(one_network()) is None
    assert client.udhcpc()["ip"] == "10.0.0.50"
