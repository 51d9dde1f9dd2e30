"""Agents that cannot apply what they hold: it visits each agent at most once, and ends where it works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netsched.scheduler import profile
from netsched.server.services.heartbeat import agent_id
from tests.flow.world import ADMIN, INTERVAL, World, scope_of

AFTER = 5.0  # s of patience
SETTINGS = profile.Settings(move_failing_after=AFTER)
A_MOVE = AFTER + 4 * INTERVAL  # until a failure has been heard of, waited for, and moved


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, agents=4, profile=SETTINGS)


def told(world: World, network: str) -> dict[str, Any]:
    return dict(world.servers[0].scheduling.reasons(ADMIN, "network", network)["binding_reasons"])


def slot_of(world: World, network: str) -> dict[str, Any]:
    (slot,) = told(world, network)["slots"]
    return dict(slot)


def moves(world: World) -> int:
    """Because of failures."""
    return sum(server.scheduling.placements.read().get(("network", "failing"), 0) for server in world.servers)


def been(world: World, network: str) -> list[str]:
    """Where it was, oldest first."""
    history = reversed(told(world, network)["history"])
    return [event["host"] for event in history if event["action"] in ("place", "move")]


def break_it(world: World, network: str, *hosts: str) -> None:
    """These hosts cannot apply the network, and hear of a change that they should."""
    for host in hosts:
        world.nodes[host].driver.failing.add(scope_of(network))
    world.port(network)


def repair(world: World, network: str, *hosts: str) -> None:
    for host in hosts:
        world.nodes[host].driver.failing.discard(scope_of(network))


def only_on(world: World, *good: str) -> str:
    """A new network that only the good hosts can apply."""
    network = world.network()
    for host, node in world.nodes.items():
        if host not in good:
            node.driver.failing.add(scope_of(network))
    return network


def test_what_fails_moves_to_the_first_stored_alternate(world: World) -> None:
    network = world.network()
    world.settle()
    (first,) = world.holders(network)
    alternates = slot_of(world, network)["decision"]["alternates"]
    break_it(world, network, first)
    world.run(3 * INTERVAL)
    slot = slot_of(world, network)
    assert slot["host"] == first and "fails because the test says so" in slot["error"] and slot["error_since"]
    world.run(A_MOVE)
    slot = slot_of(world, network)
    assert slot["agent_id"] == alternates[0]
    assert slot["error"] is None and slot["error_since"] is None
    assert [one["host"] for one in slot["failed_on"]] == [first]
    assert f"moved from {first}, which failed to apply it" in slot["decision"]["reason"]
    refused = {one["host"]: one["reason"] for one in slot["decision"]["rejections"]}
    assert refused[first].startswith("failed to apply it: ")
    assert moves(world) == 1
    repair(world, network, first)  # so that it can take it away
    world.settle()


def test_a_poisonous_network_visits_each_agent_once_and_then_stays(world: World) -> None:
    network = only_on(world)
    world.run(8 * A_MOVE)
    visited = been(world, network)
    assert sorted(visited) == sorted(world.nodes), "each once"
    slot = slot_of(world, network)
    assert slot["host"] == visited[-1] and slot["error"]
    assert "no agent can take it; rejected by failed: 4" in slot["reason"]
    decisions = len(told(world, network)["history"])
    world.run(5 * A_MOVE)
    assert len(told(world, network)["history"]) == decisions, "nothing moves, and it is said once"
    world.add("h9")  # a new agent may try
    world.run(A_MOVE)
    assert world.holders(network) == ["h9"]


def test_it_ends_where_it_works_and_who_failed_is_forgotten(world: World) -> None:
    network = only_on(world, "h3")
    world.run(8 * A_MOVE)
    assert world.holders(network) == ["h3"]
    assert world.nodes["h3"].machine.scopes[scope_of(network)]
    visited = been(world, network)
    assert len(set(visited)) == len(visited)
    repair(world, network, *world.nodes)
    break_it(world, network, "h3")
    world.run(2 * A_MOVE)
    (now,) = world.holders(network)
    assert now != "h3", "those that failed long ago are candidates again"
    assert [one["host"] for one in slot_of(world, network)["failed_on"]] == ["h3"]


def test_what_works_again_stays_and_its_error_goes(world: World) -> None:
    network = world.network()
    world.settle()
    (holder,) = world.holders(network)
    break_it(world, network, holder)
    world.run(2 * INTERVAL)
    assert slot_of(world, network)["error"]
    repair(world, network, holder)
    world.run(A_MOVE + 10 * INTERVAL)
    slot = slot_of(world, network)
    assert (slot["host"], slot["error"], slot["error_since"], slot["failed_on"]) == (holder, None, None, [])


@pytest.mark.parametrize("servers", [1, 2])
def test_an_agent_that_fails_everything_is_moved_away_from_in_bulk(tmp_path: Path, servers: int) -> None:
    world = World(tmp_path, agents=3, servers=servers, profile=SETTINGS)
    networks = [world.network() for _ in range(24)]
    world.settle()
    (bad,) = world.holders(networks[0])
    its = [network for network in networks if world.holders(network) == [bad]]
    assert len(its) >= 5
    for network in its:
        break_it(world, network, bad)
    world.run(A_MOVE + 2 * INTERVAL)
    assert all(bad not in world.holders(network) for network in networks)
    assert moves(world) == len(its)
    world.run(5 * A_MOVE)
    assert moves(world) == len(its), "and nothing moves after that"


def test_by_hand_it_may_go_back(world: World) -> None:
    network = only_on(world, "h4")
    world.run(8 * A_MOVE)
    assert world.holders(network) == ["h4"]
    repair(world, network, "h1", "h2", "h3")
    scheduling = world.servers[0].scheduling
    scheduling.bind(ADMIN, agent_id("DHCP agent", "h1"), "network", network)
    scheduling.unbind(ADMIN, agent_id("DHCP agent", "h4"), "network", network)
    world.settle()
    assert world.holders(network) == ["h1"]
    assert all(not slot["failed_on"] and not slot["error"] for slot in told(world, network)["slots"])


def test_zero_never_moves(tmp_path: Path) -> None:
    world = World(tmp_path, profile=profile.Settings(move_failing_after=0.0))
    network = only_on(world)
    world.run(4 * A_MOVE)
    assert len(been(world, network)) == 1 and slot_of(world, network)["error"]
