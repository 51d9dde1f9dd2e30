"""The ports that the DHCP service itself has: one per (network, slot), kept when the slot moves.

The same MAC and addresses go to the new agent, so clients' unicast renewals reach it. This file is the only place that
knows that binding a network, and no other kind of resource, brings ports with it. What a slot's port lacks is found by
its `ports_due_at` (see binding.want), never by looking at all of them.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import address, base, binding, due, port, port_binding, port_change, query
from netsched.db import subnet as subnets
from netsched.db.address import Taken, Wish, fixed_ip
from netsched.db.binding import binding as table
from netsched.db.session import Database
from netsched.db.transaction import Repeat, Transaction
from netsched.model import addressing, scope

Object = Mapping[str, Any]  # a port in the REST API's format
RESOURCE_TYPE = "network"
RETRY = 30.0  # s until a full pool is tried again


@dataclass(frozen=True)
class _Slot:
    network_id: str
    slot: int
    host: str | None  # of the agent that holds it

    @property
    def port_id(self) -> str:
        return port_id(self.network_id, self.slot)


def device_id(network_id: str, slot: int) -> str:
    return f"dhcp-{network_id}-{slot}"


def port_id(network_id: str, slot: int) -> str:
    """Follows from network and slot, so a port can be moved without looking it up."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, device_id(network_id, slot)))


def follow(tx: Transaction, placed: Sequence[tuple[Mapping[str, Any], str]]) -> None:
    """The ports of these slots (rows of `binding`, each with its new host) go where the slots go.

    Ports that are missing are made, which takes more. A full pool is no error: `reconcile` tells and tries again.
    """
    slots = {
        port_id(row["resource_id"], row["slot"]): _Slot(row["resource_id"], row["slot"], host)
        for row, host in placed
        if row["resource_type"] == RESOURCE_TYPE
    }
    if not slots:
        return
    there = port_binding.move(tx, {key: slot.host or "" for key, slot in slots.items()})
    _complete(tx, [slot for key, slot in slots.items() if key not in there], {})


def reconcile(database: Database) -> int:
    """Bring the ports of all slots that are due in order; returns how many slots were looked at.

    Adds ports and addresses (one per DHCP subnet), drops addresses on subnets without DHCP and ports of idle slots.
    """
    return due.reconcile(database, RESOURCE_TYPE, _repair)


def _repair(tx: Transaction, slots: Sequence[due.Slot]) -> None:
    wanted = [_Slot(one.resource_id, one.slot, one.host) for one in slots if one.state != binding.IDLE]
    idle = [port_id(one.resource_id, one.slot) for one in slots if one.state == binding.IDLE]
    ports = port.by_ids(tx.connection, [slot.port_id for slot in wanted])
    port_change.remove_many(tx, idle)
    # A slot that has never had a holder has no port yet; one that waits for its next holder keeps its own.
    _complete(tx, [slot for slot in wanted if slot.host or slot.port_id in ports], ports)


def _complete(tx: Transaction, slots: Sequence[_Slot], ports: Mapping[str, Object]) -> None:
    """Give each slot its port with the addresses that it should have."""
    if not slots:
        return
    networks = subnets.surroundings(tx, [slot.network_id for slot in slots])
    slots = [slot for slot in slots if slot.network_id in networks]
    ports = {**ports, **_create(tx, [slot for slot in slots if slot.port_id not in ports], networks)}
    wishes: list[Wish] = []
    surplus: list[tuple[Object, Mapping[str, str]]] = []
    for slot in slots:
        have = ports[slot.port_id]
        network = networks[slot.network_id]
        serving = {s["id"]: s for s in network.subnets if s["enable_dhcp"]}
        makes_own = {s["id"] for s in network.subnets if addressing.is_auto(s)}
        taken = {ip["subnet_id"] for ip in have["fixed_ips"]}
        wishes += [_wish(have, s) for key, s in serving.items() if key not in taken]
        surplus += [(have, ip) for ip in have["fixed_ips"] if ip["subnet_id"] not in {*serving, *makes_own}]
    _drop(tx, surplus)
    taken_now, refused = _take(tx, wishes)
    changed = {one.port_id: one.network_id for one in taken_now} | {
        have["id"]: have["network_id"] for have, _ in surplus
    }
    if taken_now:
        query.guarded(tx, sa.insert(fixed_ip).values([vars(one) for one in taken_now]))
    if changed:
        _revise(tx, sorted(changed))
    for port_id, network_id in changed.items():
        tx.log("port", port_id, "update", scope.key(RESOURCE_TYPE, network_id))
    _tell(tx, {slot.port_id: slot for slot in slots}, refused)


