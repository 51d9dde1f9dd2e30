"""External networks, routers and floating IPs by command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from netsched.model import kinds
from netsched.model.provider import ProviderSettings
from netsched.rpc.agent import Capabilities
from tests.cli.deployment import Deployment

TABLE = ("--max-width", "80")


def reaching(*reaches: str) -> Capabilities:
    return Capabilities(hosts=["router"], reaches=list(reaches))


@pytest.fixture
def edge(deployment: Deployment) -> Deployment:
    """Two L3 agents of which one reaches `internet`, a router `edge` there with a leg in `web`, and a port `vm-1`."""
    deployment.agent("node-1", kinds.L3_AGENT, capabilities=reaching("vxlan", "flat:physnet1"))
    deployment.agent("node-2", kinds.L3_AGENT, capabilities=reaching("vxlan"))
    flat = ("--provider-network-type", "flat", "--provider-physical-network", "physnet1")
    for line in (
        ("network", "create", "internet", "--external", *flat),
        ("subnet", "create", "pool", "--network", "internet", "--subnet-range", "203.0.113.0/24", "--no-dhcp"),
        ("network", "create", "web"),
        ("subnet", "create", "web-v4", "--network", "web", "--subnet-range", "10.1.0.0/24"),
        ("port", "create", "vm-1", "--network", "web", "--fixed-ip", "ip-address=10.1.0.50"),
        ("router", "create", "edge", "--external-gateway", "internet", "--fixed-ip", "ip-address=203.0.113.9"),
        ("router", "add", "subnet", "edge", "web-v4"),
    ):
        done = deployment.run(*line)
        assert done.code == 0, (line, done.err)
    return deployment


def id_of(deployment: Deployment, kind: str, name: str) -> str:
    return deployment.run(*kind.split(), "show", name, "-f", "value", "-c", "id").out.strip()


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Deployment]:
    """A server with VLANs."""
    started = Deployment(tmp_path, provider=ProviderSettings(vlan_ranges={"physnet1": ((100, 199),)}))
    yield started
    started.stop()


def test_external_and_provider_networks(wired: Deployment) -> None:
    vlan = ("--provider-network-type", "vlan", "--provider-physical-network", "physnet1", "--provider-segment", "102")
    made = wired.run("network", "create", "floor", *vlan, "--disable-port-security", "-f", "json").json
    kept = ("provider:network_type", "provider:physical_network", "provider:segmentation_id", "port_security_enabled")
    assert [made[name] for name in kept] == ["vlan", "physnet1", 102, False]
    assert wired.run("network", "list", "--external", "-f", "json").json == []
    assert wired.run("network", "set", "floor", "--external", "--enable-port-security").code == 0
    (listed,) = wired.run("network", "list", "--external", "--long", "-f", "json").json
    assert (listed["External"], listed["Type"], listed["Segment"]) == (True, "vlan", 102)
    refused = wired.run("network", "create", "again", *vlan)
    assert refused.code == 1 and "VLAN 102 on physical network physnet1 is in use" in refused.err


def test_a_router_from_creation_to_deletion(edge: Deployment) -> None:
    pool = id_of(edge, "subnet", "pool")
    shown = edge.run("router", "show", "edge", "-f", "json").json
    gateway = {"network_id": id_of(edge, "network", "internet"), "enable_snat": True}
    there = [{"subnet_id": pool, "ip_address": "203.0.113.9"}]
    assert shown["external_gateway_info"] == {**gateway, "external_fixed_ips": there}
    table = edge.run("router", "list", *TABLE).out
    assert " 203.0.113.9 " in table and max(map(len, table.splitlines())) <= 80
    assert edge.run("router", "set", "edge", "--disable-snat", "--name", "rim", "--disable").code == 0
    changed = edge.run("router", "show", "rim", "-f", "json").json
    assert changed["external_gateway_info"] == {**gateway, "enable_snat": False, "external_fixed_ips": there}
    assert (changed["name"], changed["admin_state_up"]) == ("rim", False)
    assert edge.run("router", "list", "--enable", "-f", "json").json == []
    assert edge.run("router", "set", "rim", "--fixed-ip", "subnet=pool,ip-address=203.0.113.20").code == 0
    assert edge.run("router", "list", "--long", "-f", "json").json[0]["Gateway"]["external_fixed_ips"] == [
        {"subnet_id": pool, "ip_address": "203.0.113.20"}
    ]
    refused = edge.run("router", "delete", "rim")
    assert refused.code == 1 and "still" in refused.err
    assert edge.run("router", "remove", "subnet", "rim", "web-v4").code == 0
    assert edge.run("router", "unset", "rim", "--external-gateway").code == 0
    assert edge.run("router", "show", "rim", "-f", "json").json["external_gateway_info"] is None
    assert edge.run("router", "delete", "rim").code == 0


def test_snat_and_addresses_want_a_network(edge: Deployment) -> None:
    edge.run("router", "create", "inner")
    for line in (("create", "another", "--enable-snat"), ("set", "inner", "--fixed-ip", "subnet=pool")):
        refused = edge.run("router", *line)
        assert (refused.code, refused.err) == (1, "Name the external network as well: --external-gateway NETWORK.\n")
    refused = edge.run("router", "unset", "inner")
    assert refused.err == "Nothing to change was given. See: netsched router unset --help\n"


def test_a_port_as_an_interface(edge: Deployment) -> None:
    edge.run("network", "create", "db")
    edge.run("subnet", "create", "db-v4", "--network", "db", "--subnet-range", "10.2.0.0/24")
    edge.run("port", "create", "leg", "--network", "db", "--fixed-ip", "ip-address=10.2.0.254")
    assert edge.run("router", "add", "port", "edge", "leg").code == 0
    assert edge.run("port", "show", "leg", "-f", "json").json["device_id"] == id_of(edge, "router", "edge")
    again = edge.run("router", "add", "port", "edge", "leg")
    assert again.code == 1 and "already has an attached device" in again.err
    assert edge.run("router", "remove", "port", "edge", "leg").code == 0
    assert edge.run("port", "show", "leg").code == 1


def test_routes(edge: Deployment) -> None:
    def routes() -> list[str]:
        return sorted(one["destination"] for one in edge.run("router", "show", "edge", "-f", "json").json["routes"])

    one, two = (f"destination=198.51.{n}.0/24,gateway=10.1.0.9" for n in (1, 2))
    assert edge.run("router", "add", "route", "edge", "--route", one, "--route", two).code == 0
    assert routes() == ["198.51.1.0/24", "198.51.2.0/24"]
    assert edge.run("router", "remove", "route", "edge", "--route", one).code == 0
    assert routes() == ["198.51.2.0/24"]
    assert edge.run("router", "set", "edge", "--route", one).code == 0
    assert routes() == ["198.51.1.0/24"]
    far = edge.run("router", "add", "route", "edge", "--route", "destination=198.51.9.0/24,gateway=192.0.2.1")
    assert far.code == 1 and "192.0.2.1" in far.err
    assert edge.run("router", "unset", "edge", "--routes").code == 0
    assert routes() == []
    assert edge.run("router", "add", "route", "edge", "--route", "198.51.1.0/24").code == 2
    assert edge.run("router", "add", "route", "edge").code == 2


def test_a_floating_ip_from_creation_to_deletion(edge: Deployment) -> None:
    made = edge.run("floating", "ip", "create", "internet", "--description", "web", "-f", "json").json
    address = made["floating_ip_address"]
    assert made["port_id"] is None and address.startswith("203.0.113.")
    assert edge.run("floating", "ip", "set", address, "--port", "vm-1").code == 0
    shown = edge.run("floating", "ip", "show", address, "-f", "json").json
    port, router = id_of(edge, "port", "vm-1"), id_of(edge, "router", "edge")
    assert (shown["port_id"], shown["fixed_ip_address"], shown["router_id"]) == (port, "10.1.0.50", router)
    table = edge.run("floating", "ip", "list", *TABLE).out
    assert f" {address} " in table and " 10.1.0.50 " in table and " DOWN " in table
    assert max(map(len, table.splitlines())) <= 80
    for chosen in (("--port", "vm-1"), ("--router", "edge"), ("--network", "internet"), ("--status", "DOWN")):
        assert len(edge.run("floating", "ip", "list", *chosen, "-f", "json").json) == 1
    assert edge.run("floating", "ip", "list", "--status", "ACTIVE", "-f", "json").json == []
    taken = edge.run("floating", "ip", "create", "internet", "--port", "vm-1")
    assert taken.code == 1 and "already has a floating IP" in taken.err
    assert edge.run("floating", "ip", "unset", made["id"], "--port").code == 0
    assert edge.run("floating", "ip", "list", "--long", "-f", "json").json[0]["Port"] is None
    assert edge.run("floating", "ip", "delete", address).code == 0
    gone = edge.run("floating", "ip", "show", address)
    assert gone.err == f"There is no floating ip with the id or address '{address}'. See: netsched floating ip list\n"


def test_a_floating_ip_with_all_its_options(edge: Deployment) -> None:
    made = edge.run(
        *("floating", "ip", "create", "internet", "--subnet", "pool", "--floating-ip-address", "203.0.113.77"),
        *("--port", "vm-1", "--fixed-ip-address", "10.1.0.50", "--project", "p1", "-f", "json"),
    ).json
    kept = ("floating_ip_address", "fixed_ip_address", "project_id")
    assert [made[name] for name in kept] == ["203.0.113.77", "10.1.0.50", "p1"]
    refused = edge.run("floating", "ip", "create", "web")
    assert refused.code == 1 and "is not a valid external network" in refused.err
    nothing = edge.run("floating", "ip", "set", "203.0.113.77")
    assert nothing.err == "Nothing to change was given. See: netsched floating ip set --help\n"


def test_why_a_port_was_not_plugged_and_what_it_may_send_from(edge: Deployment) -> None:
    pairs = ("--allowed-address", "ip-address=10.1.0.200", "--allowed-address", "ip-address=10.1.0.0/28")
    made = edge.run("port", "create", "vm-2", "--network", "web", "--host", "compute-7", *pairs, "-f", "json").json
    assert made["binding:vif_type"] == "binding_failed" and "compute-7" in made["binding:vif_details"]["reason"]
    assert [pair["ip_address"] for pair in made["allowed_address_pairs"]] == ["10.1.0.200", "10.1.0.0/28"]
    assert "compute-7" in edge.run("port", "show", "vm-2", "-f", "value", "-c", "binding:vif_details").out
    assert edge.run("port", "set", "vm-2", "--host", "", "--no-allowed-address").code == 0
    refused = edge.run("port", "set", "vm-2", "--disable-port-security")
    assert refused.code == 1 and "until security group is removed" in refused.err
    assert edge.run("port", "set", "vm-2", "--disable-port-security", "--no-security-group").code == 0
    shown = edge.run("port", "show", "vm-2", "-f", "json").json
    assert (shown["binding:vif_type"], shown["allowed_address_pairs"]) == ("unbound", [])
    assert shown["port_security_enabled"] is False


def test_where_a_router_is_and_why(edge: Deployment) -> None:
    assert edge.schedule() >= 1
    assert [one["Host"] for one in edge.run("router", "agents", "edge", "-f", "json").json] == ["node-1"]
    assert [one["Name"] for one in edge.run("agent", "routers", "node-1", "-f", "json").json] == ["edge"]
    assert edge.run("agent", "routers", "node-2", "-f", "json").json == []
    told = edge.run("explain", "router", "edge").out
    assert told.startswith(f"Router edge ({id_of(edge, 'router', 'edge')})\n")
    assert "Replica 0: on node-1" in told and "node-2  reach" in told and "flat:physnet1" in told
    assert edge.run("explain", "router", "edge", "-f", "json").json["slots"][0]["host"] == "node-1"
    edge.run("router", "create", "idle")
    told = edge.run("explain", "router", "idle").out
    assert told.endswith("is not scheduled: it has neither a gateway nor an interface.\n")


def test_a_router_is_bound_by_hand(edge: Deployment) -> None:
    edge.agent("node-3", kinds.L3_AGENT, capabilities=reaching("vxlan", "flat:physnet1"))
    edge.schedule()
    (holder,) = (one["Host"] for one in edge.run("router", "agents", "edge", "-f", "json").json)
    other = {"node-1": "node-3", "node-3": "node-1"}[holder]
    twice = edge.run("agent", "bind", other, "--router", "edge")
    assert twice.code == 1 and "already hosted by the L3 Agent" in twice.err
    assert edge.run("agent", "bind", holder, "--router", "edge").code == 0
    assert edge.run("agent", "unbind", holder, "--router", "edge").code == 0
    assert edge.run("agent", "bind", other, "--router", "edge").code == 0
    assert [one["Host"] for one in edge.run("router", "agents", "edge", "-f", "json").json] == [other]
    far = edge.run("agent", "bind", "node-2", "--router", "edge")
    assert far.code == 1
    for wrong in ((), ("--router", "edge", "--network", "web")):
        assert edge.run("agent", "bind", other, *wrong).code == 2
