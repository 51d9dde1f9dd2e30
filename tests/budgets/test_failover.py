"""What it may cost to move all that a dead agent had, and to tell whom it concerns: statements, however much it had."""

from __future__ import annotations

from netsched.clock import SystemClock
from netsched.db.change import log
from netsched.db.session import Database
from netsched.model import kinds
from netsched.rpc.agent import ToAgent
from netsched.rpc.direct import DirectTransport
from netsched.server.readers import readers
from netsched.server.services.delivery import DeliveryService
from netsched.server.services.scheduling import SchedulingService, SchedulingSettings
from tests.db.placements import LOADED, SETTINGS, World
from tests.statements import counted

ROUTERS = 250  # as many as are moved in one transaction


def test_a_dead_agents_routers_among_hosts_with_l2_agents(database: Database) -> None:
    world = World(database)
    service = SchedulingService(database, LOADED, SchedulingSettings(SETTINGS))
    relay = DeliveryService(database, readers(), ToAgent(DirectTransport(), SystemClock()))
    dead = _node(world, "h1")
    world.routers(ROUTERS)
    service.run_once()
    _tell(relay)
    heirs = [_node(world, host) for host in ("h2", "h3")]
    world.silent(dead)
    with counted(database) as sent:
        assert service.run_once() == ROUTERS
    assert len(sent) <= 27, sent
    with counted(database) as sent:
        _tell(relay)
    assert len(sent) <= 19, sent
    assert {world.used(heir) for heir in heirs} == {ROUTERS // 2}
    assert all(row["sent"] for row in world.rows(log))
    world.check_claims()


def _node(world: World, host: str) -> str:
    """A host with an L2 agent and an L3 agent; the id of the latter."""
    world.agent(host, kinds.L2_AGENT, reaches=["vxlan"])
    return world.agent(host, kinds.L3_AGENT, router=1000)


def _tell(relay: DeliveryService) -> None:
    while relay.relay():
        pass
