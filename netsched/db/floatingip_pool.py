"""Where floating IPs come from: the IPv4 subnets of the networks that are external for a project."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from netsched.db import network as networks
from netsched.db import query
from netsched.db.query import Fields
from netsched.db.subnet import subnet
from netsched.model.query import Query

_COLUMNS = {
    "id": subnet.c.id,
    "subnet_id": subnet.c.id,
    "subnet_name": subnet.c.name,
    "network_id": subnet.c.network_id,
    "cidr": subnet.c.cidr,
}


def list_(connection: sa.Connection, asked: Query, project_id: str) -> list[dict[str, Any]]:
    """The pools of one page; one statement, or two with a marker. They are shown as if they were `project_id`'s."""
    fields = Fields(subnet, _COLUMNS, {"project_id": lambda values: sa.true() if project_id in values else sa.false()})
    pools = sa.and_(subnet.c.ip_version == 4, subnet.c.network_id.in_(networks.outside_of(asked.visible_to)))
    page = query.page(connection, fields, asked, pools).subquery()
    statement = (
        sa.select(subnet.c.id, subnet.c.name, subnet.c.network_id, subnet.c.cidr)
        .join(page, page.c.id == subnet.c.id)
        .order_by(*query.order(fields, asked))
    )
    found = [_object(row, project_id) for row in connection.execute(statement)]
    return query.turned(found, asked)


def _object(row: Any, project_id: str) -> dict[str, Any]:
    return {
        "id": row.id,  # for the links between pages; not an attribute
        "subnet_id": row.id,
        "subnet_name": row.name,
        "network_id": row.network_id,
        "cidr": row.cidr,
        "project_id": project_id,
        "tenant_id": project_id,
    }
