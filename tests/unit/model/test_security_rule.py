"""Rules of security groups: which combinations make sense, and which rules say the same."""

from __future__ import annotations

from typing import Any

import pytest

from netsched import errors
from netsched.model import security_rule


def rule(**match: Any) -> dict[str, Any]:
    names = ("protocol", "port_range_min", "port_range_max", *security_rule.REMOTES)
    return dict.fromkeys(names) | {"direction": "ingress", "ethertype": "IPv4"} | match


def ports(protocol: str, low: int | None, high: int | None, **match: Any) -> dict[str, Any]:
    return rule(protocol=protocol, port_range_min=low, port_range_max=high, **match)


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (rule(port_range_min=1, port_range_max=2), errors.SecurityGroupProtocolRequiredWithPorts),
        (ports("tcp", 2, 1), errors.SecurityGroupInvalidPortRange),
        (ports("6", 1, None), errors.SecurityGroupInvalidPortRange),
        (ports("udp", None, 1), errors.SecurityGroupInvalidPortRange),
        (ports("sctp", 0, 9), errors.SecurityGroupInvalidPortValue),
        (ports("icmp", 256, None), errors.SecurityGroupInvalidIcmpValue),
        (ports("1", 8, 256), errors.SecurityGroupInvalidIcmpValue),
        (ports("icmp", None, 0), errors.SecurityGroupMissingIcmpType),
        (ports("vrrp", 1, 2), errors.SecurityGroupInvalidProtocolForPort),
        (ports("any", 1, 2), errors.SecurityGroupInvalidProtocolForPort),
        (rule(remote_ip_prefix="fd00::/8"), errors.SecurityGroupRuleParameterConflict),
        (rule(ethertype="IPv6", remote_ip_prefix="10.0.0.0/8"), errors.SecurityGroupRuleParameterConflict),
        (rule(protocol="ipv6-icmp"), errors.SecurityGroupEthertypeConflictWithProtocol),
        (rule(protocol="60"), errors.SecurityGroupEthertypeConflictWithProtocol),
        (rule(remote_ip_prefix="10.0.0.0/8", remote_group_id="g"), errors.SecurityGroupMultipleRemoteEntites),
        (rule(remote_address_group_id="a", remote_group_id="g"), errors.SecurityGroupMultipleRemoteEntites),
    ],
)
def test_what_makes_no_sense(wanted: dict[str, Any], error: type[errors.NetschedError]) -> None:
    with pytest.raises(error):
        security_rule.canonical(wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        rule(),
        rule(protocol="any"),
        rule(protocol="255"),
        ports("tcp", 1, 65535),
        ports("136", 7, 7),
        ports("icmp", 0, 0),
        ports("icmp", 8, None),
        ports("ipv6-icmp", 128, None, ethertype="IPv6"),
        rule(ethertype="IPv6", remote_ip_prefix="fd00::1/64"),
    ],
)
def test_what_does_is_kept_as_it_is(wanted: dict[str, Any]) -> None:
    assert security_rule.canonical(wanted) == wanted


@pytest.mark.parametrize(("given", "kept"), [("icmp", "ipv6-icmp"), ("icmpv6", "ipv6-icmp"), ("1", "58"), ("58", "58")])
def test_icmp_of_ipv6_has_its_own_name(given: str, kept: str) -> None:
    assert security_rule.canonical(rule(ethertype="IPv6", protocol=given))["protocol"] == kept


def test_rules_that_say_the_same() -> None:
    def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
        return security_rule.fingerprint(first) == security_rule.fingerprint(second)

    assert same(rule(protocol="tcp"), rule(protocol="6"))
    assert same(rule(), rule(remote_ip_prefix="0.0.0.0/0"))
    assert same(rule(ethertype="IPv6"), rule(ethertype="IPv6", remote_ip_prefix="::/0"))
    assert not same(rule(), rule(protocol="any"))
    assert not same(rule(remote_group_id="g"), rule(remote_address_group_id="g"))
    assert not same(rule(), rule(direction="egress")) and not same(rule(), rule(ethertype="IPv6"))
    ids, address = "0" * 36, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"
    long = ports("udp", 65535, 65535, ethertype="IPv6", remote_ip_prefix=address, remote_group_id=ids)
    assert len(security_rule.fingerprint(long)) <= 160
