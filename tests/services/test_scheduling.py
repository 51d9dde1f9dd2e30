"""Scheduling as its callers see it: rounds, reasons, binding by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netsched import errors
from netsched.db import binding, network
from netsched.db.decision import decision, plan
from netsched.db.session import Database
from netsched.scheduler import engine, replay
from netsched.server.services.agent import AgentService
from netsched.server.services.scheduling import SchedulingService, SchedulingSettings
from tests.db.placements import LOADED, OPERATOR, SETTINGS, World
from tests.statements import counted


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def service(database: Database) -> SchedulingService:
    return SchedulingService(database, LOADED, SchedulingSettings(SETTINGS))


def reasons(service: SchedulingService, net: str) -> dict[str, Any]:
    found = service.reasons(OPERATOR, "network", net)["binding_reasons"]
    assert json.loads(json.dumps(found)) == found
    return dict(found)


def test_a_round_places_and_a_second_finds_nothing_to_do(world: World, service: SchedulingService) -> None:
    agent_id = world.agent("h1")
    nets = world.networks(3, cidr="10.0.0.0/24")
    assert service.run_once() == 3
    with counted(world.database) as sent:
        assert service.run_once() == 0
    assert len(sent) == 6  # the time, two kinds of work for the scheduler, and for ports
    assert [found["id"] for found in service.held(OPERATOR, "network", agent_id)] == sorted(nets)
    assert [found["host"] for found in service.holders(OPERATOR, "network", nets[0])] == ["h1"]


def test_a_new_agent_gets_the_next_ones_until_level(world: World, service: SchedulingService) -> None:
    first = world.agent("h1")
    world.networks(4)
    service.run_once()
    second = world.agent("h2")
    world.networks(4)
    service.run_once()
    assert (world.used(first), world.used(second)) == (4, 4)


def test_a_network_without_a_candidate_says_why_once_and_is_bound_later(
    world: World, service: SchedulingService
) -> None:
    (net,) = world.networks(1)
    assert service.run_once() == 0
    assert service.run_once() == 0
    (slot,) = reasons(service, net)["slots"]
    assert (slot["state"], slot["agent_id"], slot["reason"]) == ("unbound", None, "no agent has reported yet")
    assert slot["decision"]["action"] == "unplaced"
    assert len(world.rows(decision)) == 1
    world.agent("h1", network=0)
    service.run_once()
    (slot,) = reasons(service, net)["slots"]
    assert "capacity: 1" in slot["reason"]
    assert [one["host"] for one in slot["decision"]["rejections"]] == ["h1"]
    world.agent("h2")
    assert service.run_once() == 1
    (slot,) = reasons(service, net)["slots"]
    assert (slot["state"], slot["host"], slot["reason"]) == ("bound", "h2", None)
    assert slot["decision"]["scores"] and slot["decision"]["seed"] and slot["since"]
    assert [event["action"] for event in reasons(service, net)["history"]] == ["place", "unplaced", "unplaced"]


def test_a_thousand_networks_of_a_dead_agent_move_within_the_budget(world: World, database: Database) -> None:
    service = SchedulingService(database, LOADED, SchedulingSettings(SETTINGS, max_moves=1000.0))
    dead = world.agent("h1")
    for _ in range(2):
        world.networks(500)
    service.run_once()
    targets = [world.agent(f"h{n}") for n in (2, 3)]
    world.silent(dead)
    with counted(world.database) as sent:
        assert service.run_once() == 1000
    assert len(sent) <= 120
    assert [world.used(one) for one in (dead, *targets)] == [0, 500, 500]
    world.check_claims()


def test_without_trust_in_ones_own_ears_nobody_is_dead(world: World, database: Database) -> None:
    dead = world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    world.agent("h2")
    world.silent(dead)
    doubting = SchedulingService(database, LOADED, SchedulingSettings(SETTINGS), trust=lambda: False)
    assert doubting.run_once() == 0
    assert world.holders(net) == [dead]


def test_pages_are_all_visited(world: World, database: Database) -> None:
    world.agent("h1")
    world.networks(25, replicas=2)
    paged = SchedulingService(database, LOADED, SchedulingSettings(SETTINGS, page=7, chunk=3))
    assert paged.run_once() == 25
    world.agent("h2")
    assert paged.run_once() == 25
    world.check_claims()


def test_what_is_refused_is_planned_again(world: World, service: SchedulingService, database: Database) -> None:
    """Two schedulers take turns between each other's snapshot and apply."""
    small = world.agent("h1", network=5)
    world.networks(5)
    found = world.snapshot()
    stale = world.plan(found)
    world.networks(3)
    other = world.agent("h2")
    service.run_once()
    assert len(world.apply(found, stale)) == 5
    assert service.run_once() == 0
    assert world.used(small) + world.used(other) == 8
    world.check_claims()


def test_stored_plans_replay_to_the_same_agents(world: World, service: SchedulingService) -> None:
    for number in range(4):
        world.agent(f"h{number}", zone=f"z{number % 2}")
    for _ in range(5):
        world.networks(40, replicas=2)
        service.run_once()
    stored = {row["id"]: row["snapshot"] for row in world.rows(plan)}
    made = [row for row in world.rows(decision) if row["action"] == "place"]
    assert len(made) == 400
    replayed = {}
    for plan_id, record in stored.items():
        found, settings = replay.from_json(record)
        for one in engine.plan(found, LOADED, settings).assignments:
            replayed[plan_id, one.request.slot.resource_id, one.request.slot.slot] = one.agent_id
    assert all(replayed[row["plan_id"], row["resource_id"], row["slot"]] == row["agent_id"] for row in made)


