"""`netsched topology` against a real server: hosts with agents of every kind, a network, a router, a floating IP."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest
from keystoneauth1 import adapter

from netsched.cli import connection, picture, topology
from netsched.cli.client import Client
from netsched.model import kinds
from netsched.rpc.agent import Capabilities
from tests.cli.deployment import Deployment

HOSTILE = 'a"] --> n0 %%{init}%% `x`; #quot; <b> end'
# Every line of a flowchart that we draw: nothing in it is a tenant's but what stands between quotation marks.
_TEXT = r'"(?:[^"#%;:`<>&\n]|#(?!10;)\d+;|<br/>)*"'
_NODE = rf"\[{_TEXT}\]|\(\[{_TEXT}\]\)|\[/{_TEXT}/\]|\{{\{{{_TEXT}\}}\}}"
_EDGE = rf"n\d+ ---|n\d+ --> \|{_TEXT}\|"
CHART = re.compile(rf"flowchart LR|  end|  subgraph n\d+\[{_TEXT}\]|(?:  ){{1,2}}n\d+(?:{_NODE})|  (?:{_EDGE}) n\d+")


class Site:
    """What is on the server, by names; objects are made by REST, as any client makes them."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.run = deployment.run

    def post(self, resource: str, **attributes: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.send("POST", f"{resource}s", {resource: attributes})[resource]
        return made

    def send(self, method: str, path: str, body: Any) -> Any:
        request = urllib.request.Request(f"{self.deployment.url}/v2.0/{path}", json.dumps(body).encode(), method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()}") from error

    def agents(self, host: str) -> None:
        reaches = ["vxlan", "flat:physnet1"]
        able = {
            kinds.DHCP_AGENT: Capabilities(hosts=["network"]),
            kinds.L3_AGENT: Capabilities(hosts=["router"], reaches=reaches),
            kinds.L2_AGENT: Capabilities(reaches=reaches),
        }
        for agent_type, capabilities in able.items():
            self.deployment.agent(host, agent_type, capabilities=capabilities)


@pytest.fixture
def site(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Network blue with a port on node-2, behind router edge on node-1 to the network world."""
    monkeypatch.setenv("COLUMNS", "100")  # whatever terminal the tests run on
    site = Site(deployment)
    site.agents("node-1")
    blue = site.post("network", name="blue")
    subnet = site.post("subnet", name="blue-v4", network_id=blue["id"], ip_version=4, cidr="10.0.0.0/24")
    flat = {"provider:network_type": "flat", "provider:physical_network": "physnet1"}
    world = site.post("network", name="world", **{"router:external": True}, **flat)
    site.post("subnet", network_id=world["id"], ip_version=4, cidr="203.0.113.0/24", enable_dhcp=False)
    edge = site.post("router", name="edge", external_gateway_info={"network_id": world["id"]})
    site.send("PUT", f"routers/{edge['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    while deployment.schedule():
        pass
    site.agents("node-2")
    web = site.post("port", name="web-1", network_id=blue["id"], **{"binding:host_id": "node-2"})
    site.post("port", name="web-2", network_id=blue["id"], **{"binding:host_id": "node-9"})
    site.post("port", network_id=blue["id"])
    site.post("floatingip", floating_network_id=world["id"], port_id=web["id"])
    return site


def test_a_network(site: Site) -> None:
    shown = site.run("topology", "blue")
    assert shown.code == 0, shown.err
    assert max(map(len, shown.out.splitlines())) <= 100
    floating = site.send("GET", "floatingips", None)["floatingips"][0]["floating_ip_address"]
    gateway = site.send("GET", "routers", None)["routers"][0]["external_gateway_info"]["external_fixed_ips"][0]
    blue = site.send("GET", "networks?name=blue", None)["networks"][0]
    ports = {port["name"]: port for port in site.send("GET", "ports", None)["ports"]}
    address = {name: port["fixed_ips"][0]["ip_address"] for name, port in ports.items()}
    lines = shown.out.splitlines()
    assert lines[0] == f"network blue (vxlan {blue['provider:segmentation_id']}, mtu {blue['mtu']}) ACTIVE"
    assert lines[1] == "|- subnet blue-v4 10.0.0.0/24, gateway 10.0.0.1, DHCP"
    assert lines[2:6] == [
        "|- host node-1",
        "|  |- DHCP agent alive, serves it",
        "|  |- L3 agent alive",
        "|  |- Linux bridge agent alive",
    ]
    assert f"|  `- port web-1 {address['web-1']} DOWN, floating {floating} DOWN" in lines
    assert "|- on no host" in lines and f"|  `- port web-2 {address['web-2']} DOWN" in lines
    assert "|     `- not bound: " in shown.out and "node-9" in shown.out
    assert lines[-3:] == [
        "`- router edge 10.0.0.1 ACTIVE",
        "   |- on node-1: L3 agent alive",
        f"   `- to network world (flat physnet1, mtu 1500, external) as {gateway['ip_address']}, SNAT",
    ]


def test_a_router_with_what_is_behind_it(site: Site) -> None:
    shown = site.run("topology", "edge")
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    assert lines[:2] == ["router edge 10.0.0.1 ACTIVE", "|- on node-1: L3 agent alive"]
    assert any(line.startswith("|- to network world (flat physnet1") for line in lines)
    assert any(line.startswith("`- network blue (vxlan") for line in lines)
    assert any(line.startswith("   |  `- port web-1 10.0.0.") and ", floating 203.0.113." in line for line in lines)


def test_an_external_network_shows_the_routers_that_lead_to_it(site: Site) -> None:
    lines = site.run("topology", "world").out.splitlines()
    assert lines[0].startswith("network world (flat physnet1, mtu 1500, external)")
    assert not any("network:floatingip" in line for line in lines)
    assert any("router edge 203.0.113." in line for line in lines)


def test_the_same_for_programs(site: Site) -> None:
    seen = site.run("topology", "blue", "-f", "json").json
    hosts = {host["host"]: host for host in seen["hosts"]}
    assert hosts.keys() == {"node-1", "node-2", "node-9", None}
    serving = [agent["agent_type"] for agent in hosts["node-1"]["agents"] if agent["serves"]]
    assert serving == [kinds.DHCP_AGENT] and hosts["node-9"]["agents"] == []
    assert [port["vif_type"] for port in hosts["node-9"]["ports"]] == ["binding_failed"]
    (router,) = seen["routers"]
    assert [agent["host"] for agent in router["agents"]] == ["node-1"] and router["external_network"]["name"] == "world"
    assert hosts["node-2"]["ports"][0]["floating_ips"] == router["floating_ips"] != []
    assert "hosts:\n- host: node-1" in site.run("topology", "blue", "-f", "yaml").out


def drawn(text: str) -> list[str]:
    """The lines of a flowchart, each of which is one that we meant to draw."""
    lines = text.rstrip("\n").split("\n")
    broken = [line for line in lines if not CHART.fullmatch(line)]
    assert not broken, broken
    nodes = set(re.findall(r"^ +(?:subgraph )?(n\d+)[\[({]", text, re.MULTILINE))
    ends = set(re.findall(r"n\d+(?= --)|n\d+$", text, re.MULTILINE))
    assert ends <= nodes
    return lines


@pytest.mark.parametrize("name", ["blue", "edge", "world"])
def test_a_drawing(site: Site, name: str) -> None:
    lines = drawn(site.run("topology", name, "-f", "mermaid").out)
    assert lines[0] == "flowchart LR" and any("router edge" in line for line in lines)
    assert sum(line.startswith("  subgraph") for line in lines) == lines.count("  end")


def test_names_break_neither_a_drawing_nor_a_line(site: Site) -> None:
    network = site.post("network", name=HOSTILE)
    site.post("subnet", name=HOSTILE, network_id=network["id"], ip_version=4, cidr="10.9.0.0/24")
    site.post("port", name=HOSTILE + "x" * 180, network_id=network["id"], **{"binding:host_id": "node-1"})
    assert "init" in "".join(drawn(site.run("topology", network["id"], "-f", "mermaid").out))
    shown = site.run("topology", network["id"]).out
    assert "\x1b" not in shown and len(shown.splitlines()) < 20
    assert max(map(len, shown.splitlines())) <= 100
    assert all(line[0] in "n|` " for line in shown.splitlines())


def test_many_ports_are_counted_in_the_text_alone(site: Site) -> None:
    (blue,) = site.send("GET", "networks?name=blue", None)["networks"]
    one = {"network_id": blue["id"], "binding:host_id": "node-2"}
    site.send("POST", "ports", {"ports": [{**one, "name": f"many-{number:03}"} for number in range(50)]})
    assert "and 31 more ports (-f json shows all)" in site.run("topology", "blue").out
    seen = site.run("topology", "blue", "-f", "json").json
    assert sum(len(host["ports"]) for host in seen["hosts"]) > 50


class Counting(Client):
    """Counts its requests."""

    sent = 0

    def _send(self, *request: Any) -> Any:
        self.sent += 1
        return super()._send(*request)


def test_requests_do_not_grow_with_ports(site: Site) -> None:
    session = adapter.Adapter(connection._bare_session(), endpoint_override=site.deployment.url)
    (blue,) = site.send("GET", "networks?name=blue", None)["networks"]
    counts = []
    for _ in range(2):
        client = Counting(session)
        assert len(topology.Survey(client).network(blue)["hosts"]) == 4
        counts.append(client.sent)
        many = [{"network_id": blue["id"], "binding:host_id": f"node-{number % 2 + 1}"} for number in range(50)]
        site.send("POST", "ports", {"ports": many})
    assert 5 < counts[0] == counts[1] < 10


def test_what_is_there_twice_or_not_at_all(site: Site) -> None:
    missing = site.run("topology", "nowhere")
    assert missing.code == 1 and "no network or router with the id or name 'nowhere'" in missing.err
    site.post("router", name="blue")
    twice = site.run("topology", "blue")
    assert twice.code == 1 and "--router" in twice.err
    assert site.run("topology", "blue", "--router").out.startswith("router blue ACTIVE\n`- on no host")
    assert site.run("topology", "blue", "--network").out.startswith("network blue (")


def test_what_no_server_should_let_through_is_not_printed() -> None:
    """The API refuses control characters in names; another server's, or a host's own name, need not."""
    host = {"host": "a\x1b[31m\nb", "agents": [], "ports": []}
    seen = {"network": {"id": "n", "name": "c\nd", "status": "ACTIVE"}, "subnets": [], "hosts": [host]}
    assert picture.tree(seen) == "network c?d ACTIVE\n`- host a?[31m?b"
    drawn(picture.mermaid(seen))


def test_a_narrow_terminal_folds_lines() -> None:
    port = {"id": "p", "name": "web", "device_owner": "", "addresses": ["10.0.0.5"], "status": "DOWN"}
    port |= {"floating_ips": [], "vif_type": "binding_failed", "reason": "no agent " * 20}
    seen = {
        "network": {"id": "n", "name": "blue", "status": "ACTIVE"},
        "subnets": [],
        "hosts": [{"host": None, "agents": [], "ports": [port, port]}],
    }
    lines = picture.tree(seen, 50).splitlines()
    assert max(map(len, lines)) <= 50 and len(lines) > 10
    assert [line for line in lines if not line.startswith(("   |  ", "      "))] == [
        "network blue ACTIVE",
        "`- on no host",
        "   |- port web 10.0.0.5 DOWN",
        "   `- port web 10.0.0.5 DOWN",
    ]
