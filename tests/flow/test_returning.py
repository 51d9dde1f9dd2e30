"""Agents that come back, and agents that are cut off: from a server that had moved their work, or had not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from netsched.db import change
from netsched.model import liveness
from netsched.rpc.direct import Envelope
from netsched.rpc.transport import SERVER
from netsched.server.services.heartbeat import agent_id
from tests.flow.world import ADMIN, DEATH, INTERVAL, STEP, World, scope_of

LEASE = liveness.Limits.for_interval(INTERVAL).dead_after


def cut(world: World, host: str) -> None:
    """Nothing comes from the agent's host any more, nor goes there. Its machine and its agent live."""
    address = world.nodes[host].identity.address

    def route(envelope: Envelope) -> list[Envelope]:
        lost = envelope.address == address or envelope.payload.get("host") == host
        return [] if lost else [envelope]

    world.transport.route = route


def pulled(world: World) -> int:
    return world.transport.by_method[SERVER, "pull"]


# on_lease_lost


@pytest.mark.parametrize("on_lease_lost", ["keep", "stop"])
def test_who_serves_while_an_agent_is_cut_off(tmp_path: Path, on_lease_lost: str) -> None:
    world = World(tmp_path, agents=2)
    for node in world.nodes.values():
        node.on_lease_lost = on_lease_lost
        node.restart()
    network = world.network()
    world.settle()
    (lost,) = world.holders(network)
    (other,) = {"h1", "h2"} - {lost}
    scope = scope_of(network)
    cut(world, lost)
    both = 0.0
    for _ in range(round((DEATH + 6 * INTERVAL) / STEP)):
        world.run(STEP)
        both += STEP * (scope in world.nodes[lost].machine.scopes and scope in world.nodes[other].machine.scopes)
    assert world.holders(network) == [other] and scope in world.nodes[other].machine.scopes
    if on_lease_lost == "keep":
        assert scope in world.nodes[lost].machine.scopes, "the data plane outlives the control plane"
    else:
        assert scope not in world.nodes[lost].machine.scopes
        assert both <= INTERVAL + STEP
    world.transport.route = None
    world.settle()


def test_a_lease_ends_between_two_beats(tmp_path: Path) -> None:
    """By its own time: not when the agent happens to beat next."""
    world = World(tmp_path, agents=1)
    node = world.nodes["h1"]
    node.on_lease_lost = "stop"
    node.restart()
    world.network()
    world.settle()
    assert node.agent is not None
    cut(world, "h1")
    left = node.agent.heart.lease_left()
    beat, node.agent.heart._next = node.agent.heart._next, float("inf")  # it would beat much later
    world.run(left + STEP)
    assert node.machine.scopes == {}
    node.agent.heart._next = beat
    world.transport.route = None
    world.settle()
    assert len(node.machine.scopes) == 1


# Warm restart


def test_a_returning_agent_gets_the_difference_alone_and_drops_what_it_lost_first(tmp_path: Path) -> None:
    world = World(tmp_path, agents=2)
    networks = [world.network() for _ in range(20)]
    world.settle()
    node = world.nodes["h1"]
    mine = [network for network in networks if world.holders(network) == ["h1"]]
    lost, changed = mine[0], mine[1]
    node.kill()
    world.servers[0].scheduling.unbind(ADMIN, agent_id("DHCP agent", "h1"), "network", lost)
    port = world.port(changed)
    world.run(1)
    node.start()
    asked: list[str] = []
    serving = world.transport._serving[SERVER][0]
    handler = serving.handler

    def listen(method: str, payload: dict[str, object]) -> dict[str, object] | None:
        if method == "pull" and payload["host"] == "h1":
            asked.extend(item["scope"] for item in payload["items"])  # type: ignore[attr-defined]
        return handler(method, payload)

    serving.handler = listen
    told, before = world.transport.by_method[node.identity.address, "notices"], pulled(world)
    world.run(4)
    assert set(asked) == {scope_of(lost), scope_of(changed)}, "of twenty networks, two had news"
    assert len(asked) <= 3 and pulled(world) <= before + 3  # what it lost is named until it has acknowledged that
    assert world.transport.by_method[node.identity.address, "notices"] == told
    calls = node.driver.calls
    assert calls.index(("remove", scope_of(lost))) == 0, "before anything is applied"
    assert port in node.machine.scopes[scope_of(changed)]["port"] and scope_of(lost) not in node.machine.scopes
    world.settle()


