"""A project's networks behind routers to an external one, in few words; for tests of what depends on routers."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa

from netsched.db import network, port_change, router
from netsched.db.transaction import Transaction
from netsched.model import addressing
from netsched.model.principal import Principal
from tests.cloud import ROUTER, TENANT, Cloud, Object


class Land(Cloud):
    def external(self, *cidrs: str) -> str:
        """The id of a new external network with these subnets."""
        network_id = self.network()
        change = sa.update(network.network).where(network.network.c.id == network_id).values(router_external=True)
        self.database.write(lambda tx: tx.execute(change))
        for cidr in cidrs:
            self.subnet(network_id, cidr, enable_dhcp=False)
        return network_id

    def inside(self, cidr: str, who: Principal = TENANT, **attributes: Any) -> Object:
        """A subnet on a network of its own."""
        return self.subnet(self.network(who), cidr, who, **attributes)

    def router(self, external_id: str | None, *interfaces: Object, **attributes: Any) -> str:
        """The id of a new router. `interfaces`: subnets, where it has the gateway's address; or ports' bodies."""

        def work(tx: Transaction) -> str:
            router_id = str(uuid.uuid4())
            gateway = {"device_owner": addressing.GATEWAY_OWNER, "device_id": router_id, "network_id": external_id}
            made = port_change.insert_many(tx, [gateway])[0] if external_id else None
            row = {"id": router_id, "project_id": "blue", "created_at": tx.now, "updated_at": tx.now, "routes": []}
            row |= {"availability_zone_hints": [], "gateway_port_id": made["id"] if made else None, **attributes}
            tx.execute(sa.insert(router.router).values(row))
            return router_id

        router_id = self.database.write(work)
        for one in interfaces:
            chosen = [{"subnet_id": one["id"], "ip_address": one["gateway_ip"]}] if "cidr" in one else one["fixed_ips"]
            own = {"device_owner": ROUTER, "device_id": router_id, "project_id": "blue"}
            self.port(one["network_id"], **own, fixed_ips=chosen)
        return router_id

    def floating(self, external_id: str, who: Principal = TENANT, **attributes: Any) -> Object:
        return self.floatingips.create(who, [{"floating_network_id": external_id, **attributes}])[0]
