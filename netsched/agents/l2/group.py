"""What a security group allows: content of its scope -> rules, as words for nft and as a question about a connection.

Pure. Every value that becomes a word for nft has been a number, an address or an id before.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from netsched import errors
from netsched.agents.kernel.flow import Address, Flow
from netsched.model import security_rule

Object = Mapping[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EGRESS, INGRESS = "egress", "ingress"  # as seen from the port
MEMBERS, ADDRESSES = "members", "addresses"  # begin the names of sets

_ID = re.compile(r"[0-9a-fA-F][0-9A-Za-z-]{10,63}")  # becomes part of a chain's or set's name
_VERSIONS = {"ipv4": 4, "ipv6": 6}
_ICMP, _ICMPV6 = 1, 58
_WITH_PORTS = {security_rule.PROTOCOLS[name] for name in security_rule.WITH_PORTS}
_EXTENSIONS = {43, 44, 59, 60}  # of IPv6: headers before the protocol, which nft sees by another name


@dataclass(frozen=True)
class Rule:
    """One way in or out. `remote`: a network, the name of a set (see `set_name`) or None for anywhere.

    `first`, `last`: ports, or with ICMP type and code; None for any. `protocol`: its number, None for any."""

    direction: str
    version: int
    protocol: int | None = None
    first: int | None = None
    last: int | None = None
    remote: Network | str | None = None

    def words(self) -> str:
        """What has to be true of a packet, for nft's bridge family."""
        words = ["ether type ip" if self.version == 4 else "ether type ip6"]
        if self.remote is not None:
            family = "ip" if self.version == 4 else "ip6"
            end = "saddr" if self.direction == INGRESS else "daddr"
            words.append(f"{family} {end} {f'@{self.remote}' if isinstance(self.remote, str) else self.remote}")
        if self.protocol is not None:
            extension = self.version == 6 and self.protocol in _EXTENSIONS
            words.append(f"ip6 nexthdr {self.protocol}" if extension else f"meta l4proto {self.protocol}")
        if self.first is not None:
            words.append(self._number())
        return " ".join(words)

    def _number(self) -> str:
        if self.protocol in (_ICMP, _ICMPV6):
            name = "icmp" if self.protocol == _ICMP else "icmpv6"
            code = "" if self.last is None else f" {name} code {self.last}"
            return f"{name} type {self.first}{code}"
        return f"th dport {self.first}-{self.last}" if self.first != self.last else f"th dport {self.first}"

    def allows(self, flow: Flow, addresses: Mapping[str, Addresses]) -> bool:
        """Could this connection begin today? `addresses`: what is in the sets, by their names."""
        remote = flow.source if self.direction == INGRESS else flow.destination
        if remote.version != self.version or self.protocol not in (None, flow.protocol):
            return False
        if isinstance(self.remote, str):
            if self.remote not in addresses or not addresses[self.remote].contains(remote):
                return False
        elif self.remote is not None and remote not in self.remote:
            return False
        if self.first is None:
            return True
        if self.protocol in (_ICMP, _ICMPV6):
            return self.first == flow.first and self.last in (None, flow.last)
        return flow.first is not None and self.first <= flow.first <= (self.last or 0)


@dataclass(frozen=True)
class Group:
    """`rules` in an order that depends on nothing else. `problems`: what was left out, for people."""

    stateful: bool
    rules: tuple[Rule, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Addresses:
    """Disjoint networks, most of them single addresses."""

    networks: frozenset[Network]

    def contains(self, address: Address) -> bool:
        lengths = {network.prefixlen for network in self.networks if network.version == address.version}
        return any(ipaddress.ip_network((address, length), strict=False) in self.networks for length in lengths)


def set_name(kind: str, id_: str, version: int) -> str:
    """``members4-<group id>``: name of the set with the addresses of a group's ports, or of an address group."""
    return f"{kind}{version}-{checked(id_)}"


def checked(id_: str) -> str:
    """Raises Invalid for what cannot be part of a name."""
    if not _ID.fullmatch(id_):
        raise errors.Invalid(reason=f"{id_!r} is no id")
    return id_


def group_of(group: Object, rules: Iterable[Object]) -> Group:
    """A rule that this agent does not understand allows nothing: it is older than the server."""
    understood: set[Rule] = set()
    problems = []
    for rule in rules:
        try:
            understood.add(rule_of(rule))
        except (KeyError, ValueError, TypeError) as exc:
            problems.append(f"rule {rule.get('id')} is not understood ({exc}) and allows nothing")
    ordered = tuple(sorted(understood, key=lambda rule: (rule.direction, rule.words())))
    return Group(bool(group.get("stateful", True)), ordered, tuple(sorted(problems)))


def rule_of(rule: Object) -> Rule:
    """Raises KeyError or ValueError for what the Networking API does not have."""
    version = _VERSIONS[str(rule["ethertype"]).lower()]
    if rule["direction"] not in (EGRESS, INGRESS):
        raise ValueError(f"direction {rule['direction']}")
    protocol = _protocol(rule.get("protocol"), version)
    first, last = (_number_of(rule.get(f"port_range_{end}")) for end in ("min", "max"))
    if protocol in _WITH_PORTS:
        first, last = (last if first is None else first), (first if last is None else last)
    elif protocol not in (_ICMP, _ICMPV6):
        first = last = None
    elif max(first or 0, last or 0) > 255:
        raise ValueError(f"type {first}, code {last}")
    return Rule(rule["direction"], version, protocol, first, last, _remote(rule, version))


def addresses_of(objects: Iterable[Object]) -> Addresses:
    """Of the members of a group, or of address groups: all that they may send from."""
    texts: list[str] = []
    for obj in objects:
        texts += [ip["ip_address"] for ip in obj.get("fixed_ips") or ()]
        texts += [pair["ip_address"] for pair in obj.get("allowed_address_pairs") or ()]
        texts += obj.get("addresses") or ()
    return Addresses(disjoint(ipaddress.ip_network(text, strict=False) for text in texts))


def disjoint(networks: Iterable[Network]) -> frozenset[Network]:
    """Without those that lie in another one. Neighbours are not joined, so that one that goes is one element."""
    found: list[Network] = []
    ordered = sorted(networks, key=lambda one: (one.version, int(one.network_address), one.prefixlen))
    for network in ordered:
        last = found[-1] if found else None
        if last is None or last.version != network.version or network.network_address not in last:
            found.append(network)
    return frozenset(found)


def _protocol(raw: Any, version: int) -> int | None:
    """The API's "icmp" means ICMPv6 in rules for IPv6."""
    number = security_rule.number_of(str(raw).lower()) if raw is not None else 0
    if not 0 <= number <= 255:
        raise ValueError(f"protocol {number}")
    return _ICMPV6 if version == 6 and number == _ICMP else number or None


def _number_of(raw: Any) -> int | None:
    if raw is None:
        return None
    number = int(raw)
    if not 0 <= number <= 65535:
        raise ValueError(f"{number} is no port")
    return number


def _remote(rule: Object, version: int) -> Network | str | None:
    if rule.get("remote_group_id"):
        return set_name(MEMBERS, rule["remote_group_id"], version)
    if rule.get("remote_address_group_id"):
        return set_name(ADDRESSES, rule["remote_address_group_id"], version)
    prefix = rule.get("remote_ip_prefix")
    if prefix is None:
        return None
    network = ipaddress.ip_network(prefix, strict=False)
    if network.version != version:
        raise ValueError(f"{prefix} is not IPv{version}")
    return network if network.prefixlen else None
