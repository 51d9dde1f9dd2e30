"""Who died, came back or is new, in the log: once, in one line, and only what the server can know."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from netsched.db import schema
from netsched.db.session import Database
from netsched.server.services.agent import AgentService
from netsched.server.services.pace import Pace
from netsched.server.services.trust import DATABASE, WORK, Trust
from netsched.server.services.watch import WatchService
from tests.db.placements import OPERATOR, World
from tests.fakes.clock import FakeClock
from tests.statements import counted


class Watched(World):
    """Agents in a table, and a server that looks at them and believes what it sees while `works`."""

    def __init__(self, directory: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.clock = FakeClock()
        super().__init__(Database(f"sqlite:///{directory}/netsched.sqlite", self.clock))
        self.caplog = caplog
        pace = Pace()
        self.trust = Trust(self.clock, pace)
        self.works = True
        self.watch = WatchService(self.database, pace, self.trust)
        self.talking: set[str] = set()
        self.look(20)

    def new(self, host: str, zone: str = "east") -> str:
        agent_id = self.agent(host, zone=zone)
        self.talking.add(agent_id)
        return agent_id

    def look(self, seconds: float) -> list[str]:
        """Time passes, those who talk are heard; what the log says then."""
        self.caplog.clear()
        for _ in range(round(seconds)):
            self.clock.advance(1)
            for part in (WORK, DATABASE) if self.works else ():
                self.trust.proved(part)
        for agent_id in self.talking:
            self.beat(agent_id)
        self.watch.look()
        return [record.getMessage() for record in self.caplog.records if record.name.endswith("services.watch")]


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Watched:
    caplog.set_level(logging.INFO)
    database = Database(f"sqlite:///{tmp_path}/netsched.sqlite")
    schema.metadata().create_all(database.engines[0])
    database.dispose()
    return Watched(tmp_path, caplog)


def test_the_life_of_an_agent(world: Watched) -> None:
    agent_id = world.new("h1")
    assert world.look(1) == ["DHCP agent on h1 in zone east is new"]
    assert world.look(10) == []
    world.talking.clear()
    assert world.look(20) == []
    (suspect,) = world.look(10)
    assert suspect.startswith("DHCP agent on h1 in zone east has not been heard of for a while")
    assert world.look(1) == []
    assert world.look(10) == ["DHCP agent on h1 in zone east is dead"]
    assert world.look(10) == []
    world.talking.add(agent_id)
    assert world.look(1) == ["DHCP agent on h1 in zone east is heard of again"]
    assert world.look(1) == []


def test_many_at_once_share_a_line_for_each_zone(world: Watched) -> None:
    for number in range(37):
        world.new(f"h{number:02}", zone="z")
    world.new("other", zone="west")
    new = world.look(1)
    assert new[0] == "DHCP agent on other in zone west is new" and new[1].startswith("37 agents of zone z are new: ")
    world.talking.clear()
    (west, many) = world.look(45)
    assert west == "DHCP agent on other in zone west is dead"
    assert many.startswith("37 agents of zone z are dead: DHCP agent on h00, ") and many.endswith(" and 27 more")


def test_a_server_says_nothing_of_what_it_does_not_believe(world: Watched) -> None:
    world.new("h1")
    world.look(1)
    world.talking.clear()
    world.works = False
    (doubt,) = world.look(60)
    assert doubt.startswith("does not believe that silent agents are dead: it has not kept up")
    assert world.look(5) == []
    world.works = True
    assert world.look(20) == ["believes again that silent agents are dead", "DHCP agent on h1 in zone east is dead"]


def test_an_agent_that_is_marked_down_is_named_with_who_did_it(world: Watched) -> None:
    agent_id = world.new("h1")
    world.look(1)
    service = AgentService(world.database)
    service.update(OPERATOR, agent_id, {"forced_down": True})
    assert world.look(1) == ["DHCP agent on h1 in zone east is dead (marked down by anna)"]
    service.update(OPERATOR, agent_id, {"forced_down": False})
    assert world.look(1) == ["DHCP agent on h1 in zone east is heard of again"]


def test_a_deleted_agent_has_not_come_back(world: Watched) -> None:
    agent_id = world.new("h1")
    world.look(1)
    world.talking.clear()
    world.look(45)
    AgentService(world.database).delete(OPERATOR, agent_id)
    assert world.look(1) == []


def test_a_server_that_starts_does_not_tell_old_stories(world: Watched) -> None:
    world.new("h1")
    world.talking.clear()
    world.look(60)
    world.watch = WatchService(world.database, Pace(), world.trust)
    assert world.look(1) == [] and world.look(10) == []


def test_a_look_costs_two_statements_however_many_agents(world: Watched) -> None:
    for number in range(30):
        world.new(f"h{number}")
    world.look(1)
    with counted(world.database) as sent:
        world.watch.look()
    assert len(sent) == 2
    world.talking.clear()
    world.look(45)
    with counted(world.database) as sent:
        world.watch.look()
    assert len(sent) == 2
