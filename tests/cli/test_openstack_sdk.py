"""openstacksdk's network proxy, unchanged: every kind of object made, found, changed, listed and deleted by it.

What came of it is asked of the API by plain requests: the SDK's own objects hold what was sent as well.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import openstack
import pytest
from openstack import exceptions

from netsched.model import kinds
from netsched.rpc.agent import Capabilities
from tests.cli.deployment import Deployment


@pytest.fixture
def sdk(deployment: Deployment) -> Iterator[Any]:
    connection = openstack.connect(
        auth_type="none", auth={"endpoint": deployment.url}, network_endpoint_override=deployment.url
    )
    yield connection.network
    connection.close()


def get(deployment: Deployment, path: str) -> Any:
    """What the API says."""
    with urllib.request.urlopen(f"{deployment.url}/v2.0/{path}", timeout=30) as answer:
        return json.load(answer)


def test_networks_and_subnets(deployment: Deployment, sdk: Any) -> None:
    network = sdk.create_network(name="web", description="shop", is_port_security_enabled=False, mtu=1400)
    subnet = sdk.create_subnet(
        name="web-v4", network_id=network.id, ip_version=4, cidr="10.1.0.0/24", dns_nameservers=["10.1.0.9"],
        allocation_pools=[{"start": "10.1.0.10", "end": "10.1.0.99"}], host_routes=[],
    )  # fmt: skip
    shown = get(deployment, f"networks/{network.id}")["network"]
    assert (shown["name"], shown["mtu"], shown["port_security_enabled"]) == ("web", 1400, False)
    assert shown["subnets"] == [subnet.id]
    found = sdk.find_network("web", ignore_missing=False, is_router_external=False)
    assert found.id == sdk.find_network(network.id, project_id="").id == network.id
    assert (found.is_admin_state_up, found.status, found.mtu, found.subnet_ids) == (True, "ACTIVE", 1400, [subnet.id])
    assert found.created_at and found.updated_at and found.revision_number is not None
    sdk.update_network(found, name="shop", is_admin_state_up=False)
    sdk.update_subnet(subnet, gateway_ip="10.1.0.2", is_dhcp_enabled=False, dns_nameservers=[])
    changed = get(deployment, f"subnets/{subnet.id}")["subnet"]
    assert (changed["gateway_ip"], changed["enable_dhcp"], changed["dns_nameservers"]) == ("10.1.0.2", False, [])
    assert [one.name for one in sdk.networks(is_admin_state_up=False, name="shop")] == ["shop"]
    assert [one.id for one in sdk.subnets(network_id=network.id, ip_version=4)] == [subnet.id]
    sdk.delete_network(network)
    assert sdk.find_network(network.id) is None and sdk.find_subnet("web-v4") is None
    with pytest.raises(exceptions.NotFoundException, match=f"Network {network.id} could not be found"):
        sdk.delete_network(network.id, ignore_missing=False)


def test_ports(deployment: Deployment, sdk: Any) -> None:
    network = sdk.create_network(name="web")
    subnet = sdk.create_subnet(network_id=network.id, ip_version=4, cidr="10.1.0.0/24")
    port = sdk.create_port(
        network_id=network.id, name="vm", fixed_ips=[{"subnet_id": subnet.id, "ip_address": "10.1.0.50"}],
        mac_address="fa:16:3e:00:00:01", device_id="server", device_owner="compute:nova",
        binding_host_id="node-1", binding_vnic_type="normal", allowed_address_pairs=[{"ip_address": "10.1.0.60"}],
        extra_dhcp_opts=[{"opt_name": "mtu", "opt_value": "1400"}],
    )  # fmt: skip
    shown = get(deployment, f"ports/{port.id}")["port"]
    assert shown["fixed_ips"] == port.fixed_ips == [{"subnet_id": subnet.id, "ip_address": "10.1.0.50"}]
    assert (shown["binding:host_id"], shown["mac_address"]) == ("node-1", "fa:16:3e:00:00:01")
    assert [one.id for one in sdk.ports(device_id="server", device_owner="compute:nova")] == [port.id]
    assert [one.id for one in sdk.ports(mac_address="FA:16:3E:00:00:01")] == [port.id]
    assert [one.id for one in sdk.ports(fixed_ips="ip_address=10.1.0.50")] == [port.id]
    assert [one.id for one in sdk.get_subnet_ports(subnet.id)] == [port.id]
    sdk.update_port(port, fixed_ips=[*port.fixed_ips, {"subnet_id": subnet.id}])
    assert len(get(deployment, f"ports/{port.id}")["port"]["fixed_ips"]) == 2
    sdk.update_port(port, device_id="", binding_host_id=None)
    shown = get(deployment, f"ports/{port.id}")["port"]
    assert (shown["device_id"], shown["binding:host_id"]) == ("", "")
    many = sdk.create_ports([{"network_id": network.id, "name": f"p{n}"} for n in range(5)])
    listed = [one.name for one in sdk.ports(network_id=network.id, limit=2, sort_key="name", sort_dir="asc")]
    assert listed == ["p0", "p1", "p2", "p3", "p4", "vm"]  # over three pages
    with pytest.raises(exceptions.ConflictException, match="is in use"):
        sdk.create_port(network_id=network.id, mac_address="fa:16:3e:00:00:01")
    stale = sdk.get_port(port.id)
    sdk.update_port(port.id, name="changed")
    with pytest.raises(exceptions.PreconditionFailedException):
        sdk.update_port(stale, if_revision=stale.revision_number, name="late")
    for one in [*many, port]:
        sdk.delete_port(one, ignore_missing=False)
    assert get(deployment, f"ports?network_id={network.id}")["ports"] == []


def test_routers_and_floating_ips(deployment: Deployment, sdk: Any) -> None:
    able = Capabilities(hosts=["router"], reaches=["vxlan", "flat:physnet1"])
    agents = [deployment.agent(host, kinds.L3_AGENT, capabilities=able) for host in ("node-1", "node-2")]
    flat = {"provider_network_type": "flat", "provider_physical_network": "physnet1", "is_router_external": True}
    outside, inside = sdk.create_network(name="internet", **flat), sdk.create_network(name="web")
    pool = sdk.create_subnet(network_id=outside.id, ip_version=4, cidr="203.0.113.0/24", is_dhcp_enabled=False)
    subnet = sdk.create_subnet(network_id=inside.id, ip_version=4, cidr="10.1.0.0/24")
    gateway = {"network_id": outside.id, "enable_snat": False, "external_fixed_ips": [{"ip_address": "203.0.113.7"}]}
    router = sdk.create_router(name="edge", external_gateway_info=gateway)
    added = sdk.add_interface_to_router(router, subnet_id=subnet.id)
    shown = get(deployment, f"routers/{router.id}")["router"]["external_gateway_info"]
    assert shown["external_fixed_ips"] == [{"subnet_id": pool.id, "ip_address": "203.0.113.7"}]
    assert get(deployment, f"ports/{added['port_id']}")["port"]["device_id"] == router.id
    route = {"destination": "198.51.100.0/24", "nexthop": "10.1.0.9"}
    sdk.add_extra_routes_to_router(router, {"router": {"routes": [route]}})
    assert get(deployment, f"routers/{router.id}")["router"]["routes"] == [route]
    sdk.remove_extra_routes_from_router(router, {"router": {"routes": [route]}})
    port = sdk.create_port(network_id=inside.id)
    address = sdk.create_ip(floating_network_id=outside.id, floating_ip_address="203.0.113.77", port_id=port.id)
    assert address.fixed_ip_address == port.fixed_ips[0]["ip_address"] and address.router_id == router.id
    assert sdk.find_ip("203.0.113.77").id == address.id
    assert [one.id for one in sdk.ips(port_id=port.id, status="DOWN")] == [address.id]
    sdk.update_ip(address, port_id=None, description="spare")
    assert sdk.find_available_ip().id == address.id
    deployment.schedule()
    (holder,) = sdk.routers_hosting_l3_agents(router)
    assert holder.id in agents and [one.id for one in sdk.agent_hosted_routers(holder)] == [router.id]
    (other,) = set(agents) - {holder.id}
    sdk.remove_router_from_agent(sdk.get_agent(holder.id), router)
    sdk.add_router_to_agent(sdk.get_agent(other), router)
    assert [one["id"] for one in get(deployment, f"routers/{router.id}/l3-agents")["agents"]] == [other]
    sdk.delete_ip(address)
    sdk.remove_interface_from_router(router, subnet_id=subnet.id)
    sdk.update_router(router, external_gateway_info={}, name="rim", is_admin_state_up=False)
    assert get(deployment, f"routers/{router.id}")["router"]["external_gateway_info"] is None
    sdk.delete_router(router)
    assert [get(deployment, path)[path] for path in ("routers", "floatingips")] == [[], []]


def test_agents_zones_and_extensions(deployment: Deployment, sdk: Any) -> None:
    first = deployment.agent("node-1", zone="east")
    deployment.agent("node-2", zone="west")
    network = sdk.create_network(name="web", availability_zone_hints=["east"])
    sdk.create_subnet(network_id=network.id, ip_version=4, cidr="10.1.0.0/24")
    deployment.schedule()
    assert [one.id for one in sdk.network_hosting_dhcp_agents(network)] == [first]
    assert [one.id for one in sdk.dhcp_agent_hosting_networks(first)] == [network.id]
    (agent,) = sdk.agents(host="node-1", agent_type="DHCP agent")
    assert (agent.is_alive, agent.is_admin_state_up, agent.availability_zone) == (True, True, "east")
    sdk.update_agent(agent, description="new disk", is_admin_state_up=False)
    assert get(deployment, f"agents/{first}")["agent"]["description"] == "new disk"
    assert {(zone.name, zone.resource) for zone in sdk.availability_zones()} == {
        ("east", "network"),
        ("west", "network"),
    }
    assert sdk.find_extension("agent").alias == "agent" and sdk.find_extension("l3-ha") is None
    assert {one.alias for one in sdk.extensions()} >= {"router", "provider", "net-mtu-writable"}
    sdk.delete_agent(agent)
    assert {one["host"] for one in get(deployment, "agents")["agents"]} == {"node-2"}


def test_what_lies_between_projects(deployment: Deployment, sdk: Any) -> None:
    sdk.update_quota("alice", networks=7, ports=-1)
    assert (get(deployment, "quotas/alice")["quota"]["network"], sdk.get_quota("alice").ports) == (7, -1)
    assert sdk.get_quota("alice", details=True).networks["used"] == 0
    sdk.delete_quota("alice")
    scope = sdk.create_address_scope(name="site", ip_version=4)
    pool = sdk.create_subnet_pool(name="blue", prefixes=["10.0.0.0/16"], address_scope_id=scope.id, min_prefixlen=20)
    network = sdk.create_network(name="web", tags=["new"])
    subnet = sdk.create_subnet(network_id=network.id, subnet_pool_id=pool.id, ip_version=4, prefix_length=24)
    assert get(deployment, f"subnets/{subnet.id}")["subnet"]["cidr"] == subnet.cidr == "10.0.0.0/24"
    assert get(deployment, f"networks/{network.id}")["network"]["ipv4_address_scope"] == scope.id
    assert sdk.get_network_ip_availability(network.id).used_ips == 0
    sdk.set_tags(network, ["blue", "green"])
    assert [one.id for one in sdk.networks(tags=["blue", "green"])] == [network.id]
    assert list(sdk.networks(not_any_tags=["blue"])) == []
    grant = sdk.create_rbac_policy(
        object_type="network", object_id=network.id, action="access_as_shared", target_project_id="bob"
    )
    assert sdk.find_rbac_policy(grant.id).target_project_id == "bob"
    sdk.delete_rbac_policy(grant, ignore_missing=False)
    group = sdk.create_security_group(name="web", stateful=False)
    rule = sdk.create_security_group_rule(
        security_group_id=group.id, direction="ingress", ethertype="IPv4", protocol="tcp", port_range_min=22,
        port_range_max=22, remote_ip_prefix="192.0.2.0/24",
    )  # fmt: skip
    port = sdk.create_port(network_id=network.id, security_group_ids=[group.id])
    assert [one.id for one in sdk.ports(security_group_ids=group.id)] == [port.id]
    assert sdk.find_security_group_rule(rule.id).normalized_cidr == "192.0.2.0/24"
    with pytest.raises(exceptions.ConflictException, match="in use"):
        sdk.delete_security_group(group)
    sdk.delete_port(port)
    sdk.delete_security_group(group, ignore_missing=False)
    sdk.delete_network(network)
    sdk.delete_subnet_pool(pool, ignore_missing=False)
    sdk.delete_address_scope(scope, ignore_missing=False)
    assert get(deployment, "subnetpools")["subnetpools"] == []
