"""A retired node: netsched-agent-cleanup removes what three kinds of agents left there, and nothing else."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from netsched.agents.kernel import bridging
from netsched.cmd.site import Site

pytestmark = pytest.mark.timeout(180)
NODE = "node-1"
STRANGER = "22222222-2222-4222-8222-222222222222"


class Retired:
    """A node on which all agents ran and are stopped, with what looks like theirs and is not."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.host = site.nodes[NODE].host
        site.bare_host("elsewhere")
        for command in (
            f"ip netns add qrouter-{STRANGER}",
            f"ip netns add qdhcp-{STRANGER}",
            "ip link add brq99999999-99 type bridge",
            "ip link add vxlan-99 type vxlan id 99 dstport 4790 local 127.0.0.1",
            "ip link add tap99999999-99 type veth peer name x",
            "nft add table bridge others",
            "nft add table ip netsched",
        ):
            self.host.run(*command.split())
        self.before = self.traces()

    def use(self) -> None:
        """A network with a port here, behind a router to a flat external network; then the agents stop."""
        site = self.site
        blue = site.create("network", name="blue")["id"]
        subnet = site.create("subnet", network_id=blue, ip_version=4, cidr="10.0.0.0/24")["id"]
        six = {"ip_version": 6, "cidr": "fd00:1::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
        slaac = site.create("subnet", network_id=blue, **six)["id"]
        flat = {"provider__network_type": "flat", "provider__physical_network": "public"}
        world = site.create("network", name="world", router__external=True, **flat)["id"]
        site.create("subnet", network_id=world, ip_version=4, cidr="203.0.113.0/24", enable_dhcp=False)
        router = site.create("router", name="edge", external_gateway_info={"network_id": world})["id"]
        for one in (subnet, slaac):
            site.rest("PUT", f"routers/{router}/add_router_interface", {"subnet_id": one})
        self.port = site.create("port", network_id=blue, name="web-1", binding__host_id=NODE)
        tap = f"tap{self.port['id'][:11]}"
        self.host.run("ip", "link", "add", tap, "type", "veth", "peer", "name", "vm", "address", self.mac)
        self.before[0].update((tap, "vm"))  # the machine's: it stays
        site.wait("the port is up", lambda: site.show("port", self.port["id"])["status"] == "ACTIVE")
        ports = f"ports?device_id={router}"
        site.wait("the router is up", lambda: {p["status"] for p in site.rest("GET", ports)["ports"]} == {"ACTIVE"})
        namespaces = {f"qrouter-{router}", f"qdhcp-{blue}"}
        site.wait("both are served", lambda: namespaces <= self.traces()[1])
        site.wait("radvd runs", lambda: "radvd" in self.traces()[2])
        self.bridge = f"brq{blue[:11]}"
        for child in site.nodes[NODE].agents.values():
            child.terminate()
        for child in site.nodes[NODE].agents.values():
            child.wait(20)

    @property
    def mac(self) -> str:
        return str(self.port["mac_address"])

    def traces(self) -> tuple[set[str], set[str], set[str], str]:
        """Links, namespaces, daemons and tables of the host."""
        links = {line.split()[1].split("@")[0].rstrip(":") for line in self.host.run("ip", "-o", "link").splitlines()}
        namespaces = {line.split()[0] for line in self.host.run("ip", "netns").splitlines()}
        commands = {Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0] for pid in self.host.processes()}
        return links, namespaces, commands & {"dnsmasq", "radvd"}, self.host.run("nft", "list", "tables")

    def cleanup(self, *options: str) -> list[str]:
        """Its lines, without the last, which counts them."""
        config = self.site.directory / "agents" / f"{NODE}-l2.conf"
        program = [sys.executable, "-m", "netsched.cmd.agent_cleanup", f"--config-file={config}", *options]
        *lines, count = self.site.on(NODE, *program).splitlines()
        assert count.split()[0] == str(len(lines))
        return lines


@pytest.fixture
def retired() -> Iterator[Retired]:
    with tempfile.TemporaryDirectory(prefix="netsched-test-") as directory, contextlib.ExitStack() as closing:
        Path(directory).chmod(0o755)
        site = Site(Path(directory), closing)
        site.add_node(NODE, physical=["public"])
        site.wait_for_agents()
        retired = Retired(site)
        retired.use()
        yield retired


def kinds(lines: list[str]) -> dict[str, int]:
    words = [line.rsplit(" ", 1)[0] if line.startswith("nf_tables") else line.split()[0] for line in lines]
    return {word: words.count(word) for word in words}


def test_cleanup_after_all_kinds_removes_all_of_ours_and_nothing_else(retired: Retired) -> None:
    held = retired.traces()
    lines = retired.cleanup("--dry-run")
    assert retired.traces() == held
    found = kinds(lines)
    assert found["nf_tables table bridge"] == 2 and found["nf_tables table inet"] == 1
    assert found["bridge"] == 2 and found["namespace"] == 2
    assert found["dnsmasq"] == 1 and found["radvd"] >= 1 and found["link"] == 5  # DHCP, three of the router, VXLAN
    assert found["directory"] == 2 + 3 + 2  # of the network and the router, the copies, the homes
    assert not any(STRANGER in line for line in lines)
    assert retired.cleanup() == lines
    assert retired.traces() == retired.before
    assert list((retired.site.directory / "agents" / NODE).iterdir()) == []
    assert retired.cleanup() == []


def test_a_bridge_into_which_somebody_put_something_stays(retired: Retired) -> None:
    retired.host.run("ip", "link", "add", "theirs", "type", "veth", "peer", "name", "theirs-2")
    retired.host.run("ip", "link", "set", "theirs", "master", retired.bridge)
    lines = retired.cleanup()
    assert f"bridge {retired.bridge}" not in lines and kinds(lines)["bridge"] == 1
    links = retired.traces()[0] - retired.before[0]
    assert links == {"theirs", "theirs-2", retired.bridge}
    shown = retired.host.run("ip", "-d", "link", "show", retired.bridge)
    assert f"alias {bridging.ALIAS}" in shown
