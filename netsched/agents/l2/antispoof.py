"""Keep ports to their own addresses: the nf_tables table `bridge netsched` of this host.

The rules are the same for all ports; what a port may use are elements of named sets, keyed by the tap's name, so a port
comes, changes and goes by a few elements in one transaction. A tap that is in the set `guarded` may send

- from its MACs and addresses only, in Ethernet, ARP, IPv4, IPv6 and neighbour advertisements alike,
- without an address yet: DHCP and duplicate address detection,
- no answers of a DHCP server, no router advertisements, no redirects,
- nothing but IPv4, IPv6, ARP and RARP (by which hypervisors announce a machine that has moved).
"""

from __future__ import annotations

import ipaddress
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netsched import errors
from netsched.agents.kernel import nft
from netsched.agents.l2.guard import Guard
from netsched.clock import Clock

TABLE = "bridge netsched"
SETS = ("guarded", "macs", "ipv4", "ipv6", "targets")
_READ_PERIOD = 5.0  # s; a listing takes 50 ms with 2,000 ports, and serves the checks of all networks meanwhile

# nft 1.0.6 has no word for the target of neighbour discovery, so those are matched as bytes, and kept as numbers.
_RULES = """
add table bridge netsched
flush table bridge netsched
table bridge netsched {
  set guarded { type ifname; }
  set macs { type ifname . ether_addr; }
  set ipv4 { type ifname . ether_addr . ipv4_addr; flags interval; }
  set ipv6 { type ifname . ether_addr . ipv6_addr; flags interval; }
  set targets { typeof iifname . ether saddr . @th,64,128; flags interval; }
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    iifname @guarded jump antispoof
  }
  chain antispoof {
    iifname . ether saddr != @macs drop
    ether type arp goto antispoof_arp
    ether type ip goto antispoof_ipv4
    ether type ip6 goto antispoof_ipv6
    ether type 0x8035 return
    drop
  }
  chain antispoof_arp {
    iifname . arp saddr ether . arp saddr ip @ipv4 return
    arp saddr ip 0.0.0.0 iifname . arp saddr ether @macs return
    drop
  }
  chain antispoof_ipv4 {
    udp sport 67 udp dport 68 drop
    iifname . ether saddr . ip saddr @ipv4 return
    ip saddr 0.0.0.0 udp sport 68 udp dport 67 return
    drop
  }
  chain antispoof_ipv6 {
    udp sport 547 udp dport 546 drop
    icmpv6 type { nd-router-advert, nd-redirect } drop
    icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,128 != @targets drop
    iifname . ether saddr . ip6 saddr @ipv6 return
    ip6 saddr :: icmpv6 type nd-neighbor-solicit iifname . ether saddr . @th,64,128 @targets return
    ip6 saddr :: icmpv6 type { nd-router-solicit, mld-listener-report, mld2-listener-report } return
    drop
  }
}
"""

Element = tuple[str, tuple[str, ...], int, int]  # set, tap and MAC as far as it has them, first and last address


@dataclass
class _Table:
    """What nft shows, by tap."""

    rules: list[Any] = field(default_factory=list)
    elements: dict[str, set[Element]] = field(default_factory=lambda: defaultdict(set))
    networks: dict[str, str] = field(default_factory=dict)  # tap -> id of its network


