"""Routers end to end: who hears of them, what follows them, and copies of scopes whose members come and go unchanged.

`World.converged` compares what agents have with the tables, for routers' scopes as for networks': a network that left a
router's scope, with no change of its own, must be gone from its agent's copy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netsched import errors
from netsched.db import change
from netsched.model import kinds, scope
from netsched.server.services.delivery import DeliverySettings
from tests.flow.test_bindings import told
from tests.flow.world import ADMIN, DEATH, WAYS, Node, World, scope_of

Content = dict[str, dict[str, Any]]


class Routed(World):
    """Two network nodes with L3 and L2 agents (and DHCP, which `World` adds), hosts h1 and h2; an external network."""

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, agents=2, **options)
        for host in ("h1", "h2"):
            self.add(host, agent_type=kinds.L3_AGENT)
            self.add(host, agent_type=kinds.L2_AGENT)
        self.run(3)
        self.external = self.network(subnet=False, **{"router:external": True})
        self.subnet(self.external, "203.0.113.0/24")

    def router(self, gateway: bool = True, **fields: Any) -> str:
        info = {"network_id": self.external} if gateway else None
        body = {"project_id": "project-1", "external_gateway_info": info, **fields}
        return str(self.routers.create(ADMIN, [body])[0]["id"])

    def inside(self, number: int) -> tuple[str, str]:
        """Ids of a new network and its subnet."""
        network = self.network(subnet=False)
        return network, self.subnet(network, f"10.{number // 250}.{number % 250}.0/24")

    def attach(self, router: str, subnet: str) -> str:
        return str(self.routers.add_interface(ADMIN, router, None, subnet)["port_id"])

    def detach(self, router: str, subnet: str) -> None:
        self.routers.remove_interface(ADMIN, router, None, subnet)

    def floating(self, port: str | None = None) -> str:
        body = {"floating_network_id": self.external, "project_id": "project-1", "port_id": port}
        return str(self.floatingips.create(ADMIN, [body])[0]["id"])

    def status(self, floating: str) -> str:
        return str(self.floatingips.get(ADMIN, floating)["status"])

    def l3(self, host: str) -> Node:
        return self.nodes[f"{kinds.L3_AGENT}@{host}"]

    def holder(self, router: str) -> str:
        (host,) = self.holders(router, "router")
        return host

    def copy(self, router: str) -> Content:
        """What the holder has in force."""
        return self.l3(self.holder(router)).machine.scopes[scope.key("router", router)]

    def hosts_of_ports(self, router: str) -> set[str]:
        return {port["binding:host_id"] for port in self.copy(router)["port"].values()}


@pytest.fixture
def world(tmp_path: Path) -> Routed:
    return Routed(tmp_path)


def l3_addresses(heard: dict[str, int]) -> dict[str, int]:
    return {address: count for address, count in heard.items() if kinds.L3_AGENT in address}


def test_what_leaves_a_routers_scope_is_removed_from_its_agents_copy(world: Routed) -> None:
    router = world.router(gateway=False)
    (network, subnet), (other, second) = world.inside(1), world.inside(2)
    world.attach(router, subnet)
    world.attach(router, second)
    world.run(8)
    assert set(world.copy(router)["network"]) == {network, other}
    world.detach(router, subnet)  # the network and the subnet do not change by that
    world.run(6)
    assert set(world.copy(router)["network"]) == {other} and set(world.copy(router)["subnet"]) == {second}
    assert len(world.copy(router)["port"]) == 1
    world.routers.update(ADMIN, router, {"external_gateway_info": {"network_id": world.external}}, None)
    world.run(6)
    assert set(world.copy(router)["network"]) == {other, world.external}
    world.routers.update(ADMIN, router, {"external_gateway_info": None}, None)
    world.detach(router, second)
    world.settle()
    assert world.holders(router, "router") == []
    assert not world.l3("h1").machine.scopes and not world.l3("h2").machine.scopes


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.mode}-{way.payload}")
def test_a_routers_change_is_told_to_its_holder_alone(tmp_path: Path, way: DeliverySettings) -> None:
    world = Routed(tmp_path, delivery=way)
    routers = [world.router() for _ in range(6)]
    world.run(10)
    assert {world.holder(router) for router in routers} == {"h1", "h2"}
    (router, *_) = routers
    address = f"agent.{kinds.L3_AGENT}@{world.holder(router)}"
    expected = {address: 1} if way.mode == "push" else {}  # else it travels in an answer
    assert told(world, lambda: world.routers.update(ADMIN, router, {"name": "new"}, None)) == expected
    assert world.copy(router)["router"][router]["name"] == "new"
    world.settle()


def test_whoever_holds_a_router_hears_of_its_networks_and_subnets(world: Routed) -> None:
    routers = [world.router(gateway=False) for _ in range(4)]
    networks = [world.inside(number) for number in range(4)]
    for router, (_, subnet) in zip(routers, networks, strict=True):
        world.attach(router, subnet)
    world.run(10)
    for router, (network, subnet) in zip(routers, networks, strict=True):
        holder, served = world.holder(router), world.holders(network)
        expected = {f"agent.{kinds.L3_AGENT}@{holder}": 1} | {f"agent.{host}": 1 for host in served}
        bridges = {holder, *served}
        expected |= {f"agent.{kinds.L2_AGENT}@{host}": 1 for host in bridges}
        changes: list[Callable[[], Any]] = [
            lambda id_=subnet: world.subnets.update(ADMIN, id_, {"name": "new"}, None),  # type: ignore[misc]
            lambda id_=network: world.networks.update(ADMIN, id_, {"name": "new"}, None),  # type: ignore[misc]
        ]
        for work in changes:
            assert told(world, work) == expected
        assert world.copy(router)["subnet"][subnet]["name"] == world.copy(router)["network"][network]["name"] == "new"
    port = world.port(networks[0][0], "h1")
    world.run(5)
    work = lambda: world.ports.update(ADMIN, port, {"name": "new"}, None)  # noqa: E731
    assert l3_addresses(told(world, work)) == {}, "a machine's port is no business of its router"
    floating = world.floating()
    world.run(5)
    assert told(world, lambda: world.floatingips.update(ADMIN, floating, {"description": "d"}, None)) == {}


def test_failover_takes_a_router_and_all_its_ports_along(world: Routed) -> None:
    router = world.router()
    network, subnet = world.inside(1)
    world.attach(router, subnet)
    machine = world.port(network, "h1")
    world.run(8)
    floating = world.floating(machine)
    world.run(5)
    assert world.status(floating) == "ACTIVE"
    before = world.holder(router)
    ports = set(world.copy(router)["port"])
    world.l3(before).kill()
    world.run(DEATH + 12)
    after = world.holder(router)
    assert after != before
    assert set(world.copy(router)["port"]) == ports and world.hosts_of_ports(router) == {after}
    assert floating in world.copy(router)["floatingip"] and world.status(floating) == "ACTIVE"
    old = world.l3(before)
    assert old.machine.scopes, "what the dead agent set up is still there"
    bridged = world.nodes[f"{kinds.L2_AGENT}@{before}"].machine.scopes.get(scope_of(world.external), {}).get("port", {})
    assert not ports & {port["id"] for port in bridged.values() if port["binding:host_id"] == before}, "but cut off"
    old.start()
    world.settle()
    assert not old.machine.scopes and world.holder(router) == after


def test_an_agent_that_comes_back_removes_what_it_lost_before_it_applies_what_is_new(world: Routed) -> None:
    routers = [world.router() for _ in range(6)]
    world.run(10)
    lost = [router for router in routers if world.holder(router) == "h1"]
    node = world.l3("h1")
    node.kill()
    world.run(DEATH + 12)
    assert {world.holder(router) for router in routers} == {"h2"}
    node.start()
    world.run(1)
    new = [world.router() for _ in range(6)]
    world.settle()
    mine = {scope.key("router", router) for router in routers + new if world.holder(router) == "h1"}
    assert mine and set(node.machine.scopes) == mine
    calls = node.driver.calls
    gone = [calls.index(("remove", scope.key("router", router))) for router in lost]
    made = [calls.index(("apply", one)) for one in mine]
    assert max(gone) < min(made), calls


def test_a_floating_ip_between_two_routers(world: Routed) -> None:
    """It moves from scope to scope without a change of either router."""
    pairs = [(world.router(), *world.inside(number)) for number in range(2)]
    machines = []
    for router, network, subnet in pairs:
        world.attach(router, subnet)
        machines.append(world.port(network))
    floating = world.floating(machines[0])
    world.run(10)
    assert set(world.copy(pairs[0][0])["floatingip"]) == {floating}
    world.floatingips.update(ADMIN, floating, {"port_id": machines[1]}, None)
    world.run(5)
    assert not world.copy(pairs[0][0]).get("floatingip") and set(world.copy(pairs[1][0])["floatingip"]) == {floating}
    assert world.status(floating) == "ACTIVE"
    world.ports.delete(ADMIN, machines[1], None)
    world.run(5)
    assert not world.copy(pairs[1][0]).get("floatingip") and world.status(floating) == "DOWN"
    world.settle()


class Deeds:
    """Random changes of everything that is in routers' scopes; what is not possible just then is left."""

    def __init__(self, world: Routed) -> None:
        self.world = world
        self.routers: list[str] = [world.router(), world.router(gateway=False)]
        self.networks = [world.inside(number) for number in range(3)]
        self.floating: list[str] = []
        self.done = 0

    def one(self) -> None:
        world, rng = self.world, self.world.rng
        network, subnet = rng.choice(self.networks)
        router = rng.choice(self.routers)
        ports = world.ports_of(network)
        gateway = rng.choice([None, {"network_id": world.external}])
        deeds: list[Callable[[], Any]] = [
            lambda: world.attach(router, subnet),
            lambda: world.attach(router, subnet),
            lambda: world.detach(router, subnet),
            lambda: world.routers.update(ADMIN, router, {"external_gateway_info": gateway}, None),
            lambda: world.routers.update(ADMIN, router, {"admin_state_up": rng.random() < 0.7}, None),
            lambda: self.routers.append(world.router(gateway=rng.random() < 0.5)),
            lambda: self.delete(router),
            lambda: world.networks.update(ADMIN, network, {"name": f"n{rng.random()}"}, None),
            lambda: world.subnets.update(ADMIN, subnet, {"name": f"s{rng.random()}"}, None),
            lambda: world.port(network, rng.choice(["", "h1", "h2"])),
            lambda: world.ports.delete(ADMIN, rng.choice(ports), None) if ports else None,
            lambda: self.floating.append(world.floating(rng.choice(ports) if ports else None)),
            lambda: world.floatingips.update(ADMIN, rng.choice(self.floating), {"port_id": rng.choice(ports)}, None),
            lambda: world.floatingips.update(ADMIN, rng.choice(self.floating), {"port_id": None}, None),
            lambda: world.floatingips.delete(ADMIN, self.floating.pop(rng.randrange(len(self.floating))), None),
        ]
        with contextlib.suppress(errors.NetschedError, IndexError, ValueError):
            rng.choice(deeds)()
            self.done += 1

    def delete(self, router: str) -> None:
        if len(self.routers) > 1:
            self.world.routers.delete(ADMIN, router, None)
            self.routers.remove(router)

    def check(self) -> None:
        """Once settled: statuses, and that the holders' copies are what the routers are."""
        world = self.world
        assert self.done > 20
        for router in self.routers:
            held = world.holders(router, "router")
            copies = [host for host in ("h1", "h2") if scope.key("router", router) in world.l3(host).machine.scopes]
            assert copies == held
            if held:
                assert world.hosts_of_ports(router) == set(held)
        for one in self.floating:
            shown = world.floatingips.get(ADMIN, one)
            assert shown["status"] == ("ACTIVE" if shown["port_id"] else "DOWN"), shown


