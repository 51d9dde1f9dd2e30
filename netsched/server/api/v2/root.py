"""Every route of the service."""

from __future__ import annotations

import functools
from dataclasses import replace

from netsched.server.api import openapi, tags, waiting
from netsched.server.api.collection import Collection, Listed, Shown
from netsched.server.api.routing import Route
from netsched.server.api.services import Scheduling, Services
from netsched.server.api.v2 import (
    address_group,
    agent,
    brake,
    delivery,
    floatingip,
    health,
    network,
    operator,
    quota,
    router,
    router_agents,
    subnetpool,
    version,
)
from netsched.server.api.v2.availability_zone import AvailabilityZones
from netsched.server.api.v2.hosted import Hosted, Words
from netsched.server.api.v2.on_network import OnNetwork
from netsched.server.api.v2.port import Ports
from netsched.server.api.v2.rbac_policy import RbacPolicies
from netsched.server.api.v2.security_group import FROM_SECURITY_GROUP
from netsched.wire.address_group import ADDRESS_GROUP
from netsched.wire.address_scope import ADDRESS_SCOPE
from netsched.wire.addresses import FLOATINGIP_POOL, NETWORK_IP_AVAILABILITY
from netsched.wire.agent import AGENT
from netsched.wire.availability_zone import AVAILABILITY_ZONE
from netsched.wire.default_security_group_rule import DEFAULT_SECURITY_GROUP_RULE
from netsched.wire.floatingip import FLOATINGIP
from netsched.wire.network import NETWORK
from netsched.wire.port import PORT
from netsched.wire.rbac_policy import RBAC_POLICY
from netsched.wire.router import ROUTER
from netsched.wire.security_group import SECURITY_GROUP, SECURITY_GROUP_RULE
from netsched.wire.subnet import SUBNET
from netsched.wire.subnetpool import SUBNETPOOL

V2 = "/v2.0"
# Changes of these can be waited for.
WAITED = ("networks", "subnets", "ports", "routers", "floatingips", "security-group", "address-groups")


def routes(services: Services, max_limit: int, release: str, open_metrics: bool = False) -> list[Route]:
    documents = version.Documents((NETWORK, SUBNET, SUBNETPOOL, PORT, ROUTER, FLOATINGIP), lambda: description())
    probes = health.Probes(services.health, services.metrics, open_metrics)
    table = [
        *_about_itself(documents, probes),
        *_networks(services, max_limit),
        *_pools(services, max_limit),
        *_routers(services, max_limit),
        *_agents(services, max_limit),
        *_security(services, max_limit),
        *_sharing(services, max_limit),
        *_quotas(services),
        *_operation(services),
    ]
    writes, waited = waiting.Writes(services.delivery), tuple(f"{V2}/{name}" for name in WAITED)
    table = [writes.around(r) if r.method != "GET" and r.path.startswith(waited) else r for r in table]
    description = functools.cache(lambda: openapi.document(table, release))
    return table


def _about_itself(documents: version.Documents, probes: health.Probes) -> list[Route]:
    """What is there, and how it is."""
    return [
        Route("GET", "/", documents.versions, version.VERSIONS, open=True),
        Route("GET", "/healthz", probes.alive, health.ALIVE, open=True),
        Route("GET", "/readyz", probes.ready, health.READY, open=True),
        Route("GET", "/metrics", probes.metrics, health.METRICS, open=probes.open_metrics),
        Route("GET", V2, documents.resources, version.RESOURCES),
        Route("GET", f"{V2}/openapi.json", documents.openapi, version.OPENAPI, open=True),
        Route("GET", f"{V2}/extensions", documents.extensions, version.EXTENSIONS),
        Route("GET", f"{V2}/extensions/{{alias}}", documents.extension, version.EXTENSION),
    ]


def _networks(services: Services, max_limit: int) -> list[Route]:
    networks = network.Networks(services.network, services.scheduling, max_limit)
    behind = delivery.OfResource(NETWORK, services.network, services.delivery, max_limit)
    of_network = openapi.Resource(NETWORK, after_create={**network.LINKS, "delivery": delivery.LINKS["network"]})
    of_subnet = openapi.Resource(SUBNET, after_create=floatingip.FROM_SUBNET)
    return [
        *_verbs("networks", networks, of_network),
        Route("GET", f"{V2}/networks/{{id}}/dhcp-agents", networks.dhcp_agents, network.AGENTS),
        Route("GET", f"{V2}/networks/{{id}}/binding-reasons", networks.binding_reasons, network.REASONS),
        Route("GET", f"{V2}/networks/{{id}}/delivery", behind.delivery, behind.operation),
        *_verbs("subnets", OnNetwork(SUBNET, services.subnet, max_limit), of_subnet),
        *_verbs("ports", Ports(services.port, services.network, max_limit), openapi.Resource(PORT)),
    ]


