"""Floating IPs: an address on an external network, and the fixed address that it stands for, if any.

The address itself is held by a port of its own (device_owner network:floatingip, device_id the floating IP's id), so
that it comes from the pools like any other and nobody else gets it. Giving one to a fixed address is association.py's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query
from netsched.db.binding import binding
from netsched.db.port import port
from netsched.db.query import Fields
from netsched.db.transaction import Transaction
from netsched.model import scope
from netsched.model.query import Query

ACTIVE, DOWN = "ACTIVE", "DOWN"

floatingip = sa.Table(
    "floatingip",
    base.metadata,
    *base.standard_columns(),
    sa.Column("floating_network_id", base.Id, sa.ForeignKey("network.id"), nullable=False, index=True),
    sa.Column("floating_ip_address", sa.String(64), nullable=False),
    sa.Column("floating_port_id", base.Id, sa.ForeignKey("port.id"), nullable=False, index=True),
    sa.Column("port_id", base.Id, nullable=True),
    sa.Column("fixed_subnet_id", base.Id, nullable=True),
    sa.Column("fixed_ip_address", sa.String(64), nullable=True),
    sa.Column("router_id", base.Id, sa.ForeignKey("router.id"), nullable=True, index=True),
    sa.Column("status", sa.String(16), nullable=False, default=DOWN),
    sa.Column("dns_name", sa.String(255), nullable=False, default="", server_default=""),
    sa.Column("dns_domain", sa.String(255), nullable=False, default="", server_default=""),
    # One floating IP of an external network per fixed address.
    sa.UniqueConstraint("port_id", "fixed_ip_address", "floating_network_id"),
    # An address does not leave its port under a floating IP: whoever takes it away dissociates first.
    sa.ForeignKeyConstraint(
        ["port_id", "fixed_subnet_id", "fixed_ip_address"],
        ["fixed_ip.port_id", "fixed_ip.subnet_id", "fixed_ip.ip_address"],
    ),
)

_PLAIN = (
    "floating_network_id", "floating_ip_address", "fixed_ip_address", "port_id", "router_id", "status", "dns_name",
    "dns_domain",
)  # fmt: skip
# What is told of the port to which one was given.
_DETAILS = [
    port.c[name].label(f"port_{name}")
    for name in ("name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner")
]
NOWHERE: Mapping[str, Any] = {
    "port_id": None,
    "fixed_subnet_id": None,
    "fixed_ip_address": None,
    "router_id": None,
    "status": DOWN,
}


def visible(project_id: str | None) -> sa.ColumnElement[bool] | None:
    """What a project sees: its own. None: no restriction."""
    return None if project_id is None else floatingip.c.project_id == project_id


_STANDARD = {name: column for name, column in query.standard_fields(floatingip).items() if name != "name"}
FIELDS = Fields(
    table=floatingip,
    columns=_STANDARD | {name: floatingip.c[name] for name in _PLAIN},
    conditions={"tags": query.json_holds(floatingip.c.tags)},
)


def as_rest(row: query.Row) -> dict[str, Any]:
    standard = query.standard_attributes(row)
    del standard["name"]  # it has none
    return standard | {name: row[name] for name in _PLAIN}


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The floating IPs of one page; one statement, or two with a marker."""
    page = query.page(connection, FIELDS, asked, visible(asked.visible_to)).subquery()
    statement = (
        sa.select(floatingip, *_DETAILS)
        .join(page, page.c.id == floatingip.c.id)
        .outerjoin(port, port.c.id == floatingip.c.port_id)
        .order_by(*query.order(FIELDS, asked))
    )
    rows = connection.execute(statement).mappings()
    return query.turned([as_rest(row) | {"port_details": _details(row)} for row in rows], asked)


def _details(row: query.Row) -> dict[str, Any] | None:
    if row["port_id"] is None:
        return None
    return {column.name.removeprefix("port_"): row[column.name] for column in _DETAILS}


