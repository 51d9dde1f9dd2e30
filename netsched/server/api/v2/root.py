"""Every route of the service."""

from __future__ import annotations

import functools

from netsched.server.api import openapi, waiting
from netsched.server.api.collection import Collection
from netsched.server.api.routing import Route
from netsched.server.api.services import Scheduling, Services
from netsched.server.api.v2 import (
    agent,
    brake,
    delivery,
    floatingip,
    health,
    network,
    operator,
    router,
    router_agents,
    version,
)
from netsched.server.api.v2.availability_zone import AvailabilityZones
from netsched.server.api.v2.hosted import Hosted, Words
from netsched.server.api.v2.on_network import OnNetwork
from netsched.server.api.v2.port import Ports
from netsched.wire.agent import AGENT
from netsched.wire.availability_zone import AVAILABILITY_ZONE
from netsched.wire.floatingip import FLOATINGIP
from netsched.wire.network import NETWORK
from netsched.wire.port import PORT
from netsched.wire.router import ROUTER
from netsched.wire.subnet import SUBNET

WAITED = ("networks", "subnets", "ports", "routers", "floatingips")  # changes of these can be waited for


def routes(services: Services, max_limit: int, release: str, open_metrics: bool = False) -> list[Route]:
    documents = version.Documents((NETWORK, SUBNET, PORT, ROUTER, FLOATINGIP), lambda: description())
    networks = network.Networks(services.network, services.scheduling, max_limit)
    subnets = OnNetwork(SUBNET, services.subnet, max_limit)
    ports = Ports(services.port, services.network, max_limit)
    routers = router.RouterCollection(services.router, max_limit)
    floatingips = Collection(FLOATINGIP, services.floatingip, max_limit)
    scheduled = router_agents.RouterAgents(services.router, services.scheduling, max_limit)
    agents = agent.Agents(services.agent, max_limit)
    dhcp, l3 = Words(NETWORK, "dhcp"), Words(ROUTER, "l3")
    zones = AvailabilityZones(services.agent)
    operators = operator.Operators(services.status)
    brakes = brake.Brakes(services.brakes)
    behind = delivery.OfAgent(services.delivery)
    of_networks = delivery.OfResource(NETWORK, services.network, services.delivery, max_limit)
    of_routers = delivery.OfResource(ROUTER, services.router, services.delivery, max_limit)
    probes = health.Probes(services.health, services.metrics, open_metrics)
    of_network = openapi.Resource(NETWORK, after_create={**network.LINKS, "delivery": delivery.LINKS["network"]})
    of_subnet = openapi.Resource(SUBNET, after_create=floatingip.FROM_SUBNET)
    of_port = openapi.Resource(PORT)
    after_router = {**router.LINKS, **router_agents.LINKS, "delivery": delivery.LINKS["router"]}
    of_router = openapi.Resource(ROUTER, after_create=after_router)
    of_floatingip = openapi.Resource(FLOATINGIP)
    of_agent = openapi.Resource(AGENT, after_list={**dhcp.links, **l3.links})
    v2 = "/v2.0"
    table = [
        *_about_itself(v2, documents, probes),
        *_verbs(f"{v2}/networks", networks, of_network),
        Route("GET", f"{v2}/networks/{{id}}/dhcp-agents", networks.dhcp_agents, network.AGENTS),
        Route("GET", f"{v2}/networks/{{id}}/binding-reasons", networks.binding_reasons, network.REASONS),
        Route("GET", f"{v2}/networks/{{id}}/delivery", of_networks.delivery, of_networks.operation),
        *_verbs(f"{v2}/subnets", subnets, of_subnet),
        *_verbs(f"{v2}/ports", ports, of_port),
        *_verbs(f"{v2}/routers", routers, of_router),
        Route("PUT", f"{v2}/routers/{{id}}/add_router_interface", routers.add_interface, router.ADD_INTERFACE),
        Route("PUT", f"{v2}/routers/{{id}}/remove_router_interface", routers.remove_interface, router.REMOVE_INTERFACE),
        Route("PUT", f"{v2}/routers/{{id}}/add_extraroutes", routers.add_routes, router.ADD_ROUTES),
        Route("PUT", f"{v2}/routers/{{id}}/remove_extraroutes", routers.remove_routes, router.REMOVE_ROUTES),
        Route("GET", f"{v2}/routers/{{id}}/l3-agents", scheduled.l3_agents, router_agents.AGENTS),
        Route("GET", f"{v2}/routers/{{id}}/binding-reasons", scheduled.binding_reasons, router_agents.REASONS),
        Route("GET", f"{v2}/routers/{{id}}/delivery", of_routers.delivery, of_routers.operation),
        *_verbs(f"{v2}/floatingips", floatingips, of_floatingip),
        Route("GET", f"{v2}/agents", agents.list, of_agent.list),
        Route("POST", f"{v2}/agents", agents.create, agent.REFUSED),
        Route("GET", f"{v2}/agents/{{id}}", agents.show, of_agent.show),
        Route("PUT", f"{v2}/agents/{{id}}", agents.update, of_agent.update),
        Route("DELETE", f"{v2}/agents/{{id}}", agents.delete, of_agent.delete),
        Route("GET", f"{v2}/agents/{{id}}/delivery", behind.show, delivery.OF_AGENT),
        *_hosted(f"{v2}/agents/{{id}}", dhcp, services.scheduling),
        *_hosted(f"{v2}/agents/{{id}}", l3, services.scheduling),
        Route("GET", f"{v2}/availability_zones", zones.list, openapi.Resource(AVAILABILITY_ZONE).list),
        Route("GET", f"{v2}/servers", operators.servers, operator.SERVERS),
        Route("GET", f"{v2}/status", operators.status, operator.STATUS),
        Route("GET", f"{v2}/brakes", brakes.list, brake.LIST),
        Route("PUT", f"{v2}/brakes/{{zone}}", brakes.release, brake.RELEASE),
    ]
    writes, waited = waiting.Writes(services.delivery), tuple(f"{v2}/{name}" for name in WAITED)
    table = [writes.around(r) if r.method != "GET" and r.path.startswith(waited) else r for r in table]
    description = functools.cache(lambda: openapi.document(table, release))
    return table


