"""An agent kind that the server has never heard of: it appears, registers interests, is told, and hosts objects.

Nothing in server, engine or binding knows of firewalls. The test brings the objects (a dictionary, and how to read it)
and says what is wanted; all the rest is the same machinery as for networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from netsched.db import binding
from netsched.db.transaction import Transaction
from netsched.rpc.agent import Capabilities, Interest
from tests.flow.world import ADMIN, DEATH, World


class Firewalls(dict[str, dict[str, Any]]):
    def by_ids(self, connection: Any, ids: Sequence[str]) -> dict[str, Any]:
        return {id_: self[id_] for id_ in ids if id_ in self}

    def in_scopes(self, connection: Any, scope_ids: Sequence[str]) -> dict[str, list[Any]]:
        return {id_: [self[id_]] for id_ in scope_ids if id_ in self}


@pytest.fixture
def firewalls() -> Firewalls:
    return Firewalls()


@pytest.fixture
def world(tmp_path: Path, firewalls: Firewalls) -> World:
    world = World(tmp_path, agents=1, readers={"firewall": firewalls})
    offers = Capabilities(hosts=["firewall"], resources={"rules": 100})
    for host in ("f1", "f2"):
        world.add(host, agent_type="Firewall agent", capabilities=offers)
    world.run(3)
    return world


def make(world: World, firewalls: Firewalls, firewall: str, rules: int = 10) -> None:
    firewalls[firewall] = {"id": firewall, "rules": rules}

    def work(tx: Transaction) -> None:
        binding.want(tx, "firewall", firewall, "Firewall agent", 1, {"rules": rules}, ())
        tx.log("firewall", firewall, "create", f"firewall/{firewall}")

    world.database.write(work)


def test_its_objects_are_placed_told_moved_and_forgotten(world: World, firewalls: Firewalls) -> None:
    make(world, firewalls, "wall")
    world.run(4)
    (holder,) = world.holders("wall", "firewall")
    assert world.nodes[holder].machine.scopes == {"firewall/wall": {"firewall": {"wall": {"id": "wall", "rules": 10}}}}
    world.nodes[holder].kill()
    world.settle()
    (other,) = world.holders("wall", "firewall")
    assert other != holder
    world.nodes[holder].start()
    firewalls.clear()
    world.database.write(lambda tx: binding.forget(tx, "firewall", "wall"))
    world.settle()
    assert all(not world.nodes[host].machine.scopes for host in ("f1", "f2"))


def test_its_own_resource_class_limits_it(world: World, firewalls: Firewalls) -> None:
    for number in range(3):
        make(world, firewalls, f"wall-{number}", rules=60)
    world.run(DEATH)
    placed = [world.holders(f"wall-{number}", "firewall") for number in range(3)]
    assert sorted(len(holders) for holders in placed) == [0, 1, 1]


def test_it_hears_of_what_it_registered_for_and_of_nothing_else(world: World) -> None:
    network = world.network()
    world.run(3)
    wish = Interest(type="port", network=network, operations=["create", "delete"])
    node = world.add("f3", agent_type="Firewall agent", capabilities=Capabilities(interests=[wish]))
    world.run(4)
    port = world.port(network)
    world.run(4)
    (content,) = node.machine.scopes.values()
    assert set(content) == {"port"} and port in content["port"]
    world.transport.by_method.clear()
    world.networks.update(ADMIN, network, {"name": "not my business"}, None)
    world.ports.update(ADMIN, port, {"name": "nor is this"}, None)
    world.run(4)
    assert world.transport.by_method["agent.f3", "notices"] == 0
    assert world.transport.by_method["agent.h1", "notices"] > 0


def test_it_may_register_for_one_port_alone(world: World) -> None:
    network = world.network()
    mine, other = world.port(network), world.port(network)
    node = world.add(
        "f4", agent_type="Firewall agent", capabilities=Capabilities(interests=[Interest(type="port", id=mine)])
    )
    world.run(4)
    assert [set(content["port"]) for content in node.machine.scopes.values()] == [{mine}]
    world.transport.by_method.clear()
    world.ports.update(ADMIN, other, {"name": "not my business"}, None)
    world.run(3)
    assert world.transport.by_method["agent.f4", "notices"] == 0
    world.ports.update(ADMIN, mine, {"name": "mine"}, None)
    world.run(3)
    (content,) = node.machine.scopes.values()
    assert content["port"][mine]["name"] == "mine" and set(content["port"]) == {mine}
