"""Who is dead: nobody because a server or a queue stood still, and everybody who is, whatever comes in late."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from netsched.db.agent import agent_beat
from netsched.db.binding import binding
from netsched.rpc.direct import Envelope
from netsched.server.services.agent import AgentService
from netsched.server.services.heartbeat import HeartbeatSettings, agent_id
from tests.flow.world import ADMIN, DEATH, INTERVAL, LIMITS, STEP, World

OTHER = {"h1": "h2", "h2": "h1"}


def state(world: World, host: str) -> str:
    return str(AgentService(world.database).get(ADMIN, agent_id("DHCP agent", host))["state"])


def update(world: World, host: str, **changes: Any) -> None:
    AgentService(world.database).update(ADMIN, agent_id("DHCP agent", host), changes)


def epochs(world: World) -> dict[str, int]:
    """Of each network's place: whoever moves it makes it grow."""
    with world.database.read() as connection:
        rows = connection.execute(sa.select(binding.c.resource_id, binding.c.epoch))
        return {row.resource_id: row.epoch for row in rows}


@contextlib.contextmanager
def held_back(world: World, host: str) -> Iterator[list[Envelope]]:
    """Beats of the agent wait in a queue, which the block may deliver."""
    held: list[Envelope] = []

    def route(envelope: Envelope) -> list[Envelope]:
        if envelope.method == "beat" and envelope.payload["host"] == host:
            held.append(envelope)
            return []
        return [envelope]

    world.transport.route = route
    try:
        yield held
    finally:
        world.transport.route = None


def test_beats_that_arrive_when_the_agent_is_dead_do_not_revive_it(tmp_path: Path) -> None:
    world = World(tmp_path, agents=2)
    network = world.network()
    world.run(4)
    (host,) = world.holders(network)
    with held_back(world, host) as queue:
        world.run(3 * INTERVAL)
        world.nodes[host].kill()
        world.run(DEATH)
        assert len(queue) >= 3
        assert state(world, host) == "dead" and world.holders(network) == [OTHER[host]]
        for envelope in queue:
            world.transport.post(envelope)
            world.run(INTERVAL)
            assert state(world, host) == "dead"
    world.run(DEATH)
    assert world.holders(network) == [OTHER[host]]
    with held_back(world, host) as queue:
        world.nodes[host].start()
        while not queue:
            world.run(STEP)
    assert queue[0].payload.get("echo") is None
    world.transport.post(queue[0])
    world.run(2 * STEP)
    assert state(world, host) == "dead", "the first beat of a life only opens the conversation"
    world.run(2 * INTERVAL)
    assert state(world, host) == "alive"
    world.settle()


def test_beats_that_trickle_in_late_do_not_put_the_death_off(tmp_path: Path) -> None:
    world = World(tmp_path, agents=2)
    network = world.network()
    world.run(4)
    (host,) = world.holders(network)
    with held_back(world, host) as queue:
        world.run(2 * INTERVAL)
        world.nodes[host].kill()
        for _ in range(round(DEATH / STEP)):
            if queue:
                world.transport.post(queue.pop(0))
            world.run(STEP)
    assert state(world, host) == "dead" and world.holders(network) == [OTHER[host]]


@contextlib.contextmanager
def stopped_at(world: World, number: int, stop: Callable[[], None]) -> Iterator[list[int]]:
    """`stop` happens to the server once, before or after one of its statements: the one of that number."""
    count = [0]

    def pass_by(*_: Any) -> None:
        count[0] += 1
        if count[0] == number:
            stop()

    listeners = [(engine, name) for engine in world.servers[0].database.engines for name in ("before", "after")]
    for engine, name in listeners:
        event.listen(engine, f"{name}_cursor_execute", pass_by)
    try:
        yield count
    finally:
        for engine, name in listeners:
            event.remove(engine, f"{name}_cursor_execute", pass_by)


