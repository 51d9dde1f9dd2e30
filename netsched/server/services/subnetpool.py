"""Use cases of subnet pools. Subnets are cut out of them by subnet_allocation.py."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from netsched import errors
from netsched.db import address_scope, network, router_scope, subnet, subnetpool
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model import scope
from netsched.model import subnetpool as rules
from netsched.model.principal import Principal
from netsched.model.query import Query
from netsched.server.services.quota import Quotas

Object = dict[str, Any]
Objects = list[Object]
Prefixes = list[str]


class SubnetPoolService:
    def __init__(self, database: Database, quotas: Quotas | None = None) -> None:
        self._database = database
        self._quotas = quotas or Quotas()

    def create(self, principal: Principal, bodies: Objects) -> Objects:
        """Raises what model/subnetpool.py raises, InvalidInput for a second default pool, and what `_check_scopes`
        raises."""
        pools = [rules.completed({"project_id": principal.project_id, **body}) for body in bodies]
        # The id is in the messages that refuse, and tells a new pool's prefixes from those of the others.
        named = [{"id": str(uuid.uuid4()), **pool} for pool in pools]

        def work(tx: Transaction) -> Objects:
            self._quotas.claim(tx, "subnetpool", [pool["project_id"] for pool in named])
            _check_defaults(tx, named)
            _check_scopes(tx, principal, named)
            return subnetpool.insert_many(tx, named)

        return self._database.write(work)

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return subnetpool.get(connection, id, principal.sees)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Raises SubnetPoolNotFound, RevisionNumberConstraintFailed, IllegalSubnetPoolUpdate, and as `create` does."""

        def work(tx: Transaction) -> Object:
            subnetpool.claim(tx, id, if_match)
            before = subnetpool.get(tx.connection, id, principal.sees)
            _write(tx, principal, before, rules.changed(before, changes))
            return subnetpool.get(tx.connection, id, principal.sees)

        return self._database.write(work)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Raises SubnetPoolNotFound, RevisionNumberConstraintFailed, SubnetPoolDeleteError."""

        def work(tx: Transaction) -> None:
            subnetpool.claim(tx, id, if_match)
            subnetpool.get(tx.connection, id, principal.sees)
            if subnetpool.in_use(tx, id):
                raise errors.SubnetPoolDeleteError(reason="Subnet pool has existing allocations")
            subnetpool.remove(tx, id)

        self._database.write(work)

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return subnetpool.list_(connection, replace(query, visible_to=principal.sees))

    def add_prefixes(self, principal: Principal, id: str, prefixes: Prefixes) -> Prefixes:
        """All prefixes of the pool after these are added. Raises as `update` does."""

        def work(tx: Transaction) -> Prefixes:
            subnetpool.claim(tx, id, None)
            before = subnetpool.get(tx.connection, id, principal.sees)
            after = rules.changed(before, {"prefixes": [*before["prefixes"], *prefixes]})
            _write(tx, principal, before, after)
            found: Prefixes = after["prefixes"]
            return found

        return self._database.write(work)

    def remove_prefixes(self, principal: Principal, id: str, prefixes: Prefixes) -> Prefixes:
        """All prefixes of the pool after these are taken out; of what is not in it nothing is said.

        Raises SubnetPoolNotFound, IllegalSubnetPoolPrefixUpdate when a subnet uses them, EmptySubnetPoolPrefixList.
        """

        def work(tx: Transaction) -> Prefixes:
            subnetpool.claim(tx, id, None)
            before = subnetpool.get(tx.connection, id, principal.sees)
            version = before["ip_version"]
            gone = [prefix for prefix in prefixes if ipaddress.ip_network(prefix).version == version]
            if rules.overlapping([one.cidr for one in subnetpool.allocated(tx, [id])[id]], gone):
                reason = "One or more the prefixes to be removed is in use by a subnet"
                raise errors.IllegalSubnetPoolPrefixUpdate(reason=reason)
            left = rules.minus(before["prefixes"], gone)
            after = rules.completed({**_numbers(before), "prefixes": left})
            subnetpool.update(tx, id, after)
            return left

        return self._database.write(work)

    def onboard(self, principal: Principal, id: str, network_id: str) -> Objects:
        """Take over the subnets of a network, of the pool's IP version; the id and CIDR of each.

        Raises SubnetPoolNotFound, NetworkNotFound (also for a network of another project, whose subnets are not the
        caller's to give), IllegalSubnetPoolUpdate, and as `update` does.
        """

        def work(tx: Transaction) -> Objects:
            network.lock(tx, [network_id])
            around = subnet.surroundings(tx, [network_id]).get(network_id)
            if around is None or principal.sees not in (None, around.project_id):
                raise errors.NetworkNotFound(id=network_id)
            subnetpool.claim(tx, id, None)
            before = subnetpool.get(tx.connection, id, principal.sees)
            joining = [one for one in around.subnets if one["ip_version"] == before["ip_version"]]
            used = [one.cidr for one in subnetpool.allocated(tx, [id])[id]]
            for one in joining:
                if rules.overlapping([one["cidr"]], used):
                    _refuse_onboarding(one, id)
            cidrs = [one["cidr"] for one in joining]
            after = rules.changed(before, {"prefixes": [*before["prefixes"], *cidrs]})
            subnetpool.adopt(tx, id, [one["id"] for one in joining])
            _write(tx, principal, before, after)
            for one in joining:
                tx.log("subnet", one["id"], "update", scope.key("network", network_id))
            router_scope.tell_networks(tx, [network_id])
            return [{"id": one["id"], "cidr": one["cidr"]} for one in joining]

        return self._database.write(work)


def _write(tx: Transaction, principal: Principal, before: Mapping[str, Any], after: Object) -> None:
    """Check and write a claimed pool; who routes its subnets is told when they get into another scope."""
    _check_scope_owner(tx, principal, before)
    if after["is_default"] and not before["is_default"]:
        _check_defaults(tx, [after])
    moved = after["address_scope_id"] != before["address_scope_id"]
    if moved or after["prefixes"] != before["prefixes"]:
        _check_scopes(tx, principal, [after])
    if moved and subnetpool.mixes(tx, before["id"], before["ip_version"]):
        raise errors.NetworkAddressScopeAffinityError()
    subnetpool.update(tx, before["id"], after)
    if moved:
        router_scope.tell_networks(tx, subnetpool.networks_of(tx, before["id"]))


def _numbers(pool: Mapping[str, Any]) -> Object:
    lengths = ("min_prefixlen", "max_prefixlen", "default_prefixlen")
    return {**pool, **{name: int(pool[name]) for name in lengths}}


def _check_defaults(tx: Transaction, pools: Collection[Mapping[str, Any]]) -> None:
    """Two at once are told apart by the unique key: the later of them comes here again and sees the earlier."""
    wanted = [pool["ip_version"] for pool in pools if pool["is_default"]]
    if not wanted:
        return
    there = subnetpool.defaults(tx.connection, None)
    if len(set(wanted)) < len(wanted) or any(version in there for version in wanted):
        reason = (
            "A default subnetpool for this IP family has already been set. Only one default may exist per IP family"
        )
        raise errors.InvalidInput(reason=reason)


def _check_scope_owner(tx: Transaction, principal: Principal, before: Mapping[str, Any]) -> None:
    """Who only uses another's scope may not move what is in it."""
    scope_id = before["address_scope_id"]
    if scope_id is None or principal.sees is None:
        return
    theirs = address_scope.get(tx.connection, scope_id, principal.sees)
    if theirs["project_id"] != principal.sees:
        reason = f"subnetpool {before['id']} cannot be updated when associated with shared address scope {scope_id}"
        raise errors.IllegalSubnetPoolUpdate(reason=reason)


def _check_scopes(tx: Transaction, principal: Principal, pools: Collection[Mapping[str, Any]]) -> None:
    """Raises AddressScopeNotFound, IllegalSubnetPoolIpVersionAssociationToAddressScope, AddressScopePrefixConflict."""
    wanted = {pool["address_scope_id"] for pool in pools if pool["address_scope_id"] is not None}
    if not wanted:
        return
    address_scope.lock(tx, wanted)
    scopes = address_scope.seen(tx.connection, wanted, principal.sees)
    inside = subnetpool.in_scopes(tx, wanted)
    for pool in pools:
        scope_id = pool["address_scope_id"]
        if scope_id is None:
            continue
        if scope_id not in scopes:
            raise errors.AddressScopeNotFound(id=scope_id)
        if scopes[scope_id]["ip_version"] != pool["ip_version"]:
            raise errors.IllegalSubnetPoolIpVersionAssociationToAddressScope(
                subnetpool_id=pool["id"], address_scope_id=scope_id, ip_version=scopes[scope_id]["ip_version"]
            )
        for other_id, prefixes in inside[scope_id].items():
            if other_id != pool["id"] and rules.overlapping(pool["prefixes"], prefixes):
                raise errors.AddressScopePrefixConflict()
        inside[scope_id][pool["id"]] = pool["prefixes"]


def _refuse_onboarding(one: Mapping[str, Any], pool_id: str) -> None:
    reason = f"Onboarding subnet {one['id']}: {one['cidr']} conflicts with allocated prefixes in subnet pool {pool_id}"
    raise errors.IllegalSubnetPoolUpdate(reason=reason)
