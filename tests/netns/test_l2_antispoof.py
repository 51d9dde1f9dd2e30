"""What a port may send: its own addresses and those it was allowed, and nothing that only the network itself says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.content import uuid
from tests.netns import frames
from tests.netns.frames import arp, ethernet, icmpv6, ipv4, ipv6, other, udp
from tests.netns.hosts import wait_for
from tests.netns.l2_hosts import L2Node, Machine, SegmentContent, hosts, tell, wait_active

OWN, OTHER, PAIR = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02", "fa:16:3e:aa:aa:aa"
LINK_LOCAL, OTHERS_LINK_LOCAL = "fe80::f816:3eff:fe00:1", "fe80::f816:3eff:fe00:2"

ALLOWED = {
    "own ipv4": ipv4(OWN, "10.0.0.1"),
    "own ipv6": ipv6(OWN, "fd00::1"),
    "own link-local": ipv6(OWN, LINK_LOCAL),
    "own arp": arp(OWN, OWN, "10.0.0.1"),
    "arp probe": arp(OWN, OWN, "0.0.0.0"),
    "dhcp discover": ipv4(OWN, "0.0.0.0", frames.UDP, udp(68, 67)),
    "router solicitation": ipv6(OWN, "::", frames.ICMPV6, icmpv6(frames.ROUTER_SOLICIT)),
    "duplicate address detection": ipv6(OWN, "::", frames.ICMPV6, icmpv6(frames.SOLICIT, "fd00::1")),
    "neighbour solicitation": ipv6(OWN, "fd00::1", frames.ICMPV6, icmpv6(frames.SOLICIT, "fd00::2")),
    "neighbour advertisement": ipv6(OWN, "fd00::1", frames.ICMPV6, icmpv6(frames.ADVERT, "fd00::1")),
    "rarp of a hypervisor": other(OWN, frames.RARP),
}
SPOOFED = {
    "other mac": ipv4(OTHER, "10.0.0.1"),
    "other ipv4": ipv4(OWN, "10.0.0.2"),
    "other mac and ipv4": ipv4(OTHER, "10.0.0.2"),
    "other ipv6": ipv6(OWN, "fd00::2"),
    "other link-local": ipv6(OWN, OTHERS_LINK_LOCAL),
    "no ipv4": ipv4(OWN, "0.0.0.0"),
    "no ipv6": ipv6(OWN, "::"),
    "arp for other ip": arp(OWN, OWN, "10.0.0.2", 2),
    "arp of other mac": arp(OWN, OTHER, "10.0.0.1", 2),
    "arp of other mac and ip": arp(OTHER, OTHER, "10.0.0.2", 2),
    "advertisement of other address": ipv6(OWN, "fd00::1", frames.ICMPV6, icmpv6(frames.ADVERT, "fd00::2")),
    "detection of other address": ipv6(OWN, "::", frames.ICMPV6, icmpv6(frames.SOLICIT, "fd00::2")),
    "dhcp server": ipv4(OWN, "10.0.0.1", frames.UDP, udp(67, 68)),
    "dhcpv6 server": ipv6(OWN, LINK_LOCAL, frames.UDP, udp(547, 546)),
    "router advertisement": ipv6(OWN, LINK_LOCAL, frames.ICMPV6, icmpv6(frames.ROUTER_ADVERT)),
    "redirect": ipv6(OWN, LINK_LOCAL, frames.ICMPV6, icmpv6(frames.REDIRECT, "fd00::2")),
    "tagged": ethernet(OWN, frames.VLAN, b"\0\7" + ipv4(OWN, "10.0.0.2")[12:]),
    "lldp": other(OWN, frames.LLDP),
}
PAIRS = {
    "pair's ipv4": ipv4(OWN, "10.0.0.77"),
    "pair's network": ipv4(OWN, "192.0.2.200"),
    "pair's network, own address in it": ipv4(OWN, "10.0.0.1"),
    "pair's mac": ipv4(PAIR, "10.0.0.78"),
    "pair's mac in arp": arp(PAIR, PAIR, "10.0.0.78"),
    "pair's ipv6 network": ipv6(OWN, "fd07::abcd"),
    "advertisement in pair's ipv6 network": ipv6(OWN, "fd00::1", frames.ICMPV6, icmpv6(frames.ADVERT, "fd07::abcd")),
}
NOT_IN_PAIRS = {
    "pair's ipv4 with the other mac": ipv4(PAIR, "10.0.0.77"),
    "pair's mac with own ipv4": ipv4(PAIR, "10.0.0.1"),
    "beside pair's network": ipv4(OWN, "192.0.3.1"),
}
LAST = ipv4(OWN, "10.0.0.1")


@pytest.fixture
def node() -> Iterator[L2Node]:
    with hosts(1) as (one,):
        yield one


def two_machines(node: L2Node, **attributes: Any) -> tuple[SegmentContent, Machine, Machine]:
    network = SegmentContent()
    network.subnet(1, "10.0.0.0/24")
    network.subnet(2, "fd00::/64")
    network.bound(1, node, "10.0.0.1", "fd00::1", **attributes)
    network.bound(2, node, "10.0.0.2", "fd00::2")
    tell([node], network)
    machines = node.vm(network, 1), node.vm(network, 2)
    wait_active(node, network, 1, 2)
    return network, *machines


def change(node: L2Node, network: SegmentContent, **attributes: Any) -> None:
    network.content["port"][uuid(1, 2)].update(attributes)
    tell([node], network)


def test_a_port_sends_from_its_own_addresses_only(node: L2Node) -> None:
    network, first, second = two_machines(node)
    assert frames.arrived(first, second, {**ALLOWED, **SPOOFED}, LAST) == set(ALLOWED)
    pairs = [
        {"mac_address": OWN, "ip_address": "10.0.0.77"},
        {"mac_address": OWN, "ip_address": "10.0.0.0/28"},  # contains the port's own address
        {"mac_address": OWN, "ip_address": "192.0.2.0/24"},
        {"mac_address": PAIR, "ip_address": "10.0.0.78"},
        {"mac_address": OWN, "ip_address": "fd07::/16"},
    ]
    change(node, network, allowed_address_pairs=pairs)
    assert frames.arrived(first, second, {**PAIRS, **NOT_IN_PAIRS}, LAST) == set(PAIRS)
    change(node, network, allowed_address_pairs=[])
    assert frames.arrived(first, second, PAIRS, LAST) == {"pair's network, own address in it"}


@pytest.mark.parametrize("attributes", [{"port_security_enabled": False}, {"device_owner": "network:router_interface"}])
def test_who_may_send_anything(node: L2Node, attributes: dict[str, Any]) -> None:
    network, first, second = two_machines(node, **attributes)
    assert frames.arrived(first, second, SPOOFED, LAST) == set(SPOOFED)
    change(node, network, port_security_enabled=True, device_owner="compute:nova")
    assert frames.arrived(first, second, SPOOFED, LAST) == set()


def shown(node: L2Node) -> list[str]:
    """The words of the table, in an order that does not depend on that of elements."""
    return sorted(node.run("nft", "list", "table", "bridge", "netsched").replace(",", " ").split())


def test_rules_that_somebody_changed_are_set_again(node: L2Node) -> None:
    _, first, second = two_machines(node)
    before = shown(node)
    for command in (
        ["flush", "table", "bridge", "netsched"],
        ["flush", "chain", "bridge", "netsched", "antispoof_ipv4"],
        ["flush", "set", "bridge", "netsched", "guarded"],
        ["add", "element", "bridge", "netsched", "ipv4", f'{{ "{first.tap}" . {OWN} . 10.0.0.2 }}'],
    ):
        node.run("nft", *command)
        wait_for(lambda: shown(node) == before, 30)
    node.run("nft", "delete", "table", "bridge", "netsched")
    spoofed = {"other ipv4": SPOOFED["other ipv4"]}
    wait_for(lambda: frames.arrived(first, second, spoofed, LAST) == set(), 30)


def test_rules_of_ports_that_are_gone_go(node: L2Node) -> None:
    network, first, second = two_machines(node)
    network.without_port(1)
    node.kill_driver()
    node.start_driver()  # it did not see the port
    tell([node], network)
    shown = node.run("nft", "list", "table", "bridge", "netsched")
    assert first.tap not in shown and shown.count(second.tap) >= 5
