"""The router's nf_tables rules: text for nft from what is wanted, and what is wanted compared with what nft lists.

Floating addresses are elements of two maps, so adding one changes no rule and forgets no connection. Everything else
is a handful of rules that change with the router's links; those are replaced as a whole, in one transaction.

Each rule has a digest of itself as its comment. nft lists rules in words of its own, which differ between versions;
by digests an agent recognises its rules, in their order, whichever agent set them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netsched.agents.l3.compute import Leg, Nat

TABLE, TABLE6 = "ip netsched", "ip6 netsched"
LIST = "list ruleset"  # the namespace is ours; no chain of one table is named as one of the other
INWARD, OUTWARD = "fip_in", "fip_out"  # maps: floating -> fixed, and back


@dataclass(frozen=True)
class Chain:
    name: str
    type: str
    hook: str
    priority: int
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Listed:
    """What nft showed: `chains` with the comments of their rules; `maps` with their elements."""

    chains: Mapping[str, tuple[str, str, int, tuple[str, ...]]] = field(default_factory=dict)
    maps: Mapping[str, dict[str, str]] = field(default_factory=dict)


def chains(nat: Nat) -> list[Chain]:
    """All chains of the router."""
    set_zone = (f"ct zone set {nat.zone}",)
    between = [Chain("between", "filter", "forward", 0, tuple(_between(nat)))] if nat.apart else []
    return [
        # From the first packet on, before conntrack looks: entries made without the zone would not be found again.
        Chain("zone_in", "filter", "prerouting", -300, set_zone),
        Chain("zone_out", "filter", "output", -300, set_zone),
        Chain("inward", "nat", "prerouting", -100, (f"dnat to ip daddr map @{INWARD}",)),
        Chain("outward", "nat", "postrouting", 100, tuple(_outward(nat))),
        *between,
    ]


def chains6(nat: Nat) -> list[Chain]:
    """The same for IPv6, which is never translated: only where there are several address scopes."""
    apart = [(links, [link for group in nat.apart6 if group != links for link in group]) for links in nat.apart6]
    drops = tuple(f"iifname {_any(links)} oifname {_any(others)} drop" for links, others in apart)
    return [Chain("between6", "filter", "forward", 0, drops)] if drops else []


def _between(nat: Nat) -> list[str]:
    """Nothing goes from one address scope to another as it is, where the same address may be somebody else."""
    rules = ["ct status dnat accept", "ct status snat accept"]
    for links in nat.apart:
        others = [link for group in nat.apart if group != links for link in group]
        inside = [link for link in others if link != nat.gateway]
        if inside:
            rules.append(f"iifname {_any(links)} oifname {_any(inside)} drop")
        if nat.gateway in others and not nat.snat:
            own = sorted(fixed for _, fixed in nat.floating)  # they leave under their floating addresses
            rest = f" ip saddr != {{ {', '.join(own)} }}" if own else ""
            rules.append(f'iifname {_any(links)} oifname "{nat.gateway}"{rest} drop')
    return rules


def _any(links: Sequence[str]) -> str:
    return "{ " + ", ".join(f'"{link}"' for link in links) + " }"


def _outward(nat: Nat) -> list[str]:
    """Source NAT. A floating address first, the common address for the rest, and two cases of what came by a floating
    address and would be answered past this router."""
    rules = []
    if nat.gateway:
        rules.append(f'oifname "{nat.gateway}" snat to ip saddr map @{OUTWARD}')
        if nat.unchanged:
            rules.append(f'oifname "{nat.gateway}" ip saddr {{ {", ".join(nat.unchanged)} }} accept')
        if nat.snat:
            rules.append(f'oifname "{nat.gateway}" snat to {nat.snat}')
    for leg in (leg for leg in nat.legs if not leg.is_gateway):
        # The hosts of this subnet send their answers to another router, which knows nothing of the connection and has
        # another provider: a machine with floating IPs of two providers would be reachable by one of them. Having
        # come from an address on the link, the answer returns to the router by which the question came.
        rules.append(f"ct status dnat {_to(leg)} snat to {leg.address}")
    # From one machine with a floating IP to another: each sees the other under the address it used.
    rules.append(f"ct status dnat snat to ip saddr map @{OUTWARD}")
    for leg in (leg for leg in nat.legs if leg.is_gateway):
        # Both on one link: the answer would not pass a router at all, and come from an address that nobody asked.
        devices = ", ".join(f'"{device}"' for device in leg.same_link)
        rules.append(f"iifname {{ {devices} }} ct status dnat {_to(leg)} snat to {leg.address}")
    return rules


def _to(leg: Leg) -> str:
    return f'oifname "{leg.device}" ip daddr {leg.cidr}'


def maps(nat: Nat) -> dict[str, dict[str, str]]:
    """What is to be in the maps."""
    return {INWARD: dict(nat.floating), OUTWARD: {fixed: floating for floating, fixed in reversed(nat.floating)}}


def read(listing: Iterable[Mapping[str, Any]]) -> Listed:
    """nft's JSON for `LIST`."""
    heads: dict[str, tuple[str, str, int]] = {}
    comments: dict[str, list[str]] = {}
    found: dict[str, dict[str, str]] = {}
    for item in listing:
        if chain := item.get("chain"):
            heads[chain["name"]] = (chain.get("type", ""), chain.get("hook", ""), chain.get("prio", 0))
        elif rule := item.get("rule"):
            comments.setdefault(rule["chain"], []).append(rule.get("comment", ""))
        elif map_ := item.get("map"):
            found[map_["name"]] = {key: value for key, value in map_.get("elem", [])}
    return Listed({name: (*head, tuple(comments.get(name, ()))) for name, head in heads.items()}, found)