@pytest.mark.parametrize("reboot", [False, True])
def test_nothing_is_pulled_when_nothing_has_changed(tmp_path: Path, reboot: bool) -> None:
    world = World(tmp_path, agents=1)
    for _ in range(10):
        world.network()
    world.settle()
    before = pulled(world)
    world.nodes["h1"].restart(reboot)
    world.run(4)
    assert pulled(world) == before
    world.settle()


def test_many_copies_that_are_not_quite_current_cost_few_pulls(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1)
    networks = [world.network() for _ in range(60)]
    world.run(3)
    node = world.nodes["h1"]
    world.networks.update(ADMIN, networks[0], {"name": "other"}, None)
    world.run(3)
    node.kill()
    path = next(p for p in node.disk.glob("*.json") if networks[0] in p.name)
    old = json.loads(path.read_text())
    path.write_text(json.dumps({**old, "position": old["position"] - 1}))  # the disk was behind
    before = pulled(world)
    node.start()
    world.run(4)
    assert pulled(world) == before + 1
    world.settle()


def test_an_answer_that_holds_only_a_part_is_asked_for_the_rest_at_once(tmp_path: Path) -> None:
    """All copies are below what the log still has, so each is sent whole, and one answer takes fifty."""
    world = World(tmp_path, agents=1)
    networks = [world.network() for _ in range(60)]
    world.run(3)
    node = world.nodes["h1"]
    node.kill()
    for network in networks:
        world.networks.update(ADMIN, network, {"name": "other"}, None)
    world.run(1)
    above = sa.select(change.log_state.c.position).scalar_subquery()
    world.database.write(lambda tx: tx.execute(sa.update(change.log_state).values(floor=above)))
    before = pulled(world)
    node.start()
    world.run(4)
    assert pulled(world) == before + 2
    world.settle()


@pytest.mark.parametrize("seed", range(6))
def test_a_restart_at_any_moment_and_with_any_loss_ends_right(tmp_path: Path, seed: int) -> None:
    """Killed and started again and again while things change, with a disk that is behind, under lost messages."""
    world = World(tmp_path, agents=2, seed=seed)
    networks = [world.network() for _ in range(6)]
    world.settle()
    rng = world.rng
    disks: dict[str, dict[str, str]] = {}
    with world.weather(drop=0.25, duplicate=0.2, reorder=True):
        for _ in range(25):
            network, host = rng.choice(networks), rng.choice(["h1", "h2"])
            node, (before, after) = world.nodes[host], rng.choices([0.25, 0.5, 1.0, 2.0], k=2)
            deed = rng.randrange(4)
            if deed == 0:
                world.port(network)
            elif deed == 1:
                world.networks.update(ADMIN, network, {"name": f"n{rng.random()}"}, None)
            elif deed == 2:
                disks[host] = {path.name: path.read_text() for path in node.disk.glob("*.json")}
            world.run(before)
            node.kill()
            if rng.random() < 0.5:  # back to what was on the disk some time ago
                for name, text in disks.get(host, {}).items():
                    if (node.disk / name).exists():
                        (node.disk / name).write_text(text)
            world.run(after)
            node.restart(reboot=rng.random() < 0.2)
    world.settle()


def test_what_is_on_the_machine_without_a_copy_goes_after_a_warm_restart(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1)
    network = world.network()
    world.settle()
    node = world.nodes["h1"]
    node.kill()
    node.machine.scopes["network/stray"] = {}
    before = pulled(world)
    node.start()
    world.run(4)
    assert pulled(world) == before + 1, "for the stray alone"
    assert set(node.machine.scopes) == {scope_of(network)}
    world.settle()
