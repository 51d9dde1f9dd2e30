"""Use cases of networks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from netsched import errors
from netsched.db import address, attached, binding, network, subnet
from netsched.db.port import DHCP_OWNER
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model.principal import Principal
from netsched.model.query import Query

Object = dict[str, Any]
Objects = list[Object]

LOOKED_AT = 1000  # ports, when a network is to be deleted; its own DHCP ports are far fewer
NAMED = 20  # ports in the message that refuses


class NetworkService:
    def __init__(self, database: Database, mtu: int) -> None:
        """`mtu` (bytes) is what new networks get."""
        self._database = database
        self._mtu = mtu

    def create(self, principal: Principal, bodies: Objects) -> Objects:
        owned = [{"project_id": principal.project_id, **body} for body in bodies]
        return self._database.write(lambda tx: network.insert_many(tx, owned, self._mtu))

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return network.get(connection, id, principal.sees)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Raises NetworkNotFound, RevisionNumberConstraintFailed, InvalidSharedSetting."""

        def work(tx: Transaction) -> Object:
            before = network.get(tx.connection, id, principal.sees)
            network.update(tx, id, changes, if_match)
            unshared = before["shared"] and changes.get("shared") is False
            if unshared and attached.others_on_network(tx, id, before["project_id"]):
                raise errors.InvalidSharedSetting(id=id)
            return network.get(tx.connection, id)

        return self._database.write(work)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Delete the network with its subnets and the service's own ports.

        Raises NetworkNotFound, RevisionNumberConstraintFailed, NetworkInUse.
        """

        def work(tx: Transaction) -> None:
            around = subnet.surroundings(tx, [id]).get(id)
            if around is None or not around.visible_to(principal.sees):
                raise errors.NetworkNotFound(id=id)
            # Subnets before the network, as a new port locks them: the other order would end in deadlocks.
            address.lock(tx, [other["id"] for other in around.subnets])
            network.claim(tx, id, if_match)
            ports = attached.on_network(tx, id, LOOKED_AT)
            _refuse_if_used(id, [(port_id, owner) for port_id, owner, _ in ports if owner != DHCP_OWNER])
            binding.forget(tx, "network", id)
            if ports:
                attached.remove_with_network(tx, id, [port_id for port_id, _, _ in ports])
            subnet.log_removal(tx, around)
            network.remove(tx, id)

        self._database.write(work)

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return network.list_(connection, replace(query, visible_to=principal.sees))


def _refuse_if_used(network_id: str, ports: list[tuple[str, str]]) -> None:
    if not ports:
        return
    ids = ",".join(port_id for port_id, _ in ports[:NAMED]) + (",..." if len(ports) > NAMED else "")
    counts = Counter(owner or "no device_owner" for _, owner in ports)
    owners = ", ".join(f"{count} of {owner}" for owner, count in sorted(counts.items()))
    raise errors.NetworkInUse(id=network_id, ports=ids, owners=owners)
