"""The first story, from a REST-shaped call to an agent's machine, and what happens when parts of it die."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flow.world import ADMIN, WAYS, World, scope_of


@pytest.fixture(params=WAYS, ids=lambda way: f"{way.mode}-{way.payload}")
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(tmp_path, delivery=request.param)


def test_a_network_reaches_one_agent_and_no_other(world: World) -> None:
    network = world.network()
    port = world.port(network)
    world.run(4)
    (holder,) = world.holders(network)
    content = world.nodes[holder].machine.scopes[scope_of(network)]
    assert port in content["port"]
    assert [p["device_owner"] for p in content["port"].values() if p["id"] != port] == ["network:dhcp"]
    assert all(not n.machine.scopes for n in world.nodes.values() if n.host != holder)
    world.settle()


def test_a_change_reaches_its_holder_within_an_interval(world: World) -> None:
    network = world.network()
    world.run(6)
    port = world.port(network)
    world.run(2.5)
    (holder,) = world.holders(network)
    assert port in world.nodes[holder].machine.scopes[scope_of(network)]["port"]
    world.ports.delete(ADMIN, port, None)
    world.run(2.5)
    assert port not in world.nodes[holder].machine.scopes[scope_of(network)]["port"]


def test_a_dead_agents_network_moves_with_its_port_and_the_returning_agent_lets_go(world: World) -> None:
    network = world.network()
    world.run(4)
    (before,) = world.holders(network)
    (port_before,) = world.truth()[scope_of(network)]["port"].values()
    world.nodes[before].kill()
    world.settle()
    (after,) = world.holders(network)
    assert after != before
    (port_after,) = world.truth()[scope_of(network)]["port"].values()
    assert (port_after["mac_address"], port_after["fixed_ips"]) == (
        port_before["mac_address"],
        port_before["fixed_ips"],
    )
    assert (port_before["binding:host_id"], port_after["binding:host_id"]) == (before, after)
    assert world.nodes[before].machine.scopes  # the data plane outlives its agent
    world.nodes[before].start()
    world.settle()
    assert not world.nodes[before].machine.scopes


def test_a_deleted_network_leaves_the_machine(world: World) -> None:
    network = world.network()
    world.run(4)
    (holder,) = world.holders(network)
    world.networks.delete(ADMIN, network, None)
    world.settle()
    assert not world.nodes[holder].machine.scopes
    assert world.truth() == {}


def test_a_network_without_an_agent_is_bound_within_a_second_of_the_first_one(tmp_path: Path) -> None:
    world = World(tmp_path, agents=0)
    network = world.network()
    world.run(3)
    assert world.holders(network) == []
    world.add("late")
    while not world.nodes["late"].agent.heart.was_answered():  # type: ignore[union-attr]
        world.run(0.25)
    world.run(1)
    assert world.holders(network) == ["late"]


def test_two_replicas_are_on_two_hosts_and_each_has_its_port(tmp_path: Path) -> None:
    world = World(tmp_path, replicas=2)
    network = world.network()
    world.settle()
    holders = world.holders(network)
    assert len(holders) == 2
    ports = world.truth()[scope_of(network)]["port"].values()
    assert sorted(p["binding:host_id"] for p in ports) == holders
    assert len({p["fixed_ips"][0]["ip_address"] for p in ports}) == 2


def test_a_dhcp_port_that_someone_deletes_or_strips_comes_back(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1)
    network = world.network()
    world.settle()
    (before,) = world.truth()[scope_of(network)]["port"].values()
    world.ports.update(ADMIN, before["id"], {"fixed_ips": []}, None)
    world.settle()
    (stripped,) = world.truth()[scope_of(network)]["port"].values()
    assert len(stripped["fixed_ips"]) == 1
    world.ports.delete(ADMIN, before["id"], None)
    world.settle()
    (again,) = world.truth()[scope_of(network)]["port"].values()
    assert (again["device_owner"], again["binding:host_id"]) == ("network:dhcp", "h1")


def test_a_restarted_agent_fetches_only_what_changed(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1)
    networks = [world.network() for _ in range(20)]
    for network in networks:
        for _ in range(3):
            world.port(network)
    world.settle()
    node = world.nodes["h1"]
    node.restart()
    world.transport.traffic.clear()
    world.settle()
    warm = sum(traffic.size for traffic in world.transport.traffic.values())
    node.kill()
    for file in node.disk.iterdir():
        file.unlink()
    node.start()
    world.transport.traffic.clear()
    world.settle()
    cold = sum(traffic.size for traffic in world.transport.traffic.values())
    assert warm * 2 < cold


def test_after_a_reboot_all_is_rebuilt_with_and_without_the_server(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1)
    network = world.network()
    world.settle()
    node = world.nodes["h1"]
    before = node.machine.scopes[scope_of(network)]
    node.restart(reboot=True)
    world.run(6)
    assert node.machine.scopes[scope_of(network)] == before
    world.kill_server()
    node.restart(reboot=True)
    world.run(10)
    assert node.machine.scopes[scope_of(network)] == before
    world.start_server()
    world.settle()


def test_no_agent_asks_when_nothing_happens(tmp_path: Path) -> None:
    world = World(tmp_path, agents=3)
    for _ in range(3):
        world.network()
    world.settle()
    world.transport.by_method.clear()
    world.run(20)
    sent = {method: count for (_, method), count in world.transport.by_method.items()}
    assert set(sent) == {"beat", "answers"}
    assert 3 * 20 * 0.85 <= sum(c for (_, m), c in world.transport.by_method.items() if m == "beat") <= 3 * 20 * 1.2
