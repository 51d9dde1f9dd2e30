"""Two releases side by side: agents and servers that speak no more than 1.0, through a failover, in every mixture."""

from __future__ import annotations

from pathlib import Path

import pytest

from netsched.model import kinds
from tests.flow.world import ADMIN, DEATH, Node, World
from tests.rpc.narrow import NarrowTransport

HOSTS = ("h1", "h2", "h3")


class Mixture(World):
    """A DHCP and an L3 agent on each host, an L2 agent on the first; servers and hosts named `old` speak 1.0."""

    def __init__(self, directory: Path, old_servers: int, new_servers: int, old_hosts: tuple[str, ...]) -> None:
        super().__init__(directory, agents=0, servers=0)
        self.old = NarrowTransport(self.transport)
        for _ in range(old_servers):
            self.start_server(self.old)
        for _ in range(new_servers):
            self.start_server()
        for host in HOSTS:
            transport = self.old if host in old_hosts else self.transport
            self.add(host, transport=transport)
            self.add(host, agent_type=kinds.L3_AGENT, transport=transport)
        self.add("h1", agent_type=kinds.L2_AGENT, transport=self.old if "h1" in old_hosts else self.transport)
        self.run(3)

    def host(self, name: str) -> list[Node]:
        return [node for node in self.nodes.values() if node.host == name]

    def upgrade(self, name: str) -> None:
        """The agents of a host are replaced by new ones, which find the copies of the old ones."""
        for node in self.host(name):
            node.transport = self.transport
            node.restart()


def router(world: World, network: str) -> str:
    made = str(world.routers.create(ADMIN, [{"project_id": "project-1"}])[0]["id"])
    world.routers.add_interface(ADMIN, made, None, world.networks.get(ADMIN, network)["subnets"][0])
    return made


def serve_through_a_failover(world: Mixture) -> list[str]:
    """Networks, a router and a port; then the host that has the first network dies, comes back, and things change."""
    networks = [world.network() for _ in range(4)]
    edge = router(world, networks[0])
    port = world.port(networks[0], "h1")
    world.settle()
    assert world.ports.get(ADMIN, port)["status"] == "ACTIVE"
    assert world.holders(edge, "router") != []
    (dead,) = world.holders(networks[0])
    for node in world.host(dead):
        node.kill()
    world.run(DEATH + 3)
    assert world.holders(networks[0]) not in ([], [dead])
    world.networks.update(ADMIN, networks[0], {"name": "renamed"}, None)
    world.subnet(networks[1], "10.7.0.0/24")
    for node in world.host(dead):
        node.restart()
    world.settle()
    world.networks.delete(ADMIN, networks.pop(), None)
    world.settle()
    return networks


@pytest.mark.parametrize(
    ("old_servers", "new_servers", "old_hosts"),
    [(0, 1, HOSTS), (1, 0, ()), (1, 1, ("h1", "h3")), (1, 1, HOSTS)],
    ids=["old agents", "old server", "side by side", "servers first"],
)
def test_releases_side_by_side(tmp_path: Path, old_servers: int, new_servers: int, old_hosts: tuple[str, ...]) -> None:
    world = Mixture(tmp_path, old_servers, new_servers, old_hosts)
    serve_through_a_failover(world)
    assert "Beat.incarnation" in world.old.lost  # or nobody was an old one


def test_a_rolling_upgrade_with_servers_first_then_host_by_host(tmp_path: Path) -> None:
    """At no step does anything move or go, and what changes meanwhile arrives."""
    world = Mixture(tmp_path, 2, 0, HOSTS)
    networks = serve_through_a_failover(world)
    before = {network: world.holders(network) for network in networks}
    for _ in range(2):
        world.kill_server()
        world.start_server()
        world.networks.update(ADMIN, networks[0], {"description": f"at {world.clock.monotonic()}"}, None)
        world.run(8)
    for name in HOSTS:
        world.upgrade(name)
        world.networks.update(ADMIN, networks[1], {"description": f"with {name} upgraded"}, None)
        world.run(8)
        world.converged()
        assert [call for node in world.host(name) for call in node.driver.calls if call[0] == "remove"] == []
    assert {network: world.holders(network) for network in networks} == before
    world.networks.update(ADMIN, networks[0], {"name": "last"}, None)
    world.settle()
