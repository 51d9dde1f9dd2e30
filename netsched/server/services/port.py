"""Use cases of ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from netsched import errors
from netsched.db import binding, floatingip, port, port_change, router_use, wish
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model import addressing, dns
from netsched.model.permission import Permit, anyone
from netsched.model.principal import Principal
from netsched.model.query import Query
from netsched.server.services.quota import Quotas

Object = dict[str, Any]
Objects = list[Object]

RELIED_ON = ("fixed_ips", "mac_address", "device_id", "device_owner")
OWNED_BY = ("device_id", "device_owner")
OF_L3 = (*addressing.ROUTER_PORT_OWNERS, addressing.FLOATINGIP_OWNER)


class PortService:
    def __init__(
        self,
        database: Database,
        mac_base: str = port_change.MAC_BASE,
        quotas: Quotas | None = None,
        dns_domain: str = "openstacklocal",
    ) -> None:
        """`mac_base`: the MACs that are made up begin with its first three octets. `dns_domain`: the operator's."""
        self._database = database
        self._dns_domain = dns_domain
        self._mac_base = ":".join(mac_base.split(":")[:3])
        self._quotas = quotas or Quotas()

    def create(self, principal: Principal, bodies: Objects, permit: Permit = anyone) -> Objects:
        """Raises what `permit` and `port_change.insert_many` raise; on others' networks only where these are shared.

        BadRequest for what only the service makes: a port of a router or of a floating IP; and for a full dns_name that
        is not of the operator's domain.
        """
        for body in bodies:
            self._check_name(body)
        owned = [{"project_id": principal.project_id, **body} for body in bodies]

        def work(tx: Transaction) -> Objects:
            self._quotas.claim(tx, "port", [body["project_id"] for body in owned])
            made = port_change.insert_many(tx, owned, principal.sees, self._mac_base, permit)
            for one in made:  # after `permit`, so that nobody finds out what routers there are
                _check_not_of_l3(tx, one)
            return [self._named(one) for one in made]

        return self._database.write(work)

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return self._named(port.get(connection, id, principal.sees))

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Raises what `port_change.update` raises, and L3PortUnchangeable for what routers and floating IPs rely on.

        BadRequest as `create`. A `mac_address` of None asks for one that is made up.
        """
        self._check_name(changes)

        def work(tx: Transaction) -> Object:
            if any(name in changes for name in RELIED_ON):
                port_change.lock(tx, id)
                current = port.get(tx.connection, id, principal.sees)
                _check_relied_on(tx, current, changes)
                if any(current[name] != changes.get(name, current[name]) for name in OWNED_BY):
                    _check_not_of_l3(tx, {**current, **changes})
            drawn = {"mac_address": port_change.draw_mac(self._mac_base)} if _wants_mac(changes) else {}
            changed = port_change.update(tx, id, changes | drawn, if_match, principal.sees)
            return self._named(self._touched(tx, changed))

        return self._database.write(work)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Raises PortNotFound, RevisionNumberConstraintFailed, L3PortInUse."""

        def work(tx: Transaction) -> None:
            floatingip.dissociate(tx, [id])
            self._touched(tx, port_change.remove(tx, id, if_match, principal.sees, partial(_check_unused, tx)))

        self._database.write(work)

    @staticmethod
    def _touched(tx: Transaction, changed: Object) -> Object:
        """A port of the DHCP service is the scheduler's to look after: it puts right what was taken or changed."""
        if changed["device_owner"] == port.DHCP_OWNER:
            binding.ports_due(tx, "network", changed["network_id"])
        return changed

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return [self._named(one) for one in port.list_(connection, replace(query, visible_to=principal.sees))]

    def _named(self, one: Object) -> Object:
        return one | {"dns_assignment": dns.assignment(one, self._dns_domain)}

    def _check_name(self, body: Mapping[str, Any]) -> None:
        if dns.relative(body.get("dns_name") or "", self._dns_domain) is None:
            raise errors.BadRequest(
                resource="port", reason=f"a dns_name that ends with a dot must be below {self._dns_domain}."
            )


def _wants_mac(changes: Mapping[str, Any]) -> bool:
    return "mac_address" in changes and changes["mac_address"] is None


def _check_unused(tx: Transaction, gone: Mapping[str, Any]) -> None:
    if _is_of_l3(tx, gone):
        raise errors.L3PortInUse(port_id=gone["id"], reason=f"has device owner {gone['device_owner']}")


def _check_relied_on(tx: Transaction, current: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    changed = [name for name in RELIED_ON if name in changes and not _is_same(name, current[name], changes[name])]
    if changed and _is_of_l3(tx, current):
        reason = f"has device owner {current['device_owner']}"
        raise errors.L3PortUnchangeable(port_id=current["id"], attributes=", ".join(changed), reason=reason)


def _check_not_of_l3(tx: Transaction, wanted: Mapping[str, Any]) -> None:
    """Nobody else may give a router a port: nothing would have looked whether its subnets overlap, and the router's
    agent would not be told of the network."""
    owner, device_id = wanted["device_owner"], wanted["device_id"]
    if owner in OF_L3 and router_use.exists(tx, owner, device_id):
        reason = f"device_owner {owner} with device_id {device_id} is for ports that the service makes itself"
        raise errors.BadRequest(resource="port", reason=reason)


def _is_same(name: str, current: Any, wanted: Any) -> bool:
    return not wish.differs(current, wanted) if name == "fixed_ips" else bool(current == wanted)


def _is_of_l3(tx: Transaction, one: Mapping[str, Any]) -> bool:
    """Not a port that an administrator made under such a name, or that outlived its router."""
    return one["device_owner"] in OF_L3 and router_use.exists(tx, one["device_owner"], one["device_id"])
