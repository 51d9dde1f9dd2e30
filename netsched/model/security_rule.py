"""Rules of security groups: which protocols there are, which combinations make sense, and which rules say the same.

Names, numbers and limits are the Networking API's (its reference, "Security group rules").
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from netsched import errors

IPV4, IPV6 = "IPv4", "IPv6"
ETHERTYPES = (IPV4, IPV6)
DIRECTIONS = ("ingress", "egress")
PROTOCOLS = {
    "any": 0, "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "icmp": 1, "icmpv6": 58, "igmp": 2, "ipip": 4,
    "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43,
    "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}  # fmt: skip
WITH_PORTS = ("dccp", "sctp", "tcp", "udp", "udplite")
_PORT_NUMBERS = {PROTOCOLS[name] for name in WITH_PORTS}
_ICMP, _ICMPV6 = 1, 58
_OF_IPV6 = {number for name, number in PROTOCOLS.items() if name.startswith("ipv6-")}
EVERYWHERE = ("0.0.0.0/0", "::/0")
REMOTES = ("remote_ip_prefix", "remote_group_id", "remote_address_group_id")
PARENT = "PARENT"  # as remote group of a default rule: the group that it is copied into

Rule = Mapping[str, Any]


def number_of(protocol: str) -> int:
    """``"tcp"`` and ``"6"`` are 6; 0 is any."""
    return PROTOCOLS[protocol] if protocol in PROTOCOLS else int(protocol)


def canonical(rule: Rule) -> dict[str, Any]:
    """The rule as it is kept, or what is wrong with it: one of the errors of errors/security.py.

    `rule` has all attributes of the REST API that say what it matches. ICMP of IPv6 has its own name.
    """
    protocol = rule["protocol"]
    if rule["ethertype"] == IPV6 and protocol in ("icmp", "icmpv6"):
        protocol = "ipv6-icmp"
    elif rule["ethertype"] == IPV6 and protocol == str(_ICMP):
        protocol = str(_ICMPV6)
    kept = {**rule, "protocol": protocol}
    _check_ports(kept)
    _check_prefix(kept)
    if protocol is not None and number_of(protocol) in _OF_IPV6 and kept["ethertype"] == IPV4:
        raise errors.SecurityGroupEthertypeConflictWithProtocol(ethertype=IPV4, protocol=protocol)
    if sum(bool(kept[name]) for name in REMOTES) > 1:
        raise errors.SecurityGroupMultipleRemoteEntites()
    return kept


def _check_ports(rule: Rule) -> None:
    low, high = rule["port_range_min"], rule["port_range_max"]
    if low is None and high is None:
        return
    if rule["protocol"] is None:
        raise errors.SecurityGroupProtocolRequiredWithPorts()
    number = number_of(rule["protocol"])
    if number in _PORT_NUMBERS:
        if low == 0 or high == 0:
            raise errors.SecurityGroupInvalidPortValue(port=0)
        if low is None or high is None or low > high:
            raise errors.SecurityGroupInvalidPortRange()
    elif number in (_ICMP, _ICMPV6):
        _check_icmp(low, high)
    else:
        names = ", ".join(name.upper() for name in WITH_PORTS)
        raise errors.SecurityGroupInvalidProtocolForPort(protocol=rule["protocol"], valid_port_protocols=names)


def _check_icmp(type_: int | None, code: int | None) -> None:
    for field, attr, value in (("type", "port_range_min", type_), ("code", "port_range_max", code)):
        if value is not None and not 0 <= value <= 255:
            raise errors.SecurityGroupInvalidIcmpValue(field=field, attr=attr, value=value)
    if type_ is None:
        raise errors.SecurityGroupMissingIcmpType(value=code)


def _check_prefix(rule: Rule) -> None:
    prefix = rule["remote_ip_prefix"]
    if prefix and rule["ethertype"] != f"IPv{ipaddress.ip_interface(prefix).version}":
        raise errors.SecurityGroupRuleParameterConflict(ethertype=rule["ethertype"], cidr=prefix)


def normalized_cidr(prefix: str | None) -> str | None:
    """``"192.0.2.7/24"`` is of ``"192.0.2.0/24"``."""
    return str(ipaddress.ip_network(prefix, strict=False)) if prefix else None


def fingerprint(rule: Rule) -> str:
    """Two rules of one group with the same say the same: there may be one of them. At most 160 characters.

    A protocol is the same by name and by number, and from everywhere is from anybody.
    """
    prefix = rule["remote_ip_prefix"]
    parts = {
        **{name: rule[name] for name in ("direction", "ethertype", "port_range_min", "port_range_max")},
        "protocol": None if rule["protocol"] is None else number_of(rule["protocol"]),
        "remote_ip_prefix": None if prefix in EVERYWHERE else prefix,
        "remote_group_id": rule["remote_group_id"],
        "remote_address_group_id": rule["remote_address_group_id"],
    }
    return "_".join("+" if value is None else str(value) for value in parts.values())
