"""Use cases of subnets, and what makes a network wanted by DHCP agents: its first subnet with DHCP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netsched import errors
from netsched.db import attached, binding, network, port_status, router_scope, subnet
from netsched.db.session import Database
from netsched.db.subnet import Surroundings
from netsched.db.transaction import Transaction
from netsched.model import addressing
from netsched.model import subnet as rules
from netsched.model.permission import Permit, anyone
from netsched.model.principal import Principal
from netsched.model.query import Query
from netsched.server.services import subnet_allocation
from netsched.server.services.quota import Quotas

Object = dict[str, Any]
Objects = list[Object]

AGENT_TYPE = "DHCP agent"


class SubnetService:
    def __init__(self, database: Database, dhcp_agents_per_network: int, quotas: Quotas | None = None) -> None:
        self._database = database
        self._replicas = dhcp_agents_per_network
        self._quotas = quotas or Quotas()

    def create(self, principal: Principal, bodies: Objects, permit: Permit = anyone) -> Objects:
        """Raises NetworkNotFound, what `permit` raises, what subnet_allocation.py raises, and InvalidInput and others
        of model/subnet.py.
        """
        drafts = [subnet_allocation.drafted({"project_id": principal.project_id, **body}) for body in bodies]

        def work(tx: Transaction) -> Objects:
            self._quotas.claim(tx, "subnet", [body["project_id"] for body in drafts])
            ids = {body["network_id"] for body in drafts}
            network.revise(tx, ids)
            networks = subnet.surroundings(tx, ids, principal.sees)
            for position, draft in enumerate(drafts):
                around = networks.get(draft["network_id"])
                if around is None or not around.visible_to(principal.sees):
                    raise errors.NetworkNotFound(id=draft["network_id"])
                permit(position, around.project_id)
            owned = subnet_allocation.placed(tx, principal.sees, drafts, networks)
            for position, body in enumerate(owned):
                around = networks[body["network_id"]]
                siblings = [other for other in owned[:position] if other["network_id"] == around.id]
                rules.check_overlap(body, [*around.subnets, *siblings])
                rules.check_mtu(around.id, around.mtu, [body])
            outside = [{**body, "router:external": networks[body["network_id"]].external} for body in owned]
            created = subnet.insert_many(tx, outside)
            for one in created:
                if addressing.is_auto(one):
                    attached.join_subnet(tx, one)
            for network_id in sorted({one["network_id"] for one in created if one["enable_dhcp"]}):
                self._want(tx, networks[network_id])
            _tell_of_scopes(tx, created)
            return created

        return self._database.write(work)

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return subnet.get(connection, id, principal.sees)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Raises SubnetNotFound, RevisionNumberConstraintFailed, GatewayIpInUse, and what `create` raises."""

        def work(tx: Transaction) -> Object:
            subnet.claim(tx, id, if_match)
            before = subnet.get(tx.connection, id, principal.sees)
            checked = rules.changed(before, changes)
            self._check_old_gateway(tx, before, checked)
            subnet.update(tx, before, checked)
            network.revise(tx, [before["network_id"]])
            router_scope.tell(tx, "subnet", id, [before["network_id"]])
            if checked.get("enable_dhcp", before["enable_dhcp"]) != before["enable_dhcp"]:
                self._settle(tx, before["network_id"])
            return subnet.get(tx.connection, id)

        return self._database.write(work)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Raises SubnetNotFound, RevisionNumberConstraintFailed, SubnetInUse."""

        def work(tx: Transaction) -> None:
            subnet.claim(tx, id, if_match)
            gone = subnet.get(tx.connection, id, principal.sees)
            attached.leave_subnet(tx, gone)
            subnet.remove(tx, gone)
            network.revise(tx, [gone["network_id"]])
            _tell_of_scopes(tx, [gone])
            if gone["enable_dhcp"]:
                self._settle(tx, gone["network_id"])

        self._database.write(work)

    def _check_old_gateway(self, tx: Transaction, before: Object, changes: Object) -> None:
        """A router's address is the gateway of others; it may not stop being it while the router has it."""
        old = before["gateway_ip"]
        if old is None or changes.get("gateway_ip", old) == old:
            return
        router_port = attached.holding(tx, before["id"], old, addressing.ROUTER_OWNERS)
        if router_port is not None:
            raise errors.GatewayIpInUse(ip_address=old, port_id=router_port)

    def _settle(self, tx: Transaction, network_id: str) -> None:
        """After a change of which subnets have DHCP: have the network served, or not. Locks its set of subnets."""
        network.lock(tx, [network_id])
        around = subnet.surroundings(tx, [network_id])[network_id]
        if any(other["enable_dhcp"] for other in around.subnets):
            self._want(tx, around)
        else:
            binding.unwant(tx, "network", network_id)
        port_status.release(tx, [network_id])

    def _want(self, tx: Transaction, around: Surroundings) -> None:
        binding.want(tx, "network", around.id, AGENT_TYPE, self._replicas, {"network": 1}, around.zone_hints)

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return subnet.list_(connection, replace(query, visible_to=principal.sees))


def _tell_of_scopes(tx: Transaction, changed: Objects) -> None:
    """A network's address scope is that of its subnets' pools: another may be its after a change of them."""
    networks = {one["network_id"] for one in changed if one["subnetpool_id"] is not None}
    if networks:
        router_scope.tell_networks(tx, networks)
