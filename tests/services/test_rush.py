"""While much moves at once, pulls are put off, but never for long: first everybody gets an agent."""

from __future__ import annotations

import pytest

from netsched.db.session import Database
from netsched.model import kinds
from netsched.rpc.agent import PullAnswer, PullItem, PullRequest, ToAgent
from netsched.rpc.direct import DirectTransport
from netsched.server.readers import readers
from netsched.server.services.delivery import DeliveryService
from netsched.server.services.rush import LONGEST, MANY, Rush
from netsched.server.services.scheduling import SchedulingService, SchedulingSettings
from tests.db.placements import LOADED, SETTINGS, World
from tests.fakes.clock import FakeClock


@pytest.fixture
def world(sqlite_database: Database) -> World:
    return World(sqlite_database)


class Site:
    def __init__(self, database: Database, moves_a_second: float) -> None:
        self.clock = FakeClock()
        rush = Rush(self.clock)
        settings = SchedulingSettings(SETTINGS, max_moves=moves_a_second)
        self.scheduler = SchedulingService(database, LOADED, settings, clock=self.clock, rush=rush)
        cast = ToAgent(DirectTransport(), self.clock)
        self.delivery = DeliveryService(database, readers(), cast, rush=rush)

    def settle(self) -> None:
        self.scheduler.run_once()
        while self.delivery.relay():
            pass

    def pull(self, router_id: str) -> PullAnswer:
        items = [PullItem(scope=f"router/{router_id}")]
        return self.delivery.pull(
            PullRequest(agent_type=kinds.L3_AGENT, host="h2", incarnation="incarnation-1", items=items)
        )


def _moved(world: World, site: Site, number: int) -> list[str]:
    """So many routers of an agent that died, on another one by now as far as there are moves; nothing is told yet."""
    dead = world.agent("h1", kinds.L3_AGENT)
    ids = world.routers(number, ports=1)
    site.settle()
    world.agent("h2", kinds.L3_AGENT)
    world.silent(dead)
    site.scheduler.run_once()
    return ids


def test_what_many_moves_bring_is_pulled_when_all_is_told(world: World) -> None:
    site = Site(world.database, moves_a_second=1000)
    ids = _moved(world, site, MANY)
    put_off = site.pull(ids[0])
    assert put_off.scopes == [] and put_off.incarnation == "incarnation-1"
    site.settle()
    (whole,) = site.pull(ids[0]).scopes
    assert whole.held and [one["id"] for one in whole.upserts["router"]] == [ids[0]]


def test_a_few_moves_put_nothing_off(world: World) -> None:
    site = Site(world.database, moves_a_second=1000)
    ids = _moved(world, site, MANY - 1)
    assert len(site.pull(ids[0]).scopes) == 1


def test_moves_that_wait_for_their_turn_go_first_but_not_for_ever(world: World) -> None:
    site = Site(world.database, moves_a_second=MANY)
    ids = _moved(world, site, 4 * MANY)
    site.settle()
    assert site.pull(ids[0]).scopes == [], "told, but others still have no living agent"
    site.clock.advance(LONGEST + 0.1)
    assert len(site.pull(ids[0]).scopes) == 1
    site.settle()
    assert len(site.pull(ids[0]).scopes) == 1, "the next of them begin no rush at once"
    site.clock.advance(LONGEST)
    site.settle()
    assert site.pull(ids[0]).scopes == []
