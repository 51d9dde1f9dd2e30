"""The ports of a network or of a subnet as a set: what they stand in the way of, and what happens to them with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import presence, query
from netsched.db.address import Taken, fixed_ip
from netsched.db.port import DHCP_OWNER, note, note_member, port, router_of
from netsched.db.port_change import write_addresses
from netsched.db.transaction import Transaction
from netsched.model import addressing, scope

_OWNER = (port.c.device_owner, port.c.device_id)
_TOLD = (*_OWNER, port.c.security_groups)
_OUTSIDE = (addressing.GATEWAY_OWNER, addressing.FLOATINGIP_OWNER)


def on_network(tx: Transaction, network_id: str, limit: int) -> list[tuple[str, str, str]]:
    """(id, device_owner, project_id) of some ports of a network."""
    columns = (port.c.id, port.c.device_owner, port.c.project_id)
    rows = tx.execute(sa.select(*columns).where(port.c.network_id == network_id).limit(limit))
    return [(row.id, row.device_owner, row.project_id) for row in rows]


def others_on_network(tx: Transaction, network_id: str, project_id: str) -> bool:
    """Do other projects have ports there? The service's own do not count, nor do what routers have outside."""
    theirs = sa.and_(port.c.project_id != project_id, port.c.device_owner.not_in((DHCP_OWNER, *_OUTSIDE)))
    return tx.execute(sa.select(port.c.id).where(port.c.network_id == network_id, theirs).limit(1)).first() is not None


def outside_on_network(tx: Transaction, network_id: str) -> bool:
    """Is the network used as an external one, by a router's gateway or a floating IP?"""
    used = sa.and_(port.c.network_id == network_id, port.c.device_owner.in_(_OUTSIDE))
    return tx.execute(sa.select(port.c.id).where(used).limit(1)).first() is not None


def remove_with_network(tx: Transaction, network_id: str, port_ids: Iterable[str]) -> None:
    """Delete the service's own ports of a network whose subnets are deleted too: no address needs returning."""
    own = sa.and_(port.c.network_id == network_id, port.c.device_owner == DHCP_OWNER)
    tx.execute(sa.delete(port).where(own))
    presence.forget(tx, network_id)  # after that: whoever was just binding a port here has given the L2 agent its part
    for port_id in port_ids:
        tx.log("port", port_id, "delete", scope.key("network", network_id))


def holding(tx: Transaction, subnet_id: str, ip_address: str, owners: Sequence[str]) -> str | None:
    """The id of the port of one of these kinds that has the address."""
    wanted = (
        sa.select(port.c.id)
        .join(fixed_ip, fixed_ip.c.port_id == port.c.id)
        .where(fixed_ip.c.subnet_id == subnet_id, fixed_ip.c.ip_address == ip_address, port.c.device_owner.in_(owners))
    )
    return tx.execute(wanted).scalar()


def leave_subnet(tx: Transaction, subnet: Mapping[str, Any]) -> None:
    """Take all addresses of a subnet, which is about to be deleted, off ports that only happen to have one.

    Those are the service's own ports, and ports that made themselves an address. Raises SubnetInUse for any other.
    """
    on_it = sa.select(port.c.id, port.c.network_id, *_TOLD).join(fixed_ip, fixed_ip.c.port_id == port.c.id)
    on_it = on_it.where(fixed_ip.c.subnet_id == subnet["id"])
    routers, own = port.c.device_owner.in_(addressing.ROUTER_OWNERS), port.c.device_owner == DHCP_OWNER
    blocks = routers if addressing.is_auto(subnet) else sa.not_(own)
    if tx.execute(on_it.where(blocks).limit(1)).first() is not None:
        raise errors.SubnetInUse(id=subnet["id"], reason="One or more ports have an IP allocation from this subnet")
    leaving = tx.execute(on_it.distinct()).mappings().all()
    if leaving:
        tx.execute(sa.delete(fixed_ip).where(fixed_ip.c.subnet_id == subnet["id"]))
        _changed(tx, leaving, subnet["id"])


def join_subnet(tx: Transaction, subnet: Mapping[str, Any]) -> None:
    """Give every port of the network the address that its host will make itself on this new subnet."""
    never = (*addressing.ROUTER_OWNERS, addressing.FLOATINGIP_OWNER)
    owned = sa.and_(port.c.network_id == subnet["network_id"], port.c.device_owner.not_in(never))
    joining = (
        tx.execute(sa.select(port.c.id, port.c.network_id, port.c.mac_address, *_TOLD).where(owned)).mappings().all()
    )
    taken = [
        Taken(row["id"], row["network_id"], subnet["id"], addressing.eui64(subnet["cidr"], row["mac_address"]))
        for row in joining
    ]
    write_addresses(tx, taken)
    _changed(tx, joining, subnet["id"])


def _changed(tx: Transaction, rows: Sequence[sa.RowMapping], subnet_id: str) -> None:
    """Note ports that got or lost an address; for a router's, the subnet comes into its scope or leaves it."""
    standard = {"revision_number": port.c.revision_number + 1, "updated_at": tx.now}
    for batch in query.batches(row["id"] for row in rows):
        tx.execute(sa.update(port).where(port.c.id.in_(batch)).values(standard))
    for row in rows:
        note(tx, row, "update")
        note_member(tx, row["id"], row["security_groups"] or (), "update")
        router_id = router_of(row)
        if router_id is not None:
            its = scope.key("router", router_id)
            tx.log("subnet", subnet_id, "update", its)
            tx.log("router", router_id, "update", its)  # it shows the addresses of its gateway