def _about_itself(v2: str, documents: version.Documents, probes: health.Probes) -> list[Route]:
    """What is there, and how it is."""
    return [
        Route("GET", "/", documents.versions, version.VERSIONS, open=True),
        Route("GET", "/healthz", probes.alive, health.ALIVE, open=True),
        Route("GET", "/readyz", probes.ready, health.READY, open=True),
        Route("GET", "/metrics", probes.metrics, health.METRICS, open=probes.open_metrics),
        Route("GET", v2, documents.resources, version.RESOURCES),
        Route("GET", f"{v2}/openapi.json", documents.openapi, version.OPENAPI, open=True),
        Route("GET", f"{v2}/extensions", documents.extensions, version.EXTENSIONS),
        Route("GET", f"{v2}/extensions/{{alias}}", documents.extension, version.EXTENSION),
    ]


def _verbs(path: str, collection: Collection, described: openapi.Resource) -> list[Route]:
    """What every resource has that clients create."""
    return [
        Route("GET", path, collection.list, described.list),
        Route("POST", path, collection.create, described.create),
        Route("GET", f"{path}/{{id}}", collection.show, described.show),
        Route("PUT", f"{path}/{{id}}", collection.update, described.update),
        Route("DELETE", f"{path}/{{id}}", collection.delete, described.delete),
    ]


def _hosted(agent: str, words: Words, scheduling: Scheduling) -> list[Route]:
    """What operators do with what one kind of agents holds. `agent`: the path of one of them."""
    hosted, path = Hosted(words, scheduling), f"{agent}/{words.plural}"
    return [
        Route("GET", path, hosted.list, words.list),
        Route("POST", path, hosted.bind, words.bind),
        Route("DELETE", f"{path}/{{{words.key}}}", hosted.unbind, words.unbind),
    ]