@pytest.mark.parametrize(("seed", "way"), list(enumerate(WAYS)))
def test_lost_doubled_and_reordered_messages(tmp_path: Path, seed: int, way: DeliverySettings) -> None:
    world = Routed(tmp_path, seed=seed, delivery=way)
    deeds = Deeds(world)
    with world.weather(drop=0.25, duplicate=0.25, reorder=True):
        for _ in range(50):
            deeds.one()
            world.run(0.5)
    world.settle()
    deeds.check()


@pytest.mark.parametrize("seed", range(2))
def test_agents_and_servers_die_amid_changes(tmp_path: Path, seed: int) -> None:
    world = Routed(tmp_path, seed=seed, servers=2)
    deeds = Deeds(world)
    for number in range(50):
        deeds.one()
        world.run(0.5)
        match number % 10:
            case 3:
                world.l3(world.rng.choice(["h1", "h2"])).restart(reboot=world.rng.random() < 0.3)
            case 6:
                world.kill_server()
                world.start_server()
            case 9 if number < 40:
                world.l3("h1").kill() if world.l3("h1").alive else world.l3("h1").start()
    for node in world.nodes.values():
        if not node.alive:
            node.start()
    world.run(DEATH)
    world.settle()
    deeds.check()


def test_an_agent_far_behind_gets_the_whole_and_one_that_is_not_gets_the_difference(world: Routed) -> None:
    """pull(n) and pull(0) come to the same, also when much left the scope meanwhile."""
    router = world.router()
    subnets = [world.inside(number)[1] for number in range(4)]
    for subnet in subnets:
        world.attach(router, subnet)
    world.settle()
    node = world.l3(world.holder(router))
    for prune in (False, True):
        node.kill()
        for subnet in subnets[:2]:
            world.detach(router, subnet)
        world.routers.update(ADMIN, router, {"external_gateway_info": None}, None)
        world.run(1)
        if prune:
            world.database.write(lambda tx: change.prune(tx, 0.0, 0))
        node.start()  # before anybody took it for dead
        world.run(6)
        assert set(world.copy(router)["subnet"]) == set(subnets[2:]), prune
        for subnet in subnets[:2]:
            world.attach(router, subnet)
        world.routers.update(ADMIN, router, {"external_gateway_info": {"network_id": world.external}}, None)
        world.settle()
