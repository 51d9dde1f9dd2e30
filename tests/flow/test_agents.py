"""What becomes of agents: deleted, disabled, failing, older or newer than the server, silent for the wrong reason."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from netsched.model.query import Query
from netsched.rpc import transport
from netsched.rpc.direct import Envelope
from netsched.server.services.agent import AgentService
from netsched.server.services.heartbeat import agent_id
from tests.flow.world import ADMIN, DEATH, INTERVAL, World, scope_of


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, agents=2)


def agents(world: World) -> AgentService:
    return AgentService(world.database)


def id_of(host: str) -> str:
    return agent_id("DHCP agent", host)


def seen(world: World, host: str) -> dict[str, object]:
    return agents(world).get(ADMIN, id_of(host))


def slot(world: World, network: str) -> dict[str, object]:
    reasons = world.servers[0].scheduling.reasons(ADMIN, "network", network)
    return reasons["binding_reasons"]["slots"][0]


def test_a_deleted_agent_gives_all_back_and_reappears_empty(world: World) -> None:
    networks = [world.network() for _ in range(4)]
    world.settle()
    agents(world).delete(ADMIN, id_of("h1"))
    assert [a["host"] for a in agents(world).list(ADMIN, Query())] == ["h2"]
    assert all(world.holders(network) in ([], ["h2"]) for network in networks)
    world.settle()
    assert [a["host"] for a in agents(world).list(ADMIN, Query(sorts=(("host", True),)))] == ["h1", "h2"]
    assert all(len(world.holders(network)) == 1 for network in networks)


def test_a_disabled_agent_keeps_what_it_has_and_gets_nothing_new(world: World) -> None:
    first = world.network()
    world.run(4)
    (host,) = world.holders(first)
    (other,) = {"h1", "h2"} - {host}
    agents(world).update(ADMIN, id_of(host), {"admin_state_up": False})
    later = [world.network() for _ in range(4)]
    world.settle()
    assert world.holders(first) == [host] and scope_of(first) in world.nodes[host].machine.scopes
    assert all(world.holders(network) == [other] for network in later)


def test_a_disabled_agent_may_be_told_to_stop_serving(world: World) -> None:
    """enable_services_on_agents_with_admin_state_down = false: on the host, without moving anything."""
    for node in world.nodes.values():
        node.serve_when_admin_down = False
        node.restart()
    network = world.network()
    world.run(4)
    (host,) = world.holders(network)
    node = world.nodes[host]
    assert scope_of(network) in node.machine.scopes
    agents(world).update(ADMIN, id_of(host), {"admin_state_up": False})
    world.run(3 * INTERVAL)
    assert node.machine.scopes == {}
    port = world.port(network)
    world.run(DEATH)
    assert node.machine.scopes == {} and world.holders(network) == [host], "it stops, and moves nothing"
    node.restart()
    world.run(3 * INTERVAL)
    assert node.machine.scopes == {}
    agents(world).update(ADMIN, id_of(host), {"admin_state_up": True})
    world.settle()
    assert port in node.machine.scopes[scope_of(network)]["port"]


def test_a_network_moved_by_hand_is_served_throughout(world: World) -> None:
    """Bind there, unbind here: the agent that was an extra one keeps it, with the port of the place it takes over."""
    network = world.network()
    world.run(4)
    (before,) = world.holders(network)
    (after,) = {"h1", "h2"} - {before}
    (port,) = world.truth()[scope_of(network)]["port"]
    scheduling = world.servers[0].scheduling
    scheduling.bind(ADMIN, id_of(after), "network", network)
    world.run(4)
    assert world.holders(network) == ["h1", "h2"] and scope_of(network) in world.nodes[after].machine.scopes
    calls = world.nodes[after].driver.calls
    scheduling.unbind(ADMIN, id_of(before), "network", network)
    world.settle()
    assert world.holders(network) == [after] and ("remove", scope_of(network)) not in calls
    assert world.nodes[before].machine.scopes == {}
    assert list(world.nodes[after].machine.scopes[scope_of(network)]["port"]) == [port]
    world.run(10 * INTERVAL)  # the hold of a place emptied by hand, and more
    assert world.holders(network) == [after]


def test_what_cannot_be_applied_shows_on_the_binding_until_it_works(world: World) -> None:
    network = world.network()
    world.run(4)
    (host,) = world.holders(network)
    world.nodes[host].driver.failing.add(scope_of(network))
    world.port(network)
    world.run(3)
    assert "the test says so" in str(slot(world, network)["error"])
    assert "the test says so" in str(seen(world, host)["last_error"])
    world.nodes[host].driver.failing.clear()
    world.settle()
    assert slot(world, network)["error"] is None


def test_one_thing_that_works_again_does_not_hide_another_that_does_not(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1)
    networks = [world.network(), world.network()]
    world.run(4)
    driver = world.nodes["h1"].driver
    driver.failing |= {scope_of(network) for network in networks}
    for network in networks:
        world.port(network)
    world.run(3)
    assert all(scope_of(network) in str(slot(world, network)["error"]) for network in networks)
    driver.failing.remove(scope_of(networks[0]))
    world.run(6)
    assert slot(world, networks[0])["error"] is None and slot(world, networks[1])["error"] is not None
    assert seen(world, "h1")["last_error"] is not None
    driver.failing.clear()
    world.settle()
    assert seen(world, "h1")["last_error"] is None


def test_a_driver_that_lies_is_not_believed(world: World) -> None:
    network = world.network()
    world.run(4)
    (host,) = world.holders(network)
    world.nodes[host].driver.lying.add(scope_of(network))
    world.port(network)
    world.run(6)
    assert slot(world, network)["error"] is not None
    world.nodes[host].driver.lying.clear()
    world.settle()


def test_a_setting_that_must_agree_shows_where_it_does_not(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1)
    world.servers[0].heartbeats._settings = dataclasses.replace(
        world.servers[0].heartbeats._settings, agree_on={"mtu": 1450, "lease_time": 86400}
    )
    node = world.nodes["h1"]
    node.identity = dataclasses.replace(node.identity, settings={"mtu": 9000, "lease_time": 86400})
    node.restart()
    world.run(3)
    shown = str(seen(world, "h1")["last_error"])
    assert "mtu" in shown and "1450" in shown and "9000" in shown and "lease_time" not in shown


@pytest.mark.parametrize("direction", ["newer", "older"])
def test_agents_a_version_apart(world: World, direction: str) -> None:
    """A newer agent sends fields that the server does not know, an older one leaves out what it does not know."""

    def skew(envelope: Envelope) -> list[Envelope]:
        payload = dict(envelope.payload)
        if envelope.method == "beat" and envelope.address == transport.SERVER:
            if direction == "newer":
                payload |= {"version": "1.1", "moon_phase": {"full": True}}
            else:
                payload |= {"version": "0.9"}
                for name in ("faults", "settings", "load", "boot_id", "started_at"):
                    payload.pop(name, None)
        elif direction == "newer" and envelope.method == "answers":
            payload = {"answers": [{**answer, "weather": "fine"} for answer in payload["answers"]]}
        return [Envelope(envelope.address, envelope.method, payload)]

    world.transport.route = skew
    network = world.network()
    world.run(4)
    (host,) = world.holders(network)
    world.nodes[host].restart()
    world.port(network)
    world.settle()
    assert seen(world, host)["version"] == {"newer": "1.1", "older": "0.9"}[direction]


# Who is dead, and who only seems so


def test_a_backlog_of_old_beats_keeps_no_dead_agent_alive(world: World) -> None:
    network = world.network()
    world.settle()
    (host,) = world.holders(network)
    hoard: list[Envelope] = []

    def hold_back(envelope: Envelope) -> list[Envelope]:
        mine = envelope.method == "beat" and envelope.payload["host"] == host
        if mine:
            hoard.append(envelope)
        return [] if mine else [envelope]

    world.transport.route = hold_back
    world.run(4)  # not yet dead
    world.nodes[host].kill()
    world.transport.route = None
    for _ in range(int(DEATH / INTERVAL) + 8):
        if hoard:
            world.transport.post(hoard.pop(0))  # its beats trickle in, long after they were sent
        world.run(INTERVAL)
    assert world.holders(network) != [host]


def test_a_stalled_server_kills_nobody(world: World) -> None:
    networks = [world.network() for _ in range(4)]
    world.settle()
    before = [world.holders(network) for network in networks]
    world.clock.advance(20 * INTERVAL)  # the server was stopped, and with it all news of the agents
    world.run(4)
    assert [world.holders(network) for network in networks] == before
    assert all(seen(world, host)["state"] == "alive" for host in ("h1", "h2"))


def test_a_new_server_listens_before_it_believes_in_deaths(world: World) -> None:
    networks = [world.network() for _ in range(4)]
    world.settle()
    before = [world.holders(network) for network in networks]
    world.kill_server()
    for _ in range(80):  # agents go on beating, nobody hears
        world.clock.advance(0.25)
        for node in world.nodes.values():
            node.agent.tick()  # type: ignore[union-attr]
        world.transport.pending.clear()
    world.start_server()
    world.run(6)
    assert [world.holders(network) for network in networks] == before
    world.settle()
