"""Ports: rows with their addresses, and reading them. Changing them is port_change.py's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query
from netsched.db.address import fixed_ip
from netsched.db.network import network
from netsched.db.port_security_group import ports_in
from netsched.db.query import Fields
from netsched.db.transaction import Transaction
from netsched.model import addressing, scope
from netsched.model.query import Query
from netsched.wire import types

DHCP_OWNER = "network:dhcp"
# Filters that leave few ports, found by an index.
NARROWING = frozenset({"id", "network_id", "project_id", "name", "device_id", "mac_address", "fixed_ips"})

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
    sa.Column("allowed_address_pairs", base.Json, nullable=True),  # null: none
    sa.Column("port_security_enabled", sa.Boolean, nullable=False, default=True, server_default=sa.true()),
    # Ids, as in port_security_group.py. Null: made by a release without security groups, and not filtered.
    sa.Column("security_groups", base.Json, nullable=True),
    sa.Column("dns_name", sa.String(255), nullable=False, default="", server_default=""),
    # What makes a port ACTIVE, as agents report it (see port_status.py).
    sa.Column("wired", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    sa.Column("reserved", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    sa.UniqueConstraint("network_id", "mac_address"),
    sa.Index("ix_port_binding", "binding_vif_type", "binding_host_id"),  # finds the bindings that failed
    sa.Index("ix_port_name", "name"),  # clients that are given a name ask for it in a list
)

# Attribute -> column, for those that are stored as they are shown.
PLAIN = {
    name: port.c[name.replace(":", "_")]
    for name in (
        "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner", "extra_dhcp_opts",
        "binding:host_id", "binding:vnic_type", "binding:profile", "binding:vif_type", "binding:vif_details",
        "port_security_enabled", "dns_name",
    )
}  # fmt: skip


def visible(project_id: str | None) -> sa.ColumnElement[bool] | None:
    """What a project sees: its own, and all on its own networks."""
    if project_id is None:
        return None
    own = sa.select(network.c.id).where(network.c.project_id == project_id)
    return sa.or_(port.c.project_id == project_id, port.c.network_id.in_(own))


def _mine(asked: Query) -> sa.ColumnElement[bool] | None:
    """As `visible`, for a list that is not narrowed by what has an index: then both halves are looked for by theirs,
    where one condition of two halves would be tried on every port that there is."""
    if asked.visible_to is None or not NARROWING.isdisjoint(asked.filters):
        return visible(asked.visible_to)
    on_own = sa.select(port.c.id).join(network, network.c.id == port.c.network_id)
    halves = (
        sa.select(port.c.id).where(port.c.project_id == asked.visible_to),
        on_own.where(network.c.project_id == asked.visible_to),
    )
    return port.c.id.in_(sa.select(sa.union(*halves).subquery().c.id))


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
_SEARCHED = {name: PLAIN[name] for name in _JSON} | {"tags": port.c.tags}
FIELDS = Fields(
    table=port,
    columns=query.standard_fields(port) | {name: column for name, column in PLAIN.items() if name not in _JSON},
    conditions={
        "fixed_ips": _with_addresses,
        "security_groups": lambda values: port.c.id.in_(ports_in(map(str, values))),
        "mac_address": lambda values: query.any_of(port.c.mac_address, [str(value).lower() for value in values]),
    }
    | {name: query.json_holds(column) for name, column in _SEARCHED.items()},
)


def note(tx: Transaction, row: query.Row, operation: str) -> None:
    """Log a change of a port (id, network_id, device_owner, device_id) in its network's and its router's scope."""
    scopes = [scope.key("network", row["network_id"])]
    router_id = router_of(row)
    if router_id is not None:
        scopes.append(scope.key("router", router_id))
    tx.log("port", row["id"], operation, *scopes)


def note_member(tx: Transaction, port_id: str, group_ids: Iterable[str], operation: str) -> None:
    """Log what members of these security groups are to know of a port: its addresses, or that it came or went.

    Also where no rule names the group: then nobody holds the scope, and to find that out would cost more.
    """
    scopes = [scope.key("security_group_members", group_id) for group_id in group_ids]
    tx.log("security_group_member", port_id, operation, *scopes)


def router_of(row: query.Row) -> str | None:
    """The id of the router to which a port (device_owner, device_id) belongs, None if to none.

    Administrators may write what they like into both: what is no id would not even fit into the name of a scope.
    """
    named = row["device_owner"] in addressing.ROUTER_PORT_OWNERS and types.is_uuid(row["device_id"])
    return str(row["device_id"]) if named else None


def as_rest(row: query.Row, fixed_ips: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    addresses = list(fixed_ips)
    if len(addresses) > 1:
        addresses.sort(key=_by_address)
    return (
        query.standard_attributes(row)
        | {name: row[column.name] for name, column in PLAIN.items()}
        | {"fixed_ips": [dict(ip) for ip in addresses], "allowed_address_pairs": _pairs(row)}
        | {"security_groups": list(row["security_groups"] or ())}
    )


def as_content(row: query.Row, fixed_ips: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """As agents get it: without `security_groups`, a port is not filtered; with none, nothing passes."""
    item = as_rest(row, fixed_ips)
    if row["security_groups"] is None:
        del item["security_groups"]
    return item


def _pairs(row: query.Row) -> list[dict[str, str]]:
    """A pair without a MAC is for the port's own, whatever that is by now."""
    return [{"mac_address": row["mac_address"], **pair} for pair in row["allowed_address_pairs"] or ()]


def _by_address(ip: Mapping[str, str]) -> tuple[int, int]:
    parsed = addressing.parse(ip["ip_address"])
    return parsed.version, int(parsed)


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The ports of one page with their addresses; one statement, or two with a marker."""
    page = query.page(connection, FIELDS, asked, _mine(asked)).subquery()
    return query.turned(_read(connection, page, query.order(FIELDS, asked)), asked)


def by_ids(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The ports of those ids that exist."""
    return {item["id"]: item for batch in query.batches(ids) for item in where(connection, port.c.id.in_(batch))}


def content_by_ids(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """As `by_ids`, for agents."""
    found = (item for some in query.batches(ids) for item in where(connection, port.c.id.in_(some), as_content))
    return {item["id"]: item for item in found}


def in_networks(connection: sa.Connection, network_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The ports of each network that has some, for agents."""
    found: dict[str, list[dict[str, Any]]] = {}
    for batch in query.batches(network_ids):
        for item in where(connection, port.c.network_id.in_(batch), as_content):
            found.setdefault(item["network_id"], []).append(item)
    return found


def get(connection: sa.Connection, port_id: str, visible_to: str | None = None) -> dict[str, Any]:
    """Raises PortNotFound, also for what the project may not see."""
    return query.only(list_(connection, query.by_id(port_id, visible_to)), errors.PortNotFound, port_id)


def where(
    connection: sa.Connection, condition: sa.ColumnElement[bool], form: Callable[..., dict[str, Any]] = as_rest
) -> list[dict[str, Any]]:
    """The ports for which a condition on `port` holds."""
    return _read(connection, sa.select(port.c.id).where(condition).subquery(), [port.c.id], form)


def _read(
    connection: sa.Connection,
    page: sa.Subquery,
    order: Sequence[Any],
    form: Callable[..., dict[str, Any]] = as_rest,
) -> list[dict[str, Any]]:
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
    return [form(row, addresses[key]) for key, row in rows.items()]
