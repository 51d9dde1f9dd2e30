"""Agents, bindings and the story of a placement by command."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.deployment import Deployment


@pytest.fixture
def served(deployment: Deployment) -> Deployment:
    """Three DHCP agents, one of them starting, an agent of another kind, and a network `web` that is bound."""
    deployment.agent("node-1")
    deployment.agent("node-2", zone="z2")
    deployment.agent("node-3", proved=False)
    deployment.agent("node-1", "L3 agent")
    deployment.run("network", "create", "web")
    deployment.run("subnet", "create", "web-v4", "--network", "web", "--subnet-range", "10.1.0.0/24")
    assert deployment.schedule() == 1
    return deployment


def holders(deployment: Deployment) -> list[str]:
    return sorted(one["Host"] for one in deployment.run("network", "agents", "web", "-f", "json").json)


def test_agents_in_tables_and_for_programs(served: Deployment) -> None:
    table = served.run("agent", "list", "--type", "DHCP agent").out
    assert table.count(":-)") == 3 and "starting" in table and "UP" in table
    listed = served.run("agent", "list", "--host", "node-1", "-f", "json").json
    assert {one["Agent type"] for one in listed} == {"DHCP agent", "L3 agent"}
    assert all(one["Alive"] is True and one["Admin"] is True for one in listed)
    assert served.run("agent", "list", "--dead", "-f", "json").json == []


@pytest.mark.parametrize("form", ["json", "yaml", "csv", "value", "table"])
def test_every_format(served: Deployment, form: str) -> None:
    result = served.run("agent", "list", "--long", "-f", form)
    assert result.code == 0 and "node-2" in result.out


def test_an_agent_is_found_by_host_and_type(served: Deployment) -> None:
    result = served.run("agent", "show", "node-1")
    assert result.code == 1 and "Several agents have the host 'node-1'" in result.err and "L3 agent" in result.err
    shown = served.run("agent", "show", "node-1", "--type", "L3 agent", "-f", "json").json
    assert shown["agent_type"] == "L3 agent"
    assert served.run("agent", "show", shown["id"], "-f", "json").json["host"] == "node-1"


def test_agents_are_disabled_and_deleted(served: Deployment) -> None:
    assert served.run("agent", "set", "node-2", "--disable", "--description", "new disk").code == 0
    shown = served.run("agent", "show", "node-2", "-f", "json").json
    assert (shown["admin_state_up"], shown["description"]) == (False, "new disk")
    assert served.run("agent", "delete", "node-2").code == 0
    assert served.run("agent", "show", "node-2").code == 1


def test_agents_are_marked_down_and_up_again(served: Deployment) -> None:
    (host,) = holders(served)
    assert served.run("agent", "set", host, "--type", "DHCP agent", "--force-down").code == 0
    shown = served.run("agent", "show", host, "--type", "DHCP agent", "-f", "json").json
    assert (shown["state"], shown["forced_down"]) == ("dead", True)
    assert shown["forced_down_by"]["request_id"].startswith("req-")
    assert [one["Host"] for one in served.run("agent", "list", "--dead", "-f", "json").json] == [host]
    assert served.run("agent", "set", host, "--type", "DHCP agent", "--up").code == 0
    shown = served.run("agent", "show", host, "--type", "DHCP agent", "-f", "json").json
    assert (shown["state"], shown["forced_down"], shown["forced_down_by"]) == ("alive", False, None)


def test_bind_and_unbind_by_hand(served: Deployment) -> None:
    (first,) = holders(served)
    other = {"node-1": "node-2", "node-2": "node-1"}[first]
    assert served.run("agent", "bind", other, "--network", "web").code == 0
    assert holders(served) == ["node-1", "node-2"]
    assert [one["Name"] for one in served.run("agent", "networks", other, "-f", "json").json] == ["web"]
    again = served.run("agent", "bind", other, "--network", "web")
    assert again.code == 1 and "already hosted" in again.err
    assert served.run("agent", "unbind", first, "--network", "web").code == 0
    assert holders(served) == [other]
    assert served.run("agent", "unbind", first, "--network", "web").code == 1


def test_the_story_of_a_placement(served: Deployment) -> None:
    (host,) = holders(served)
    text = served.run("explain", "network", "web").out
    assert f"Replica 0: on {host} since" in text
    assert "candidates" in text and f"* {host}" in text and "TOTAL" in text
    assert "node-3" in text and "is starting" in text
    reasons = served.run("explain", "network", "web", "-f", "json").json
    assert reasons["slots"][0]["host"] == host
    assert served.run("explain", "network", "web", "-f", "yaml").out.startswith("network_id:")


def test_the_story_of_what_operators_did(served: Deployment) -> None:
    (host,) = holders(served)
    by = ("--os-username", "carol", "--os-project-id", "ops")
    assert served.run(*by, "agent", "unbind", host, "--network", "web").code == 0
    served.schedule()
    text = served.run("explain", "network", "web").out
    assert "Replica 0: nowhere" in text
    assert "Held: for the operator until" in text
    joined = " ".join(text.split())
    assert f"unbound by hand replica 0 on {host} by carol of project ops (req-" in joined


def test_a_network_without_an_agent_says_why(deployment: Deployment) -> None:
    deployment.run("network", "create", "web")
    assert "not scheduled" in deployment.run("explain", "network", "web").out
    deployment.run("subnet", "create", "web-v4", "--network", "web", "--subnet-range", "10.1.0.0/24")
    deployment.agent("node-1", proved=False)
    deployment.schedule()
    text = deployment.run("explain", "network", "web").out
    assert "Reason: no agent can take it; rejected by alive: 1" in text


def test_how_the_service_is(served: Deployment) -> None:
    served.server.upkeep.beat(served.server.driver.status())
    (process,) = served.run("server", "list", "-f", "json").json
    assert process["Role"] == "server" and process["Age"] < 60
    assert process["Host"] in served.run("server", "list", "--long").out
    status = json.loads(served.run("status", "-f", "json").out)
    assert status["change_log"]["unstamped"] > 0  # nobody has run the relay
    shown = served.run("status").out
    assert "schedule   0 runs, last never" in shown
    (relay,) = (one for one in served.server.driver.workers if one.name == "relay")
    relay.run()
    assert re.search(r"relay +1 runs, last 20\S+Z +\|", served.run("status").out)
    assert "dhcp_agent_scheduler" in served.run("extension", "list", "-f", "value", "-c", "Alias").out.split()
