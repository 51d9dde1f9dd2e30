"""Members of security groups as agents get them: the addresses by which other ports know a port."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from netsched.db import port, query
from netsched.db.port_security_group import ports_in


def by_ids(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The ports of those ids that exist, and the groups that each is in."""
    return {item["id"]: _member(item) for item in port.by_ids(connection, ids).values()}


def in_groups(connection: sa.Connection, group_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The ports in each group that has some."""
    wanted = list(group_ids)
    found: dict[str, list[dict[str, Any]]] = {group_id: [] for group_id in wanted}
    for batch in query.batches(wanted):
        for item in port.where(connection, port.port.c.id.in_(ports_in(batch))):
            for group_id in found.keys() & set(item["security_groups"]):
                found[group_id].append(_member(item))
    return found


def groups_of(member: dict[str, Any]) -> list[str]:
    return list(member["security_groups"])


def _member(item: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "mac_address", "allowed_address_pairs", "security_groups")
    return {name: item[name] for name in names} | {
        "fixed_ips": [{"ip_address": ip["ip_address"]} for ip in item["fixed_ips"]]
    }
