"""What depends on a router: floating IPs on its gateway and its interfaces, and the ports that are its own."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from netsched import errors
from netsched.db.floatingip import floatingip
from netsched.db.router import router
from netsched.db.transaction import Transaction
from netsched.model import addressing


def check_gateway_unused(tx: Transaction, router_id: str, network_id: str) -> None:
    """Raises RouterExternalGatewayInUseByFloatingIp. The router is claimed."""
    if tx.execute(sa.select(floatingip.c.id).where(floatingip.c.router_id == router_id).limit(1)).first() is not None:
        raise errors.RouterExternalGatewayInUseByFloatingIp(id=router_id, network_id=network_id)


def check_interfaces_unused(tx: Transaction, router_id: str, subnet_ids: Collection[str]) -> None:
    """Raises RouterInterfaceInUseByFloatingIP. The router is claimed."""
    through = floatingip.c.fixed_subnet_id.in_(sorted(subnet_ids))
    used = sa.select(floatingip.c.fixed_subnet_id).where(floatingip.c.router_id == router_id, through).limit(1)
    subnet_id = tx.execute(used).scalar()
    if subnet_id is not None:
        raise errors.RouterInterfaceInUseByFloatingIP(id=router_id, subnet_id=subnet_id)


def exists(tx: Transaction, device_owner: str, device_id: str) -> bool:
    """Is the floating IP, or the router, still there to which a port says that it belongs?"""
    table = floatingip if device_owner == addressing.FLOATINGIP_OWNER else router
    return tx.execute(sa.select(table.c.id).where(table.c.id == device_id)).first() is not None
