"""The security groups of ports: which ones a port gets, and when it may have none.

The service's own ports (device_owner ``network:...``) are in no group, whatever was asked for: they pass on what others
send.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netsched import errors
from netsched.db import port_security_group
from netsched.db import security_group_use as use
from netsched.db.group_presence import References
from netsched.db.transaction import Transaction

OWN = "network:"


def give(tx: Transaction, rows: Sequence[dict[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> dict[str, References]:
    """Fill in `security_groups` of new rows of `port`; the references of these groups. One statement, if any has some.

    Who asks for none gets the default group of the port's project. Raises SecurityGroupNotFound,
    SecurityGroupConflict, PortSecurityAndIPRequiredForSecurityGroups.
    """
    asked: list[tuple[str, str | None]] = []
    defaulting = []
    for row, one in zip(rows, wanted, strict=True):
        row["security_groups"] = []
        chosen = one.get("security_groups")
        if row["device_owner"].startswith(OWN):
            continue
        if not row["port_security_enabled"]:
            if chosen:
                raise errors.PortSecurityAndIPRequiredForSecurityGroups()
        elif chosen is None:
            defaulting.append(row)
        else:
            row["security_groups"] = sorted(set(chosen))
            asked += [(group_id, row["project_id"] or None) for group_id in row["security_groups"]]
    ids = [group_id for group_id, _ in asked]
    found, defaults = use.for_new_ports(tx, ids, {row["project_id"] for row in defaulting})
    use.check_usable(tx, asked, found)
    for row in rows:
        use.check_alike(found, row["security_groups"])
    for row in defaulting:
        row["security_groups"] = [defaults[row["project_id"]]]
    return {id_: group.references for id_, group in found.items()}


def write(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows of `port` are written."""
    port_security_group.write(tx, [(row["id"], group_id) for row in rows for group_id in row["security_groups"]])


def change(
    tx: Transaction, port: Mapping[str, Any], changes: Mapping[str, Any], visible_to: str | None
) -> list[str] | None:
    """The groups of a port (in the REST format) from now on, None if they stay; the caller writes them into its row.

    Three statements where they change. Raises SecurityGroupNotFound, SecurityGroupConflict,
    PortSecurityAndIPRequiredForSecurityGroups, PortSecurityPortHasSecurityGroup.
    """
    wanted = sorted(set(changes.get("security_groups") or ()))
    asked = "security_groups" in changes
    if not port["port_security_enabled"]:
        if wanted:
            raise errors.PortSecurityAndIPRequiredForSecurityGroups()
        if port["security_groups"] and not asked:
            raise errors.PortSecurityPortHasSecurityGroup()
    if not asked:
        return None
    if port["device_owner"].startswith(OWN):
        wanted = []
    new = [group_id for group_id in wanted if group_id not in port["security_groups"]]
    found = use.find(tx, wanted if new else ())
    use.check_usable(tx, [(group_id, visible_to) for group_id in new], found)
    if new:
        use.check_alike(found, wanted)
    if wanted != sorted(port["security_groups"]):
        port_security_group.rewrite(tx, port["id"], wanted)
    return wanted
