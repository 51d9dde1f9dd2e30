"""Agents by the API: what is shown, what may be changed, and that deleting one loses nothing."""

from __future__ import annotations

import dataclasses
import re

import pytest
import sqlalchemy as sa

from netsched import errors
from netsched.db import agent as agents
from netsched.db.decision import decision
from netsched.db.session import Database
from netsched.model.query import Query
from netsched.server.services.agent import AgentService
from tests.db.placements import OPERATOR, World
from tests.statements import counted


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def service(database: Database) -> AgentService:
    return AgentService(database)


def hosts(service: AgentService, **asked: object) -> list[str]:
    return [agent["host"] for agent in service.list(OPERATOR, Query(**asked))]  # type: ignore[arg-type]


def test_an_agent_as_clients_know_it(world: World, service: AgentService) -> None:
    agent_id = world.agent("h1", zone="z1")
    found = service.get(OPERATOR, agent_id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", found["created_at"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", found["heartbeat_timestamp"])
    shown = ("agent_type", "topic", "availability_zone", "admin_state_up", "alive", "state", "resources_synced")
    assert [found[name] for name in shown] == ["DHCP agent", "dhcp_agent", "z1", True, True, "alive", True]
    with pytest.raises(errors.AgentNotFound):
        service.get(OPERATOR, "nobody")


@pytest.mark.parametrize(
    ("silence", "state", "alive"), [(5, "alive", True), (30, "suspect", True), (50, "dead", False)]
)
def test_alive_is_everything_but_dead(
    world: World, service: AgentService, silence: float, state: str, alive: bool
) -> None:
    agent_id = world.agent("h1")
    world.silent(agent_id, silence)
    found = service.get(OPERATOR, agent_id)
    assert (found["state"], found["alive"]) == (state, alive)
    assert hosts(service, filters={"alive": (alive,)}) == ["h1"]
    assert hosts(service, filters={"alive": (str(not alive),)}) == []


def test_settings_that_disagree_are_shown(world: World, service: AgentService) -> None:
    agent_id = world.agent("h1")
    differs = sa.update(agents.agent).values(settings_mismatch={"mtu": [1450, 1500]})
    world.database.write(lambda tx: tx.execute(differs))
    shown = service.get(OPERATOR, agent_id)["last_error"]
    assert shown == "settings that must agree do not: mtu is 1500 there and 1450 on the server"


def test_lists_filter_sort_and_page_in_one_statement(world: World, service: AgentService) -> None:
    ids = {host: world.agent(host, zone=f"z{number % 2}") for number, host in enumerate(("a", "b", "c", "d"))}
    with counted(world.database) as sent:
        assert hosts(service, sorts=(("host", False),)) == ["d", "c", "b", "a"]
    assert len(sent) == 1
    assert hosts(service, filters={"availability_zone": ("z1",)}, sorts=(("host", True),)) == ["b", "d"]
    assert hosts(service, filters={"host": ("a", "c", "x")}, sorts=(("host", True),)) == ["a", "c"]
    by_zone = (("availability_zone", True), ("host", False))
    assert hosts(service, sorts=by_zone) == ["c", "a", "d", "b"]
    assert hosts(service, sorts=by_zone, limit=2, marker=ids["c"]) == ["a", "d"]
    assert hosts(service, sorts=by_zone, limit=2, marker=ids["b"], page_reverse=True) == ["a", "d"]
    with pytest.raises(errors.InvalidInput):
        hosts(service, marker="nobody")
    with pytest.raises(errors.InvalidInput):
        hosts(service, sorts=(("nothing", True),))
    with pytest.raises(errors.HTTPBadRequest):
        hosts(service, filters={"nothing": ("1",)})


def test_changes_are_kept_with_who_and_when(world: World, service: AgentService) -> None:
    agent_id = world.agent("h1")
    found = service.update(OPERATOR, agent_id, {"admin_state_up": False, "description": "disk"})
    assert (found["admin_state_up"], found["description"]) == (False, "disk")
    service.update(OPERATOR, agent_id, {"admin_state_up": True})
    service.update(OPERATOR, agent_id, {"description": ""})
    made = world.rows(decision)
    assert [row["action"] for row in made] == ["agent-disable", "agent-enable", "agent-update"]
    assert {(row["user_id"], row["project_id"], row["request_id"]) for row in made} == {("anna", "ops", "req-1")}
    with pytest.raises(errors.AgentNotFound):
        service.update(OPERATOR, "nobody", {"description": "x"})
    assert len(world.rows(decision)) == 3


def test_a_deleted_agent_gives_back_what_it_held(world: World, service: AgentService) -> None:
    agent_id = world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    service.delete(OPERATOR, agent_id)
    assert [(slot["state"], slot["agent_id"]) for slot in world.slots(net)] == [("unbound", None)]
    with pytest.raises(errors.AgentNotFound):
        service.delete(OPERATOR, agent_id)


def test_an_agent_is_forced_down_by_somebody_and_up_again(world: World, service: AgentService) -> None:
    agent_id = world.agent("h1")
    found = service.update(OPERATOR, agent_id, {"forced_down": True})
    assert (found["state"], found["alive"], found["forced_down"]) == ("dead", False, True)
    by = found["forced_down_by"]
    assert (by["user_id"], by["project_id"], by["request_id"]) == ("anna", "ops", "req-1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", by["at"])
    world.beat(agent_id)
    assert service.get(OPERATOR, agent_id)["state"] == "dead"
    other = dataclasses.replace(OPERATOR, user_id="monitor")
    assert service.update(other, agent_id, {"forced_down": True})["forced_down_by"] == by  # who was first
    found = service.update(OPERATOR, agent_id, {"forced_down": False, "admin_state_up": True})
    assert (found["state"], found["forced_down"], found["forced_down_by"]) == ("alive", False, None)
    made = [(row["action"], row["user_id"]) for row in world.rows(decision)]
    assert sorted(made) == [
        ("agent-enable", "anna"),
        ("agent-force-down", "anna"),
        ("agent-force-down", "monitor"),
        ("agent-force-up", "anna"),
    ]


def test_what_waited_for_an_agent_is_looked_at_when_it_is_up_again(world: World, service: AgentService) -> None:
    agent_id = world.agent("h1", kind="Linux bridge agent")

    def due() -> bool:
        return any(row["ports_due_at"] is not None for row in world.rows(agents.agent))

    service.update(OPERATOR, agent_id, {"forced_down": True})
    assert not due()
    service.update(OPERATOR, agent_id, {"forced_down": False})
    assert due()


def test_listing_shows_and_finds_those_forced_down(world: World, service: AgentService) -> None:
    for host in ("h1", "h2"):
        service.update(OPERATOR, world.agent(host), {"forced_down": host == "h2"})
    assert hosts(service, filters={"forced_down": (True,)}) == ["h2"]
    assert hosts(service, filters={"alive": (True,)}) == ["h1"]
