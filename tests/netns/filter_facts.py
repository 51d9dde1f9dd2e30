"""What security groups make of a host, as facts: worked out from REST, and read from nftables."""

from __future__ import annotations

import collections
import json
import re
from typing import Any

Object = dict[str, Any]
Facts = set[tuple[Any, ...]]
TABLE = ("nft", "-j", "list", "table", "bridge", "netsched_groups")
_OF = {"in-": "ingress", "out-": "egress"}


def wanted(host: str, ports: list[Object], groups: list[Object]) -> Facts:
    """Ports here are in their groups; of each such group there are the rules, and who is in the groups they name."""
    found: Facts = set()
    by_id = {group["id"]: group for group in groups}
    mine = [port for port in ports if port["binding:host_id"] == host and port["security_groups"]]
    for port in mine:
        found |= {(host, "in group", f"tap{port['id'][:11]}", id_) for id_ in port["security_groups"]}
    for group in (by_id[id_] for id_ in {id_ for port in mine for id_ in port["security_groups"]}):
        rules = group["security_group_rules"]
        for direction, count in collections.Counter(rule["direction"] for rule in rules).items():
            found.add((host, "rules", group["id"], direction, count))
        for named in {rule["remote_group_id"] for rule in rules} - {None}:
            members = [port for port in ports if named in port["security_groups"]]
            addresses = {one["ip_address"] for port in members for one in _addresses(port)}
            found |= {(host, "remote", named, address) for address in addresses}
    return found


def _addresses(port: Object) -> list[Object]:
    return [*port["fixed_ips"], *port["allowed_address_pairs"]]


def found(host: str, listing: list[Any]) -> Facts:
    """The same, from what nft lists."""
    facts: Facts = set()
    jumps: dict[str, set[str]] = collections.defaultdict(set)
    accepts: collections.Counter[str] = collections.Counter()
    seats: list[tuple[str, str]] = []
    for item in listing:
        if rule := item.get("rule"):
            text = json.dumps(rule["expr"])
            jumps[rule["chain"]] |= set(re.findall(r'"target": "(?:in|out)-([^"]+)"', text))
            # All but the first, which is for what is established.
            accepts[rule["chain"]] += '"accept"' in text and '"mark"' not in text
        elif map_ := item.get("map"):
            seats += [(raw[0]["elem"]["val"], raw[1]["goto"]["target"]) for raw in map_.get("elem", ())]
        elif (set_ := item.get("set")) and (of := re.fullmatch(r"members[46]-(.*)", set_["name"])):
            facts |= {(host, "remote", of[1], _plain(raw)) for raw in set_.get("elem", ())}
    for tap, chain in seats:
        facts |= {(host, "in group", tap, id_) for id_ in jumps[chain]}
    for chain, count in accepts.items():
        prefix = next((prefix for prefix in _OF if chain.startswith(prefix)), None)
        if prefix and count:
            facts.add((host, "rules", chain.removeprefix(prefix), _OF[prefix], count))
    return facts


def _plain(word: Any) -> str:
    return f"{word['prefix']['addr']}/{word['prefix']['len']}" if isinstance(word, dict) else str(word)
