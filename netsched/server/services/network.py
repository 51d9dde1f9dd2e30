"""Use cases of networks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from netsched import errors
from netsched.db import (
    address,
    attached,
    binding,
    floatingip,
    network,
    port_change,
    rbac,
    rbac_use,
    router_scope,
    segment,
    subnet,
)
from netsched.db.port import DHCP_OWNER
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model import subnet as rules
from netsched.model.addressing import FLOATINGIP_OWNER
from netsched.model.principal import Principal
from netsched.model.provider import ProviderSettings
from netsched.model.query import Query
from netsched.server.services.quota import Quotas

Object = dict[str, Any]
Objects = list[Object]

LOOKED_AT = 1000  # ports, when a network is to be deleted; its own DHCP ports are far fewer
_SHARED = {"object_type": "network", "action": rbac.SHARED}
NAMED = 20  # ports in the message that refuses


class NetworkService:
    def __init__(self, database: Database, provider: ProviderSettings, quotas: Quotas | None = None) -> None:
        """`segment.configure` with the same settings comes first."""
        self._database = database
        self._provider = provider
        self._quotas = quotas or Quotas()

    def create(self, principal: Principal, bodies: Objects) -> Objects:
        """Raises InvalidInput for provider attributes, OverQuota, DefaultExternalNetworkExists, and what
        `segment.allocate` raises."""
        owned = [{"project_id": principal.project_id, **body} for body in bodies]
        wishes = [self._provider.wish(body) for body in owned]

        def work(tx: Transaction) -> Objects:
            self._quotas.claim(tx, "network", [body["project_id"] for body in owned])
            _check_default(tx, owned)
            carried = [
                one.attributes() | {"mtu": self._provider.chosen_mtu(one.network_type, body.get("mtu", 0))}
                for one, body in zip(segment.allocate(tx, wishes), owned, strict=True)
            ]
            return network.insert_many(tx, [body | by for body, by in zip(owned, carried, strict=True)])

        return self._database.write(work)

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return network.get(connection, id, principal.sees)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Raises NetworkNotFound, RevisionNumberConstraintFailed, InvalidSharedSetting, ExternalNetworkInUse,
        NetworkMTUSubnetConflict, DefaultExternalNetworkExists."""

        def work(tx: Transaction) -> Object:
            before = network.get(tx.connection, id, principal.sees)
            fitting = self._fitting(before, changes)
            if not before["is_default"]:
                _check_default(tx, [{**before, **fitting}])
            network.update(tx, before, fitting, if_match)
            router_scope.tell(tx, "network", id, [id])
            if "mtu" in changes:
                rules.check_mtu(id, fitting["mtu"], subnet.surroundings(tx, [id])[id].subnets)
            internal = before["router:external"] and changes.get("router:external") is False
            if internal and attached.outside_on_network(tx, id):
                raise errors.ExternalNetworkInUse(id=id)
            unshared = before["shared"] and changes.get("shared") is False
            if unshared and rbac_use.in_need(tx, _SHARED | {"object_id": id}, before["project_id"]):
                raise errors.InvalidSharedSetting(id=id)
            return network.get(tx.connection, id, principal.sees)

        return self._database.write(work)

    def _fitting(self, before: Object, changes: Object) -> Object:
        """The changes with the MTU that comes of them."""
        if "mtu" not in changes:
            return changes
        return changes | {"mtu": self._provider.chosen_mtu(before["provider:network_type"] or "", changes["mtu"])}

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Delete the network with its subnets, the service's own ports and floating IPs that stand for nothing.

        Raises NetworkNotFound, RevisionNumberConstraintFailed, NetworkInUse.
        """

        def work(tx: Transaction) -> None:
            around = subnet.surroundings(tx, [id], principal.sees).get(id)
            if around is None or not around.visible_to(principal.sees):
                raise errors.NetworkNotFound(id=id)
            # Subnets before the network, as a new port locks them: the other order would end in deadlocks.
            address.lock(tx, [other["id"] for other in around.subnets])
            network.claim(tx, id, if_match)
            ports = attached.on_network(tx, id, LOOKED_AT)
            if any(owner == FLOATINGIP_OWNER for _, owner, _ in ports):
                port_change.remove_many(tx, floatingip.remove_unassociated(tx, id))
                ports = attached.on_network(tx, id, LOOKED_AT)
            _refuse_if_used(id, [(port_id, owner) for port_id, owner, _ in ports if owner != DHCP_OWNER])
            binding.forget(tx, "network", id)
            if ports:
                attached.remove_with_network(tx, id, [port_id for port_id, _, _ in ports])
            subnet.log_removal(tx, around)
            network.remove(tx, id)
            if around.segment is not None:
                segment.release(tx, around.segment)

        self._database.write(work)

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return network.list_(connection, replace(query, visible_to=principal.sees))


def _check_default(tx: Transaction, networks: Objects) -> None:
    """Networks that are to be: of those that are external, one at most is the default. The table holds it, too."""
    wanted = [one for one in networks if one.get("is_default") and one.get("router:external")]
    if not wanted:
        return
    there = network.default_external(tx)
    if there is not None or len(wanted) > 1:
        raise errors.DefaultExternalNetworkExists(net_id=there or "another one of this request")


def _refuse_if_used(network_id: str, ports: list[tuple[str, str]]) -> None:
    if not ports:
        return
    ids = ",".join(port_id for port_id, _ in ports[:NAMED]) + (",..." if len(ports) > NAMED else "")
    counts = Counter(owner or "no device_owner" for _, owner in ports)
    owners = ", ".join(f"{count} of {owner}" for owner, count in sorted(counts.items()))
    raise errors.NetworkInUse(id=network_id, ports=ids, owners=owners)
