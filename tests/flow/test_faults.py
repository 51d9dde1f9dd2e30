"""Sequences of events, each run under many kinds of bad luck, that must end in the same place.

A plan of events is a list of steps on a world; an *expander* turns it into several: under lost, doubled and reordered
messages, with an agent or a server restarted between any two steps, with a server that dies at each point between a
commit and the send. What must hold afterwards is `World.converged`: nothing lost, nothing resurrected.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from netsched.db import change
from netsched.rpc.agent import PullAnswer, PullRequest
from netsched.server.services.delivery import DeliverySettings
from tests.flow.world import ADMIN, DEATH, INTERVAL, WAYS, World, scope_of

Step = Callable[[World, "Things"], None]


class Things:
    """What the steps have made so far."""

    def __init__(self) -> None:
        self.networks: list[str] = []
        self.ports: list[str] = []


def create(world: World, things: Things) -> None:
    things.networks.append(world.network())


def fill(world: World, things: Things) -> None:
    things.ports += [world.port(network) for network in things.networks for _ in range(2)]


def empty(world: World, things: Things) -> None:
    for _ in range(min(2, len(things.ports))):
        world.ports.delete(ADMIN, things.ports.pop(0), None)


def rename(world: World, things: Things) -> None:
    for network in things.networks:
        world.networks.update(ADMIN, network, {"name": "renamed"}, None)


def delete(world: World, things: Things) -> None:
    network = things.networks.pop(0)
    for port in world.ports_of(network):
        world.ports.delete(ADMIN, port, None)
        if port in things.ports:
            things.ports.remove(port)
    world.networks.delete(ADMIN, network, None)


def kill(world: World, things: Things) -> None:
    (holder,) = world.holders(things.networks[0])[:1] or ["h1"]
    world.nodes[holder].kill()


def revive(world: World, things: Things) -> None:
    for node in world.nodes.values():
        if not node.alive:
            node.start()


def wait(world: World, things: Things) -> None:
    world.run(7)


STORIES: dict[str, list[Step]] = {
    "life": [create, create, fill, rename, empty, delete],
    "failover": [create, fill, wait, kill, wait, fill, revive, rename],
    "churn": [create, fill, delete, create, fill, empty, kill, create, wait, revive, delete],
}


def play(world: World, story: list[Step], between: Callable[[World], None] = lambda world: None) -> None:
    things = Things()
    for step in story:
        step(world, things)
        world.run(1)
        between(world)
    for node in world.nodes.values():
        if not node.alive:
            node.start()
    world.settle()
    for network in things.networks:
        assert len(world.holders(network)) == 1


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize(("seed", "way"), list(enumerate(WAYS)))
def test_lost_doubled_and_reordered_messages(tmp_path: Path, story: str, seed: int, way: DeliverySettings) -> None:
    world = World(tmp_path, seed=seed, delivery=way)
    things = Things()
    with world.weather(drop=0.3, duplicate=0.3, reorder=True):
        for step in STORIES[story]:
            step(world, things)
            world.run(1)
    revive(world, things)
    world.settle()


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("reboot", [False, True])
def test_an_agent_restarted_between_any_two_steps(tmp_path: Path, story: str, reboot: bool) -> None:
    world = World(tmp_path)

    def restart(world: World) -> None:
        node = world.rng.choice(list(world.nodes.values()))
        if node.alive:
            node.restart(reboot)

    play(world, STORIES[story], restart)


@pytest.mark.parametrize("story", STORIES)
def test_a_server_replaced_between_any_two_steps(tmp_path: Path, story: str) -> None:
    world = World(tmp_path, servers=2)

    def replace(world: World) -> None:
        world.kill_server()
        world.start_server()

    play(world, STORIES[story], replace)


def test_a_long_outage_of_all_servers_changes_nothing_on_the_hosts(tmp_path: Path) -> None:
    world = World(tmp_path, agents=5)
    networks = [world.network() for _ in range(10)]
    world.settle()
    held = {host: dict(node.machine.scopes) for host, node in world.nodes.items()}
    where = [world.holders(network) for network in networks]
    applied = {host: len(node.driver.calls) for host, node in world.nodes.items()}
    world.kill_server()
    world.run(3 * DEATH)
    assert {host: node.machine.scopes for host, node in world.nodes.items()} == held
    assert {host: len(node.driver.calls) for host, node in world.nodes.items()} == applied
    port = world.port(networks[0])  # another server took the request, and died before it could tell anybody
    heard: dict[str, float] = {}
    world.transport.route = lambda envelope: (
        heard.setdefault(str(envelope.payload.get("host")), world.clock.monotonic()) and [envelope]
    )
    returned = world.clock.monotonic()
    world.start_server()
    world.settle()
    assert [world.holders(network) for network in networks] == where, "silence of all is no death"
    assert port in world.nodes[where[0][0]].machine.scopes[scope_of(networks[0])]["port"]
    beats = [heard[host] - returned for host in world.nodes]
    assert max(beats) <= 2 * INTERVAL and len(set(beats)) > 1, "back within an interval, and not all at once"


@pytest.mark.parametrize("point", ["committed", "stamped", "sent"])
def test_a_server_killed_between_commit_and_send(tmp_path: Path, point: str) -> None:
    world = World(tmp_path)
    network = world.network()
    world.settle()
    port = world.port(network)
    if point != "committed":
        stamped = world.database.write(change.stamp)
        if point == "sent":  # cast, and dead before it could note that: it is sent again
            world.servers[0].delivery._send(stamped)
            world.database.write(lambda tx: tx.execute(change.log.update().values(sent=False)))
    world.kill_server()
    world.start_server()
    world.settle()
    (holder,) = world.holders(network)
    assert port in world.nodes[holder].machine.scopes[scope_of(network)]["port"]


def test_a_pull_stopped_between_position_and_content(tmp_path: Path) -> None:
    """What commits after the position was read may be in the content, and is told again; it must not be lost."""
    world = World(tmp_path, agents=1)
    network = world.network()
    world.settle()
    delivery = world.servers[0].delivery
    read_positions = change.positions
    ports: list[str] = []

    def slow(connection: object, scopes: object) -> dict[str, int]:
        found = read_positions(connection, scopes)  # type: ignore[arg-type]
        if not ports:
            ports.append(world.port(network))
            delivery.relay()
        return found

    node = world.nodes["h1"]
    node.kill()
    for file in node.disk.iterdir():
        file.unlink()
    with pytest.MonkeyPatch.context() as patch:  # the only way to stand between two reads of one method
        patch.setattr(change, "positions", slow)
        node.start()
        world.run(5)
    assert ports
    world.settle()
    assert ports[0] in node.machine.scopes[scope_of(network)]["port"]


def test_fifty_agents_in_bad_weather(tmp_path: Path) -> None:
    world = World(tmp_path, agents=50, servers=2)
    rng = random.Random(7)
    things = Things()
    with world.weather(drop=0.1, duplicate=0.1, reorder=True):
        for _ in range(40):
            things.networks.append(world.network())
        for host in rng.sample(sorted(world.nodes), 10):
            world.nodes[host].kill()
        for network in things.networks:
            things.ports.append(world.port(network))
        world.run(8)
        for network in rng.sample(things.networks, 10):
            world.networks.update(ADMIN, network, {"name": "renamed"}, None)
        world.kill_server()
        world.run(2)
    revive(world, things)
    world.settle()
    assert sum(len(world.holders(network)) for network in things.networks) == 40


def test_messages_of_an_earlier_incarnation_are_not_believed(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1)
    network = world.network()
    world.settle()
    world.database.write(lambda tx: change.start(tx, "restored"))
    request = PullRequest(agent_type="DHCP agent", host="h1", incarnation="before", items=[])
    assert isinstance(world.servers[0].delivery.pull(request), PullAnswer)
    world.port(network)
    world.settle()
