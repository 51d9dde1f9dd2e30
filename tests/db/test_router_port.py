"""A router's ports are where the router is: on its agent's host, on the next one's after a failure, else nowhere."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from netsched.db import binding, manual, port_change, rebinding, router_port
from netsched.db import port as ports
from netsched.db.agent import agent
from netsched.db.change import log
from netsched.db.presence import presence
from netsched.db.session import Database
from netsched.model import kinds
from tests.db.placements import OPERATOR, World
from tests.statements import counted

L3, L2 = kinds.L3_AGENT, kinds.L2_AGENT


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def hosts(world: World, router_id: str) -> list[str]:
    """Of its interface and of its gateway."""
    with world.database.read() as connection:
        found = ports.where(connection, ports.port.c.device_id == router_id)
    return [one["binding:host_id"] for one in sorted(found, key=lambda one: str(one["device_owner"]), reverse=True)]


def vif_types(world: World, router_id: str) -> set[str]:
    with world.database.read() as connection:
        return {p["binding:vif_type"] for p in ports.where(connection, ports.port.c.device_id == router_id)}


def add_port(world: World, router_id: str) -> None:
    """As the router service adds one: a port without a host, and the router is wanted once more."""

    def work(tx: Any) -> None:
        network_id = world.network(tx)
        owner = "network:router_interface"
        port_change.insert_many(tx, [{"network_id": network_id, "device_id": router_id, "device_owner": owner}])
        world.want_router(tx, router_id)

    world.database.write(work)


def present(world: World) -> dict[str, int]:
    """Host -> ports that are plugged there."""
    counts: dict[str, int] = {}
    for row in world.rows(presence):
        counts[row["host"]] = counts.get(row["host"], 0) + row["ports"]
    return counts


def test_ports_go_with_the_router_from_one_agent_to_the_next(world: World) -> None:
    old = world.agent("h1", L3)
    (router,) = world.routers(1)
    assert hosts(world, router) == ["", ""]
    world.round()
    assert hosts(world, router) == ["h1", "h1"]
    world.agent("h2", L3)
    world.silent(old)
    assert world.round() == []
    assert hosts(world, router) == ["h2", "h2"]
    told = {(r["scope"], r["object_id"]) for r in world.rows(log) if r["kind"] == "port" and r["operation"] == "update"}
    with world.database.read() as connection:
        mine = ports.where(connection, ports.port.c.device_id == router)
    assert told == {(s, p["id"]) for p in mine for s in (f"router/{router}", f"network/{p['network_id']}")}


def test_other_ports_with_the_same_device_stay(world: World) -> None:
    world.agent("h1", L3)
    (router,) = world.routers(1)

    def work(tx: Any) -> Any:
        return port_change.insert_many(tx, [{"network_id": world.network(tx), "device_id": router}])

    (machine,) = world.database.write(work)
    world.round()
    with world.database.read() as connection:
        assert ports.get(connection, machine["id"])["binding:host_id"] == ""


def test_a_new_port_of_a_bound_router_gets_its_host(world: World) -> None:
    world.agent("h1", L3)
    (router,) = world.routers(1)
    world.round()
    router_port.reconcile(world.database)
    add_port(world, router)
    assert sorted(hosts(world, router)) == ["", "h1", "h1"]
    with counted(world.database) as sent:
        assert router_port.reconcile(world.database) == 1
    assert len(sent) <= 11, sent
    assert hosts(world, router) == ["h1", "h1", "h1"]
    with counted(world.database) as sent:
        assert router_port.reconcile(world.database) == 0
    assert len(sent) == 1


def test_moves_cost_at_most_12_statements_per_100(world: World) -> None:
    old = world.agent("h1", L3)
    routers = world.routers(100)
    world.round()
    new = world.agent("h2", L3, router=1000)
    world.silent(old)
    found = world.snapshot()
    plan = world.plan(found)
    assert len(plan.assignments) == 100
    with counted(world.database) as sent:
        assert world.apply(found, plan) == []
    assert len(sent) <= 12, sent
    assert all(world.holders(router) == [new] and hosts(world, router) == ["h2", "h2"] for router in routers)
    world.check_claims()


def test_more_ports_than_fit_into_one_statement(world: World) -> None:
    """250 routers in one transaction may have thousands of ports."""
    agent_id = world.agent("h1", L3)
    routers = world.routers(200, ports=12)
    assert world.round() == []
    assert all(hosts(world, router) == ["h1"] * 12 for router in routers)
    assert world.used(agent_id) == 200


@pytest.mark.parametrize("how", ["unbound by hand", "its agent deleted", "not wanted"])
def test_a_router_that_nobody_has_has_its_ports_nowhere(world: World, how: str) -> None:
    """Also when the agent that had it never returns: its host's L2 agent hears it from the ports."""
    l3, l2 = world.agent("h1", L3), world.agent("h1", L2, reaches=["vxlan"])
    world.agent("h9", L2, reaches=["vxlan"])
    (router,) = world.routers(1)
    world.round()
    assert present(world) == {"h1": 2} and vif_types(world, router) == {"bridge"}
    networks = [row["network_id"] for row in world.rows(presence)]
    assert all(world.interests(f"network/{n}")[l2][0] == "held" for n in networks)

    def work(tx: Any) -> None:
        if how == "unbound by hand":
            manual.unbind(tx, ("router", router), l3, 60, OPERATOR)
        elif how == "its agent deleted":
            manual.delete_agent(tx, l3, OPERATOR)
        else:
            binding.unwant(tx, "router", router)

    world.database.write(work)
    assert router_port.reconcile(world.database) == 1
    assert hosts(world, router) == ["", ""] and vif_types(world, router) == {"unbound"}
    assert sum(present(world).values()) == 0
    assert all(world.interests(f"network/{n}")[l2][0] == "released" for n in networks)


