"""Ports on hosts, end to end: who hears of them, what becomes ACTIVE, and what failover and absence leave behind."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netsched.model import kinds
from netsched.model.query import Query
from netsched.rpc.agent import Capabilities
from netsched.server.services.security_group_rule import SecurityGroupRuleService
from tests import needs
from tests.flow.world import ADMIN, DEATH, WAYS, Node, World, scope_of

L2_AGENTS = 100


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, agents=1)


def l2(world: World, host: str, **options: Any) -> Node:
    return world.add(host, agent_type=kinds.L2_AGENT, **options)


def networks(node: Node) -> set[str]:
    """The scopes of networks that it has in force; of security groups see test_security_groups.py."""
    return {scope for scope in node.machine.scopes if scope.startswith("network/")}


def show(world: World, port: str) -> dict[str, Any]:
    return world.ports.get(ADMIN, port)


def put(world: World, port: str, **changes: Any) -> None:
    world.ports.update(
        ADMIN, port, {name.replace("host_id", "binding:host_id"): v for name, v in changes.items()}, None
    )


def told(world: World, work: Callable[[], Any]) -> dict[str, int]:
    """Addresses to which notices went because of `work`, with how many."""
    before = dict(world.transport.by_method)
    work()
    world.run(4)
    counts = {key: count - before.get(key, 0) for key, count in world.transport.by_method.items()}
    return {address: count for (address, method), count in counts.items() if method == "notices" and count}


def test_a_change_is_told_to_the_hosts_of_the_network_and_its_dhcp_agent_and_to_nobody_else(world: World) -> None:
    for number in range(L2_AGENTS):
        l2(world, f"c{number}")
    world.run(3)
    network, other = world.network(), world.network()
    port, *_ = [world.port(network, f"c{number}") for number in range(3)]
    elsewhere = world.port(other, "c50", project_id="project-2")  # the default group of another is not named here
    world.run(8)
    concerned = {f"agent.c{number}": 1 for number in range(3)} | {"agent.h1": 1}
    assert told(world, lambda: put(world, port, name="new")) == concerned
    assert told(world, lambda: put(world, elsewhere, name="new")) == {"agent.c50": 1, "agent.h1": 1}
    assert told(world, lambda: [world.network(subnet=False) for _ in range(50)]) == {}
    joined = told(world, lambda: world.port(network, "c7"))
    assert set(joined) == {*concerned, "agent.c7"}
    assert networks(world.nodes["c7"]) == {scope_of(network)}
    assert all(
        not world.nodes[f"c{number}"].machine.scopes for number in range(L2_AGENTS) if number not in (0, 1, 2, 7, 50)
    )


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.mode}-{way.payload}")
def test_a_port_becomes_active_when_it_is_wired_and_reserved_and_again_on_its_next_host(
    way: Any, tmp_path: Path
) -> None:
    world = World(tmp_path, agents=1, delivery=way)
    first, second = l2(world, "c1"), l2(world, "c2")
    world.run(3)
    network = world.network()
    port = world.port(network, "c1")
    assert show(world, port)["status"] == "DOWN"
    world.run(8)
    assert show(world, port)["status"] == "ACTIVE"
    put(world, port, host_id="c2")
    assert show(world, port)["status"] == "DOWN"
    world.run(8)
    assert show(world, port)["status"] == "ACTIVE"
    assert first.machine.scopes == {} and networks(second) == {scope_of(network)}
    world.settle()


def test_without_its_dhcp_agent_a_port_waits(world: World) -> None:
    l2(world, "c1")
    world.run(3)
    network = world.network()
    world.run(5)
    world.nodes["h1"].driver.failing.add(scope_of(network))
    port = world.port(network, "c1")
    world.run(8)
    assert show(world, port)["status"] == "DOWN"
    world.nodes["h1"].driver.failing.clear()
    world.run(20)
    assert show(world, port)["status"] == "ACTIVE"


def test_what_an_agent_says_of_a_port_that_has_left_it_does_not_count(world: World) -> None:
    old = l2(world, "c1")
    l2(world, "c2").kill()
    world.run(3)
    network = world.network(subnet=False)
    port, stays = world.port(network, "c1"), world.port(network, "c1")
    world.run(5)
    old.driver.said[("port", port)] = "ACTIVE"  # from now on whatever happens
    put(world, port, host_id="c2")
    world.run(6)
    assert show(world, port)["status"] == "DOWN" and show(world, stays)["status"] == "ACTIVE"


def test_what_waits_for_an_l2_agent_is_bound_when_it_comes_or_comes_back(world: World) -> None:
    network = world.network()
    port = world.port(network, "c1")
    assert show(world, port)["binding:vif_type"] == "binding_failed"
    node = l2(world, "c1")
    world.run(8)
    assert (show(world, port)["binding:vif_type"], show(world, port)["status"]) == ("bridge", "ACTIVE")
    node.kill()
    world.run(DEATH)
    late = world.port(network, "c1")
    assert "is dead" in show(world, late)["binding:vif_details"]["reason"]
    assert show(world, port)["binding:vif_type"] == "bridge"  # what was plugged stays plugged
    node.start()
    world.settle()
    assert show(world, late)["status"] == "ACTIVE"


def test_an_agent_that_reaches_more_gets_what_it_could_not_serve(world: World) -> None:
    node = l2(world, "c1", capabilities=Capabilities(reaches=[]))
    world.run(3)
    network = world.network(subnet=False)
    port = world.port(network, "c1")
    assert "does not reach vxlan" in show(world, port)["binding:vif_details"]["reason"]
    node.identity = dataclasses.replace(node.identity, capabilities=Capabilities(reaches=["vxlan"]))
    node.restart()
    world.run(8)
    assert show(world, port)["binding:vif_type"] == "bridge"


def test_a_new_tunnel_address_reaches_the_other_hosts(world: World) -> None:
    node = l2(world, "c1", configurations={"tunneling_ip": "172.30.0.1"})
    other = l2(world, "c2")
    world.run(3)
    network = world.network(subnet=False)
    port = world.port(network, "c1")
    world.port(network, "c2")
    world.run(5)

    def known() -> str:
        return str(other.machine.scopes[scope_of(network)]["port"][port]["binding:vif_details"]["tunnel_ip"])

    assert known() == "172.30.0.1"
    node.identity.configurations["tunneling_ip"] = "172.30.0.9"
    node.restart()
    world.run(8)
    assert known() == "172.30.0.9"
    world.settle()


def test_a_failover_of_dhcp_takes_the_port_off_a_host_of_which_only_the_l2_agent_lives(tmp_path: Path) -> None:
    world = World(tmp_path, agents=2)
    bridges = {host: l2(world, host) for host in ("h1", "h2")}
    compute = l2(world, "c1")
    world.run(3)
    network = world.network()
    port = world.port(network, "c1")
    world.run(8)
    (before,) = world.holders(network)
    assert set(bridges[before].machine.scopes) == {scope_of(network)}
    world.nodes[before].kill()
    world.run(DEATH + 12)
    (after,) = world.holders(network)
    assert after != before
    assert bridges[before].machine.scopes == {} and set(bridges[after].machine.scopes) == {scope_of(network)}
    (dhcp,) = [p for p in compute.machine.scopes[scope_of(network)]["port"].values() if p["id"] != port]
    assert (dhcp["binding:host_id"], dhcp["binding:vif_type"]) == (after, "bridge")
    world.settle()


def test_the_last_port_of_a_host_takes_the_network_along(world: World) -> None:
    node = l2(world, "c1")
    world.run(3)
    network = world.network()
    ports = [world.port(network, "c1") for _ in range(2)]
    world.run(6)
    for port, left in zip(ports, ({scope_of(network)}, set()), strict=True):
        world.ports.delete(ADMIN, port, None)
        world.run(6)
        assert networks(node) == left
    again = world.port(network, "c1")
    world.run(6)
    assert again in node.machine.scopes[scope_of(network)]["port"]
    world.settle()


@pytest.mark.parametrize("seed", range(4))
def test_in_bad_weather_every_host_ends_up_with_what_is_there(seed: int, tmp_path: Path) -> None:
    world = World(tmp_path, agents=2, seed=seed)
    nodes = [l2(world, f"c{number}") for number in range(4)]
    world.run(3)
    networks = [world.network() for _ in range(3)]
    with world.weather(drop=0.1, duplicate=0.1, reorder=True):
        ports = []
        for _ in range(25):
            match world.rng.randrange(4):
                case 0 | 1:
                    ports.append(world.port(world.rng.choice(networks), f"c{world.rng.randrange(4)}"))
                case 2 if ports:
                    put(world, world.rng.choice(ports), host_id=world.rng.choice(["", "c0", "c1", "c2", "c3"]))
                case 3 if ports:
                    world.ports.delete(ADMIN, ports.pop(world.rng.randrange(len(ports))), None)
            if world.rng.random() < 0.2:
                world.rng.choice(nodes).restart()
            world.run(0.5)
    world.settle()
    rules = SecurityGroupRuleService(world.database).list(ADMIN, Query())
    needed = needs.of_hosts([show(world, port) for port in ports], rules)
    for node in nodes:
        assert set(node.machine.scopes) == needed.get(node.host, set())
    assert {show(world, port)["status"] for port in ports if show(world, port)["binding:host_id"]} <= {"ACTIVE"}
