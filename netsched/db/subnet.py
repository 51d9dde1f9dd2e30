"""Subnets: rows, and networks read together with their subnets, which is how every change of them begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import address, base, query
from netsched.db.network import hold_shared, is_external, is_open, is_shared, network, seen_by, shared_with
from netsched.db.query import Fields
from netsched.db.transaction import Repeat, Transaction
from netsched.model import addressing, scope, segment
from netsched.model.provider import Segment
from netsched.model.query import Query

subnet = sa.Table(
    "subnet",
    base.metadata,
    *base.standard_columns(),
    sa.Column("network_id", base.Id, sa.ForeignKey("network.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("ip_version", sa.SmallInteger, nullable=False),
    sa.Column("cidr", sa.String(64), nullable=False),
    sa.Column("gateway_ip", sa.String(64), nullable=True),
    # [{"start", "end"}], in order. Not rows: they are only ever wanted together with the subnet.
    sa.Column("allocation_pools", base.Json, nullable=False),
    sa.Column("dns_nameservers", base.Json, nullable=False),
    sa.Column("host_routes", base.Json, nullable=False),
    sa.Column("enable_dhcp", sa.Boolean, nullable=False),
    sa.Column("ipv6_ra_mode", sa.String(16), nullable=True),
    sa.Column("ipv6_address_mode", sa.String(16), nullable=True),
    sa.Column("allocations", sa.BigInteger, nullable=False, default=0),  # see address.py; no revision of the object
    # No foreign key: whoever deletes a pool or cuts a subnet out of it locks the pool's row first (subnetpool.py).
    sa.Column("subnetpool_id", base.Id, nullable=True, index=True),
    sa.Column("service_types", base.Json, nullable=True),  # a list; null is an empty one
    sa.Index("ix_subnet_name", "name"),  # clients that are given a name ask for it in a list
)

_PLAIN = (
    "network_id", "ip_version", "cidr", "gateway_ip", "allocation_pools", "dns_nameservers", "host_routes",
    "enable_dhcp", "ipv6_ra_mode", "ipv6_address_mode", "subnetpool_id",
)  # fmt: skip
_CHANGEABLE = (
    "name", "description", "gateway_ip", "allocation_pools", "dns_nameservers", "host_routes", "enable_dhcp",
    "service_types", "tags",
)  # fmt: skip


def visible(project_id: str | None) -> sa.ColumnElement[bool] | None:
    """What a project sees: its own, and those on the networks that it sees."""
    if project_id is None:
        return None
    own = sa.select(subnet.c.id).where(subnet.c.project_id == project_id)
    on_seen = sa.select(subnet.c.id).where(subnet.c.network_id.in_(seen_by(project_id)))
    return subnet.c.id.in_(sa.select(sa.union(own, on_seen).subquery().c.id))


_JSON = ("allocation_pools", "dns_nameservers", "host_routes", "service_types")
FIELDS = Fields(
    table=subnet,
    columns=query.standard_fields(subnet) | {name: subnet.c[name] for name in _PLAIN if name not in _JSON},
    conditions={
        **{name: query.json_holds(subnet.c[name]) for name in (*_JSON, "tags")},
        "router:external": query.either(
            "router:external", subnet.c.network_id.in_(sa.select(network.c.id).where(is_external()))
        ),
    },
)
_WITH_NETWORK = sa.select(subnet, sa.case((is_external(), 1), else_=0).label("network_external_")).join(
    network, network.c.id == subnet.c.network_id
)


@dataclass(frozen=True)
class Surroundings:
    """A network as far as its subnets and ports need it."""

    id: str
    project_id: str
    shared: bool  # with the reader's project
    external: bool
    open: bool  # external for the reader's project
    segment: Segment | None
    port_security: bool  # what its new ports get
    mtu: int
    zone_hints: tuple[str, ...]
    subnets: tuple[Mapping[str, Any], ...]  # oldest first

    def visible_to(self, project_id: str | None) -> bool:
        return self.usable_by(project_id) or self.open

    def usable_by(self, project_id: str | None) -> bool:
        """May the project have ports there? On a network that is external and no more than that, it may not."""
        return project_id is None or self.shared or self.project_id == project_id

    @property
    def reach(self) -> str | None:
        """Its segment, as agents say that they reach it."""
        return segment.word(self.segment.network_type, self.segment.physical_network) if self.segment else None


def surroundings(tx: Transaction, network_ids: Iterable[str], reader: str | None = None) -> dict[str, Surroundings]:
    """Networks with all their subnets; one statement for up to 1,000 networks.

    `reader`: the project that must be able to see and use them, None for an administrator.
    """
    found: dict[str, Surroundings] = {}
    for batch in query.batches(sorted(set(network_ids))):
        found.update(_surroundings(tx, batch, reader))
    return found


def _surroundings(tx: Transaction, network_ids: Sequence[str], reader: str | None) -> dict[str, Surroundings]:
    names = (
        "id", "project_id", "port_security_enabled", "mtu", "network_type", "physical_network", "segmentation_id",
    )  # fmt: skip
    columns: list[sa.ColumnElement[Any]] = [network.c[name].label(f"network_{name}_") for name in names]
    granted = {"shared": is_shared(reader), "external": is_external(), "open": is_open(reader)}
    columns += [sa.case((condition, 1), else_=0).label(f"network_{name}_") for name, condition in granted.items()]
    statement = (
        sa.select(*columns, network.c.availability_zone_hints, subnet)
        .outerjoin(subnet, subnet.c.network_id == network.c.id)
        .where(network.c.id.in_(network_ids))
        .order_by(subnet.c.created_at, subnet.c.id)
    )
    rows: dict[str, sa.RowMapping] = {}
    subnets: dict[str, list[dict[str, Any]]] = {}
    for row in tx.execute(statement).mappings():
        rows[row["network_id_"]] = row
        subnets.setdefault(row["network_id_"], []).extend([_object(row)] if row["id"] is not None else [])
    return {
        key: Surroundings(
            id=key,
            project_id=row["network_project_id_"],
            shared=bool(row["network_shared_"]),
            external=bool(row["network_external_"]),
            open=bool(row["network_open_"]),
            segment=_segment(row),
            port_security=row["network_port_security_enabled_"],
            mtu=row["network_mtu_"],
            zone_hints=tuple(row["availability_zone_hints"]),
            subnets=tuple(subnets[key]),
        )
        for key, row in rows.items()
    }


def hold_grants(tx: Transaction, networks: Iterable[Surroundings], project_id: str | None) -> None:
    """Have those that are others' stay shared with the project until the commit; no statement where there are none."""
    if project_id is None:
        return
    theirs = [around.id for around in networks if around.project_id != project_id]
    if theirs:
        hold_shared(tx, theirs, project_id)