def _pools(services: Services, max_limit: int) -> list[Route]:
    """Where subnets' addresses come from."""
    pools = subnetpool.SubnetPoolCollection(services.subnetpool, max_limit)
    scopes = Collection(ADDRESS_SCOPE, services.address_scope, max_limit)
    one = f"{V2}/subnetpools/{{id}}"
    return [
        *_verbs("subnetpools", pools, openapi.Resource(SUBNETPOOL, after_create=subnetpool.LINKS)),
        Route("PUT", f"{one}/add_prefixes", pools.add_prefixes, subnetpool.ADD),
        Route("PUT", f"{one}/remove_prefixes", pools.remove_prefixes, subnetpool.REMOVE),
        Route("PUT", f"{one}/onboard_network_subnets", pools.onboard, subnetpool.ONBOARD),
        *_verbs("address-scopes", scopes, openapi.Resource(ADDRESS_SCOPE)),
    ]


def _routers(services: Services, max_limit: int) -> list[Route]:
    routers = router.RouterCollection(services.router, max_limit)
    scheduled = router_agents.RouterAgents(services.router, services.scheduling, max_limit)
    behind = delivery.OfResource(ROUTER, services.router, services.delivery, max_limit)
    floatingips = Collection(FLOATINGIP, services.floatingip, max_limit)
    links = {**router.LINKS, **router_agents.LINKS, "delivery": delivery.LINKS["router"]}
    one = f"{V2}/routers/{{id}}"
    return [
        *_verbs("routers", routers, openapi.Resource(ROUTER, after_create=links)),
        Route("PUT", f"{one}/add_router_interface", routers.add_interface, router.ADD_INTERFACE),
        Route("PUT", f"{one}/remove_router_interface", routers.remove_interface, router.REMOVE_INTERFACE),
        Route("PUT", f"{one}/add_extraroutes", routers.add_routes, router.ADD_ROUTES),
        Route("PUT", f"{one}/remove_extraroutes", routers.remove_routes, router.REMOVE_ROUTES),
        Route("GET", f"{one}/l3-agents", scheduled.l3_agents, router_agents.AGENTS),
        Route("GET", f"{one}/binding-reasons", scheduled.binding_reasons, router_agents.REASONS),
        Route("GET", f"{one}/delivery", behind.delivery, behind.operation),
        *_verbs("floatingips", floatingips, openapi.Resource(FLOATINGIP)),
    ]


def _agents(services: Services, max_limit: int) -> list[Route]:
    agents = agent.Agents(services.agent, max_limit)
    behind = delivery.OfAgent(services.delivery)
    dhcp, l3 = Words(NETWORK, "dhcp"), Words(ROUTER, "l3")
    of_agent = openapi.Resource(AGENT, after_list={**dhcp.links, **l3.links})
    zones = AvailabilityZones(services.agent)
    return [
        Route("GET", f"{V2}/agents", agents.list, of_agent.list),
        Route("POST", f"{V2}/agents", agents.create, agent.REFUSED),
        Route("GET", f"{V2}/agents/{{id}}", agents.show, of_agent.show),
        Route("PUT", f"{V2}/agents/{{id}}", agents.update, of_agent.update),
        Route("DELETE", f"{V2}/agents/{{id}}", agents.delete, of_agent.delete),
        Route("GET", f"{V2}/agents/{{id}}/delivery", behind.show, delivery.OF_AGENT),
        *_hosted(f"{V2}/agents/{{id}}", dhcp, services.scheduling),
        *_hosted(f"{V2}/agents/{{id}}", l3, services.scheduling),
        Route("GET", f"{V2}/availability_zones", zones.list, openapi.Resource(AVAILABILITY_ZONE).list),
    ]


def _quotas(services: Services) -> list[Route]:
    quotas, one = quota.Quotas(services.quotas), f"{V2}/quotas/{{id}}"
    return [
        Route("GET", f"{V2}/quotas", quotas.list, quota.LIST),
        Route("GET", f"{V2}/quotas/tenant", quotas.tenant, quota.OWN_TENANT),
        Route("GET", f"{V2}/quotas/project", quotas.project, quota.OWN_PROJECT),
        Route("GET", one, quotas.show, quota.SHOW),
        Route("PUT", one, quotas.update, quota.UPDATE),
        Route("DELETE", one, quotas.delete, quota.DELETE),
        Route("GET", f"{one}/default", quotas.default, quota.DEFAULT),
        Route("GET", f"{one}/details", quotas.details, quota.DETAILS),
    ]


