"""What it costs to ask who is late: the same for one agent and for many."""

from __future__ import annotations

import pytest

from netsched.clock import SystemClock
from netsched.db import change, interest
from netsched.db.session import Database
from netsched.model import scope
from netsched.model.query import Query
from netsched.server.services.agent import AgentService
from netsched.server.services.waiting import WaitingService
from tests.cloud import ADMIN
from tests.db.placements import World
from tests.statements import counted

HOSTS = 150


@pytest.fixture
def network(database: Database) -> str:
    """A network that agents on many hosts hold and have not acknowledged."""
    world = World(database)
    agents = [world.agent(f"h{number}", "Linux bridge agent") for number in range(HOSTS)]
    network = world.database.write(world.network)
    held = [(agent_id, scope.key("network", network), 1) for agent_id in agents]
    database.write(lambda tx: interest.grant(tx, held))
    database.write(lambda tx: change.mark_sent(tx, change.stamp(tx)))
    return network


def test_views_of_delivery(database: Database, network: str) -> None:
    waiting = WaitingService(database, SystemClock())
    with counted(database) as sent:
        found = waiting.of_resource(ADMIN, "network", network)
    assert len(found["late"]) == HOSTS and not found["applied"]
    assert len(sent) <= 4, sent  # the fourth tells where the scope stands, once for each who waits
    agent_id = found["late"][0]["agent_id"]
    with counted(database) as sent:
        assert len(waiting.of_agent(ADMIN, agent_id)["behind"]) == 1
    assert len(sent) <= 4, sent


def test_the_list_of_agents_says_who_is_in_step_in_one_statement(database: Database, network: str) -> None:
    with counted(database) as sent:
        late = AgentService(database).list(ADMIN, Query(filters={"resources_synced": ("false",)}))
    assert len(late) == HOSTS and len(sent) == 1, sent


def test_waiting_costs_three_statements_a_look(database: Database, network: str) -> None:
    """And looks grow rarer: of a wait of two seconds there are about fifteen."""
    waiting = WaitingService(database, SystemClock())
    with counted(database) as sent:
        assert not waiting.until_applied([scope.key("network", network)], 2.0).applied
    assert len(sent) <= 3 * 16 + 1, len(sent)
