"""Rules of security groups as words for nft, and as the question whether a connection could begin."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsched import errors
from netsched.agents.kernel.flow import Flow
from netsched.agents.l2.group import Addresses, addresses_of, disjoint, group_of, rule_of, set_name
from tests.fakes.content import uuid

GROUP = uuid(1, 7)


def rule(direction: str = "ingress", ethertype: str = "IPv4", **attributes: Any) -> dict[str, Any]:
    return {"id": uuid(1, 8), "direction": direction, "ethertype": ethertype, **attributes}


def flow(source: str, destination: str, protocol: int = 6, first: int | None = 80, last: int | None = None) -> Flow:
    ends = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    return Flow(*ends, protocol, first, first if last is None else last)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, "ether type ip"),
        ({"protocol": "any", "remote_ip_prefix": "0.0.0.0/0"}, "ether type ip"),
        ({"protocol": "tcp", "port_range_min": 80, "port_range_max": 80}, "ether type ip meta l4proto 6 th dport 80"),
        ({"protocol": 17, "port_range_min": 1, "port_range_max": 9}, "ether type ip meta l4proto 17 th dport 1-9"),
        ({"protocol": "icmp", "port_range_min": 8}, "ether type ip meta l4proto 1 icmp type 8"),
        ({"protocol": "47", "remote_ip_prefix": "10.0.0.9/24"}, "ether type ip ip saddr 10.0.0.0/24 meta l4proto 47"),
        ({"direction": "egress", "remote_ip_prefix": "10.0.0.9"}, "ether type ip ip daddr 10.0.0.9/32"),
        ({"remote_group_id": GROUP}, f"ether type ip ip saddr @members4-{GROUP}"),
        (
            {"ethertype": "IPv6", "protocol": "icmp", "port_range_min": 128, "port_range_max": 0},
            "ether type ip6 meta l4proto 58 icmpv6 type 128 icmpv6 code 0",
        ),
        (
            {"ethertype": "IPv6", "direction": "egress", "remote_address_group_id": GROUP, "protocol": "ipv6-frag"},
            f"ether type ip6 ip6 daddr @addresses6-{GROUP} ip6 nexthdr 44",
        ),
    ],
)
def test_words_of_a_rule(attributes: dict[str, Any], words: str) -> None:
    assert rule_of(rule(**attributes)).words() == words


@pytest.mark.parametrize(
    "attributes",
    [
        {"protocol": "quic"},
        {"protocol": 256},
        {"direction": "sideways"},
        {"ethertype": "ARP"},
        {"remote_ip_prefix": "fd00::/64"},
        {"remote_ip_prefix": "10.0.0.0/24; flush ruleset"},
        {"protocol": "icmp", "port_range_min": 300},
        {"protocol": "tcp", "port_range_min": 80, "port_range_max": 70000},
    ],
)
def test_what_is_not_understood_allows_nothing_and_is_told(attributes: dict[str, Any]) -> None:
    group = group_of({"id": GROUP, "stateful": False}, [rule(**attributes), rule(protocol="tcp")])
    assert group.rules == (rule_of(rule(protocol="tcp")),) and not group.stateful
    (problem,) = group.problems
    assert problem.startswith(f"rule {uuid(1, 8)} is not understood")


def test_an_id_that_is_none_becomes_no_name() -> None:
    with pytest.raises(errors.Invalid):
        set_name("members", "x; flush ruleset", 4)


@pytest.mark.parametrize(
    ("attributes", "allowed", "refused"),
    [
        ({"protocol": "tcp"}, flow("10.0.0.1", "10.0.0.2"), flow("10.0.0.1", "10.0.0.2", 17)),
        ({}, flow("10.0.0.1", "10.0.0.2"), flow("fd00::1", "fd00::2")),
        (
            {"protocol": "tcp", "port_range_min": 80, "port_range_max": 81},
            flow("10.0.0.1", "10.0.0.2", 6, 81),
            flow("10.0.0.1", "10.0.0.2", 6, 82),
        ),
        (
            {"protocol": "icmp", "port_range_min": 8, "port_range_max": 0},
            flow("10.0.0.1", "10.0.0.2", 1, 8, 0),
            flow("10.0.0.1", "10.0.0.2", 1, 13, 0),
        ),
        ({"remote_ip_prefix": "10.0.0.0/31"}, flow("10.0.0.1", "10.0.0.2"), flow("10.0.0.2", "10.0.0.1")),
        (
            {"direction": "egress", "remote_ip_prefix": "10.0.0.0/31"},
            flow("10.0.0.2", "10.0.0.1"),
            flow("10.0.0.1", "10.0.0.2"),
        ),
        ({"remote_group_id": GROUP}, flow("10.0.0.1", "10.0.0.9"), flow("10.0.0.9", "10.0.0.1")),
        ({"remote_group_id": GROUP}, flow("192.0.2.7", "10.0.0.9"), flow("192.0.3.7", "10.0.0.1")),
    ],
)
def test_could_it_begin_today(attributes: dict[str, Any], allowed: Flow, refused: Flow) -> None:
    member = {"fixed_ips": [{"ip_address": "10.0.0.1"}], "allowed_address_pairs": [{"ip_address": "192.0.2.0/24"}]}
    sets = {f"members4-{GROUP}": addresses_of([member])}
    one = rule_of(rule(**attributes))
    assert one.allows(allowed, sets) and not one.allows(refused, sets)
    assert not attributes.get("remote_group_id") or not one.allows(allowed, {})


networks = st.builds(
    lambda start, length: ipaddress.ip_network((0x0A000000 + start, length), strict=False),
    st.integers(0, 63),
    st.integers(26, 32),
)


@given(st.lists(networks, max_size=12))
def test_disjoint_networks_hold_the_same_addresses(given_: list[Any]) -> None:
    found = disjoint(given_)
    assert found <= set(given_)
    assert not any(one != other and one.overlaps(other) for one in found for other in found)
    for number in range(0x0A000000, 0x0A000040):
        address = ipaddress.ip_address(number)
        assert Addresses(found).contains(address) == any(address in network for network in given_)