def wanted(nat: Nat) -> Listed:
    """What `read` gives when all is as wanted."""
    all_ = [*chains(nat), *chains6(nat)]
    heads = {c.name: (c.type, c.hook, c.priority, tuple(map(_digest, c.rules))) for c in all_}
    return Listed(heads, maps(nat))


def change(nat: Nat, listed: Listed) -> str:
    """The transaction from what is listed to what is wanted; "" when there is nothing to change."""
    target = wanted(nat)
    if listed == target:
        return ""
    if listed.chains != target.chains or listed.maps.keys() != target.maps.keys():
        return _whole(nat)
    return "".join(_elements(name, listed.maps[name], target.maps[name]) for name in target.maps)


def changed_addresses(nat: Nat, listed: Listed) -> set[str]:
    """Floating addresses that have not led where they are to lead."""
    before, after = listed.maps.get(INWARD, {}), maps(nat)[INWARD]
    return {address for address in before.keys() | after.keys() if before.get(address) != after.get(address)}


def led(listed: Listed) -> set[str]:
    """Floating addresses that have led somewhere."""
    return set(listed.maps.get(INWARD, ()))


def _elements(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    gone = [key for key, value in before.items() if after.get(key) != value]
    new = [f"{key} : {value}" for key, value in after.items() if before.get(key) != value]
    lines = [f"delete element {TABLE} {name} {{ {', '.join(gone)} }}\n"] if gone else []
    return "".join([*lines, f"add element {TABLE} {name} {{ {', '.join(new)} }}\n" if new else ""])


def _whole(nat: Nat) -> str:
    """Everything anew. Adding first lets the deletion succeed where there is no table; connections keep their
    translation, which is conntrack's."""
    lines = [f"add table {TABLE}", f"delete table {TABLE}", f"table {TABLE} {{"]
    for name, elements in maps(nat).items():
        lines += [f"map {name} {{", "type ipv4_addr : ipv4_addr;"]
        if elements:
            lines.append(f"elements = {{ {', '.join(f'{key} : {value}' for key, value in elements.items())} }}")
        lines.append("}")
    lines += [line for chain in chains(nat) for line in _chain(chain)] + ["}"]
    lines += [f"add table {TABLE6}", f"delete table {TABLE6}"]
    if six := chains6(nat):
        lines += [f"table {TABLE6} {{", *(line for chain in six for line in _chain(chain)), "}"]
    return "\n".join([*lines, ""])


def _chain(chain: Chain) -> list[str]:
    return [f"chain {chain.name} {{", _head(chain), *_commented(chain.rules), "}"]


def _head(chain: Chain) -> str:
    return f"type {chain.type} hook {chain.hook} priority {chain.priority}; policy accept;"


def _commented(rules: Sequence[str]) -> list[str]:
    return [f'{rule} comment "{_digest(rule)}"' for rule in rules]


def _digest(rule: str) -> str:
    return hashlib.sha256(rule.encode()).hexdigest()[:16]