def _segment(row: sa.RowMapping) -> Segment | None:
    parts = [row[f"network_{name}_"] for name in ("network_type", "physical_network", "segmentation_id")]
    return Segment(*parts) if parts[0] else None


def insert_many(tx: Transaction, wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write subnets, checked by the service, with their pools all free; two statements for up to 1,000."""
    rows = [
        query.standard_row(tx, item)
        | {name: item.get(name) for name in _PLAIN}
        | {"allocations": 0, "service_types": item.get("service_types") or None}
        for item in wanted
    ]
    for batch in query.batches(rows):
        query.guarded(tx, sa.insert(subnet).values(batch))
    address.fill(tx, {row["id"]: addressing.pools_as_ranges(row["allocation_pools"]) for row in rows})
    for row in rows:
        tx.log("subnet", row["id"], "create", scope.key("network", row["network_id"]))
    outside = [int(item.get("router:external") or False) for item in wanted]
    return [_object({**row, "network_external_": one}) for row, one in zip(rows, outside, strict=True)]


def _object(row: query.Row) -> dict[str, Any]:
    plain = {name: row[name] for name in _PLAIN}
    derived = {"service_types": row["service_types"] or [], "router:external": bool(row["network_external_"])}
    return query.standard_attributes(row) | plain | derived


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The subnets of one page; one statement, or two with a marker."""
    fields = query.with_shared(FIELDS, subnet.c.network_id.in_(shared_with(asked.visible_to)))
    page = query.page(connection, fields, asked, visible(asked.visible_to)).subquery()
    statement = _WITH_NETWORK.join(page, page.c.id == subnet.c.id).order_by(*query.order(FIELDS, asked))
    return query.turned([_object(row) for row in connection.execute(statement).mappings()], asked)


def by_ids(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The subnets of those ids that exist."""
    found = {}
    for batch in query.batches(ids):
        for row in connection.execute(_WITH_NETWORK.where(subnet.c.id.in_(batch))).mappings():
            found[row["id"]] = _object(row)
    return found


def in_networks(connection: sa.Connection, network_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The subnets of each network that has some, oldest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for batch in query.batches(network_ids):
        wanted = _WITH_NETWORK.where(subnet.c.network_id.in_(batch))
        for row in connection.execute(wanted.order_by(subnet.c.created_at, subnet.c.id)).mappings():
            found.setdefault(row["network_id"], []).append(_object(row))
    return found


def get(connection: sa.Connection, subnet_id: str, visible_to: str | None = None) -> dict[str, Any]:
    """Raises SubnetNotFound, also for what the project may not see."""
    return query.only(list_(connection, query.by_id(subnet_id, visible_to)), errors.SubnetNotFound, subnet_id)


def claim(tx: Transaction, subnet_id: str, if_match: int | None) -> None:
    """Lock the subnet, against allocators too, and give it its next revision, before it is read to be changed.

    Raises SubnetNotFound, RevisionNumberConstraintFailed.
    """
    query.revise(tx, subnet, subnet_id, if_match, errors.SubnetNotFound, {})


def hold_gateway(tx: Transaction, wanted: Mapping[str, Any]) -> None:
    """Lock a subnet that was read, against allocators too; repeats the transaction if its gateway is another by now."""
    same = sa.and_(subnet.c.id == wanted["id"], subnet.c.gateway_ip == wanted["gateway_ip"])
    if not tx.execute(sa.update(subnet).where(same).values(allocations=subnet.c.allocations + 1)).rowcount:
        raise Repeat("the subnet has changed since it was looked at")


def update(tx: Transaction, before: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Write the changed attributes of a claimed subnet, checked by the service."""
    values = {name: changes[name] for name in _CHANGEABLE if name in changes}
    if values:
        tx.execute(sa.update(subnet).where(subnet.c.id == before["id"]).values(values))
    if "allocation_pools" in values:
        address.refill(tx, before, addressing.pools_as_ranges(values["allocation_pools"]))
    tx.log("subnet", before["id"], "update", scope.key("network", before["network_id"]))


def remove(tx: Transaction, gone: Mapping[str, Any]) -> None:
    """Delete the row, and with it its free addresses; no port may have an address of it any more."""
    query.guarded(tx, sa.delete(subnet).where(subnet.c.id == gone["id"]))
    tx.log("subnet", gone["id"], "delete", scope.key("network", gone["network_id"]))


def log_removal(tx: Transaction, around: Surroundings) -> None:
    """Note subnets that go with their network's row."""
    for gone in around.subnets:
        tx.log("subnet", gone["id"], "delete", scope.key("network", around.id))
