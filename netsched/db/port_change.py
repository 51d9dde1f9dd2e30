"""Creating, changing and deleting ports in sets, with their addresses."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import address, floatingip, port_binding, port_groups, port_status, query, wish
from netsched.db import subnet as subnets
from netsched.db.address import Taken, fixed_ip
from netsched.db.port import PLAIN, as_rest, by_ids, get, note, note_member, port
from netsched.db.transaction import Transaction
from netsched.model.permission import Permit, anyone

MAC_BASE = "fa:16:3e"

_DEFAULTS: dict[str, Any] = {
    "admin_state_up": True, "status": "DOWN", "device_id": "", "device_owner": "", "binding:host_id": "",
    "binding:vnic_type": "normal", "binding:profile": {}, "binding:vif_type": "unbound", "binding:vif_details": {},
    "port_security_enabled": True, "dns_name": "",
}  # fmt: skip
MEMBERS_KNOW = ("fixed_ips", "mac_address", "allowed_address_pairs")  # of each other, in a security group
_CHANGEABLE = (
    "name", "description", "admin_state_up", "device_id", "device_owner", "binding:profile", "port_security_enabled",
    "tags", "dns_name",
)  # fmt: skip


def insert_many(
    tx: Transaction,
    ports: Sequence[Mapping[str, Any]],
    visible_to: str | None = None,
    mac_base: str = MAC_BASE,
    permit: Permit = anyone,
) -> list[dict[str, Any]]:
    """Create ports, all or none, in a number of statements that does not grow with theirs (up to 100).

    `ports` hold attributes of the REST API; network_id is required. Without mac_address one is made up, without
    fixed_ips addresses are allocated (see wish.py). Raises NetworkNotFound (also for a network that the project
    `visible_to` may not see), ExternalNetworkNotForPorts, what `permit` raises, MacAddressInUse,
    IpAddressAlreadyAllocated, IpAddressGenerationFailure, InvalidIpForSubnet, InvalidIpForNetwork, InvalidInput,
    SecurityGroupNotFound, PortSecurityAndIPRequiredForSecurityGroups.
    """
    networks = subnets.surroundings(tx, [wanted["network_id"] for wanted in ports], visible_to)
    for position, wanted in enumerate(ports):
        around = networks.get(wanted["network_id"])
        if around is None or not around.visible_to(visible_to):
            raise errors.NetworkNotFound(id=wanted["network_id"])
        if not around.usable_by(visible_to):
            raise errors.ExternalNetworkNotForPorts(id=around.id)
        permit(position, around.project_id)
    rows = [_row(tx, {"port_security_enabled": _secured(one, networks), **one}) for one in ports]
    references = port_groups.give(tx, rows, ports)
    _give_macs(tx, rows, mac_base)
    wishes = []
    for row, wanted in zip(rows, ports, strict=True):
        wishes += wish.for_new(_owner(row), wanted.get("fixed_ips"), networks[row["network_id"]])
    taken = address.allocate(tx, wishes)
    subnets.hold_grants(tx, networks.values(), visible_to)
    by_port = defaultdict(list)
    for one in taken:
        by_port[one.port_id].append({"subnet_id": one.subnet_id, "ip_address": one.ip_address})
    for row in rows:
        row["reserved"] = port_status.needs_nothing(row, by_port[row["id"]], networks[row["network_id"]])
    port_binding.prepare(tx, rows, {key: around.reach for key, around in networks.items()})
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(port).values(batch))
    write_addresses(tx, taken)
    port_groups.write(tx, rows)
    port_binding.arrive(tx, rows, references)
    for row in rows:
        note(tx, row, "create")
        note_member(tx, row["id"], row["security_groups"], "create")
    return [as_rest(row, by_port[row["id"]]) for row in rows]


def _row(tx: Transaction, wanted: Mapping[str, Any]) -> dict[str, Any]:
    row = query.standard_row(tx, wanted) | {"network_id": wanted["network_id"]}
    for name, default in _DEFAULTS.items():
        row[PLAIN[name].name] = default if wanted.get(name) is None else wanted[name]
    row["mac_address"] = (wanted.get("mac_address") or "").lower()
    row["extra_dhcp_opts"] = _merged([], wanted.get("extra_dhcp_opts") or [])
    row["allowed_address_pairs"] = wanted.get("allowed_address_pairs") or None
    _check_security(row)
    return row


def _secured(wanted: Mapping[str, Any], networks: Mapping[str, subnets.Surroundings]) -> bool:
    """As its network says; but the service's own ports, such as routers', pass on what others send."""
    own = str(wanted.get("device_owner") or "").startswith("network:")
    return networks[wanted["network_id"]].port_security and not own


def _check_security(item: Mapping[str, Any]) -> None:
    """Pairs say what a port may send besides its own addresses, which takes someone who looks."""
    if item["allowed_address_pairs"] and not item["port_security_enabled"]:
        raise errors.AddressPairAndPortSecurityRequired()


def _owner(row: Mapping[str, Any]) -> wish.Owner:
    return wish.Owner(row["id"], row["mac_address"], row["device_owner"])


def _merged(before: Iterable[Mapping[str, Any]], changes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """DHCP options are changed one by one, by name and IP version; a null value removes."""
    options = {(option["opt_name"], option["ip_version"]): option["opt_value"] for option in before}
    for option in changes:
        key = (option["opt_name"], int(option.get("ip_version", 4)))
        options.pop(key, None)
        if option["opt_value"] is not None:
            options[key] = option["opt_value"]
    return [{"opt_name": key[0], "opt_value": value, "ip_version": key[1]} for key, value in options.items()]


def _give_macs(tx: Transaction, rows: Sequence[dict[str, Any]], mac_base: str) -> None:
    """Give every port a MAC of its own in its network.

    One port alone is tried first and looked up only when the unique key refused it: that saves a statement.
    """
    given = [row for row in rows if row["mac_address"]]
    _check_distinct(given)
    drawn = [row for row in rows if not row["mac_address"]]
    lookup = len(rows) > 1 or tx.attempt > 1
    used = _used_macs(tx, given) if lookup and given else set()
    for row in given:
        if _at(row) in used:
            raise errors.MacAddressInUse(network_id=row["network_id"], mac_address=row["mac_address"])
    seen = {_at(row) for row in given}
    while drawn:
        for row in drawn:
            row["mac_address"] = draw_mac(mac_base)
        used = seen | (_used_macs(tx, drawn) if lookup else set())
        clashing = []
        for row in drawn:
            if _at(row) in used:
                clashing.append(row)
            used.add(_at(row))
        seen |= {_at(row) for row in drawn}
        drawn = clashing


def draw_mac(mac_base: str) -> str:
    """A MAC that begins with these three octets; another port may have it."""
    return f"{mac_base}:" + ":".join(f"{octet:02x}" for octet in secrets.token_bytes(3))


def _at(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["network_id"], row["mac_address"]


def _check_distinct(given: Sequence[Mapping[str, Any]]) -> None:
    seen: set[tuple[str, str]] = set()
    for row in given:
        if _at(row) in seen:
            raise errors.MacAddressInUse(network_id=row["network_id"], mac_address=row["mac_address"])
        seen.add(_at(row))


def _used_macs(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    wanted = defaultdict(list)
    for row in rows:
        wanted[row["network_id"]].append(row["mac_address"])
    used: set[tuple[str, str]] = set()
    for batch in query.batches(wanted.items()):
        ways = [sa.and_(port.c.network_id == key, port.c.mac_address.in_(macs)) for key, macs in batch]
        found = tx.execute(sa.select(port.c.network_id, port.c.mac_address).where(sa.or_(*ways)))
        used |= {(row.network_id, row.mac_address) for row in found}
    return used


def write_addresses(tx: Transaction, taken: Sequence[Taken]) -> None:
    """Give ports what was allocated to them."""
    for batch in query.batches(taken):
        query.guarded(tx, sa.insert(fixed_ip).values([vars(one) for one in batch]))


def update(
    tx: Transaction,
    port_id: str,
    changes: Mapping[str, Any],
    if_match: int | None = None,
    visible_to: str | None = None,
) -> dict[str, Any]:
    """Change a port. Raises PortNotFound, RevisionNumberConstraintFailed, what `insert_many` raises of addresses and
    security groups, and PortSecurityPortHasSecurityGroup.

    Addresses that stay are not touched. What the old MAC made of a prefix goes with it.
    """
    values = {name.replace(":", "_"): changes[name] for name in _CHANGEABLE if name in changes}
    if "allowed_address_pairs" in changes:
        values["allowed_address_pairs"] = changes["allowed_address_pairs"] or None
    query.revise(tx, port, port_id, if_match, errors.PortNotFound, values)
    before = get(tx.connection, port_id, visible_to)
    _check_security(before)
    after = {"mac_address": changes.get("mac_address", before["mac_address"]).lower()}
    new_mac = after["mac_address"] != before["mac_address"]
    if "extra_dhcp_opts" in changes:
        after["extra_dhcp_opts"] = _merged(before["extra_dhcp_opts"], changes["extra_dhcp_opts"])
    if new_mac and tx.attempt > 1 and _used_macs(tx, [before | after]):
        raise errors.MacAddressInUse(network_id=before["network_id"], mac_address=after["mac_address"])
    if new_mac or "fixed_ips" in changes:
        after |= _change_addresses(tx, before, before | after, changes.get("fixed_ips"))
    groups = port_groups.change(tx, before, changes, visible_to)
    after |= port_binding.change(tx, before, changes, groups)
    if groups is not None:
        after["security_groups"] = groups
    if new_mac or len(after) > 1:
        query.guarded(tx, sa.update(port).where(port.c.id == port_id).values(after))
    note(tx, before, "update")
    if groups is not None or any(name in changes for name in MEMBERS_KNOW):
        note_member(tx, port_id, {*before["security_groups"], *(groups or ())}, "update")
    return by_ids(tx.connection, [port_id])[port_id]


def _change_addresses(
    tx: Transaction, before: Mapping[str, Any], after: Mapping[str, Any], wanted: Sequence[Mapping[str, str]] | None
) -> dict[str, Any]:
    """Returns the columns of the port that follow from it: another reservation is another wait for it."""
    around = subnets.surroundings(tx, [before["network_id"]])[before["network_id"]]
    new_mac = before["mac_address"] != after["mac_address"]
    change = wish.for_change(_owner(after), before["fixed_ips"], wanted, around, new_mac)
    if change.dropped:
        floatingip.dissociate(tx, [before["id"]], [ip["ip_address"] for ip in change.dropped])
    drop_addresses(tx, before["id"], change.dropped)
    taken = address.allocate(tx, change.wishes)
    write_addresses(tx, taken)
    if not (new_mac or change.dropped or taken):
        return {}
    has = [*change.kept, *({"subnet_id": one.subnet_id} for one in taken)]
    reserved = port_status.needs_nothing(before, has, around)
    return {"status": port_status.given(port.c.wired, sa.literal(reserved)), "reserved": reserved}


def drop_addresses(tx: Transaction, port_id: str, dropped: Sequence[Mapping[str, str]]) -> None:
    """Take addresses off a port and return them to their subnets."""
    if not dropped:
        return
    pairs = [(ip["subnet_id"], ip["ip_address"]) for ip in dropped]
    ids = {subnet_id for subnet_id, _ in pairs}
    address.lock(tx, ids)
    ways = [sa.and_(fixed_ip.c.subnet_id == key, fixed_ip.c.ip_address == ip) for key, ip in pairs]
    query.guarded(tx, sa.delete(fixed_ip).where(fixed_ip.c.port_id == port_id, sa.or_(*ways)))
    address.release(tx, subnets.by_ids(tx.connection, ids), pairs)


def lock(tx: Transaction, port_id: str) -> None:
    """Hold off other changes of the port until the commit. One that does not exist is ignored."""
    tx.execute(sa.update(port).where(port.c.id == port_id).values(wired=port.c.wired))


def remove(
    tx: Transaction,
    port_id: str,
    if_match: int | None = None,
    visible_to: str | None = None,
    check: Callable[[Mapping[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Delete one port; what it was. `check` is asked first, with what it is, and raises what it wants to say.

    Raises PortNotFound, RevisionNumberConstraintFailed.
    """
    query.revise(tx, port, port_id, if_match, errors.PortNotFound, {})
    if visible_to is not None:
        get(tx.connection, port_id, visible_to)
    return _delete(tx, [port_id], check)[port_id]


