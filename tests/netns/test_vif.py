"""netsched-vif against a real deployment: what it makes, what it says, what it takes away."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netsched import errors
from netsched.agents.kernel import plug
from netsched.cmd import vif
from netsched.cmd.site import Site

pytestmark = pytest.mark.xdist_group("vif")
NODE = "node-1"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="netsched-test-") as directory, contextlib.ExitStack() as closing:
        Path(directory).chmod(0o755)
        made = Site(Path(directory), closing)
        made.add_node(NODE, kinds=("dhcp", "l2"))
        made.wait_for_agents()
        yield made


@pytest.fixture
def port(site: Site) -> dict[str, Any]:
    network = site.create("network", name="blue")
    site.create("subnet", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
    return site.create("port", network_id=network["id"])


def links(site: Site) -> str:
    return site.on(NODE, "ip", "-br", "link")


def host_of(site: Site, port: dict[str, Any]) -> str:
    return str(site.show("port", port["id"])["binding:host_id"])


def test_a_namespace_with_the_ports_addresses(site: Site, port: dict[str, Any]) -> None:
    address, namespace = port["fixed_ips"][0]["ip_address"], f"vif-{port['id'][:11]}"
    said = site.vif(NODE, "plug", port["id"], "--wait", "30")
    assert said.strip() == (
        f"port {port['id']}: eth0 in namespace {namespace} on {NODE}, {port['mac_address']} {address}/24"
    )
    assert site.show("port", port["id"])["status"] == "ACTIVE"
    inside = site.inside(NODE, namespace, "ip addr show dev eth0") + site.inside(NODE, namespace, "ip route")
    for part in (f"inet {address}/24", port["mac_address"], "mtu 1450", "default via 10.0.0.1 dev eth0"):
        assert part in inside
    assert site.vif(NODE, "plug", port["id"], "--wait", "30") == said  # again: nothing more to do
    site.vif(NODE, "unplug", port["id"])
    assert namespace not in site.on(NODE, "ip", "netns")
    assert plug.tap(port["id"]) not in links(site) and host_of(site, port) == ""
    assert "not plugged here" in site.vif(NODE, "unplug", port["id"])


def test_a_namespace_of_ones_own_stays_and_may_ask_for_its_address(site: Site, port: dict[str, Any]) -> None:
    site.on(NODE, "ip", "netns", "add", "mine")
    site.vif(NODE, "plug", port["id"], "--namespace", "mine", "--address", "none", "--wait", "30")
    assert "inet " not in site.inside(NODE, "mine", "ip addr show dev eth0")
    site.inside(NODE, "mine", "dhcpcd -4 --noarp -1 -B -t 8 -c /bin/true eth0")
    assert f"inet {port['fixed_ips'][0]['ip_address']}/24" in site.inside(NODE, "mine", "ip addr show dev eth0")
    second = site.create("port", network_id=port["network_id"])
    assert "eth1 in namespace mine" in site.vif(NODE, "plug", second["id"], "--namespace", "mine")
    for one in (port, second):
        site.vif(NODE, "unplug", one["id"])
    assert "mine" in site.on(NODE, "ip", "netns")


def test_a_tap_device(site: Site, port: dict[str, Any]) -> None:
    site.vif(NODE, "plug", port["id"], "--tap", "--wait", "30")
    assert "tun type tap" in site.on(NODE, "ip", "-d", "link", "show", plug.tap(port["id"]))
    site.rest("DELETE", f"ports/{port['id']}")
    site.vif(NODE, "unplug", port["id"])  # also of a port that is deleted
    assert plug.tap(port["id"]) not in links(site)


def test_why_a_port_cannot_be_bound(site: Site) -> None:
    flat = {"provider:network_type": "flat", "provider:physical_network": "nowhere"}
    port = site.create("port", network_id=site.create("network", **flat)["id"])
    before = links(site)
    with pytest.raises(errors.Unavailable, match=f"port {port['id']} cannot be bound to {NODE}: .*nowhere"):
        site.vif(NODE, "plug", port["id"])
    assert links(site) == before
    with pytest.raises(errors.Unavailable, match="not ACTIVE within 1 s: port .* cannot be bound"):
        site.vif(NODE, "plug", port["id"], "--wait", "1")
    site.vif(NODE, "unplug", port["id"])
    assert links(site) == before


def test_what_is_still_missing(site: Site, port: dict[str, Any]) -> None:
    site.rest("PUT", f"ports/{port['id']}", {"port": {"admin_state_up": False}})
    with pytest.raises(errors.Unavailable, match="not ACTIVE within 1 s: the port's admin_state_up is false"):
        site.vif(NODE, "plug", port["id"], "--wait", "1")
    site.vif(NODE, "unplug", port["id"])
    site.rest("PUT", f"ports/{port['id']}", {"port": {"admin_state_up": True}})
    site.kill(NODE, "l2")
    with pytest.raises(errors.Unavailable, match=f"the L2 agent on {NODE} has not wired it"):
        site.vif(NODE, "plug", port["id"], "--wait", "1")
    site.restart(NODE, "l2")
    site.vif(NODE, "plug", port["id"], "--wait", "30")
    site.vif(NODE, "unplug", port["id"])


@pytest.mark.parametrize("words", [["plug", "not-an-id"], ["plug", "--namespace", "../x", "0" * 8], ["plug"], []])
def test_wrong_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        vif.main(words)
    assert ended.value.code == 2 and "usage: netsched-vif" in capsys.readouterr().err