def test_binding_by_hand(world: World, service: SchedulingService) -> None:
    first = world.agent("h1")
    (net,) = world.networks(1, cidr="10.0.0.0/24")
    service.run_once()
    second = world.agent("h2")
    service.bind(OPERATOR, second, "network", net)
    assert {found["host"] for found in service.holders(OPERATOR, "network", net)} == {"h1", "h2"}
    with pytest.raises(errors.NetworkHostedByDHCPAgent):
        service.bind(OPERATOR, second, "network", net)
    service.unbind(OPERATOR, first, "network", net)
    with pytest.raises(errors.NetworkNotHostedByDhcpAgent):
        service.unbind(OPERATOR, first, "network", net)
    assert service.run_once() == 0
    replica, extra = reasons(service, net)["slots"]
    assert (replica["extra"], replica["host"], replica["hold_until"]) == (False, "h2", None)
    assert (extra["extra"], extra["state"]) == (True, "idle")
    service.unbind(OPERATOR, second, "network", net)
    assert service.run_once() == 0
    held, extra = reasons(service, net)["slots"]
    assert held["reason"].startswith("held for the operator until") and held["hold_until"]
    events = reasons(service, net)["history"]
    done = [(e["action"], e["user_id"], e["project_id"], e["request_id"]) for e in events if e["user_id"]]
    assert done == [(action, "anna", "ops", "req-1") for action in ("unbind", "bind", "unbind", "bind")]


def test_a_hold_that_is_over_lets_the_scheduler_place_elsewhere(world: World, database: Database) -> None:
    first = world.agent("h1")
    (net,) = world.networks(1)
    brief = SchedulingService(database, LOADED, SchedulingSettings(SETTINGS, unbind_hold=0))
    brief.run_once()
    brief.unbind(OPERATOR, first, "network", net)
    assert brief.run_once() == 0  # barred from the only agent
    second = world.agent("h2")
    assert brief.run_once() == 1
    assert world.holders(net) == [second]


def test_binding_by_hand_checks_the_agent_and_the_network(world: World, service: SchedulingService) -> None:
    wall = world.agent("f1", kind="Firewall agent")
    dhcp = world.agent("h1")
    (net,) = world.networks(1)
    with pytest.raises(errors.InvalidDHCPAgent):
        service.bind(OPERATOR, wall, "network", net)
    with pytest.raises(errors.AgentNotFound):
        service.bind(OPERATOR, "no-agent", "network", net)
    with pytest.raises(errors.NetworkNotFound):
        service.bind(OPERATOR, dhcp, "network", "no-network")
    for missing in (service.holders, service.reasons):
        with pytest.raises(errors.NetworkNotFound):
            missing(OPERATOR, "network", "no-network")
    with pytest.raises(errors.AgentNotFound):
        service.held(OPERATOR, "network", "no-agent")
    agents = AgentService(world.database)
    agents.update(OPERATOR, dhcp, {"admin_state_up": False})
    with pytest.raises(errors.InvalidDHCPAgent):
        service.bind(OPERATOR, dhcp, "network", net)


def test_disabling_an_agent_moves_nothing_and_is_shown(world: World, service: SchedulingService) -> None:
    first = world.agent("h1")
    (net,) = world.networks(1)
    service.run_once()
    second = world.agent("h2")
    AgentService(world.database).update(OPERATOR, first, {"admin_state_up": False})
    assert service.run_once() == 0
    assert world.holders(net) == [first]
    event = reasons(service, net)["history"][0]
    who = ("anna", "ops", "req-1")
    assert (event["action"], event["agent_id"], event["host"], event["at"] > "2026") == (
        "agent-disable",
        first,
        "h1",
        True,
    )
    assert (event["user_id"], event["project_id"], event["request_id"]) == who
    # Also when that is why it is elsewhere by now.
    service.unbind(OPERATOR, first, "network", net)
    service.bind(OPERATOR, second, "network", net)
    done = [(event["action"], event["host"]) for event in reasons(service, net)["history"]]
    assert done == [("bind", "h2"), ("unbind", "h1"), ("agent-disable", "h1"), ("place", "h1")]


def test_a_network_that_is_not_wanted_can_still_be_bound_by_hand(world: World, service: SchedulingService) -> None:
    agent_id = world.agent("h1")
    body = {"name": "n", "project_id": "p", "mtu": 1450}
    net = world.database.write(lambda tx: network.insert_many(tx, [body]))[0]["id"]
    service.bind(OPERATOR, agent_id, "network", net)
    (slot,) = world.slots(net)
    assert (slot["slot"], slot["extra"], slot["state"]) == (0, True, binding.BOUND)
    world.database.write(lambda tx: binding.want(tx, "network", net, "DHCP agent", 1, {"network": 1}, ()))
    (slot,) = world.slots(net)
    assert (slot["extra"], slot["agent_id"]) == (False, agent_id)
