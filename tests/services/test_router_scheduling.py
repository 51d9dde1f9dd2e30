"""Routers are placed as networks are: one agent each, where it reaches their gateway, and elsewhere when it dies."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from netsched import errors
from netsched.db import base, binding
from netsched.db.session import Database
from netsched.model import kinds
from netsched.scheduler import profile
from netsched.server.services.agent import AgentService
from netsched.server.services.scheduling import SchedulingService, SchedulingSettings
from tests.db.placements import LOADED, OPERATOR, SETTINGS, World

L3 = kinds.L3_AGENT


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def service(database: Database) -> SchedulingService:
    return SchedulingService(database, LOADED, SchedulingSettings(SETTINGS))


def reasons(service: SchedulingService, router: str) -> dict[str, Any]:
    found = service.reasons(OPERATOR, "router", router)["binding_reasons"]
    assert found["router_id"] == router
    return dict(found)


def hints(world: World, router: str, *zones: str) -> None:
    wanted = ("router", router, L3, 1, {"router": 1}, zones)
    world.database.write(lambda tx: binding.want(tx, *wanted))


def test_routers_go_to_l3_agents_evenly_and_networks_to_the_others(world: World, service: SchedulingService) -> None:
    l3 = [world.agent(f"h{n}", L3) for n in range(2)]
    dhcp, _ = world.agent("h0"), world.agent("h0", kinds.L2_AGENT)
    routers, nets = world.routers(4), world.networks(2)
    assert service.run_once() == 6
    assert Counter(world.holders(router)[0] for router in routers) == {l3[0]: 2, l3[1]: 2}
    assert [world.holders(net) for net in nets] == [[dhcp], [dhcp]]
    held = [found["id"] for found in service.held(OPERATOR, "router", l3[0])]
    assert held == sorted(router for router in routers if world.holders(router) == [l3[0]])
    assert [found["id"] for found in service.holders(OPERATOR, "router", held[0])] == [l3[0]]
    assert service.run_once() == 0


def test_a_full_agent_takes_no_more_routers_however_many_networks_it_may_have(
    world: World, service: SchedulingService
) -> None:
    small, big = world.agent("h1", L3, router=1, network=100), world.agent("h2", L3, router=2)
    routers = world.routers(4)
    assert service.run_once() == 3
    assert (world.used(small), world.used(big)) == (1, 2)
    (nowhere,) = [router for router in routers if world.holders(router) == [None]]
    (slot,) = reasons(service, nowhere)["slots"]
    assert slot["reason"] == "no agent can take it; rejected by capacity: 2"
    world.check_claims()


def test_it_says_which_agents_do_not_reach_the_gateway(world: World, service: SchedulingService) -> None:
    world.agent("h1", L3, reaches=["vxlan"])
    world.agent("h2", L3, reaches=["vxlan", "vlan:physnet1"])
    (router,) = world.routers(1, requires=["flat:physnet1"])
    assert service.run_once() == 0
    (slot,) = reasons(service, router)["slots"]
    assert slot["reason"] == "no agent can take it; rejected by reach: 2"
    assert {(one["host"], one["filter"], one["reason"]) for one in slot["decision"]["rejections"]} == {
        ("h1", "reach", "does not reach flat:physnet1 (reaches vxlan)"),
        ("h2", "reach", "does not reach flat:physnet1 (reaches vxlan, vlan:physnet1)"),
    }
    third = world.agent("h3", L3, reaches=["flat:physnet1"])
    assert service.run_once() == 1
    assert world.holders(router) == [third]


def test_zone_hints_are_where_it_may_be(world: World, service: SchedulingService) -> None:
    world.agent("h1", L3, zone="east")
    west = world.agent("h2", L3, zone="west")
    near, far = world.routers(2)
    hints(world, near, "west")
    hints(world, far, "north")
    service.run_once()
    assert world.holders(near) == [west] and world.holders(far) == [None]


def test_a_dead_agents_routers_move_to_the_alternates_stored_with_them(
    world: World, service: SchedulingService
) -> None:
    agents = [world.agent(f"h{n}", L3, reaches=["vxlan"]) for n in range(4)]
    routers = world.routers(8, requires=["vxlan"])
    service.run_once()
    dead = agents[0]
    stored = {r: world.slots(r)[0]["alternates"] for r in routers if world.holders(r) == [dead]}
    assert stored and all(len(alternates) == 2 for alternates in stored.values())
    world.silent(dead)
    assert service.run_once() == len(stored)
    assert {router: world.holders(router)[0] for router in stored} == {r: a[0] for r, a in stored.items()}
    (slot,) = reasons(service, next(iter(stored)))["slots"]
    assert slot["decision"]["action"] == "move" and slot["epoch"] == 2
    world.check_claims()


def test_nothing_moves_to_an_agent_that_does_not_reach_it(world: World, service: SchedulingService) -> None:
    dead = world.agent("h1", L3, reaches=["flat:physnet1"])
    world.agent("h2", L3, reaches=["vxlan"])
    (router,) = world.routers(1, requires=["flat:physnet1"])
    service.run_once()
    world.silent(dead)
    assert service.run_once() == 0
    assert world.holders(router) == [dead]  # which may still forward, or come back


def test_binding_by_hand_is_one_agent_at_a_time(world: World, service: SchedulingService) -> None:
    first, second = world.agent("h1", L3), world.agent("h2", L3)
    (router,) = world.routers(1, on=first)
    service.bind(OPERATOR, first, "router", router)  # again
    with pytest.raises(errors.RouterHostedByL3Agent, match=f"hosted by the L3 Agent {first}"):
        service.bind(OPERATOR, second, "router", router)
    service.unbind(OPERATOR, first, "router", router)
    service.unbind(OPERATOR, first, "router", router)  # again
    assert service.run_once() == 0  # held for the operator
    (slot,) = reasons(service, router)["slots"]
    assert slot["reason"].startswith("held for the operator until") and slot["hold_until"]
    service.bind(OPERATOR, second, "router", router)
    assert world.holders(router) == [second] and len(world.slots(router)) == 1
    done = [(e["action"], e["host"], e["user_id"]) for e in reasons(service, router)["history"] if e["user_id"]]
    assert done == [("bind", "h2", "anna"), ("unbind", "h1", "anna"), ("bind", "h1", "anna")]
    world.check_claims()


def test_a_router_never_returns_by_itself_where_an_operator_took_it_away(world: World, database: Database) -> None:
    brief = SchedulingService(database, LOADED, SchedulingSettings(SETTINGS, unbind_hold=0))
    first = world.agent("h1", L3)
    (router,) = world.routers(1)
    brief.run_once()
    brief.unbind(OPERATOR, first, "router", router)
    assert brief.run_once() == 0
    (rejected,) = reasons(brief, router)["slots"][0]["decision"]["rejections"]
    assert rejected["reason"] == "an operator removed it from here"
    brief.bind(OPERATOR, first, "router", router)
    assert world.holders(router) == [first]


def test_binding_by_hand_checks_the_agent_and_the_router(world: World, service: SchedulingService) -> None:
    dhcp, l3, full = world.agent("h1"), world.agent("h1", L3, reaches=["vxlan"]), world.agent("h2", L3, router=0)
    router, far = *world.routers(1), *world.routers(1, requires=["flat:physnet1"])
    for agent, resource, refused in (
        (dhcp, router, errors.InvalidL3Agent),
        (full, router, errors.NoCapacity),
        (l3, "no-router", errors.RouterNotFound),
        ("no-agent", router, errors.AgentNotFound),
        (l3, far, errors.AgentCannotReach),
    ):
        with pytest.raises(refused):
            service.bind(OPERATOR, agent, "router", resource)
    with pytest.raises(errors.AgentCannotReach, match=f"Agent {l3} cannot reach flat:physnet1, .* router {far} needs"):
        service.bind(OPERATOR, l3, "router", far)
    for look in (service.holders, service.reasons):
        with pytest.raises(errors.RouterNotFound):
            look(OPERATOR, "router", "no-router")
    AgentService(world.database).update(OPERATOR, l3, {"admin_state_up": False})
    with pytest.raises(errors.InvalidL3Agent):
        service.bind(OPERATOR, l3, "router", router)
    assert world.holders(router) == [None]


def test_routers_can_be_left_to_operators(world: World, database: Database) -> None:
    settings = profile.Settings(left_to_operators=("router",))
    service = SchedulingService(database, LOADED, SchedulingSettings(settings))
    world.agent("h1")
    first, second = world.agent("h1", L3), world.agent("h2", L3)
    router, net = *world.routers(1), *world.networks(1)
    assert service.run_once() == 1
    assert world.holders(net) != [None] and world.holders(router) == [None]
    assert reasons(service, router)["slots"][0]["reason"] == "left to the operator: automatic scheduling is off"
    service.bind(OPERATOR, first, "router", router)
    world.silent(first)
    assert service.run_once() == 0
    assert world.holders(router) == [first] and world.used(second) == 0


def test_a_round_brings_the_ports_of_routers_in_order(world: World, service: SchedulingService) -> None:
    agent_id = world.agent("h1", L3)
    (router,) = world.routers(1)
    service.run_once()
    due = binding.binding.c.ports_due_at.is_not(None)
    assert world.rows(binding.binding, due) == []
    world.database.write(lambda tx: tx.execute(sa.update(binding.binding).values(ports_due_at=base.now())))
    service.run_once()
    assert world.rows(binding.binding, due) == [] and world.holders(router) == [agent_id]
