"""What a change of one port may cost the broker: a message for each agent concerned, however many agents there are."""

from __future__ import annotations

from pathlib import Path

from netsched.model import kinds
from tests.flow.test_bindings import told
from tests.flow.world import ADMIN, World

HOSTS = 100  # with an L2 agent each; three of them have ports on the network
REPLICAS = 2  # DHCP agents that serve it


def test_a_port_costs_a_message_for_each_host_of_its_network_and_each_dhcp_agent(tmp_path: Path) -> None:
    world = World(tmp_path, agents=REPLICAS + 1, replicas=REPLICAS)
    for number in range(HOSTS):
        world.add(f"c{number}", agent_type=kinds.L2_AGENT)
    for host in ("g1", "g2"):
        world.add(host, agent_type=kinds.L3_AGENT)
    world.run(3)
    network = world.network(subnet=False)
    subnet = world.subnet(network)
    ports = [world.port(network, f"c{number}") for number in range(3)]
    router = world.routers.create(ADMIN, [{"project_id": "project-1"}])[0]["id"]
    world.routers.add_interface(ADMIN, router, None, subnet)
    world.run(10)
    served = {f"agent.{host}": 1 for host in world.holders(network)}
    concerned = {f"agent.c{number}": 1 for number in range(3)} | served
    assert len(served) == REPLICAS and len(world.holders(router, "router")) == 1
    assert told(world, lambda: world.port(network, "c0")) == concerned
    port = ports[0]  # by now not the only one on its host
    assert told(world, lambda: world.ports.update(ADMIN, port, {"name": "new"}, None)) == concerned
    many = [{"network_id": network, "binding:host_id": "c1"}] * 50
    assert told(world, lambda: world.ports.create(ADMIN, many)) == concerned, "fifty in one request are one message"
    assert told(world, lambda: world.ports.delete(ADMIN, port, None)) == concerned
    nowhere = world.port(network)
    world.run(4)
    assert told(world, lambda: world.ports.delete(ADMIN, nowhere, None)) == concerned
