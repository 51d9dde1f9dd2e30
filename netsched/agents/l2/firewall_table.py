"""The two nf_tables tables that filter ports by their security groups: what is in them, read back, and edits of it.

The kernel's bridge family knows the taps but not the state of connections, the inet family (which sees the packets of
a bridge that hands them over, see `Netlink.change_bridge`) the state but not the taps. So the mark carries the state:

- inet: packets of ports with a stateful group enter the conntrack zone of their network, all others are not tracked;
  then the mark says whether the connection is established.
- bridge: by its tap a packet gets to the chain of a combination of groups (once as sent by a port, once as sent to
  one), which asks the chain of each group in turn. A hundred ports with the same groups are a hundred elements of two
  maps.

Each rule has a digest of itself as its comment, by which an agent recognises rules whichever agent set them: nft lists
them in words of its own.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from netsched.agents.kernel import nft
from netsched.agents.l2.group import ADDRESSES, EGRESS, INGRESS, MEMBERS, Network

NAME = "netsched_groups"
BRIDGE, INET = f"bridge {NAME}", f"inet {NAME}"
MAPS = {EGRESS: "sent_by", INGRESS: "sent_to"}  # tap -> chain of its combination of groups
COMBINED = {EGRESS: "by-", INGRESS: "to-"}  # begin the names of combinations' chains; what follows is a digest
OF_GROUP = {EGRESS: "out-", INGRESS: "in-"}  # begin the names of groups' chains; what follows is the group's id
PLATFORM = {EGRESS: "platform_out", INGRESS: "platform_in"}
ESTABLISHED, INVALID, _TRACKED = 0x6E730001, 0x6E730002, 0x6E730003  # marks; no packet has them outside our bridges

# The zone is set before packets are put together from fragments (-400), else those of two networks could be mixed.
_BASE = f"""
table {INET} {{
  set bridges {{ type ifname; }}
  map zones {{ typeof iifname : ct zone; }}
  set tracked {{ typeof iifname . ether saddr; }}
  chain zone {{
    type filter hook prerouting priority -450; policy accept;
    iifname != @bridges accept
    iifname . ether saddr @tracked goto track
    iifname . ether daddr @tracked goto track
    meta mark set 0
    notrack
  }}
  chain track {{
    meta mark set {_TRACKED}
    ct zone set iifname map @zones
  }}
  chain state {{
    type filter hook prerouting priority -150; policy accept;
    meta mark {_TRACKED} meta mark set ct state map {{ established : {ESTABLISHED}, related : {ESTABLISHED}, \
invalid : {INVALID}, new : 0, untracked : 0 }}
  }}
}}
table {BRIDGE} {{
  map sent_by {{ type ifname : verdict; }}
  map sent_to {{ type ifname : verdict; }}
  chain prerouting {{
    type filter hook prerouting priority 10; policy accept;
    iifname vmap @sent_by
  }}
  chain forward {{
    type filter hook forward priority 10; policy accept;
    oifname vmap @sent_to
  }}
  chain postrouting {{
    type filter hook postrouting priority 300; policy accept;
    meta mark {{ {ESTABLISHED}, {INVALID}, {_TRACKED} }} meta mark set 0
  }}
  chain platform_out {{
    ether type {{ arp, 0x8035 }} accept
    ether type ip udp sport 68 udp dport 67 accept
    ether type ip6 udp sport 546 udp dport 547 accept
    ether type ip6 icmpv6 type {{ 131, 132, 133, 135, 136, 143 }} accept
  }}
  chain platform_in {{
    ether type {{ arp, 0x8035 }} accept
    ether type ip udp sport 67 udp dport 68 accept
    ether type ip6 udp sport 547 udp dport 546 accept
    ether type ip6 ip6 hoplimit 255 icmpv6 type {{ 134, 135, 136 }} accept
    ether type ip6 icmpv6 type 130 accept
  }}
}}
"""
_BASE_CHAINS = {INET: ("zone", "track", "state"), BRIDGE: ("prerouting", "forward", "postrouting", *PLATFORM.values())}
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_SET = re.compile(rf"(?:{MEMBERS}|{ADDRESSES})([46])-")
_NAMED = re.compile(r"(?:@|jump )([0-9A-Za-z_-]+)")


@dataclass
class Tables:
    """What nft shows. `chains`: comments of rules in order; `uses`: the chains and sets that they name.

    `seats`: direction -> tap -> (chain, id of its network); `zones`: bridge -> (zone, id of its network)."""

    base: list[Any] = field(default_factory=list)
    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    uses: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    sets: dict[str, frozenset[Network | str]] = field(default_factory=dict)
    seats: dict[str, dict[str, tuple[str, str]]] = field(default_factory=lambda: {EGRESS: {}, INGRESS: {}})
    bridges: set[str] = field(default_factory=set)
    zones: dict[str, tuple[int, str]] = field(default_factory=dict)
    tracked: dict[str, frozenset[str]] = field(default_factory=lambda: defaultdict(frozenset))


def digest(rule: str) -> str:
    return hashlib.sha256(rule.encode()).hexdigest()[:12]


def digests(rules: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(digest, rules))


def set_base() -> None:
    """Have both tables, and the chains that are the same for all ports as they are to be. What else is there stays."""
    lines = [f"add table {table}" for table in _BASE_CHAINS]
    present = read()
    for table, names in _BASE_CHAINS.items():
        known = {item["name"] for item in present.base if "name" in item and f"{item['family']} {NAME}" == table}
        lines += [f"flush chain {table} {name}" for name in names if name in known]
    nft.run("\n".join([*lines, _BASE]))


class Edit:
    """Changes of the tables as commands for one transaction; `tables` follows them at once, so it is not to be believed
    any more if nft refuses. `narrowed`: did something that was allowed cease to be?"""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.commands: list[str] = []
        self.narrowed = False

    def chain(self, name: str, rules: Sequence[str]) -> None:
        before, after = self.tables.chains.get(name), digests(rules)
        if before == after:
            return
        self.placeholder(name)
        self.narrowed |= bool(set(before or ()) - set(after))
        self.commands.append(f"flush chain {BRIDGE} {name}")
        self.commands += [f'add rule {BRIDGE} {name} {rule} comment "{digest(rule)}"' for rule in rules]
        self.tables.chains[name] = after
        self.tables.uses[name] = {used for rule in rules for used in _NAMED.findall(rule)}

    def placeholder(self, name: str) -> None:
        """A chain that others name; nothing passes by it until its own scope is known."""
        if name not in self.tables.chains:
            self.commands.append(f"add chain {BRIDGE} {name}")
            self.tables.chains[name] = ()

    def has_set(self, name: str) -> None:
        if name not in self.tables.sets:
            version = int(_SET.match(name)[1])  # type: ignore[index]
            self.commands.append(f"add set {BRIDGE} {name} {{ type {_TYPES[version]}; flags interval; }}")
            self.tables.sets[name] = frozenset()

    def fill(self, name: str, wanted: frozenset[Network]) -> None:
        """A set without elements needs not be there."""
        before = self.tables.sets.get(name, frozenset())
        if before == wanted:
            return
        self.has_set(name)
        for verb, some in (("delete", before - wanted), ("add", wanted - before)):
            if some:
                text = ", ".join(sorted(map(str, some)))
                self.commands.append(f"{verb} element {BRIDGE} {name} {{ {text} }}")
        self.narrowed |= bool(before - wanted)
        self.tables.sets[name] = frozenset(wanted)

    def seat(self, direction: str, tap: str, chain: str | None, network_id: str) -> None:
        """None: the tap is filtered no more. Else it is from now on by this chain."""
        seats = self.tables.seats[direction]
        before = seats.pop(tap, None)
        if before is not None:
            self.commands.append(f'delete element {BRIDGE} {MAPS[direction]} {{ "{tap}" }}')
        if chain is not None:
            text = f'"{tap}" comment "{network_id}" : goto {chain}'
            self.commands.append(f"add element {BRIDGE} {MAPS[direction]} {{ {text} }}")
            seats[tap] = (chain, network_id)
            self.narrowed = True

    def zone(self, bridge: str, zone: int | None, network_id: str) -> None:
        """None: connections of this bridge are left alone."""
        if bridge in self.tables.bridges and zone is None:
            self.commands.append(f'delete element {INET} bridges {{ "{bridge}" }}')
            self.tables.bridges.discard(bridge)
        before = self.tables.zones.pop(bridge, None)
        if before is not None:
            self.commands.append(f'delete element {INET} zones {{ "{bridge}" }}')
        if zone is not None:
            text = f'"{bridge}" comment "{network_id}" : {zone}'
            self.commands.append(f"add element {INET} zones {{ {text} }}")
            self.tables.zones[bridge] = (zone, network_id)
            if bridge not in self.tables.bridges:
                self.commands.append(f'add element {INET} bridges {{ "{bridge}" }}')
                self.tables.bridges.add(bridge)

    def track(self, bridge: str, macs: frozenset[str]) -> None:
        before = self.tables.tracked.get(bridge, frozenset())
        for verb, some in (("delete", before - macs), ("add", macs - before)):
            if some:
                text = ", ".join(f'"{bridge}" . {mac}' for mac in sorted(some))
                self.commands.append(f"{verb} element {INET} tracked {{ {text} }}")
        self.tables.tracked[bridge] = macs

    def sweep(self) -> None:
        """Away with what nothing leads to any more: chains of combinations, then empty chains and sets."""
        tables = self.tables
        seated = {chain for seats in tables.seats.values() for chain, _ in seats.values()}
        self._drop_chains(n for n in tables.chains if n.startswith(tuple(COMBINED.values())) and n not in seated)
        used = set().union(*tables.uses.values())
        empty = [name for name, rules in tables.chains.items() if not rules and name not in used]
        self._drop_chains(name for name in empty if name.startswith(tuple(OF_GROUP.values())))
        for name in [name for name, elements in tables.sets.items() if not elements and name not in used]:
            self.commands.append(f"delete set {BRIDGE} {name}")
            del tables.sets[name]

    def _drop_chains(self, names: Iterable[str]) -> None:
        for name in list(names):
            self.commands += [f"flush chain {BRIDGE} {name}", f"delete chain {BRIDGE} {name}"]
            del self.tables.chains[name]
            self.tables.uses.pop(name, None)


def read() -> Tables:
    tables = Tables()
    for item in [*nft.listing(f"list table {INET}"), *nft.listing(f"list table {BRIDGE}")]:
        if "chain" in item:
            _read_chain(tables, item["chain"])
        elif "rule" in item:
            _read_rule(tables, item["rule"])
        elif "set" in item or "map" in item:
            _read_set(tables, item.get("set") or item["map"])
    return tables


def _is_base(family: str, name: str) -> bool:
    return name in _BASE_CHAINS[f"{family} {NAME}"]


def _read_chain(tables: Tables, chain: Any) -> None:
    if _is_base(chain["family"], chain["name"]):
        tables.base.append({key: value for key, value in chain.items() if key != "handle"})
    else:
        tables.chains[chain["name"]] = ()


def _read_rule(tables: Tables, rule: Any) -> None:
    name = rule["chain"]
    if _is_base(rule["family"], name):
        tables.base.append((rule["family"], name, rule["expr"]))
        return
    tables.chains[name] += (rule.get("comment", ""),)
    text = json.dumps(rule["expr"])
    tables.uses[name] |= set(re.findall(r'"@([^"]+)"', text)) | set(re.findall(r'"target": "([^"]+)"', text))


def _read_set(tables: Tables, set_: Any) -> None:
    name, elements = set_["name"], [_plain(raw) for raw in set_.get("elem", ())]
    if name in MAPS.values():
        direction = next(direction for direction, map_ in MAPS.items() if map_ == name)
        tables.seats[direction] = {tap: (verdict["goto"]["target"], about) for (tap, about), verdict in elements}
    elif name == "zones":
        tables.zones = {bridge: (zone, about) for (bridge, about), zone in elements}
    elif name == "bridges":
        tables.bridges = {bridge for bridge, _ in elements}
    elif name == "tracked":
        for both, _ in elements:
            bridge, mac = both["concat"]
            tables.tracked[bridge] |= {mac}
    elif _SET.match(name):
        tables.sets[name] = frozenset(_network(raw) for raw, _ in elements)


def _plain(raw: Any) -> Any:
    """An element as (value, comment); one of a map as ((key, comment), value)."""
    if isinstance(raw, list):
        return _plain(raw[0]), raw[1]
    if isinstance(raw, dict) and "elem" in raw:
        return raw["elem"]["val"], raw["elem"].get("comment", "")
    return raw, ""


def _network(raw: Any) -> Network | str:
    """What somebody else put there may be no network: then it is a text that is not wanted."""
    if isinstance(raw, dict) and "prefix" in raw:
        return ipaddress.ip_network(f"{raw['prefix']['addr']}/{raw['prefix']['len']}")
    if isinstance(raw, dict):
        return "-".join(raw["range"])
    return ipaddress.ip_network(raw)
