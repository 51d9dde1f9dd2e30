"""What may be granted to other projects, and whether a grant is needed: who uses the object and may not without it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from netsched import errors
from netsched.db import address_group, address_scope, network, rbac, router_scope, security_group
from netsched.db import subnetpool as subnetpools
from netsched.db.floatingip import floatingip
from netsched.db.port import DHCP_OWNER, port
from netsched.db.port_security_group import port_security_group
from netsched.db.router import router
from netsched.db.security_group import security_group_rule
from netsched.db.subnet import subnet
from netsched.db.subnetpool import subnetpool
from netsched.db.transaction import Transaction
from netsched.model import addressing

# Selects of the projects that use the object of an id; their one column is the project.
Users = Callable[[str], tuple[sa.Select[str], ...]]
_SERVICES = (DHCP_OWNER, addressing.GATEWAY_OWNER, addressing.FLOATINGIP_OWNER)  # whose ports belong to nobody


@dataclass(frozen=True)
class Shareable:
    """A type of object. `users`: by action."""

    table: sa.Table
    visible: Callable[[str | None], sa.ColumnElement[bool] | None]
    users: Mapping[str, Users]


def _on_network(network_id: str) -> tuple[sa.Select[str], ...]:
    return (sa.select(port.c.project_id).where(port.c.network_id == network_id, port.c.device_owner.not_in(_SERVICES)),)


def _outside(network_id: str) -> tuple[sa.Select[str], ...]:
    gateways = sa.select(router.c.project_id).join(port, port.c.id == router.c.gateway_port_id)
    floating = sa.select(floatingip.c.project_id).where(floatingip.c.floating_network_id == network_id)
    return gateways.where(port.c.network_id == network_id), floating


def _from_pool(pool_id: str) -> tuple[sa.Select[str], ...]:
    return (sa.select(subnet.c.project_id).where(subnet.c.subnetpool_id == pool_id),)


def _in_scope(scope_id: str) -> tuple[sa.Select[str], ...]:
    return (sa.select(subnetpool.c.project_id).where(subnetpool.c.address_scope_id == scope_id),)


def _by_group(group_id: str) -> tuple[sa.Select[str], ...]:
    member, rule = port_security_group.c, security_group_rule.c
    ports = sa.select(port.c.project_id).join(port_security_group, member.port_id == port.c.id)
    rules = sa.select(rule.project_id).where(rule.remote_group_id == group_id)
    return ports.where(member.security_group_id == group_id), rules


def _by_addresses(group_id: str) -> tuple[sa.Select[str], ...]:
    rule = security_group_rule.c
    return (sa.select(rule.project_id).where(rule.remote_address_group_id == group_id),)


OBJECTS: Mapping[str, Shareable] = {
    "network": Shareable(network.network, network.visible, {rbac.SHARED: _on_network, rbac.EXTERNAL: _outside}),
    "subnetpool": Shareable(subnetpool, subnetpools.visible, {rbac.SHARED: _from_pool}),
    "address_scope": Shareable(address_scope.address_scope, address_scope.visible, {rbac.SHARED: _in_scope}),
    "security_group": Shareable(security_group.security_group, security_group.visible, {rbac.SHARED: _by_group}),
    "address_group": Shareable(address_group.address_group, address_group.visible, {rbac.SHARED: _by_addresses}),
}


def owners(tx: Transaction, object_type: str, ids: Collection[str], visible_to: str | None) -> dict[str, str]:
    """The project of each object that exists and is visible. Locks them: none is deleted until the commit."""
    of_type = OBJECTS[object_type]
    table, visible = of_type.table, of_type.visible(visible_to)
    wanted = sorted(ids)
    # A value of its own for no other reason than the lock.
    tx.execute(sa.update(table).where(table.c.id.in_(wanted)).values(updated_at=table.c.updated_at))
    found = sa.select(table.c.id, table.c.project_id).where(table.c.id.in_(wanted))
    return {row.id: row.project_id for row in tx.execute(found if visible is None else found.where(visible))}


def check_scopes(tx: Transaction, policies: Sequence[Mapping[str, str]]) -> None:
    """Who is given a subnet pool must have its address scope too. Raises RbacPolicyInitError."""
    pools = {one["object_id"] for one in policies if one["object_type"] == "subnetpool"}
    if not pools:
        return
    scoped = subnetpool.c.address_scope_id.is_not(None)
    columns = sa.select(subnetpool.c.id, subnetpool.c.address_scope_id).where(
        subnetpool.c.id.in_(sorted(pools)), scoped
    )
    scopes = {row.id: row.address_scope_id for row in tx.execute(columns)}
    table = rbac.rbac_policy.c
    columns = sa.select(table.object_id, table.target_tenant).where(table.object_id.in_(sorted(set(scopes.values()))))
    has = {(row.object_id, row.target_tenant) for row in tx.execute(columns)} if scopes else set()
    for one in policies:
        scope_id = scopes.get(one["object_id"])
        if scope_id is not None and not has & {(scope_id, one["target_tenant"]), (scope_id, rbac.EVERYBODY)}:
            reason = "target project doesn't have access to associated address scope"
            raise errors.RbacPolicyInitError(object_id=one["object_id"], reason=reason)


def in_need(tx: Transaction, grant: Mapping[str, str], owner: str, lost: str = rbac.EVERYBODY) -> bool:
    """Now that the grant (object_type, object_id, action) is taken from `lost`: does a project that had it use it?

    Not if it has it still, by name or with everybody, or owns the object. What is external for nobody is that for its
    owner neither. The object is locked.
    """
    table = rbac.rbac_policy.c
    same = sa.and_(table.object_id == grant["object_id"], table.action == grant["action"])
    left = set(tx.execute(sa.select(table.target_tenant).where(same)).scalars())
    if rbac.EVERYBODY in left:
        return False
    ended = grant["action"] == rbac.EXTERNAL and not left
    for users in OBJECTS[grant["object_type"]].users[grant["action"]](grant["object_id"]):
        project = users.selected_columns[0]
        if not ended:
            users = users.where(project.not_in([owner, *left]))
            users = users if lost == rbac.EVERYBODY else users.where(project == lost)
        if tx.execute(users.limit(1)).first() is not None:
            return True
    return False


def settle(tx: Transaction, grants: Collection[Mapping[str, str]]) -> None:
    """After these grants have been made or taken back: what else says so. The objects are locked."""
    on_networks = [one for one in grants if one["object_type"] == network.TYPE]
    if on_networks:
        ids = sorted({one["object_id"] for one in on_networks})
        network.regrant(tx, ids, {one["action"] for one in on_networks if one["target_tenant"] == rbac.EVERYBODY})
        router_scope.tell_networks(tx, ids)
