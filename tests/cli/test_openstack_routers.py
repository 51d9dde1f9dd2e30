"""The stock `openstack` client with routers, floating IPs and the agents that serve them."""

from __future__ import annotations

import pytest

from netsched.model import kinds
from netsched.rpc.agent import Capabilities
from tests.cli.deployment import Deployment
from tests.cli.test_openstack_client import openstack

JSON = ["-f", "json"]


@pytest.fixture
def site(deployment: Deployment) -> Deployment:
    """Two L3 agents that reach an external network `internet`, and a network `web` with a port `vm-1`."""
    able = Capabilities(hosts=["router"], reaches=["vxlan", "flat:physnet1"])
    for host in ("node-1", "node-2"):
        deployment.agent(host, kinds.L3_AGENT, capabilities=able)
    flat = ("--provider-network-type", "flat", "--provider-physical-network", "physnet1")
    for line in (
        ("network", "create", "internet", "--external", *flat),
        ("subnet", "create", "pool", "--network", "internet", "--subnet-range", "203.0.113.0/24", "--no-dhcp"),
        ("network", "create", "web"),
        ("subnet", "create", "web-v4", "--network", "web", "--subnet-range", "10.1.0.0/24"),
        ("port", "create", "vm-1", "--network", "web", "--fixed-ip", "ip-address=10.1.0.50"),
    ):
        done = deployment.run(*line)
        assert done.code == 0, (line, done.err)
    return deployment


def test_routers(site: Deployment) -> None:
    route = ["--route", "destination=198.51.100.0/24,gateway=10.1.0.9"]
    created, _, _, shown, _, routed, unrouted, listed, _, _, left, *_ = openstack(
        site,
        ["router", "create", "edge", "--description", "rim", *JSON],
        ["router", "set", "edge", "--external-gateway", "internet", "--disable-snat"],
        ["router", "add", "subnet", "edge", "web-v4"],
        ["router", "show", "edge", *JSON],
        ["router", "add", "route", "edge", *route],
        ["router", "show", "edge", *JSON],
        ["router", "remove", "route", "edge", *route],
        ["router", "list", "--long", *JSON],
        ["router", "remove", "subnet", "edge", "web-v4"],
        ["router", "unset", "edge", "--external-gateway"],
        ["router", "show", "edge", *JSON],
        ["port", "create", "leg", "--network", "web", *JSON],
        ["router", "add", "port", "edge", "leg"],
        ["router", "remove", "port", "edge", "leg"],
        ["router", "set", "edge", "--disable", "--name", "rim"],
        ["router", "delete", "rim"],
    )
    assert (created["status"], created["description"], created["external_gateway_info"]) == ("ACTIVE", "rim", None)
    gateway = shown["external_gateway_info"]
    assert gateway["enable_snat"] is False and gateway["external_fixed_ips"][0]["ip_address"].startswith("203.0.113.")
    assert [leg["ip_address"] for leg in shown["interfaces_info"]] == ["10.1.0.1"]
    assert routed["routes"] == [{"destination": "198.51.100.0/24", "nexthop": "10.1.0.9"}]
    assert unrouted is None
    assert [(one["Name"], one["Routes"]) for one in listed] == [("edge", [])]
    assert (left["external_gateway_info"], left["interfaces_info"]) == (None, [])
    assert site.run("router", "list", "-f", "json").json == []


def test_floating_ips(site: Deployment) -> None:
    site.run("router", "create", "edge", "--external-gateway", "internet")
    site.run("router", "add", "subnet", "edge", "web-v4")
    chosen = ["--floating-ip-address", "203.0.113.77", "--description", "web"]
    created, _, shown, by_port, by_router, listed, _, left, *_ = openstack(
        site,
        ["floating", "ip", "create", "internet", *chosen, *JSON],
        ["floating", "ip", "set", "203.0.113.77", "--port", "vm-1", "--fixed-ip-address", "10.1.0.50"],
        ["floating", "ip", "show", "203.0.113.77", *JSON],
        ["floating", "ip", "list", "--port", "vm-1", *JSON],
        ["floating", "ip", "list", "--router", "edge", "--network", "internet", "--status", "DOWN", "--long", *JSON],
        ["floating", "ip", "list", *JSON],
        ["floating", "ip", "unset", "203.0.113.77", "--port"],
        ["floating", "ip", "show", "203.0.113.77", *JSON],
        ["floating", "ip", "create", "internet", "--port", "vm-1", "--subnet", "pool", *JSON],
        ["floating", "ip", "delete", "203.0.113.77"],
    )
    assert (created["floating_ip_address"], created["port_id"], created["description"]) == ("203.0.113.77", None, "web")
    router = site.run("router", "show", "edge", "-f", "value", "-c", "id").out.strip()
    assert (shown["fixed_ip_address"], shown["router_id"]) == ("10.1.0.50", router)
    assert {one["ID"] for found in (by_port, by_router, listed) for one in found} == {created["id"]}
    assert by_router[0]["Router"] == router and by_router[0]["Status"] == "DOWN"
    assert (left["port_id"], left["fixed_ip_address"], left["router_id"]) == (None, None, None)
    (other,) = site.run("floating", "ip", "list", "-f", "json").json
    assert other["Fixed IP"] == "10.1.0.50"


def test_agents_and_their_routers(site: Deployment) -> None:
    site.run("router", "create", "edge", "--external-gateway", "internet")
    site.schedule()
    agents, (holder,) = openstack(
        site,
        ["network", "agent", "list", "--agent-type", "l3", *JSON],
        ["network", "agent", "list", "--router", "edge", "--long", *JSON],
    )
    assert {one["Host"] for one in agents} == {"node-1", "node-2"}
    (other,) = (one["ID"] for one in agents if one["ID"] != holder["ID"])
    of_holder, _, _, now, of_other, _, nobody = openstack(
        site,
        ["router", "list", "--agent", holder["ID"], *JSON],
        ["network", "agent", "remove", "router", "--l3", holder["ID"], "edge"],
        ["network", "agent", "add", "router", "--l3", other, "edge"],
        ["network", "agent", "list", "--router", "edge", *JSON],
        ["router", "list", "--agent", other, *JSON],
        ["network", "agent", "remove", "router", "--l3", other, "edge"],
        ["network", "agent", "list", "--router", "edge", *JSON],
    )
    assert [one["Name"] for one in of_holder] == [one["Name"] for one in of_other] == ["edge"]
    assert [one["ID"] for one in now] == [other]
    assert nobody == []
