"""What a subnet pool is: prefixes of one IP version, what may be cut out of them, and how that is chosen."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from netsched import errors
from netsched.model.addressing import Network

Object = dict[str, Any]

BITS = {4: 32, 6: 128}
SHORTEST = {4: 8, 6: 64}  # min_prefixlen where none is given
QUOTA_UNIT = {4: 32, 6: 64}  # a project's quota counts addresses, or networks of /64


@dataclass(frozen=True)
class Allocation:
    """A subnet of a pool: its CIDR and whose it is."""

    cidr: str
    project_id: str


def completed(wanted: Mapping[str, Any]) -> Object:
    """A pool with all its attributes, prefixes merged. Raises EmptySubnetPoolPrefixList, PrefixVersionMismatch,
    IllegalSubnetPoolPrefixBounds."""
    prefixes, version = merged(wanted["prefixes"])
    pool: Object = {"default_quota": None, "address_scope_id": None, "is_default": False, **wanted}
    pool |= {"prefixes": prefixes, "ip_version": version}
    pool["max_prefixlen"] = wanted.get("max_prefixlen", BITS[version])
    pool["min_prefixlen"] = wanted.get("min_prefixlen", SHORTEST[version])
    pool["default_prefixlen"] = wanted.get("default_prefixlen", pool["min_prefixlen"])
    _check_bounds(pool)
    return pool


def changed(before: Mapping[str, Any], changes: Mapping[str, Any]) -> Object:
    """The pool with its changes (numbers as numbers). Prefixes may only become more.

    Raises as `completed` does, and IllegalSubnetPoolPrefixUpdate.
    """
    if "prefixes" in changes:
        prefixes, version = merged(changes["prefixes"])
        kept = version == before["ip_version"] and not minus(before["prefixes"], prefixes)
        if not kept:
            reason = "Existing prefixes must be a subset of the new prefixes"
            raise errors.IllegalSubnetPoolPrefixUpdate(reason=reason)
    lengths = {name: int(before[name]) for name in ("min_prefixlen", "max_prefixlen", "default_prefixlen")}
    return completed({**before, **lengths, **changes})


def merged(prefixes: Iterable[str]) -> tuple[list[str], int]:
    """The fewest prefixes that cover the same addresses, in order, and their IP version.

    Raises EmptySubnetPoolPrefixList, PrefixVersionMismatch.
    """
    parsed = [ipaddress.ip_network(prefix) for prefix in prefixes]
    if not parsed:
        raise errors.EmptySubnetPoolPrefixList()
    version = parsed[0].version
    if any(one.version != version for one in parsed):
        raise errors.PrefixVersionMismatch()
    return [str(one) for one in _collapsed(parsed)], version


def minus(prefixes: Iterable[str], taken: Iterable[str]) -> list[str]:
    """What is left of the prefixes without the taken ones (all of one IP version), as the fewest CIDRs, in order."""
    return [str(one) for one in _free(list(prefixes), taken)]


def overlapping(ours: Iterable[str], theirs: Iterable[str]) -> bool:
    """Do two lists of prefixes share an address?"""
    left, right = _ranges(ours), _ranges(theirs)
    at = 0
    for first, last in left:
        while at < len(right) and right[at][1] < first:
            at += 1
        if at < len(right) and right[at][0] <= last:
            return True
    return False


def choose(pool: Mapping[str, Any], length: int, used: Sequence[Allocation]) -> str:
    """The CIDR for a new subnet of this prefix length: in the smallest gap that has room, the lowest of them.

    Raises SubnetAllocationError.
    """
    gaps = _free(pool["prefixes"], [one.cidr for one in used])
    roomy = [gap for gap in gaps if gap.prefixlen <= length]
    if not roomy:
        reason = f"Insufficient prefix space to allocate subnet size /{length}"
        raise errors.SubnetAllocationError(reason=reason)
    best = max(roomy, key=lambda gap: gap.prefixlen)  # the first of equals
    return f"{best.network_address}/{length}"


def check_free(pool: Mapping[str, Any], cidr: str, used: Sequence[Allocation]) -> None:
    """May this CIDR be taken out of the pool? Raises SubnetAllocationError."""
    net = ipaddress.ip_network(cidr)
    gaps = _free(pool["prefixes"], [one.cidr for one in used]) if net.version == pool["ip_version"] else []
    if not any(_within(net, gap) for gap in gaps):
        reason = "Cannot allocate requested subnet from the available set of prefixes"
        raise errors.SubnetAllocationError(reason=reason)


def check_length(pool: Mapping[str, Any], length: int) -> None:
    """Raises MaxPrefixSubnetAllocationError, MinPrefixSubnetAllocationError."""
    longest, shortest = int(pool["max_prefixlen"]), int(pool["min_prefixlen"])
    if length > longest:
        raise errors.MaxPrefixSubnetAllocationError(prefixlen=length, max_prefixlen=longest)
    if length < shortest:
        raise errors.MinPrefixSubnetAllocationError(prefixlen=length, min_prefixlen=shortest)


def check_quota(pool: Mapping[str, Any], length: int, project_id: str, used: Iterable[Allocation]) -> None:
    """Each project's share of the pool; no quota or zero is no limit. Raises SubnetPoolQuotaExceeded."""
    if not pool["default_quota"]:
        return
    unit = QUOTA_UNIT[pool["ip_version"]]
    lengths = [ipaddress.ip_network(one.cidr).prefixlen for one in used if one.project_id == project_id]
    # Fractions: an IPv6 subnet may be smaller than the unit.
    if sum(Fraction(2) ** (unit - one) for one in [*lengths, length]) > pool["default_quota"]:
        raise errors.SubnetPoolQuotaExceeded()


