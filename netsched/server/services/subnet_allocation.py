"""Which CIDR a new subnet gets: the one that is given, or one out of a pool. Within SubnetService's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netsched import errors
from netsched.db import subnetpool
from netsched.db.subnet import Surroundings
from netsched.db.transaction import Transaction
from netsched.model import addressing
from netsched.model import subnet as rules
from netsched.model import subnetpool as pool_rules
from netsched.model.subnetpool import Allocation

Object = dict[str, Any]
Objects = list[Object]

HOW = ("prefixlen", "use_default_subnetpool")  # how to choose; no attributes of a subnet


def drafted(body: Mapping[str, Any]) -> Object:
    """A new subnet as far as it needs no pool: complete without one. Raises BadRequest, and as rules.completed does."""
    named = body.get("subnetpool_id") is not None
    pooled = named or bool(body.get("use_default_subnetpool"))
    if body.get("cidr") is not None and body.get("prefixlen") is not None:
        _refuse("cidr and prefixlen must not be supplied together")
    if named and body.get("use_default_subnetpool"):
        _refuse("subnetpool_id and use_default_subnetpool cannot both be specified")
    if body.get("cidr") is None and not pooled:
        _refuse("a subnetpool must be specified in the absence of a cidr")
    if body.get("cidr") is None and body.get("allocation_pools") is not None:
        _refuse("allocation_pools allowed only for specific subnet requests")
    return dict(body) if pooled else rules.completed({k: v for k, v in body.items() if k not in HOW})


def placed(
    tx: Transaction, reader: str | None, drafts: Sequence[Object], networks: Mapping[str, Surroundings]
) -> Objects:
    """The drafts, complete, each with its CIDR; no statement where no pool is involved. Their networks are locked.

    Raises SubnetPoolNotFound (also for what `reader` may not see), BadRequest, SubnetAllocationError,
    SubnetPoolQuotaExceeded, Min- and MaxPrefixSubnetAllocationError, NetworkSubnetPoolAffinityError,
    NetworkAddressScopeAffinityError, and as rules.completed does.
    """
    asked = _asked(tx, reader, drafts)
    wanted = {pool_id for pool_id in asked if pool_id is not None}
    pools, used = _locked(tx, reader, wanted, networks) if wanted else ({}, {})
    done: Objects = []
    for draft, pool_id in zip(drafts, asked, strict=True):
        pool = pools[pool_id] if pool_id is not None else None
        body = draft
        if pool is not None:
            body = _cut(draft, pool, used[pool["id"]])
            used[pool["id"]].append(Allocation(body["cidr"], body["project_id"]))
        around = networks[draft["network_id"]]
        siblings = [*around.subnets, *(other for other in done if other["network_id"] == around.id)]
        _check_affinity(body, pool, siblings, pools)
        done.append(body)
    return done


def _asked(tx: Transaction, reader: str | None, drafts: Sequence[Object]) -> list[str | None]:
    """The pool of each draft, None for those that have their CIDR."""
    by_default = [draft for draft in drafts if draft.get("use_default_subnetpool")]
    defaults = subnetpool.defaults(tx.connection, reader) if by_default else {}
    for draft in by_default:
        if draft["ip_version"] not in defaults:
            _refuse(f"No default subnetpool found for IPv{draft['ip_version']}")
    return [
        defaults[draft["ip_version"]] if draft.get("use_default_subnetpool") else draft.get("subnetpool_id")
        for draft in drafts
    ]


def _locked(
    tx: Transaction, reader: str | None, wanted: set[str], networks: Mapping[str, Surroundings]
) -> tuple[dict[str, Object], dict[str, list[Allocation]]]:
    """The wanted pools and those of subnets that are on the networks, and what is cut out of the wanted ones.

    The others are locked, too, so that none of them gets into another address scope meanwhile.
    """
    there = {one["subnetpool_id"] for around in networks.values() for one in around.subnets if one["subnetpool_id"]}
    subnetpool.lock(tx, wanted | there)
    seen = subnetpool.seen(tx.connection, wanted, reader)
    for pool_id in sorted(wanted):
        if pool_id not in seen:
            raise errors.SubnetPoolNotFound(id=pool_id)
    others = subnetpool.seen(tx.connection, there - wanted, None) if there - wanted else {}
    return {**others, **seen}, subnetpool.allocated(tx, wanted)


def _cut(draft: Mapping[str, Any], pool: Mapping[str, Any], used: Sequence[Allocation]) -> Object:
    version = draft["ip_version"]
    if version != pool["ip_version"]:
        _refuse(f"Cannot allocate IPv{version} subnet from IPv{pool['ip_version']} subnet pool")
    cidr, length = draft.get("cidr"), draft.get("prefixlen")
    if cidr is not None:
        length = addressing.network(cidr, version).prefixlen
    elif length is None:
        length = int(pool["default_prefixlen"])
    pool_rules.check_length(pool, length)
    pool_rules.check_quota(pool, length, draft["project_id"], used)
    if cidr is not None:
        pool_rules.check_free(pool, cidr, used)
    else:
        cidr = pool_rules.choose(pool, length, used)
    plain = {name: value for name, value in draft.items() if name not in HOW}
    return rules.completed({**plain, "cidr": cidr, "subnetpool_id": pool["id"]})


def _check_affinity(
    body: Mapping[str, Any],
    pool: Mapping[str, Any] | None,
    siblings: Sequence[Mapping[str, Any]],
    pools: Mapping[str, Mapping[str, Any]],
) -> None:
    """All subnets of an IP version on a network are of one pool, or of pools of one address scope, or of none."""
    same = [one for one in siblings if one["ip_version"] == body["ip_version"]]
    if pool is None:
        if any(one["subnetpool_id"] for one in same):
            raise errors.NetworkSubnetPoolAffinityError()
        return
    scopes = {pools[one["subnetpool_id"]]["address_scope_id"] for one in same if one["subnetpool_id"]} - {None}
    if scopes and pool["address_scope_id"] not in scopes:
        raise errors.NetworkAddressScopeAffinityError()
    if not scopes and any(one["subnetpool_id"] != pool["id"] for one in same):
        raise errors.NetworkSubnetPoolAffinityError()


def _refuse(reason: str) -> None:
    raise errors.BadRequest(resource="subnets", reason=reason)
