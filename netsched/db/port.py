"""Ports: rows, their addresses, and creating, changing and deleting them in sets."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import address, base, query, wish
from netsched.db import subnet as subnets
from netsched.db.address import Taken, fixed_ip
from netsched.db.network import network
from netsched.db.query import Fields
from netsched.db.transaction import Transaction
from netsched.model import addressing, scope
from netsched.model.permission import Permit, anyone
from netsched.model.query import Query

MAC_BASE = "fa:16:3e"
DHCP_OWNER = "network:dhcp"

port = sa.Table(
    "port",
    base.metadata,
    *base.standard_columns(),
    sa.Column("network_id", base.Id, sa.ForeignKey("network.id"), nullable=False),
    sa.Column("mac_address", sa.String(32), nullable=False),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("device_id", sa.String(255), nullable=False, index=True),
    sa.Column("device_owner", sa.String(255), nullable=False),
    sa.Column("extra_dhcp_opts", base.Json, nullable=False),
    sa.Column("binding_host_id", sa.String(255), nullable=False, index=True),
    sa.Column("binding_vnic_type", sa.String(64), nullable=False),
    sa.Column("binding_profile", base.Json, nullable=False),
    sa.Column("binding_vif_type", sa.String(64), nullable=False),
    sa.Column("binding_vif_details", base.Json, nullable=False),
    sa.UniqueConstraint("network_id", "mac_address"),
)

# Attribute -> column, for those that are stored as they are shown.
_PLAIN = {
    name: port.c[name.replace(":", "_")]
    for name in (
        "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner", "extra_dhcp_opts",
        "binding:host_id", "binding:vnic_type", "binding:profile", "binding:vif_type", "binding:vif_details",
    )
}  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "admin_state_up": True, "status": "DOWN", "device_id": "", "device_owner": "", "binding:host_id": "",
    "binding:vnic_type": "normal", "binding:profile": {}, "binding:vif_type": "unbound", "binding:vif_details": {},
}  # fmt: skip
_CHANGEABLE = (
    "name", "description", "admin_state_up", "device_id", "device_owner", "binding:host_id", "binding:vnic_type",
    "binding:profile",
)  # fmt: skip


def visible(project_id: str | None) -> sa.ColumnElement[bool] | None:
    """What a project sees: its own, and all on its own networks."""
    if project_id is None:
        return None
    own = sa.select(network.c.id).where(network.c.project_id == project_id)
    return sa.or_(port.c.project_id == project_id, port.c.network_id.in_(own))


def _with_addresses(values: query.Values) -> query.Condition:
    """`ip_address=192.0.2.1`, `subnet_id=...`: any of the values of one key, and every key that is given."""
    wanted = defaultdict(list)
    for value in values:
        key, _, content = str(value).partition("=")
        if key not in ("ip_address", "subnet_id", "ip_address_substr"):
            reason = f"fixed_ips: '{value}' is not of the form ip_address=..., ip_address_substr=... or subnet_id=..."
            raise errors.InvalidInput(reason=reason)
        wanted[key].append(str(addressing.parse(content)) if key == "ip_address" else content)
    conditions = []
    for key, contents in wanted.items():
        column = fixed_ip.c.ip_address if key == "ip_address_substr" else fixed_ip.c[key]
        match = query.any_of(column, contents)
        if key == "ip_address_substr":
            match = sa.or_(*[column.contains(content, autoescape=True) for content in contents])
        conditions.append(port.c.id.in_(sa.select(fixed_ip.c.port_id).where(match)))
    return sa.and_(sa.true(), *conditions)


_JSON = ("extra_dhcp_opts", "binding:profile", "binding:vif_details")
FIELDS = Fields(
    table=port,
    columns=query.standard_fields(port) | {name: column for name, column in _PLAIN.items() if name not in _JSON},
    conditions={
        "fixed_ips": _with_addresses,
        "mac_address": lambda values: query.any_of(port.c.mac_address, [str(value).lower() for value in values]),
    }
    | {name: query.json_holds(_PLAIN[name]) for name in _JSON},
)


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
    `visible_to` may not see), what `permit` raises, MacAddressInUse, IpAddressAlreadyAllocated,
    IpAddressGenerationFailure, InvalidIpForSubnet, InvalidIpForNetwork, InvalidInput.
    """
    networks = subnets.surroundings(tx, [wanted["network_id"] for wanted in ports])
    for position, wanted in enumerate(ports):
        around = networks.get(wanted["network_id"])
        if around is None or not around.visible_to(visible_to):
            raise errors.NetworkNotFound(id=wanted["network_id"])
        permit(position, around.project_id)
    rows = [_row(tx, wanted) for wanted in ports]
    _give_macs(tx, rows, mac_base)
    wishes = []
    for row, wanted in zip(rows, ports, strict=True):
        wishes += wish.for_new(_owner(row), wanted.get("fixed_ips"), networks[row["network_id"]])
    taken = address.allocate(tx, wishes)
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(port).values(batch))
    write_addresses(tx, taken)
    by_port = defaultdict(list)
    for one in taken:
        by_port[one.port_id].append({"subnet_id": one.subnet_id, "ip_address": one.ip_address})
    for row in rows:
        note(tx, row, "create")
    return [_object(row, by_port[row["id"]]) for row in rows]


