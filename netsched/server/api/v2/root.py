"""Every route of the service."""

from __future__ import annotations

import functools

from netsched.server.api import openapi
from netsched.server.api.collection import Collection
from netsched.server.api.routing import Route
from netsched.server.api.services import Services
from netsched.server.api.v2 import agent, network, operator, router, version
from netsched.server.api.v2.availability_zone import AvailabilityZones
from netsched.server.api.v2.on_network import OnNetwork
from netsched.server.api.v2.port import Ports
from netsched.wire.agent import AGENT
from netsched.wire.availability_zone import AVAILABILITY_ZONE
from netsched.wire.floatingip import FLOATINGIP
from netsched.wire.network import NETWORK
from netsched.wire.port import PORT
from netsched.wire.router import ROUTER
from netsched.wire.subnet import SUBNET


def routes(services: Services, max_limit: int, release: str) -> list[Route]:
    documents = version.Documents((NETWORK, SUBNET, PORT, ROUTER, FLOATINGIP), lambda: description())
    networks = network.Networks(services.network, services.scheduling, max_limit)
    subnets = OnNetwork(SUBNET, services.subnet, max_limit)
    ports = Ports(services.port, services.network, max_limit)
    routers = router.RouterCollection(services.router, max_limit)
    floatingips = Collection(FLOATINGIP, services.floatingip, max_limit)
    agents = agent.Agents(services.agent, services.scheduling, max_limit)
    zones = AvailabilityZones(services.agent)
    operators = operator.Operators(services.status)
    of_network = openapi.Resource(NETWORK, after_create=network.LINKS)
    of_subnet, of_port = openapi.Resource(SUBNET), openapi.Resource(PORT)
    of_router = openapi.Resource(ROUTER, after_create=router.LINKS)
    of_floatingip = openapi.Resource(FLOATINGIP)
    of_agent = openapi.Resource(AGENT, after_list=agent.LINKS)
    v2 = "/v2.0"
    table = [
        Route("GET", "/", documents.versions, version.VERSIONS, open=True),
        Route("GET", v2, documents.resources, version.RESOURCES),
        Route("GET", f"{v2}/openapi.json", documents.openapi, version.OPENAPI, open=True),
        Route("GET", f"{v2}/extensions", documents.extensions, version.EXTENSIONS),
        Route("GET", f"{v2}/extensions/{{alias}}", documents.extension, version.EXTENSION),
        Route("GET", f"{v2}/networks", networks.list, of_network.list),
        Route("POST", f"{v2}/networks", networks.create, of_network.create),
        Route("GET", f"{v2}/networks/{{id}}", networks.show, of_network.show),
        Route("PUT", f"{v2}/networks/{{id}}", networks.update, of_network.update),
        Route("DELETE", f"{v2}/networks/{{id}}", networks.delete, of_network.delete),
        Route("GET", f"{v2}/networks/{{id}}/dhcp-agents", networks.dhcp_agents, network.AGENTS),
        Route("GET", f"{v2}/networks/{{id}}/binding-reasons", networks.binding_reasons, network.REASONS),
        Route("GET", f"{v2}/subnets", subnets.list, of_subnet.list),
        Route("POST", f"{v2}/subnets", subnets.create, of_subnet.create),
        Route("GET", f"{v2}/subnets/{{id}}", subnets.show, of_subnet.show),
        Route("PUT", f"{v2}/subnets/{{id}}", subnets.update, of_subnet.update),
        Route("DELETE", f"{v2}/subnets/{{id}}", subnets.delete, of_subnet.delete),
        Route("GET", f"{v2}/ports", ports.list, of_port.list),
        Route("POST", f"{v2}/ports", ports.create, of_port.create),
        Route("GET", f"{v2}/ports/{{id}}", ports.show, of_port.show),
        Route("PUT", f"{v2}/ports/{{id}}", ports.update, of_port.update),
        Route("DELETE", f"{v2}/ports/{{id}}", ports.delete, of_port.delete),
        Route("GET", f"{v2}/routers", routers.list, of_router.list),
        Route("POST", f"{v2}/routers", routers.create, of_router.create),
        Route("GET", f"{v2}/routers/{{id}}", routers.show, of_router.show),
        Route("PUT", f"{v2}/routers/{{id}}", routers.update, of_router.update),
        Route("DELETE", f"{v2}/routers/{{id}}", routers.delete, of_router.delete),
        Route("PUT", f"{v2}/routers/{{id}}/add_router_interface", routers.add_interface, router.ADD_INTERFACE),
        Route("PUT", f"{v2}/routers/{{id}}/remove_router_interface", routers.remove_interface, router.REMOVE_INTERFACE),
        Route("PUT", f"{v2}/routers/{{id}}/add_extraroutes", routers.add_routes, router.ADD_ROUTES),
        Route("PUT", f"{v2}/routers/{{id}}/remove_extraroutes", routers.remove_routes, router.REMOVE_ROUTES),
        Route("GET", f"{v2}/floatingips", floatingips.list, of_floatingip.list),
        Route("POST", f"{v2}/floatingips", floatingips.create, of_floatingip.create),
        Route("GET", f"{v2}/floatingips/{{id}}", floatingips.show, of_floatingip.show),
        Route("PUT", f"{v2}/floatingips/{{id}}", floatingips.update, of_floatingip.update),
        Route("DELETE", f"{v2}/floatingips/{{id}}", floatingips.delete, of_floatingip.delete),
        Route("GET", f"{v2}/agents", agents.list, of_agent.list),
        Route("POST", f"{v2}/agents", agents.create, agent.REFUSED),
        Route("GET", f"{v2}/agents/{{id}}", agents.show, of_agent.show),
        Route("PUT", f"{v2}/agents/{{id}}", agents.update, of_agent.update),
        Route("DELETE", f"{v2}/agents/{{id}}", agents.delete, of_agent.delete),
        Route("GET", f"{v2}/agents/{{id}}/dhcp-networks", agents.dhcp_networks, agent.HELD),
        Route("POST", f"{v2}/agents/{{id}}/dhcp-networks", agents.bind, agent.BIND),
        Route("DELETE", f"{v2}/agents/{{id}}/dhcp-networks/{{network_id}}", agents.unbind, agent.UNBIND),
        Route("GET", f"{v2}/availability_zones", zones.list, openapi.Resource(AVAILABILITY_ZONE).list),
        Route("GET", f"{v2}/servers", operators.servers, operator.SERVERS),
        Route("GET", f"{v2}/status", operators.status, operator.STATUS),
    ]
    description = functools.cache(lambda: openapi.document(table, release))
    return table