def _check_bounds(pool: Mapping[str, Any]) -> None:
    shortest, longest, default = pool["min_prefixlen"], pool["max_prefixlen"], pool["default_prefixlen"]
    bits = BITS[pool["ip_version"]]
    if shortest > longest:
        _refuse_bounds("min_prefixlen", shortest, "max_prefixlen", longest)
    if longest > bits:
        _refuse_bounds("max_prefixlen", longest, "ip_version_max", bits)
    if default < shortest:
        _refuse_bounds("default_prefixlen", default, "min_prefixlen", shortest)
    if default > longest:
        _refuse_bounds("default_prefixlen", default, "max_prefixlen", longest)


def _refuse_bounds(name: str, value: int, other: str, limit: int) -> None:
    raise errors.IllegalSubnetPoolPrefixBounds(
        prefix_type=name, prefixlen=value, base_prefix_type=other, base_prefixlen=limit
    )


def _collapsed(networks: Iterable[Network]) -> list[Network]:
    # Callers give one IP version, which the types of the standard library cannot say.
    return list(ipaddress.collapse_addresses(networks))  # type: ignore[type-var]


def _ranges(prefixes: Iterable[str]) -> list[tuple[int, int]]:
    nets = _collapsed([ipaddress.ip_network(prefix) for prefix in prefixes])
    return [(int(net.network_address), int(net.broadcast_address)) for net in nets]


def _free(prefixes: Sequence[str], taken: Iterable[str]) -> list[Network]:
    """The gaps as the fewest CIDRs, in order; time grows with the number of taken ones, not with its square."""
    if not prefixes:
        return []
    make: Any = ipaddress.IPv4Address if ipaddress.ip_network(prefixes[0]).version == 4 else ipaddress.IPv6Address
    holes, at = _ranges(taken), 0
    free: list[Network] = []
    for first, last in _ranges(prefixes):
        start = first
        while at < len(holes) and holes[at][1] < start:
            at += 1
        while at < len(holes) and holes[at][0] <= last:
            if start < holes[at][0]:
                free.extend(ipaddress.summarize_address_range(make(start), make(holes[at][0] - 1)))
            start = holes[at][1] + 1
            if start > last:
                break
            at += 1
        if start <= last:
            free.extend(ipaddress.summarize_address_range(make(start), make(last)))
    return free


def _within(net: Network, gap: Network) -> bool:
    return net.version == gap.version and net.subnet_of(gap)  # type: ignore[arg-type]