def remove_many(tx: Transaction, port_ids: Collection[str]) -> None:
    """Delete those of the ports that exist, and return their addresses; seven statements for up to 1,000."""
    for batch in query.batches(port_ids):
        locked = sa.update(port).where(port.c.id.in_(batch)).values(revision_number=port.c.revision_number + 1)
        if tx.execute(locked).rowcount:
            _delete(tx, batch)


def _delete(
    tx: Transaction, port_ids: Sequence[str], check: Callable[[Mapping[str, Any]], None] | None = None
) -> dict[str, dict[str, Any]]:
    gone = by_ids(tx.connection, port_ids)
    if check is not None:
        for item in gone.values():
            check(item)
    addresses = [(ip["subnet_id"], ip["ip_address"]) for item in gone.values() for ip in item["fixed_ips"]]
    subnet_ids = {subnet_id for subnet_id, _ in addresses}
    address.lock(tx, subnet_ids)
    query.guarded(tx, sa.delete(port).where(port.c.id.in_(list(gone))))
    port_binding.depart(tx, gone.values())
    if addresses:
        address.release(tx, subnets.by_ids(tx.connection, subnet_ids), addresses)
    for item in gone.values():
        note(tx, item, "delete")
        note_member(tx, item["id"], item["security_groups"], "delete")
    return gone