def test_an_agent_deleted_while_another_is_fit_loses_the_ports_to_it_at_once(world: World) -> None:
    first = world.agent("h1", L3)
    (router,) = world.routers(1)
    world.round()
    world.agent("h2", L3)
    world.database.write(lambda tx: manual.delete_agent(tx, first, OPERATOR))
    world.round()
    assert hosts(world, router) == ["h2", "h2"]
    router_port.reconcile(world.database)
    assert hosts(world, router) == ["h2", "h2"]


def test_a_router_leaves_an_agent_that_cannot_reach_its_new_gateway(world: World) -> None:
    first = world.agent("h1", L3, reaches=["vxlan"])
    second = world.agent("h2", L3, reaches=["vxlan", "flat:physnet1"])
    (router,) = world.routers(1, requires=["vxlan"], on=first)
    assert world.holders(router) == [first]

    def gateway(*requires: str) -> None:
        def work(tx: Any) -> None:
            world.want_router(tx, router, requires)
            binding.leave_if_unreachable(tx, "router", router, requires)

        world.database.write(work)

    gateway("vxlan")
    assert world.holders(router) == [first]
    gateway("flat:physnet1")
    (slot,) = world.slots(router)
    assert (slot["agent_id"], slot["state"], slot["hold_until"], slot["epoch"]) == (None, "unbound", None, 2)
    assert world.interests(f"router/{router}") == {first: ("released", 1)} and world.used(first) == 0
    world.round()
    assert world.holders(router) == [second] and hosts(world, router) == ["h2", "h2"]
    gateway("vlan:physnet9")
    world.round()
    assert world.holders(router) == [None]
    world.check_claims()
    gateway()
    world.round()
    assert world.holders(router) != [None]


def test_routers_leave_an_agent_that_reaches_less_than_before(world: World) -> None:
    first = world.agent("h1", L3, reaches=["vxlan", "flat:physnet1"])
    outward, inward = world.routers(1, requires=["flat:physnet1"]) + world.routers(1)
    world.round()
    second = world.agent("h2", L3, reaches=["flat:physnet1"])
    assert {*world.holders(outward), *world.holders(inward)} == {first}
    less = {"capabilities": {"reaches": ["vxlan"]}}
    world.database.write(lambda tx: tx.execute(sa.update(agent).where(agent.c.id == first).values(less)))
    world.database.write(lambda tx: rebinding.mark(tx.connection, [first]))
    rebinding.reconcile(world.database)
    assert (world.holders(outward), world.holders(inward)) == ([None], [first])
    assert world.interests(f"router/{outward}") == {first: ("released", 1)}
    world.round()
    assert (world.holders(outward), world.holders(inward)) == ([second], [first])
    assert hosts(world, outward) == ["h2", "h2"]
    world.check_claims()


