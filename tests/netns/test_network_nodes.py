"""Network nodes that fail: routers and DHCP go elsewhere, nobody answers twice, and the tenant's traffic goes on."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netsched import errors
from netsched.agents.kernel.host import Host
from netsched.cmd.site import Site
from tests.netns.cable import Cable
from tests.netns.hosts import wait_for

pytestmark = pytest.mark.timeout(180)
NODES = ("net-1", "net-2")
GATEWAY = "10.0.0.1"


@contextlib.contextmanager
def site_with(physical: dict[str, tuple[str, ...]]) -> Iterator[Site]:
    """Two network nodes with these uplinks, and a compute node."""
    with tempfile.TemporaryDirectory(prefix="netsched-test-") as directory, contextlib.ExitStack() as closing:
        Path(directory).chmod(0o755)
        site = Site(Path(directory), closing)
        for name in NODES:
            site.add_node(name, ("dhcp", "l3", "l2"), physical=physical[name])
        site.add_node("cmp-1", ("l2",))
        site.wait_for_agents()
        yield site


def external(site: Site, name: str, prefix: str) -> tuple[dict[str, Any], Host]:
    """An external network on the physical one of that name, and a machine of the world on it."""
    world = site.outside(name, f"{prefix}.1/24")
    network = site.create(
        "network", name=name, router__external=True, provider__network_type="flat", provider__physical_network=name
    )
    site.create(
        "subnet",
        network_id=network["id"],
        ip_version=4,
        cidr=f"{prefix}.0/24",
        gateway_ip=f"{prefix}.1",
        enable_dhcp=False,
        allocation_pools=[{"start": f"{prefix}.100", "end": f"{prefix}.199"}],
    )
    return network, world


def reaches(world: Host, address: str) -> bool:
    with contextlib.suppress(errors.Unavailable):
        world.run("ping", "-c", "1", "-w", "1", address)
        return True
    return False


class Blue:
    """A network with one machine on cmp-1."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.network = site.create("network", name="blue")
        self.subnet = site.create("subnet", network_id=self.network["id"], ip_version=4, cidr="10.0.0.0/24")
        self.port = site.create("port", network_id=self.network["id"], name="web-1")
        site.let_in("icmp")
        site.plug(self.port["id"], "cmp-1", "web-1")
        self.address = self.port["fixed_ips"][0]["ip_address"]

    def attach(self, router: dict[str, Any], **body: Any) -> None:
        self.site.rest("PUT", f"routers/{router['id']}/add_router_interface", body or {"subnet_id": self.subnet["id"]})

    def run(self, command: str, timeout: float = 60.0) -> str:
        return self.site.inside("cmp-1", "web-1", command, timeout)

    def answerers(self, address: str, asked: int = 3) -> float:
        """How many answers there are to one ARP request for the address, on average of three; two may be as few as 1.5,
        since arping stops when it has as many answers as it wanted to ask."""
        # With other than one answer to each request arping calls it a failure.
        said = self.run(f"sh -c 'arping -c {asked} -w {asked + 2} -I eth0 {address} || true'")
        sent, received = re.findall(r"(?:Sent|Received) (\d+)", said)[:2]
        return int(received) / int(sent)

    def offers(self) -> int:
        """How many DHCP offers one DISCOVER brings."""
        return int(self.run(f"{sys.executable} {Path(__file__).with_name('dhcp_offers.py')} eth0"))


class Ping:
    """Ten a second in the background, from the machine to an address."""

    def __init__(self, blue: Blue, address: str) -> None:
        command = f"ping -D -O -i 0.1 {address}"
        self._process = blue.site.popen("cmp-1", "web-1", command, stdout=subprocess.PIPE, text=True)

    def longest_gap(self) -> float:
        """Ends it. Seconds between two answers, at most."""
        self._process.send_signal(2)
        assert self._process.stdout is not None
        times = [float(at) for at in re.findall(r"^\[([\d.]+)\] \d+ bytes from", self._process.stdout.read(), re.M)]
        self._process.wait()
        return max(later - earlier for earlier, later in zip(times, times[1:], strict=False))


def test_agents_die_while_their_host_lives(capsys: pytest.CaptureFixture[str]) -> None:
    """The hardest case for the wire: what the dead agents set up is still there, and would answer."""
    with site_with({name: ("public",) for name in NODES}) as site:
        network, world = external(site, "public", "203.0.113")
        blue = Blue(site)
        router = site.create("router", name="edge", external_gateway_info={"network_id": network["id"]})
        blue.attach(router)
        floating = site.create("floatingip", floating_network_id=network["id"], port_id=blue.port["id"])
        public = floating["floating_ip_address"]
        wait_for(lambda: reaches(world, public), 30)
        wait_for(lambda: blue.offers() == 1, 30)
        lost = str(site.holder("router", router["id"]))
        ping = Ping(blue, "203.0.113.1")
        time.sleep(1)
        site.kill(lost, "l3")
        wait_for(lambda: site.holder("router", router["id"]) not in (None, lost), 30)
        moved = time.monotonic()
        wait_for(lambda: blue.answerers(GATEWAY) == 1.0, 10)
        wait_for(lambda: blue.answerers(GATEWAY) == 1.0 and reaches(world, public), 20)
        said = world.run("arping", "-c", "3", "-w", "5", "-I", "eth0", public)
        assert re.search(r"Received 3 response", said), said
        single = time.monotonic() - moved
        gap = ping.longest_gap()

        holder = str(site.holder("network", blue.network["id"]))
        site.kill(holder, "dhcp")
        wait_for(lambda: site.holder("network", blue.network["id"]) not in (None, holder), 30)
        wait_for(lambda: blue.offers() == 1, 10)
        with capsys.disabled():
            print(f"\nL3 agent killed: longest gap of a ping {gap:.1f} s; one answerer {single:.1f} s after the move")
        assert gap < 30