def _security(services: Services, max_limit: int) -> list[Route]:
    """What may pass."""
    groups = Collection(SECURITY_GROUP, services.security_group, max_limit)
    rules = Collection(SECURITY_GROUP_RULE, services.security_group_rule, max_limit)
    defaults = Collection(DEFAULT_SECURITY_GROUP_RULE, services.default_security_group_rule, max_limit)
    addresses = address_group.AddressGroupCollection(services.address_group, max_limit)
    one = f"{V2}/address-groups/{{id}}"
    return [
        *_verbs("security-groups", groups, openapi.Resource(SECURITY_GROUP, after_create=FROM_SECURITY_GROUP)),
        *_verbs("security-group-rules", rules, openapi.Resource(SECURITY_GROUP_RULE)),
        *_verbs("default-security-group-rules", defaults, openapi.Resource(DEFAULT_SECURITY_GROUP_RULE)),
        *_verbs("address-groups", addresses, openapi.Resource(ADDRESS_GROUP, after_create=address_group.LINKS)),
        Route("PUT", f"{one}/add_addresses", addresses.add_addresses, address_group.ADD),
        Route("PUT", f"{one}/remove_addresses", addresses.remove_addresses, address_group.REMOVE),
    ]


def _sharing(services: Services, max_limit: int) -> list[Route]:
    """Who may use what is others', and how much there is of it."""
    policies = RbacPolicies(RBAC_POLICY, services.rbac_policy, max_limit)
    available = Shown(NETWORK_IP_AVAILABILITY, services.ip_availability, max_limit)
    pools = Listed(FLOATINGIP_POOL, services.floatingip_pool, max_limit)
    of_network = openapi.Resource(NETWORK_IP_AVAILABILITY)
    list_pools = openapi.Resource(FLOATINGIP_POOL).list
    return [
        *_verbs("rbac-policies", policies, openapi.Resource(RBAC_POLICY)),
        Route("GET", f"{V2}/network-ip-availabilities", available.list, of_network.list),
        Route("GET", f"{V2}/network-ip-availabilities/{{id}}", available.show, of_network.show),
        Route("GET", f"{V2}/floatingip_pools", pools.list, list_pools),
        # Clients write it in either way, since all other paths have hyphens.
        Route("GET", f"{V2}/floatingip-pools", pools.list, replace(list_pools, id=f"{list_pools.id}_hyphenated")),
    ]


def _operation(services: Services) -> list[Route]:
    """What is netsched's own."""
    operators = operator.Operators(services.status)
    brakes = brake.Brakes(services.brakes)
    return [
        Route("GET", f"{V2}/servers", operators.servers, operator.SERVERS),
        Route("GET", f"{V2}/status", operators.status, operator.STATUS),
        Route("GET", f"{V2}/brakes", brakes.list, brake.LIST),
        Route("PUT", f"{V2}/brakes/{{zone}}", brakes.release, brake.RELEASE),
    ]


def _verbs(plural: str, collection: Collection, described: openapi.Resource) -> list[Route]:
    """What every resource has that clients create."""
    path = f"{V2}/{plural}"
    return [
        Route("GET", path, collection.list, described.list),
        Route("POST", path, collection.create, described.create),
        Route("GET", f"{path}/{{id}}", collection.show, described.show),
        Route("PUT", f"{path}/{{id}}", collection.update, described.update),
        Route("DELETE", f"{path}/{{id}}", collection.delete, described.delete),
        *(_tags(f"{path}/{{id}}/tags", collection) if "tags" in collection.definition.attributes else ()),
    ]


def _tags(path: str, collection: Collection) -> list[Route]:
    """`path`: of all tags of one object."""
    tagged, described = tags.Tags(*collection.parts), tags.Described(collection.definition.name)
    return [
        Route("GET", path, tagged.list_tags, described.list),
        Route("PUT", path, tagged.replace, described.replace),
        Route("POST", path, tagged.add_many, described.create),
        Route("DELETE", path, tagged.clear, described.clear),
        Route("GET", f"{path}/{{tag}}", tagged.check, described.check),
        Route("PUT", f"{path}/{{tag}}", tagged.add, described.add),
        Route("DELETE", f"{path}/{{tag}}", tagged.remove, described.remove),
    ]


def _hosted(agent: str, words: Words, scheduling: Scheduling) -> list[Route]:
    """What operators do with what one kind of agents holds. `agent`: the path of one of them."""
    hosted, path = Hosted(words, scheduling), f"{agent}/{words.plural}"
    return [
        Route("GET", path, hosted.list, words.list),
        Route("POST", path, hosted.bind, words.bind),
        Route("DELETE", f"{path}/{{{words.key}}}", hosted.unbind, words.unbind),
    ]