def _row(tx: Transaction, wanted: Mapping[str, Any]) -> dict[str, Any]:
    row = query.standard_row(tx, wanted) | {"network_id": wanted["network_id"]}
    for name, default in _DEFAULTS.items():
        row[_PLAIN[name].name] = default if wanted.get(name) is None else wanted[name]
    row["mac_address"] = (wanted.get("mac_address") or "").lower()
    row["extra_dhcp_opts"] = _merged([], wanted.get("extra_dhcp_opts") or [])
    return row


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
            row["mac_address"] = f"{mac_base}:" + ":".join(f"{octet:02x}" for octet in secrets.token_bytes(3))
        used = seen | (_used_macs(tx, drawn) if lookup else set())
        clashing = []
        for row in drawn:
            if _at(row) in used:
                clashing.append(row)
            used.add(_at(row))
        seen |= {_at(row) for row in drawn}
        drawn = clashing


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


def note(tx: Transaction, row: query.Row, operation: str) -> None:
    """Log a change of a port (id, network_id) in its network's scope."""
    tx.log("port", row["id"], operation, scope.key("network", row["network_id"]))


def _object(row: query.Row, fixed_ips: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    addresses = sorted(fixed_ips, key=_by_address)
    return (
        query.standard_attributes(row)
        | {name: row[column.name] for name, column in _PLAIN.items()}
        | {"fixed_ips": [dict(ip) for ip in addresses]}
    )


def _by_address(ip: Mapping[str, str]) -> tuple[int, int]:
    parsed = addressing.parse(ip["ip_address"])
    return parsed.version, int(parsed)


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The ports of one page with their addresses; one statement, or two with a marker."""
    page = query.page(connection, FIELDS, asked, visible(asked.visible_to)).subquery()
    return query.turned(_read(connection, page, query.order(FIELDS, asked)), asked)


def by_ids(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The ports of those ids that exist."""
    return {item["id"]: item for batch in query.batches(ids) for item in _where(connection, port.c.id.in_(batch))}


def in_networks(connection: sa.Connection, network_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The ports of each network that has some."""
    found: dict[str, list[dict[str, Any]]] = {}
    for batch in query.batches(network_ids):
        for item in _where(connection, port.c.network_id.in_(batch)):
            found.setdefault(item["network_id"], []).append(item)
    return found


def get(connection: sa.Connection, port_id: str, visible_to: str | None = None) -> dict[str, Any]:
    """Raises PortNotFound, also for what the project may not see."""
    return query.only(list_(connection, query.by_id(port_id, visible_to)), errors.PortNotFound, port_id)


def _where(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    return _read(connection, sa.select(port.c.id).where(condition).subquery(), [port.c.id])


def _read(connection: sa.Connection, page: sa.Subquery, order: Sequence[Any]) -> list[dict[str, Any]]:
    """Ports and addresses come in one statement, so that a port never appears without its addresses."""
    statement = (
        sa.select(port, fixed_ip.c.subnet_id, fixed_ip.c.ip_address)
        .join(page, page.c.id == port.c.id)
        .outerjoin(fixed_ip, fixed_ip.c.port_id == port.c.id)
        .order_by(*order)
    )
    rows: dict[str, sa.RowMapping] = {}
    addresses: dict[str, list[dict[str, str]]] = {}
    for row in connection.execute(statement).mappings():
        rows[row["id"]] = row
        here = {"subnet_id": row["subnet_id"], "ip_address": row["ip_address"]}
        addresses.setdefault(row["id"], []).extend([here] if row["subnet_id"] else [])
    return [_object(row, addresses[key]) for key, row in rows.items()]


def update(
    tx: Transaction,
    port_id: str,
    changes: Mapping[str, Any],
    if_match: int | None = None,
    visible_to: str | None = None,
) -> dict[str, Any]:
    """Change a port. Raises PortNotFound, RevisionNumberConstraintFailed, and what `insert_many` raises of addresses.

    Addresses that stay are not touched. What the old MAC made of a prefix goes with it.
    """
    values = {name.replace(":", "_"): changes[name] for name in _CHANGEABLE if name in changes}
    query.revise(tx, port, port_id, if_match, errors.PortNotFound, values)
    before = get(tx.connection, port_id, visible_to)
    after = {"mac_address": changes.get("mac_address", before["mac_address"]).lower()}
    new_mac = after["mac_address"] != before["mac_address"]
    if "extra_dhcp_opts" in changes:
        after["extra_dhcp_opts"] = _merged(before["extra_dhcp_opts"], changes["extra_dhcp_opts"])
    if new_mac and tx.attempt > 1 and _used_macs(tx, [before | after]):
        raise errors.MacAddressInUse(network_id=before["network_id"], mac_address=after["mac_address"])
    if new_mac or "fixed_ips" in changes:
        _change_addresses(tx, before, before | after, changes.get("fixed_ips"))
    if new_mac or "extra_dhcp_opts" in after:
        query.guarded(tx, sa.update(port).where(port.c.id == port_id).values(after))
    note(tx, before, "update")
    return by_ids(tx.connection, [port_id])[port_id]


def _change_addresses(
    tx: Transaction, before: Mapping[str, Any], after: Mapping[str, Any], wanted: Sequence[Mapping[str, str]] | None
) -> None:
    around = subnets.surroundings(tx, [before["network_id"]])[before["network_id"]]
    new_mac = before["mac_address"] != after["mac_address"]
    change = wish.for_change(_owner(after), before["fixed_ips"], wanted, around, new_mac)
    drop_addresses(tx, before["id"], change.dropped)
    write_addresses(tx, address.allocate(tx, change.wishes))


def drop_addresses(tx: Transaction, port_id: str, dropped: Sequence[Mapping[str, str]]) -> None:
    """Take addresses off a port and return them to their subnets."""
    if not dropped:
        return
    pairs = [(ip["subnet_id"], ip["ip_address"]) for ip in dropped]
    ids = {subnet_id for subnet_id, _ in pairs}
    address.lock(tx, ids)
    ways = [sa.and_(fixed_ip.c.subnet_id == key, fixed_ip.c.ip_address == ip) for key, ip in pairs]
    tx.execute(sa.delete(fixed_ip).where(fixed_ip.c.port_id == port_id, sa.or_(*ways)))
    address.release(tx, subnets.by_ids(tx.connection, ids), pairs)


def remove(tx: Transaction, port_id: str, if_match: int | None = None, visible_to: str | None = None) -> dict[str, Any]:
    """Delete one port; what it was. Raises PortNotFound, RevisionNumberConstraintFailed."""
    query.revise(tx, port, port_id, if_match, errors.PortNotFound, {})
    if visible_to is not None:
        get(tx.connection, port_id, visible_to)
    return _delete(tx, [port_id])[port_id]


def remove_many(tx: Transaction, port_ids: Collection[str]) -> None:
    """Delete those of the ports that exist, and return their addresses; seven statements for up to 1,000."""
    for batch in query.batches(port_ids):
        locked = sa.update(port).where(port.c.id.in_(batch)).values(revision_number=port.c.revision_number + 1)
        if tx.execute(locked).rowcount:
            _delete(tx, batch)


def _delete(tx: Transaction, port_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    gone = by_ids(tx.connection, port_ids)
    addresses = [(ip["subnet_id"], ip["ip_address"]) for item in gone.values() for ip in item["fixed_ips"]]
    subnet_ids = {subnet_id for subnet_id, _ in addresses}
    address.lock(tx, subnet_ids)
    tx.execute(sa.delete(port).where(port.c.id.in_(list(gone))))
    if addresses:
        address.release(tx, subnets.by_ids(tx.connection, subnet_ids), addresses)
    for item in gone.values():
        note(tx, item, "delete")
    return gone
