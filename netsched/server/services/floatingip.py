"""Use cases of floating IPs."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from netsched import errors
from netsched.db import association, floatingip, network, port_change, subnet
from netsched.db.association import Wish
from netsched.db.session import Database
from netsched.db.subnet import Surroundings
from netsched.db.transaction import Transaction
from netsched.model import addressing
from netsched.model.principal import Principal
from netsched.model.query import Query
from netsched.server.services.quota import Quotas

Object = dict[str, Any]
Objects = list[Object]


class FloatingIPService:
    def __init__(self, database: Database, mac_base: str = port_change.MAC_BASE, quotas: Quotas | None = None) -> None:
        """`mac_base`: the MACs that are made up begin with its first three octets."""
        self._database = database
        self._mac_base = ":".join(mac_base.split(":")[:3])
        self._quotas = quotas or Quotas()

    def create(self, principal: Principal, bodies: Objects) -> Objects:
        """Take an address for each, and give it to a fixed address where one is named.

        Raises BadRequest for a network that is not external or has no IPv4 subnet, NetworkNotFound for one that is
        external only for others, what `port_change.insert_many` raises of addresses, and what `association.resolve`
        raises.
        """
        for body in bodies:
            _check_fixed(body)

        def work(tx: Transaction) -> Objects:
            self._quotas.claim(tx, "floatingip", [body.get("project_id", principal.project_id) for body in bodies])
            outside = {body["floating_network_id"] for body in bodies}
            network.lock(tx, outside)  # nobody makes one of them internal meanwhile
            around = subnet.surroundings(tx, outside, principal.sees)
            wanted = [{"project_id": principal.project_id, **body, "id": str(uuid.uuid4())} for body in bodies]
            ports = [_port(body, around.get(body["floating_network_id"]), principal.sees) for body in wanted]
            held = port_change.insert_many(tx, ports, mac_base=self._mac_base)
            rows = [_row(tx, body, port) for body, port in zip(wanted, held, strict=True)]
            reached = [row for row, body in zip(rows, wanted, strict=True) if body.get("port_id")]
            named = [body for body in wanted if body.get("port_id")]
            wishes = [_wish(row, body) for row, body in zip(reached, named, strict=True)]
            for row, values in zip(reached, association.resolve(tx, wishes, principal.sees), strict=True):
                row.update(values)
            return floatingip.detailed(tx.connection, floatingip.insert_many(tx, rows))

        return self._database.write(work)

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return floatingip.get(connection, id, principal.sees)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """`port_id` null takes it off its port, and so does a change of nothing, which once was the way to do it.

        Raises FloatingIPNotFound, RevisionNumberConstraintFailed, and what `association.resolve` raises.
        """
        _check_fixed(changes)
        changes = changes or {"port_id": None}
        described: Object = {name: changes[name] for name in ("description", "tags") if name in changes}

        def work(tx: Transaction) -> Object:
            floatingip.claim(tx, id, if_match, described)
            before = floatingip.get(tx.connection, id, principal.sees)
            if "port_id" not in changes:
                floatingip.note(tx, id, "update", before["router_id"])
                return before
            values = dict(floatingip.NOWHERE)
            if changes["port_id"] is not None:
                values = association.resolve(tx, [_wish(before, changes)], principal.sees)[0]
            if all(before[name] == values[name] for name in ("port_id", "fixed_ip_address", "router_id")):
                values["status"] = before["status"]
            floatingip.move(tx, before, values)
            after = {name: values.get(name, value) for name, value in before.items()}
            return floatingip.detailed(tx.connection, [after])[0]

        return self._database.write(work)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Give the address back. Raises FloatingIPNotFound, RevisionNumberConstraintFailed."""

        def work(tx: Transaction) -> None:
            held_by = floatingip.remove(tx, id, if_match, principal.sees)
            port_change.remove_many(tx, [held_by])

        self._database.write(work)

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return floatingip.list_(connection, replace(query, visible_to=principal.sees))


def _refused(reason: str) -> errors.BadRequest:
    return errors.BadRequest(resource="floatingip", reason=reason)


def _check_fixed(body: Object) -> None:
    if body.get("fixed_ip_address") and not body.get("port_id"):
        raise _refused("fixed_ip_address cannot be specified without a port_id")


def _port(body: Object, around: Surroundings | None, reader: str | None) -> Object:
    """The port that is to hold the address."""
    network_id, subnet_id, address = (body.get(n) for n in ("floating_network_id", "subnet_id", "floating_ip_address"))
    if around is None or not around.external:
        raise _refused(f"Network {network_id} is not a valid external network")
    if not around.visible_to(reader):
        raise errors.NetworkNotFound(id=network_id)
    subnet_ids = [one["id"] for one in around.subnets if one["ip_version"] == 4]
    if not subnet_ids:
        raise _refused(f"Network {network_id} does not contain any IPv4 subnet")
    if subnet_id and subnet_id not in subnet_ids:
        raise _refused(f"subnet_id {subnet_id} is not an IPv4 subnet of network {network_id}")
    if address and addressing.parse(address).version != 4:
        raise _refused(f"floating_ip_address {address} is not an IPv4 address")
    chosen = {"subnet_id": subnet_id, "ip_address": address}
    given = {name: value for name, value in chosen.items() if value}
    return {
        "network_id": network_id,
        "project_id": "",
        "device_owner": addressing.FLOATINGIP_OWNER,
        "device_id": body["id"],
        "fixed_ips": [given] if given else None,
    }


def _row(tx: Transaction, body: Object, port: Object) -> Object:
    held = {"floating_port_id": port["id"], "floating_ip_address": port["fixed_ips"][0]["ip_address"]}
    return floatingip.row(tx, body) | held


def _wish(floating: Object, body: Object) -> Wish:
    return Wish(
        id=floating["id"],
        floating_ip_address=floating["floating_ip_address"],
        floating_network_id=floating["floating_network_id"],
        port_id=body["port_id"],
        fixed_ip_address=body.get("fixed_ip_address"),
    )
