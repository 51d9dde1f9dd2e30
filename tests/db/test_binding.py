"""Slots, plans under guards, what operators do by hand, on all three databases."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from netsched import errors
from netsched.db import binding, claim, decision, dhcp_port, manual, placement
from netsched.db.agent import agent
from netsched.db.change import log
from netsched.db.session import Database
from netsched.db.transaction import Repeat, Transaction
from tests.db.placements import OPERATOR, World
from tests.statements import counted


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def network_scope(network_id: str) -> str:
    return f"network/{network_id}"


def test_a_wanted_network_is_placed_once_and_everybody_concerned_is_noted(world: World) -> None:
    agent_id = world.agent("h1")
    (net,) = world.networks(1, cidr="10.0.0.0/24")
    assert world.round() == []
    (slot,) = world.slots(net)
    assert (slot["agent_id"], slot["state"], slot["epoch"], slot["reason"]) == (agent_id, "bound", 1, None)
    assert world.used(agent_id) == 1
    assert world.interests(network_scope(net)) == {agent_id: ("held", 1)}
    assert (net, "network", "update") in {(r["object_id"], r["kind"], r["operation"]) for r in world.rows(log)}
    (port,) = world.ports(net)
    assert (port["device_owner"], port["device_id"]) == ("network:dhcp", f"dhcp-{net}-0")
    assert (port["binding:host_id"], [ip["ip_address"] for ip in port["fixed_ips"]]) == ("h1", ["10.0.0.2"])
    (made,) = world.rows(decision.decision)
    assert (made["action"], made["agent_id"], made["epoch"], made["record"]["host"]) == ("place", agent_id, 1, "h1")
    (plan,) = world.rows(decision.plan)
    assert made["plan_id"] == plan["id"] and plan["snapshot"]["snapshot"]["agents"]
    assert world.snapshot().slots == ()


def test_want_keeps_what_is_there_and_costs_one_statement(world: World) -> None:
    world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    before = world.slots(net)
    with counted(world.database) as sent:
        world.database.write(lambda tx: binding.want(tx, "network", net, "DHCP agent", 2, {"network": 5}, ("z",)))
    assert len(sent) == 3  # with begin and commit
    first, second = world.slots(net)
    same = ("agent_id", "epoch", "state", "demand")
    assert [first[name] for name in same] == [before[0][name] for name in same]  # what was claimed stays the demand
    assert (second["state"], second["demand"], second["zone_hints"]) == ("unbound", {"network": 5}, ["z"])


def test_replicas_go_to_distinct_agents_and_the_missing_one_waits(world: World) -> None:
    first = world.agent("h1")
    (net,) = world.networks(1, replicas=2)
    world.round()
    assert set(world.holders(net)) == {first, None}
    second = world.agent("h2")
    world.round()
    assert set(world.holders(net)) == {first, second}


def test_a_move_takes_claims_interests_and_the_port_along(world: World) -> None:
    old = world.agent("h1")
    (net,) = world.networks(1, cidr="10.0.0.0/24")
    world.round()
    (port,) = world.ports(net)
    new = world.agent("h2")
    world.silent(old)
    assert world.round() == []
    (slot,) = world.slots(net)
    assert (slot["agent_id"], slot["epoch"]) == (new, 2)
    assert (world.used(old), world.used(new)) == (0, 1)
    assert world.interests(network_scope(net)) == {old: ("released", 1), new: ("held", 2)}
    (moved,) = world.ports(net)
    assert moved["binding:host_id"] == "h2"
    for name in ("id", "mac_address", "fixed_ips"):
        assert moved[name] == port[name]
    assert world.rows(decision.decision)[-1]["action"] == "move"


def test_a_move_from_an_agent_that_was_heard_of_is_refused(world: World) -> None:
    old = world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    world.agent("h2")
    world.silent(old)
    found = world.snapshot()
    world.beat(old)
    (refusal,) = world.apply(found, world.plan(found))
    assert refusal.reason == "the agent it was to move from has been heard of"
    assert world.holders(net) == [old]


@pytest.mark.parametrize("what", ["deleted", "disabled", "suspect", "dead"])
def test_an_agent_that_is_not_fit_any_more_gets_nothing(world: World, what: str) -> None:
    agent_id = world.agent("h1")
    (net,) = world.networks(1)
    found = world.snapshot()
    if what == "deleted":
        world.database.write(lambda tx: manual.delete_agent(tx, agent_id, OPERATOR))
    elif what == "disabled":
        world.database.write(lambda tx: tx.execute(sa.update(agent).values(admin_state_up=False)))
    else:
        world.silent(agent_id, 30 if what == "suspect" else 50)
    (refusal,) = world.apply(found, world.plan(found))
    assert what in refusal.reason
    assert world.holders(net) == [None]
    assert world.rows(decision.plan) == []


def test_a_plan_is_good_for_one_use(world: World) -> None:
    world.agent("h1")
    world.agent("h2")
    nets = world.networks(3, replicas=2)
    found = world.snapshot()
    plan = world.plan(found)
    assert world.apply(found, plan) == []
    assert [r.reason for r in world.apply(found, plan)] == ["somebody else has changed the slot meanwhile"] * 6
    world.check_claims()
    assert [slot["epoch"] for net in nets for slot in world.slots(net)] == [1, 2] * 3


def test_a_replica_never_comes_twice_to_one_agent(world: World) -> None:
    first = world.agent("h1")
    world.agent("h2")
    (net,) = world.networks(1, replicas=2)
    found = world.snapshot()
    plan = world.plan(found)
    same = tuple(dataclasses.replace(assignment, agent_id=first) for assignment in plan.assignments)
    (refusal,) = world.apply(found, dataclasses.replace(plan, assignments=same))
    assert refusal.reason == "the agent has got another replica of it meanwhile"
    assert world.holders(net) == [first, None]


def test_nobody_gets_more_than_fits(world: World) -> None:
    small = world.agent("h1", network=2)
    big = world.agent("h2", network=100)
    world.networks(5)
    found = world.snapshot()
    plan = world.plan(found)
    greedy = tuple(dataclasses.replace(assignment, agent_id=small) for assignment in plan.assignments)
    refusals = world.apply(found, dataclasses.replace(plan, assignments=greedy))
    assert [r.reason for r in refusals] == ["the agent has no network left"] * 3
    world.round()
    assert (world.used(small), world.used(big)) == (2, 3)
    world.check_claims()


def test_the_guards_hold_by_themselves(world: World) -> None:
    """What changes between apply's reading and its writing is caught by the statements' row counts and the keys."""
    first, second = world.agent("h1", network=1), world.agent("h2", network=1)
    (net,) = world.networks(1, replicas=2)
    with world.database.read() as connection:
        agents = placement.targets(connection, [first, second])
    stale = world.slots(net)
    world.round()
    now = world.slots(net)
    taken = now[0]["agent_id"]

    def refused(row: Mapping[str, Any], agent_id: str) -> None:
        def work(tx: Transaction) -> None:
            with pytest.raises(Repeat):
                placement.place(tx, [placement.Placement(row, agents[agent_id], 9)])
            raise Undone

        with pytest.raises(Undone):
            world.database.write(work)

    refused(stale[0], first)  # the epoch
    refused(now[1], taken)  # UNIQUE(resource, agent)
    refused({**now[1], "slot": 7}, second)  # no such slot
    assert not world.database.write(lambda tx: claim.settle(tx, {(first, "network"): 1}))  # used + 1 > capacity
    assert not world.database.write(lambda tx: claim.settle(tx, {(first, "other"): 1}))  # no such row
    assert world.database.write(lambda tx: claim.settle(tx, {(first, "network"): -1, (second, "network"): 0}))
    assert [world.used(one) for one in (first, second)] == [0, 1]


class Undone(Exception):
    """Rolls the transaction back."""


def test_moves_cost_at_most_12_statements_per_100(world: World) -> None:
    old = world.agent("h1")
    nets = world.networks(100, cidr="10.0.0.0/24")
    world.round()
    new = world.agent("h2", network=1000)
    world.silent(old)
    found = world.snapshot()
    plan = world.plan(found)
    assert len(plan.assignments) == 100
    with counted(world.database) as sent:
        assert world.apply(found, plan) == []
    assert len(sent) <= 12, sent
    assert all(world.holders(net) == [new] for net in nets)
    world.check_claims()


def test_unwanted_slots_go_idle_and_keep_their_epochs(world: World) -> None:
    agent_id = world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    world.database.write(lambda tx: binding.unwant(tx, "network", net))
    (slot,) = world.slots(net)
    assert (slot["state"], slot["agent_id"], slot["epoch"]) == ("idle", None, 2)
    assert world.interests(network_scope(net)) == {agent_id: ("released", 1)}
    assert world.used(agent_id) == 0 and world.snapshot().slots == ()
    world.database.write(lambda tx: binding.want(tx, "network", net, "DHCP agent", 1, {"network": 1}, ()))
    world.round()
    assert world.slots(net)[0]["epoch"] == 3
    assert world.interests(network_scope(net)) == {agent_id: ("held", 3)}


def test_a_forgotten_resource_leaves_only_what_the_holder_must_still_hear(world: World) -> None:
    agent_id = world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    world.database.write(lambda tx: binding.forget(tx, "network", net))
    assert world.slots(net) == [] and world.used(agent_id) == 0
    assert world.interests(network_scope(net)) == {agent_id: ("released", 1)}


def bind(world: World, net: str, agent_id: str) -> object:
    return world.database.write(lambda tx: manual.bind(tx, ("network", net), agent_id, {"network": 1}, OPERATOR))


def unbind(world: World, net: str, agent_id: str, hold: float = 60) -> bool:
    return world.database.write(lambda tx: manual.unbind(tx, ("network", net), agent_id, hold, OPERATOR))


def test_a_manual_bind_adds_an_extra_slot_with_its_own_port(world: World) -> None:
    first = world.agent("h1")
    (net,) = world.networks(1, cidr="10.0.0.0/24")
    world.round()
    second = world.agent("h2")
    assert bind(world, net, second) is None
    assert bind(world, net, second) == second  # which has it already
    assert world.holders(net) == [first, second]
    assert [slot["extra"] for slot in world.slots(net)] == [False, True]
    assert sorted(port["binding:host_id"] for port in world.ports(net)) == ["h1", "h2"]
    assert unbind(world, net, second)
    assert [slot["state"] for slot in world.slots(net)] == ["bound", "idle"]
    world.round()
    assert world.holders(net) == [first, None]
    world.check_claims()


def test_a_manual_unbind_bars_the_agent_and_holds_the_slot(world: World) -> None:
    first = world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    second = world.agent("h2")
    assert unbind(world, net, first)
    assert not unbind(world, net, first)
    found = world.snapshot()
    (slot,) = found.slots
    assert slot.hold_until is not None and 55 < (slot.hold_until - found.now).total_seconds() <= 60
    assert slot.barred == (first,)
    (waiting,) = world.plan(found).unplaced
    assert waiting.reason.startswith("held for the operator until")
    late = dataclasses.replace(found, now=slot.hold_until)
    assert [a.agent_id for a in world.plan(late).assignments] == [second]
    assert world.interests(network_scope(net)) == {first: ("released", 1)}
    # Binding it there again lifts the bar and ends the hold.
    assert bind(world, net, first) is None
    assert world.rows(binding.bar) == [] and world.holders(net) == [first]
    assert [d["action"] for d in world.rows(decision.decision)] == ["place", "unbind", "bind"]
    assert {d["user_id"] for d in world.rows(decision.decision)[1:]} == {"anna"}


def test_an_extra_agent_takes_the_place_that_is_emptied_by_hand(world: World) -> None:
    """Bind there, unbind here: the network has moved, with the DHCP port that its clients know."""
    first = world.agent("h1")
    (net,) = world.networks(1, cidr="10.0.0.0/24")
    world.round()
    (before,) = world.ports(net)
    second = world.agent("h2", network=1)
    third = world.agent("h3")
    bind(world, net, second)
    assert unbind(world, net, first)
    assert world.holders(net) == [second, None]
    assert [(s["state"], s["extra"], s["hold_until"]) for s in world.slots(net)] == [
        ("bound", False, None),
        ("idle", True, None),
    ]
    epoch = max(slot["epoch"] for slot in world.slots(net))
    assert world.interests(network_scope(net)) == {first: ("released", 1), second: ("held", epoch)}
    dhcp_port.reconcile(world.database)
    (after,) = world.ports(net)
    same = ("id", "mac_address", "fixed_ips")
    assert [after[name] for name in same] == [before[name] for name in same] and after["binding:host_id"] == "h2"
    world.check_claims()
    assert [(d["action"], d["agent_id"]) for d in world.rows(decision.decision)] == [
        ("place", first),
        ("bind", second),
        ("unbind", first),
        ("bind", second),
    ]
    # A replica like any other from now on: it is one of those wanted, and it moves when its agent dies.
    world.database.write(lambda tx: binding.want(tx, "network", net, "DHCP agent", 1, {"network": 1}, ()))
    assert world.snapshot().slots == ()
    world.silent(second)
    world.round()
    assert world.holders(net) == [third, None]
    world.check_claims()


def test_an_unbound_extra_leaves_the_replica_alone(world: World) -> None:
    first = world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    extras = [world.agent("h2"), world.agent("h3")]
    for extra in extras:
        bind(world, net, extra)
    unbind(world, net, extras[0])
    assert world.holders(net) == [first, None, extras[1]]
    world.check_claims()


def test_a_barred_agent_does_not_get_it_back(world: World) -> None:
    first = world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    unbind(world, net, first, hold=0)
    found = world.snapshot()
    assert world.plan(found).assignments == ()


def test_a_manual_bind_beyond_capacity_is_refused(world: World) -> None:
    world.agent("h1")
    full = world.agent("h2", network=0)
    (net,) = world.networks(1)
    with pytest.raises(errors.NoCapacity):
        bind(world, net, full)
    with pytest.raises(errors.AgentNotFound):
        bind(world, net, "gone")


def test_what_a_deleted_agent_held_waits_for_the_scheduler(world: World) -> None:
    first = world.agent("h1")
    nets = world.networks(3)
    world.round()
    with counted(world.database) as sent:
        assert world.database.write(lambda tx: manual.delete_agent(tx, first, OPERATOR))
    assert len(sent) <= 9
    assert not world.database.write(lambda tx: manual.delete_agent(tx, first, OPERATOR))
    for net in nets:
        (slot,) = world.slots(net)
        assert (slot["state"], slot["agent_id"], slot["epoch"], slot["hold_until"]) == ("unbound", None, 2, None)
        assert world.interests(network_scope(net)) == {}
    deleted = [d for d in world.rows(decision.decision) if d["action"] == "agent-delete"]
    assert sorted((d["resource_type"], d["epoch"]) for d in deleted) == [("agent", 0)] + [("network", 2)] * 3
    second = world.agent("h2")
    world.round()
    assert [world.holders(net) for net in nets] == [[second]] * 3


def test_an_epoch_is_above_all_the_resource_ever_had(world: World) -> None:
    """An agent that loses one slot and gets another before it heard of either has one copy with one epoch."""
    first = world.agent("h1")
    (net,) = world.networks(1)
    world.round()
    for _ in range(3):
        unbind(world, net, first)
        bind(world, net, first)
    assert unbind(world, net, first)
    second = world.agent("h2")
    bind(world, net, second)
    bind(world, net, first)
    held = {slot["agent_id"]: slot["epoch"] for slot in world.slots(net)}
    assert held[first] > held[second] > 6


def test_a_kind_that_nobody_knows_is_placed_by_the_same_code(world: World) -> None:
    wall = world.agent("f1", kind="Firewall agent", firewall=1)
    other = world.agent("f2", kind="Firewall agent", firewall=1)
    world.agent("h1")
    ids = ["11111111-0000-4000-8000-00000000000" + str(n) for n in range(3)]
    for one in ids:
        world.database.write(
            lambda tx, one=one: binding.want(tx, "firewall", one, "Firewall agent", 1, {"firewall": 1}, ())
        )
    world.round()
    assert sorted(world.holders(one)[0] or "" for one in ids) == sorted(["", wall, other])
    world.check_claims()
    held = next(one for one in ids if world.holders(one) == [wall])
    assert world.interests(f"firewall/{held}") == {wall: ("held", 1)}