def test_a_server_stopped_between_any_two_statements_kills_nobody(tmp_path: Path) -> None:
    """As SIGSTOP does it: the agents beat on, and what they say waits. When the server goes on, it hears one at once,
    and the other, behind many messages, when most of an interval has passed. Two agents, so that no brake helps.
    """
    world = World(tmp_path, agents=2, eager=True)
    networks = [world.network() for _ in range(3)]
    world.settle()
    before = epochs(world)

    def stop() -> None:
        for _ in range(round(2 * LIMITS.dead_after / STEP)):
            world.clock.advance(STEP)
            for node in world.nodes.values():
                assert node.agent is not None
                node.agent.tick()

    number, stops = 1, 0
    while True:
        with held_back(world, ("h1", "h2")[number % 2]) as queue:
            with stopped_at(world, number, stop) as passed:
                world.run(STEP)
            if passed[0] < number:
                break
            stops += 1
            world.run(INTERVAL - STEP)
        for envelope in queue:
            world.transport.post(envelope)
        world.run(2 * INTERVAL)
        assert epochs(world) == before, f"stopped at {number}"
        number += 1
    assert stops > 20
    world.nodes["h1"].kill()
    world.run(DEATH + 2 * INTERVAL)
    assert all(world.holders(network) == ["h2"] for network in networks), "and yet it can tell who is dead"


def test_an_agent_forced_down_is_dead_at_once_whatever_it_says(tmp_path: Path) -> None:
    world = World(tmp_path, agents=2)
    network = world.network()
    world.run(4)
    (host,) = world.holders(network)
    update(world, host, forced_down=True)
    world.run(2 * INTERVAL)
    assert world.holders(network) == [OTHER[host]], "long before the dead limit"
    assert world.nodes[host].machine.scopes == {}, "it is answered, and told to let go"
    later = [world.network() for _ in range(4)]
    world.settle()
    assert state(world, host) == "dead" and all(world.holders(one) == [OTHER[host]] for one in later)
    update(world, host, forced_down=False)
    assert state(world, host) == "alive"
    last = [world.network() for _ in range(4)]
    world.settle()
    assert any(world.holders(one) == [host] for one in last)


def test_a_server_that_trusts_nothing_moves_what_was_forced_down(tmp_path: Path) -> None:
    world = World(tmp_path, agents=2)
    network = world.network()
    world.run(4)
    (host,) = world.holders(network)
    world.servers[0].trust.missed()
    update(world, host, forced_down=True)
    for worker in world.servers[0].driver.workers:
        if worker.name == "schedule":
            worker.run()
    assert not world.servers[0].trust()
    assert world.holders(network) == [OTHER[host]]


def test_new_agents_may_have_to_wait_for_an_operator(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1, heartbeat=HeartbeatSettings(INTERVAL, new_agents_enabled=False))
    network = world.network()
    world.run(2 * DEATH)
    shown = AgentService(world.database).get(ADMIN, agent_id("DHCP agent", "h1"))
    assert (shown["state"], shown["admin_state_up"]) == ("alive", False)
    assert world.holders(network) == []
    update(world, "h1", admin_state_up=True)
    world.settle()
    assert world.holders(network) == ["h1"]
    world.nodes["h1"].restart()
    world.settle()
    assert world.holders(network) == ["h1"], "it is new once"


def test_since_when_an_agent_is_there(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1)

    def since() -> Any:
        with world.database.read() as connection:
            return connection.execute(sa.select(agent_beat.c.present_since)).scalar_one()

    first = since()
    world.run(20 * INTERVAL)
    assert since() == first
    world.nodes["h1"].kill()
    world.run(1.5 * LIMITS.dead_after)
    world.nodes["h1"].start()
    world.run(3 * INTERVAL)
    assert since() == first, "a gap, but not one of two dead limits"
    world.nodes["h1"].kill()
    world.run(2 * LIMITS.dead_after)
    world.nodes["h1"].start()
    world.run(3 * INTERVAL)
    assert since() > first


def test_a_deployment_beats_at_the_pace_it_is_told(tmp_path: Path) -> None:
    """With so few beats a second allowed that three agents are too many, and one is not."""
    world = World(tmp_path, agents=3, heartbeat=HeartbeatSettings(INTERVAL, max_beats=0.25))
    hosts = ("h1", "h2", "h3")

    def beats(seconds: float) -> int:
        before = world.servers[0].heartbeats.beats.read()["received",]
        for _ in range(round(seconds / INTERVAL)):
            world.run(INTERVAL)
            assert [state(world, host) for host in hosts] == ["alive"] * len(hosts)
        return world.servers[0].heartbeats.beats.read()["received",] - before

    beats(20)
    assert beats(60) <= 60 * 0.25 + 3, "0.25 a second, and where the minute begins and ends"
    hosts = ("h1",)
    for host in ("h2", "h3"):
        world.nodes[host].kill()
        AgentService(world.database).delete(ADMIN, agent_id("DHCP agent", host))
    beats(20)
    assert beats(20) >= 20 / (4 * 1.25 * 1.1) - 1
