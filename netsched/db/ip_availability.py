"""How many addresses networks have, and how many of them are taken.

As the incumbent counts: what there is are the allocation pools, or the whole CIDR where a subnet has none; taken is
every address of a port, in a pool or not, booked or made by its host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import network as networks
from netsched.db import query
from netsched.db.address import fixed_ip
from netsched.db.network import network
from netsched.db.query import Fields
from netsched.db.subnet import subnet
from netsched.model import addressing
from netsched.model.query import Query

IP_VERSION = "ip_version"


def _with_version(values: query.Values) -> query.Condition:
    return network.c.id.in_(sa.select(subnet.c.network_id).where(_of_version(values)))


def _of_version(values: query.Values) -> query.Condition:
    return subnet.c.ip_version.in_([int(value) for value in values])


_COLUMNS = {"network_id": network.c.id, "network_name": network.c.name, "id": network.c.id}
FIELDS = Fields(
    table=network,
    columns=_COLUMNS | {name: network.c.project_id for name in ("project_id", "tenant_id")},
    conditions={IP_VERSION: _with_version},
)


def list_(connection: sa.Connection, asked: Query) -> list[dict[str, Any]]:
    """The networks of one page; at most three statements, whatever the number of networks and ports."""
    page = query.page(connection, FIELDS, asked, networks.visible(asked.visible_to)).subquery()
    columns = (network.c.id, network.c.name, network.c.project_id)
    found = sa.select(*columns).join(page, page.c.id == network.c.id).order_by(*query.order(FIELDS, asked))
    rows = connection.execute(found).all()
    subnets = _subnets(connection, page, asked.filters.get(IP_VERSION, ())) if rows else {}
    return query.turned([_object(row, subnets.get(row.id, [])) for row in rows], asked)


def get(connection: sa.Connection, network_id: str, visible_to: str | None) -> dict[str, Any]:
    """Raises NetworkNotFound."""
    return query.only(list_(connection, query.by_id(network_id, visible_to)), errors.NetworkNotFound, network_id)


def _subnets(connection: sa.Connection, page: sa.Subquery, versions: query.Values) -> dict[str, list[dict[str, Any]]]:
    on_page = sa.select(subnet.c.id).join(page, page.c.id == subnet.c.network_id)
    taken = sa.select(fixed_ip.c.subnet_id, sa.func.count().label("used"))
    used = taken.where(fixed_ip.c.subnet_id.in_(on_page)).group_by(fixed_ip.c.subnet_id).subquery()
    statement = (
        sa.select(subnet, used.c.used)
        .join(page, page.c.id == subnet.c.network_id)
        .outerjoin(used, used.c.subnet_id == subnet.c.id)
        .where(_of_version(versions) if versions else sa.true())
        .order_by(subnet.c.created_at, subnet.c.id)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(statement).mappings():
        found.setdefault(row["network_id"], []).append(
            {
                "subnet_id": row["id"],
                "subnet_name": row["name"],
                "ip_version": row["ip_version"],
                "cidr": row["cidr"],
                "total_ips": _size(row),
                "used_ips": row["used"] or 0,
            }
        )
    return found


def _size(row: query.Row) -> int:
    pools = addressing.pools_as_ranges(row["allocation_pools"])
    if not pools:
        return addressing.network(row["cidr"], row["ip_version"]).num_addresses
    return sum(last - first + 1 for first, last in pools)


def _object(row: Any, subnets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "id": row.id,  # for the links between pages; not an attribute
        "network_id": row.id,
        "network_name": row.name,
        "project_id": row.project_id,
        "tenant_id": row.project_id,
        "subnet_ip_availability": list(subnets),
        "total_ips": sum(one["total_ips"] for one in subnets),
        "used_ips": sum(one["used_ips"] for one in subnets),
    }
