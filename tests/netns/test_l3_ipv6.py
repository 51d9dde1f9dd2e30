"""IPv6: hosts get addresses and a default route from the router's advertisements, and it forwards without NAT."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.fakes.router_content import EXTERNAL, RouterContent
from tests.netns.hosts import wait_for
from tests.netns.l3_hosts import Machine, RouterNode, router_node


@pytest.fixture
def node() -> Iterator[RouterNode]:
    with router_node() as made:
        yield made


def ipv6_router(mode: str) -> RouterContent:
    router = RouterContent()
    router.network(1, mtu=1400)
    router.subnet(1, 1, "fd00:1::/64", ipv6_ra_mode=mode, ipv6_address_mode=mode, dns_nameservers=["fd00:d::53"])
    router.interface(1, 1, "fd00:1::1")
    router.network(EXTERNAL)
    router.subnet(EXTERNAL, EXTERNAL, "fd00:e::/64")
    router.gateway(EXTERNAL, "fd00:e::10")
    return router


def ready(machine: Machine) -> Machine:
    """It may speak when it knows that nobody else has its link-local address."""
    wait_for(lambda: "tentative" not in machine.run("ip -6 addr show eth0"), 10)
    return machine


def own_address(machine: Machine) -> str:
    return machine.run("ip -6 -o addr show eth0 scope global").split("inet6 ")[-1].split("/")[0].strip()


def test_a_host_makes_itself_an_address_and_reaches_the_world(node: RouterNode) -> None:
    router = ipv6_router("slaac")
    assert node.want(router) is None
    host = node.machine("host", 1, 0x05)
    wait_for(lambda: own_address(host) == "fd00:1::f816:3eff:feff:5", 20)
    assert "default via fe80::f816:3eff:fe01:1 dev eth0 proto ra" in host.run("ip -6 route")
    assert host.run("cat /proc/sys/net/ipv6/conf/eth0/mtu").strip() == "1400"
    world = node.machine("world", EXTERNAL, 0x99, "fd00:e::1/64")
    world.run("ip -6 route add fd00:1::/64 via fd00:e::10")
    host.ping("fd00:e::1", within=20)
    world.ping(own_address(host))
    inner, _ = router.content["network"].values()
    inner["ipv6_address_scope"] = "one"
    assert node.want(router) is None
    assert not host.reaches("fd00:e::1") and not world.reaches(own_address(host)), "out of its scope"
    inner["ipv6_address_scope"] = None
    assert node.want(router) is None
    host.ping("fd00:e::1")
    said = host.run("rdisc6 -1 eth0")
    assert "fd00:d::53" in said
    assert _flags(said) == {"Stateful address conf.": "No", "Stateful other conf.": "No"}


@pytest.mark.parametrize(
    ("mode", "managed", "other", "autonomous"),
    [("dhcpv6-stateless", "No", "Yes", "Yes"), ("dhcpv6-stateful", "Yes", "Yes", "No")],
)
def test_flags_of_the_modes(node: RouterNode, mode: str, managed: str, other: str, autonomous: str) -> None:
    assert node.want(ipv6_router(mode)) is None
    host = ready(node.machine("host", 1, 0x05))
    said = host.run("rdisc6 -1 eth0")
    assert _flags(said) == {"Stateful address conf.": managed, "Stateful other conf.": other}
    assert _value(said, "Autonomous address conf.") == autonomous


def _flags(said: str) -> dict[str, str]:
    return {name: _value(said, name) for name in ("Stateful address conf.", "Stateful other conf.")}


def _value(said: str, name: str) -> str:
    (line,) = (line for line in said.splitlines() if line.strip().startswith(name))
    return line.rpartition(":")[2].strip()


def test_a_change_is_advertised_by_the_same_process_and_a_killed_one_is_replaced(node: RouterNode) -> None:
    router = ipv6_router("slaac")
    node.want(router)
    pid = node.radvd_pid(router)
    host = ready(node.machine("host", 1, 0x05))
    next(iter(router.content["subnet"].values()))["dns_nameservers"] = ["fd00:d::54"]
    assert node.want(router) is None
    wait_for(lambda: "fd00:d::54" in host.run("rdisc6 -1 -r 1 -w 5000 eth0"), 20)
    assert node.radvd_pid(router) == pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: "radvd does not run" in node.log(), 10)
    wait_for(lambda: (node.directory / "l3" / router.id / "pid").exists() and node.radvd_pid(router) != pid, 10)
    wait_for(lambda: "fd00:d::54" in host.run("rdisc6 -1 -r 3 -w 5000 eth0"), 20)


def test_no_advertisements_any_more_and_no_process(node: RouterNode) -> None:
    router = ipv6_router("slaac")
    node.want(router)
    pid = node.radvd_pid(router)
    next(iter(router.content["subnet"].values()))["ipv6_ra_mode"] = None
    assert node.want(router) is None
    wait_for(lambda: pid not in node.processes(), 10)
    assert node.want(router, held=False) is None
    assert node.actual() == []