LEASE, BEAT = 4.0, 1.0  # s, at the site's interval


@contextlib.contextmanager
def site_on_a_cable(on_lease_lost: str) -> Iterator[tuple[Site, Blue, dict[str, Any], Cable]]:
    """Network and router are on net-1, whose agents reach the server by a cable of their own; net-2 could take them.

    A machine on each host: what is asked anywhere on the network reaches all of them.
    """
    with tempfile.TemporaryDirectory(prefix="netsched-test-") as directory, contextlib.ExitStack() as closing:
        Path(directory).chmod(0o755)
        site = Site(Path(directory), closing)
        cable = Cable(Path(directory) / "cable", Path(directory) / "netsched.sock")
        closing.callback(cable.close)
        more: dict[str, dict[str, Any]] = {kind: {"on_lease_lost": on_lease_lost} for kind in ("dhcp", "l3")}
        more["messaging"] = {"transport": f"unix://{directory}/cable"}
        site.add_node("net-1", ("dhcp", "l3", "l2"), more=more)
        site.add_node("cmp-1", ("l2",))
        site.wait_for_agents()
        blue = Blue(site)
        router = site.create("router", name="edge")
        blue.attach(router)
        wait_for(lambda: blue.answerers(GATEWAY) == 1.0 and blue.offers() == 1, 40)
        site.add_node("net-2", ("dhcp", "l3", "l2"))
        site.wait_for_agents()
        for node in NODES:
            port = site.create("port", network_id=blue.network["id"])
            site.plug(port["id"], node, f"on-{node}")
        yield site, blue, router, cable


@pytest.mark.parametrize("on_lease_lost", ["stop", "keep"])
def test_agents_cut_off_from_the_server(on_lease_lost: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Their host lives, its wires too, and its L2 agent is as deaf as they are: only they themselves can end it."""
    with site_on_a_cable(on_lease_lost) as (site, blue, router, cable):
        held = ("network", blue.network["id"]), ("router", router["id"])
        assert [site.holder(*one) for one in held] == ["net-1", "net-1"]
        cable.cut()
        cut, moved = time.monotonic(), float("inf")
        doubles: list[float] = []  # when something was answered twice
        while time.monotonic() < min(moved + 2 * LEASE, cut + 90):
            asked = time.monotonic()
            if blue.answerers(GATEWAY, asked=2) > 1 or blue.offers() > 1:
                doubles += [asked, time.monotonic()]
            if moved == float("inf") and all(site.holder(*one) == "net-2" for one in held):
                moved = time.monotonic()
        assert moved < float("inf")
        both = max(doubles, default=0.0) - min(doubles, default=0.0)
        with capsys.disabled():
            print(f"\n{on_lease_lost}, cut off: moved after {moved - cut:.1f} s, two answered for {both:.1f} s")
        if on_lease_lost == "keep":
            assert blue.answerers(GATEWAY) >= 1.5 and blue.offers() == 2, "what the other setting is for"
            return
        assert both <= LEASE + BEAT
        assert blue.answerers(GATEWAY) == 1.0 and blue.offers() == 1
        cable.join()
        for kind in ("DHCP agent", "L3 agent"):
            wait_for(lambda k=kind: site.agent("net-1", k)["state"] == "alive", 30)
        time.sleep(3 * BEAT)
        assert blue.answerers(GATEWAY) == 1.0 and blue.offers() == 1


def test_two_uplinks_on_two_nodes_carry_a_machines_two_floating_ips() -> None:
    with site_with({"net-1": ("isp1",), "net-2": ("isp2",)}) as site:
        blue = Blue(site)
        ways = []
        for name, prefix, interface in (("isp1", "203.0.113", None), ("isp2", "198.51.100", "10.0.0.254")):
            network, world = external(site, name, prefix)
            router = site.create("router", name=name, external_gateway_info={"network_id": network["id"]})
            if interface is None:
                blue.attach(router)
            else:
                fixed = [{"subnet_id": blue.subnet["id"], "ip_address": interface}]
                port = site.create("port", network_id=blue.network["id"], fixed_ips=fixed)
                blue.attach(router, port_id=port["id"])
            floating = site.create("floatingip", floating_network_id=network["id"], port_id=blue.port["id"])
            ways.append((router, world, floating["floating_ip_address"]))
        for _, world, public in ways:
            wait_for(lambda w=world, p=public: reaches(w, p), 40)
        assert [site.holder("router", router["id"]) for router, _, _ in ways] == ["net-1", "net-2"]
        for _, world, public in ways:  # both at once
            assert reaches(world, public)
        site.cut_off("net-1")
        for kind in ("dhcp", "l3", "l2"):
            site.kill("net-1", kind)
        _, second, public = ways[1]
        until = time.monotonic() + 8
        while time.monotonic() < until:
            assert reaches(second, public)
            time.sleep(0.2)
        reasons = site.rest("GET", f"routers/{ways[0][0]['id']}/binding-reasons")["binding_reasons"]
        assert "reach" in str(reasons), "nobody else can take the first router, and that is said"