def _create(tx: Transaction, slots: Sequence[_Slot], networks: Mapping[str, subnets.Surroundings]) -> dict[str, Object]:
    if not slots:
        return {}
    wanted = [
        {
            "id": port_id(slot.network_id, slot.slot),
            "network_id": slot.network_id,
            "project_id": networks[slot.network_id].project_id,
            "device_id": device_id(slot.network_id, slot.slot),
            "device_owner": port.DHCP_OWNER,
            "binding:host_id": slot.host or "",
            "fixed_ips": [],
        }
        for slot in slots
    ]
    return {one["id"]: one for one in port_change.insert_many(tx, wanted)}


def _wish(have: Object, subnet: Mapping[str, Any]) -> Wish:
    chosen = addressing.eui64(subnet["cidr"], have["mac_address"]) if addressing.is_auto(subnet) else None
    return Wish(have["id"], have["network_id"], (subnet,), chosen)


def _take(tx: Transaction, wishes: Sequence[Wish]) -> tuple[list[Taken], list[Wish]]:
    """What could be allocated, and the wishes for which the pool is full. All at once, one by one only if need be."""
    full = (errors.IpAddressGenerationFailure, errors.IpAddressAlreadyAllocated)
    try:
        return address.allocate(tx, wishes), []
    except full:
        # Nothing is written by an allocation that fails, so the transaction goes on.
        if len(wishes) == 1:
            return [], list(wishes)
    taken: list[Taken] = []
    refused: list[Wish] = []
    for wish in wishes:
        got, missed = _take(tx, [wish])
        taken += got
        refused += missed
    return taken, refused


def _drop(tx: Transaction, surplus: Sequence[tuple[Object, Mapping[str, str]]]) -> None:
    if not surplus:
        return
    returned = {ip["subnet_id"] for _, ip in surplus}
    address.lock(tx, returned)
    these = [(have["id"], ip["subnet_id"], ip["ip_address"]) for have, ip in surplus]
    key = sa.tuple_(fixed_ip.c.port_id, fixed_ip.c.subnet_id, fixed_ip.c.ip_address)
    if tx.execute(sa.delete(fixed_ip).where(key.in_(these))).rowcount != len(these):
        raise Repeat("somebody else has changed a port of the DHCP service")  # never return an address twice
    addresses = [(subnet_id, ip_address) for _, subnet_id, ip_address in these]
    address.release(tx, subnets.by_ids(tx.connection, returned), addresses)


def _revise(tx: Transaction, port_ids: Sequence[str], **values: Any) -> int:
    revision = port.port.c.revision_number + 1
    changed = sa.update(port.port).where(port.port.c.id.in_(port_ids))
    return tx.execute(changed.values(revision_number=revision, updated_at=tx.now, **values)).rowcount


def _tell(tx: Transaction, slots: Mapping[str, _Slot], refused: Sequence[Wish]) -> None:
    """Put on each slot what its port lacks, and look again later. `slots` by port id."""
    missing: dict[str, list[str]] = defaultdict(list)
    for wish in refused:
        missing[wish.port_id].append(wish.subnets[0]["id"])
    for port_id, subnet_ids in missing.items():
        slot = slots[port_id]
        reason = "no address left for DHCP in subnet " + ", ".join(sorted(subnet_ids))
        later = base.before_now(tx.connection, -RETRY)
        where = sa.and_(binding.of(RESOURCE_TYPE, slot.network_id), table.c.slot == slot.slot)
        tx.execute(sa.update(table).where(where).values(reason=reason, ports_due_at=later))