def detailed(connection: sa.Connection, floatingips: Collection[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Floating IPs of `as_rest` with what clients are told of their ports; no statement where none has one."""
    found: dict[str, dict[str, Any]] = {}
    for batch in query.batches({one["port_id"] for one in floatingips} - {None}):
        wanted = sa.select(port.c.id.label("port_id"), *_DETAILS).where(port.c.id.in_(batch))
        found.update({row["port_id"]: _details(row) or {} for row in connection.execute(wanted).mappings()})
    return [{**one, "port_details": found.get(one["port_id"])} for one in floatingips]


def get(connection: sa.Connection, floatingip_id: str, visible_to: str | None = None) -> dict[str, Any]:
    """Raises FloatingIPNotFound, also for what the project may not see."""
    asked = query.by_id(floatingip_id, visible_to)
    return query.only(list_(connection, asked), errors.FloatingIPNotFound, floatingip_id)


def by_ids(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The floating IPs of those ids that exist."""
    found = {}
    for batch in query.batches(ids):
        for row in connection.execute(sa.select(floatingip).where(floatingip.c.id.in_(batch))).mappings():
            found[row["id"]] = as_rest(row)
    return found


def in_routers(connection: sa.Connection, router_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The floating IPs that each router carries, of those that carry some."""
    found: dict[str, list[dict[str, Any]]] = {}
    for batch in query.batches(router_ids):
        wanted = sa.select(floatingip).where(floatingip.c.router_id.in_(batch)).order_by(floatingip.c.id)
        for row in connection.execute(wanted).mappings():
            found.setdefault(row["router_id"], []).append(as_rest(row))
    return found


def note(tx: Transaction, floatingip_id: str, operation: str, *router_ids: str | None) -> None:
    """Log a change in the scopes of the routers that carried it before and carry it after."""
    scopes = [scope.key("router", router_id) for router_id in router_ids if router_id is not None]
    tx.log("floatingip", floatingip_id, operation, *scopes)


def claim(tx: Transaction, floatingip_id: str, if_match: int | None, values: Mapping[str, Any]) -> None:
    """Write `values` and the next revision, which locks it.

    Raises FloatingIPNotFound, RevisionNumberConstraintFailed.
    """
    query.revise(tx, floatingip, floatingip_id, if_match, errors.FloatingIPNotFound, values)


def row(tx: Transaction, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a new floating IP that is nowhere yet, but for its address and the port that holds it."""
    named = {name: wanted.get(name) or "" for name in ("dns_name", "dns_domain")}
    return {**query.standard_row(tx, wanted), "floating_network_id": wanted["floating_network_id"], **named, **NOWHERE}


def insert_many(tx: Transaction, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write rows of all columns. Repeats the transaction when a fixed address has just got another floating IP."""
    made = list(rows)
    for batch in query.batches(made):
        query.guarded(tx, sa.insert(floatingip).values(batch))
    for one in made:
        note(tx, one["id"], "create", one["router_id"])
    return [as_rest(one) for one in made]


def move(tx: Transaction, before: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Give a claimed floating IP another fixed address, or none (NOWHERE)."""
    query.guarded(tx, sa.update(floatingip).where(floatingip.c.id == before["id"]).values(values))
    note(tx, before["id"], "update", before["router_id"], values["router_id"])


def remove(tx: Transaction, floatingip_id: str, if_match: int | None, visible_to: str | None) -> str:
    """Delete the row; the port that holds its address is left to the caller, by its id.

    Raises FloatingIPNotFound, RevisionNumberConstraintFailed.
    """
    claim(tx, floatingip_id, if_match, {})
    columns = (floatingip.c.floating_port_id, floatingip.c.router_id)
    wanted = sa.select(*columns).where(floatingip.c.id == floatingip_id)
    own = visible(visible_to)
    row = tx.execute(wanted if own is None else wanted.where(own)).first()
    if row is None:
        raise errors.FloatingIPNotFound(id=floatingip_id)
    tx.execute(sa.delete(floatingip).where(floatingip.c.id == floatingip_id))
    note(tx, floatingip_id, "delete", row.router_id)
    return str(row.floating_port_id)


def remove_unassociated(tx: Transaction, network_id: str) -> list[str]:
    """Delete those of an external network that stand for nothing, whoever's they are; the ids of the ports that hold
    their addresses, which are left to the caller. No agent knows of them.
    """
    loose = (floatingip.c.floating_network_id == network_id, floatingip.c.port_id.is_(None))
    columns = (floatingip.c.id, floatingip.c.floating_port_id)
    rows = tx.execute(sa.select(*columns).where(*loose).order_by(floatingip.c.id).with_for_update()).all()
    for batch in query.batches(row.id for row in rows):
        tx.execute(sa.delete(floatingip).where(floatingip.c.id.in_(batch)))
    return [row.floating_port_id for row in rows]


def dissociate(tx: Transaction, port_ids: Collection[str], addresses: Collection[str] | None = None) -> None:
    """Take the floating IPs off ports that are about to be deleted, or off those `addresses` that leave them.

    One statement where there are none, two however many there are.
    """
    for batch in query.batches(port_ids):
        theirs: sa.ColumnElement[bool] = floatingip.c.port_id.in_(batch)
        if addresses is not None:
            theirs = sa.and_(theirs, floatingip.c.fixed_ip_address.in_(list(addresses)))
        gone = tx.execute(sa.select(floatingip.c.id, floatingip.c.router_id).where(theirs)).all()
        if not gone:
            continue
        standard = {"revision_number": floatingip.c.revision_number + 1, "updated_at": tx.now}
        # Only those that were read: one that has come since is refused by the foreign key, and all is done again.
        mine = sa.and_(theirs, floatingip.c.id.in_([row.id for row in gone]))
        tx.execute(sa.update(floatingip).where(mine).values(**standard, **NOWHERE))
        for row in gone:
            note(tx, row.id, "update", row.router_id)


def store_status(connection: sa.Connection, said: Collection[tuple[str, str, int, str]]) -> None:
    """[(agent id, floating IP's id, its revision, ACTIVE or DOWN)]: counts only from the agent that holds its router
    now, and only if it has not changed since: of what it has become, the agent speaks when that is in force.

    One statement per status. No revision and no line in the log: it is nobody's wish.
    """
    for status in (ACTIVE, DOWN):
        meant = sorted({(agent_id, id_, revision) for agent_id, id_, revision, told in said if told == status})
        for batch in query.batches(meant):
            holds = sa.exists().where(
                binding.c.resource_type == "router",
                binding.c.resource_id == floatingip.c.router_id,
                sa.tuple_(binding.c.agent_id, floatingip.c.id, floatingip.c.revision_number).in_(batch),
            )
            ids = sorted({id_ for _, id_, _ in batch})
            news = sa.and_(floatingip.c.id.in_(ids), floatingip.c.status != status, holds)
            connection.execute(sa.update(floatingip).where(news).values(status=status))
