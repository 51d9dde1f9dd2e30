"""The stock `openstack` client works unchanged: what it asks for before and around a command is there."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.deployment import Deployment, environment

PROGRAM = Path(__file__).with_name("openstack_commands.py")


@functools.cache
def client() -> subprocess.Popen[str]:
    """One for all tests of this process."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM)], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def ended(variables: dict[str, str], *commands: list[str]) -> list[tuple[int, str, str]]:
    """Runs the commands, whatever comes of them: exit code, what it printed, and what it said of errors."""
    pipe = client()
    assert pipe.stdin is not None and pipe.stdout is not None
    print(json.dumps({"environment": environment(**variables), "commands": commands}), file=pipe.stdin, flush=True)
    return [(code, out, err) for code, out, err in json.loads(pipe.stdout.readline())]


def openstack(deployment: Deployment, *commands: list[str], **variables: str) -> list[Any]:
    """Runs the commands; the JSON that each printed, or None for those that print nothing."""
    results = []
    variables = variables or {"OS_ENDPOINT": deployment.url, "OS_AUTH_TYPE": "none"}
    for command, (code, out, err) in zip(commands, ended(variables, *commands), strict=True):
        assert code == 0, (command, err)
        results.append(json.loads(out) if "json" in command else None)
    return results


@pytest.fixture
def web(deployment: Deployment) -> Deployment:
    deployment.agent("node-1")
    deployment.agent("node-2")
    deployment.run("network", "create", "web")
    deployment.run("subnet", "create", "web-v4", "--network", "web", "--subnet-range", "10.1.0.0/24")
    deployment.schedule()
    return deployment


def test_networks_subnets_and_ports(deployment: Deployment) -> None:
    as_json = ["-f", "json"]
    fixed = ["--fixed-ip", "subnet=web-v4,ip-address=10.1.0.50"]
    pool = ["--allocation-pool", "start=10.1.0.10,end=10.1.0.99", "--dns-nameserver", "10.1.0.2"]
    network, subnet, port, _, shown, _, _, ports, networks, subnets, *_ = openstack(
        deployment,
        ["network", "create", "web", "--description", "shop", *as_json],
        ["subnet", "create", "web-v4", "--network", "web", "--subnet-range", "10.1.0.0/24", *pool, *as_json],
        ["port", "create", "vm-1", "--network", "web", *fixed, *as_json],
        ["port", "set", "vm-1", "--name", "vm-2", "--device", "vm"],
        ["port", "show", "vm-2", *as_json],
        ["network", "set", "web", "--disable"],
        ["subnet", "set", "web-v4", "--no-dhcp"],
        ["port", "list", "--network", "web", *as_json],
        ["network", "list", "--long", *as_json],
        ["subnet", "list", "--network", "web", *as_json],
        ["port", "delete", "vm-2"],
        ["subnet", "delete", "web-v4"],
        ["network", "delete", "web"],
    )
    assert network["description"] == "shop"
    assert subnet["allocation_pools"] == [{"start": "10.1.0.10", "end": "10.1.0.99"}]
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.1.0.50"}]
    assert (shown["name"], shown["device_id"]) == ("vm-2", "vm")
    assert [one["Name"] for one in ports] == ["vm-2"]
    assert networks[0]["Subnets"] == [subnet["id"]]
    assert subnets[0]["Subnet"] == "10.1.0.0/24"
    assert deployment.run("network", "list", "-f", "json").json == []


def test_external_and_provider_networks(deployment: Deployment) -> None:
    as_json = ["-f", "json"]
    flat = ["--provider-network-type", "flat", "--provider-physical-network", "physnet1"]
    vxlan = ["--provider-network-type", "vxlan", "--provider-segment", "4711"]
    created, chosen, external, internal, by_type, _, shown = openstack(
        deployment,
        ["network", "create", "--external", *flat, "pub", *as_json],
        ["network", "create", "--disable-port-security", *vxlan, "web", *as_json],
        ["network", "list", "--external", *as_json],
        ["network", "list", "--internal", "--long", *as_json],
        ["network", "list", "--provider-network-type", "vxlan", "--provider-segment", "4711", *as_json],
        ["network", "set", "--internal", "--enable-port-security", "pub"],
        ["network", "show", "pub", *as_json],
    )
    assert (created["router:external"], created["mtu"], created["port_security_enabled"]) == (True, 1500, True)
    assert (created["provider:network_type"], created["provider:physical_network"]) == ("flat", "physnet1")
    assert created["provider:segmentation_id"] is None
    assert (chosen["provider:segmentation_id"], chosen["mtu"], chosen["port_security_enabled"]) == (4711, 1450, False)
    assert [one["Name"] for one in external] == ["pub"]
    assert [(one["Name"], one["Network Type"]) for one in internal] == [("web", "vxlan")]
    assert [one["Name"] for one in by_type] == ["web"]
    assert shown["router:external"] is False


def test_agents_and_their_networks(web: Deployment) -> None:
    as_json = ["-f", "json"]
    agents, (first,) = openstack(
        web, ["network", "agent", "list", *as_json], ["network", "agent", "list", "--network", "web", *as_json]
    )
    assert {one["Host"] for one in agents} == {"node-1", "node-2"} and all(one["Alive"] for one in agents)
    (other,) = (one["ID"] for one in agents if one["ID"] != first["ID"])
    *_, shown, holders, networks, _, after, _, left = openstack(
        web,
        ["network", "agent", "set", other, "--disable", "--description", "new disk"],
        ["network", "agent", "show", other, *as_json],
        ["network", "agent", "set", other, "--enable"],
        ["network", "agent", "add", "network", "--dhcp", other, "web"],
        ["network", "agent", "show", other, *as_json],
        ["network", "agent", "list", "--network", "web", *as_json],
        ["network", "list", "--agent", other, *as_json],
        ["network", "agent", "remove", "network", "--dhcp", other, "web"],
        ["network", "agent", "list", "--network", "web", *as_json],
        ["network", "agent", "delete", other],
        ["network", "agent", "list", *as_json],
    )
    assert (shown["admin_state_up"], shown["description"]) == (True, "new disk")
    assert len(holders) == 2 and [one["Name"] for one in networks] == ["web"]
    assert [one["ID"] for one in after] == [first["ID"]]
    assert [one["Host"] for one in left] == [first["Host"]]


def test_extensions_and_zones(web: Deployment) -> None:
    extensions, zones = openstack(
        web,
        ["extension", "list", "--network", "-f", "json"],
        ["availability", "zone", "list", "--network", "-f", "json"],
    )
    assert "agent" in {one["Alias"] for one in extensions}
    assert zones[0]["Zone Status"] == "available"
