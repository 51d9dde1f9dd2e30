"""A project's networks behind routers to external ones, in few words; for tests of what depends on routers."""

from __future__ import annotations

from typing import Any

from netsched.model.principal import Principal
from tests.cloud import TENANT, Cloud, Object


class Land(Cloud):
    def external(self, *cidrs: str) -> str:
        """The id of a new external network with these subnets."""
        network_id = self.network(**{"router:external": True})
        for cidr in cidrs:
            self.subnet(network_id, cidr, enable_dhcp=False)
        return network_id

    def inside(self, cidr: str, who: Principal = TENANT, **attributes: Any) -> Object:
        """A subnet on a network of its own."""
        return self.subnet(self.network(who), cidr, who, **attributes)

    def router(self, external_id: str | None, *subnets: Object, beside: bool = False) -> str:
        """The id of a new router on these subnets, at the gateway's address or `beside` it."""
        info = {"network_id": external_id} if external_id else None
        router_id = str(self.routers.create(TENANT, [{"external_gateway_info": info}])[0]["id"])
        for subnet in subnets:
            port = None
            if beside:
                port = self.port(subnet["network_id"], TENANT, fixed_ips=[{"subnet_id": subnet["id"]}])["id"]
            self.routers.add_interface(TENANT, router_id, port, None if beside else subnet["id"])
        return router_id

    def floating(self, external_id: str, who: Principal = TENANT, **attributes: Any) -> Object:
        return self.floatingips.create(who, [{"floating_network_id": external_id, **attributes}])[0]