class Antispoof:
    """Thread-safe. Of the network namespace of the threads that call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._table: _Table | None = None
        self._read_at = 0.0
        self._rules: list[Any] | None = None  # as nft showed them when they had just been set

    def ensure(self, network_id: str, guards: Iterable[Guard]) -> list[str]:
        """Have these taps guarded, and no other changed; returns their names if there was anything to do."""
        wanted = {guard.tap: elements(guard) for guard in guards}
        with self._lock:
            table = self._current()
            if self._rules is None or table.rules != self._rules:
                self._set_rules()
                table = self._current()
            changed = {tap: own for tap, own in wanted.items() if table.elements.get(tap, set()) != own}
            self._change(network_id, changed)
        return sorted(changed)

    def forget(self, network_id: str, guards: Iterable[Guard] = ()) -> list[str]:
        """Let all taps of the network go but these; returns the names of those that went."""
        kept = {guard.tap for guard in guards}
        with self._lock:
            gone = {tap: set[Element]() for tap, id_ in self._current().networks.items() if id_ == network_id}
            gone = {tap: none for tap, none in gone.items() if tap not in kept}
            self._change(network_id, gone)
        return sorted(gone)

    def trouble(self, network_id: str, guards: Iterable[Guard]) -> str | None:
        """How what is in force differs, as a sentence; None if it does not. Read at most _READ_PERIOD ago."""
        wanted = {guard.tap: elements(guard) for guard in guards}
        with self._lock:
            table = self._current()
            if wanted and table.rules != self._rules:
                return "the rules against spoofing are not as they were set"
            guarded = {tap for tap, id_ in table.networks.items() if id_ == network_id}
            for tap in sorted(guarded | set(wanted)):
                if table.elements.get(tap, set()) != wanted.get(tap, set()):
                    return f"the addresses that {tap} may use are not those of its port"
        return None

    def networks(self) -> set[str]:
        """Ids of the networks that have guarded taps, whoever guarded them."""
        with self._lock:
            return set(self._current().networks.values())

    # With the lock held

    def _current(self) -> _Table:
        now = self._clock.monotonic()
        if self._table is None or now - self._read_at > _READ_PERIOD:
            self._table = _read()
            self._read_at = now
        return self._table

    def _set_rules(self) -> None:
        nft.run(_RULES)
        self._table = None
        self._rules = self._current().rules

    def _change(self, network_id: str, wanted: Mapping[str, set[Element]]) -> None:
        """All in one transaction, which nft applies as a whole or refuses: so the copy of the table follows it."""
        if not wanted:
            return
        try:
            nft.run(_commands(network_id, self._current(), wanted))
        except errors.NetschedError:
            self._table = None  # somebody else changed it since it was read
            nft.run(_commands(network_id, self._current(), wanted))
        table = self._current()
        for tap, own in wanted.items():
            if own:
                table.elements[tap], table.networks[tap] = own, network_id
            else:
                table.elements.pop(tap, None)
                table.networks.pop(tap, None)


def elements(guard: Guard) -> set[Element]:
    """What a guard is in the sets."""
    found: set[Element] = {("guarded", (guard.tap,), 0, 0)}
    found |= {("macs", (guard.tap, mac), 0, 0) for mac in guard.macs}
    for name, allowed in (("ipv4", guard.ipv4), ("ipv6", guard.ipv6), ("targets", guard.ipv6)):
        for mac, cidr in allowed:
            network = ipaddress.ip_network(cidr)
            found.add((name, (guard.tap, mac), int(network.network_address), int(network.broadcast_address)))
    return found


def _commands(network_id: str, table: _Table, wanted: Mapping[str, set[Element]]) -> str:
    """Deletions first: what is added may overlap with them."""
    delete: list[str] = []
    add: list[str] = []
    for tap, own in wanted.items():
        actual = table.elements.get(tap, set())
        delete += [f"delete element {TABLE} {one[0]} {{ {_text(one)} }}" for one in sorted(actual - own)]
        for one in sorted(own - actual):
            comment = f' comment "{network_id}"' if one[0] == "guarded" else ""
            add.append(f"add element {TABLE} {one[0]} {{ {_text(one)}{comment} }}")
    return "\n".join([*delete, *add])


def _text(element: Element) -> str:
    name, (tap, *rest), first, last = element
    words = [f'"{tap}"', *rest]
    if name in ("ipv4", "ipv6"):
        kind = ipaddress.IPv4Address if name == "ipv4" else ipaddress.IPv6Address
        (network,) = ipaddress.summarize_address_range(kind(first), kind(last))
        words.append(str(network))
    elif name == "targets":
        words.append(f"{first:#034x}" if first == last else f"{first:#034x}-{last:#034x}")
    return " . ".join(words)


def _read() -> _Table:
    table = _Table()
    for item in nft.listing(f"list table {TABLE}"):
        if "rule" in item:
            table.rules.append((item["rule"]["chain"], item["rule"]["expr"]))
        elif "chain" in item:
            table.rules.append({key: value for key, value in item["chain"].items() if key != "handle"})
        elif "set" in item and item["set"]["name"] in SETS:
            for raw in item["set"].get("elem", ()):
                _add(table, item["set"]["name"], raw)
    return table


def _add(table: _Table, name: str, raw: Any) -> None:
    """An element in nft's JSON: plain, with a comment around it, of several parts, the last a range or not."""
    comment = ""
    if isinstance(raw, dict) and "elem" in raw:
        raw, comment = raw["elem"]["val"], raw["elem"].get("comment", "")
    words = raw["concat"] if isinstance(raw, dict) else [raw]
    first, last = _range(words[2]) if len(words) > 2 else (0, 0)
    tap = words[0]
    table.elements[tap].add((name, tuple(words[:2]), first, last))
    if name == "guarded":
        table.networks[tap] = comment


def _range(raw: Any) -> tuple[int, int]:
    if isinstance(raw, dict) and "prefix" in raw:
        network = ipaddress.ip_network(f"{raw['prefix']['addr']}/{raw['prefix']['len']}")
        return int(network.network_address), int(network.broadcast_address)
    if isinstance(raw, dict):
        return _number(raw["range"][0]), _number(raw["range"][1])
    return _number(raw), _number(raw)


def _number(raw: Any) -> int:
    text = str(raw)
    return int(text, 0) if text.isdigit() or text.startswith("0x") else int(ipaddress.ip_address(text))