def test_nothing_required_costs_nothing(world: World) -> None:
    (router,) = world.routers(1)

    def work(tx: Any) -> None:
        with counted(world.database) as sent:
            binding.leave_if_unreachable(tx, "router", router, [])
        assert sent == []

    world.database.write(work)


def test_a_plan_made_for_the_old_gateway_is_refused(world: World) -> None:
    """Both by what apply reads, and, where the change comes between that and the write, by the slot's epoch."""
    world.agent("h1", L3, reaches=["vxlan"])
    (router,) = world.routers(1, requires=["vxlan"])
    found = world.snapshot()
    plan = world.plan(found)
    assert len(plan.assignments) == 1
    (before,) = world.slots(router)
    world.database.write(lambda tx: world.want_router(tx, router, ["flat:physnet1"]))
    (after,) = world.slots(router)
    assert after["epoch"] > before["epoch"]
    (refusal,) = world.apply(found, plan)
    assert refusal.reason == "somebody else has changed the slot meanwhile"
    (unplaced,) = world.plan(world.snapshot()).unplaced
    assert unplaced.reason == "no agent can take it; rejected by reach: 1"


def test_an_agent_that_reaches_less_by_now_is_refused(world: World) -> None:
    agent_id = world.agent("h1", L3, reaches=["vxlan"])
    (router,) = world.routers(1, requires=["vxlan"])
    found = world.snapshot()
    plan = world.plan(found)
    world.reaching(agent_id, ["flat:physnet1"])
    (refusal,) = world.apply(found, plan)
    assert refusal.reason == "the agent does not reach vxlan"
    assert world.holders(router) == [None]


def test_the_same_requirements_again_change_nothing(world: World) -> None:
    (router,) = world.routers(1, requires=["vxlan"])
    before = world.slots(router)[0]["epoch"]
    world.database.write(lambda tx: world.want_router(tx, router, ["vxlan"]))
    assert world.slots(router)[0]["epoch"] == before


def test_a_router_bound_by_hand_while_not_wanted_stays(world: World) -> None:
    agent_id = world.agent("h1", L3)
    (router,) = world.routers(1)
    world.database.write(lambda tx: binding.unwant(tx, "router", router))

    def bind(tx: Any) -> Any:
        return manual.bind(tx, ("router", router), agent_id, {"router": 1}, OPERATOR, alone=True)

    assert world.database.write(bind) is None
    world.database.write(lambda tx: binding.unwant(tx, "router", router))
    assert world.round() == []
    router_port.reconcile(world.database)
    assert world.holders(router) == [agent_id] and hosts(world, router) == ["h1", "h1"]
    # Wanted for a while, it is placed as others are, and goes when it is wanted no more.
    world.database.write(lambda tx: world.want_router(tx, router))
    assert world.holders(router) == [agent_id]
    world.database.write(lambda tx: binding.unwant(tx, "router", router))
    assert world.holders(router) == [None]
    world.check_claims()


def test_binding_by_hand_to_one_agent_at_most(world: World) -> None:
    first, second = world.agent("h1", L3), world.agent("h2", L3)
    (router,) = world.routers(1, on=first)

    def bind(agent_id: str) -> Any:
        wanted = ("router", router), agent_id, {"router": 1}, OPERATOR
        return world.database.write(lambda tx: manual.bind(tx, *wanted, alone=True))

    assert bind(first) == first and bind(second) == first
    assert len(world.slots(router)) == 1
    world.database.write(lambda tx: manual.unbind(tx, ("router", router), first, 60, OPERATOR))
    assert bind(second) is None
    assert world.holders(router) == [second] and hosts(world, router) == ["h2", "h2"]
