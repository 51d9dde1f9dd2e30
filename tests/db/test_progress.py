"""What stands between a committed change and the machines, on all three databases."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import sqlalchemy as sa

from netsched.db import base, beat, change, due, holder, progress
from netsched.db.binding import binding
from netsched.db.interest import interest
from netsched.db.progress import Late
from netsched.db.session import Database
from netsched.model import scope
from tests.db.placements import World
from tests.statements import counted


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def key(network: str) -> str:
    return scope.key("network", network)


def of(world: World, *networks: str, targets: dict[str, int] | None = None) -> progress.Progress:
    with world.database.read() as connection:
        return progress.of(connection, [key(network) for network in networks], targets)


def reasons(late: Any) -> list[str]:
    return [one.reason for one in late]


def stamp(world: World, send: bool = True) -> None:
    """Everything, which takes several stampings if it is much."""
    while stamped := world.database.write(change.stamp):
        if send:
            world.database.write(functools.partial(change.mark_sent, stamped=stamped))


def seen_to(world: World) -> None:
    due.reconcile(world.database, "network", lambda tx, slots: None)


def placed(world: World, count: int = 1) -> list[str]:
    """Networks on agents, with nothing left to do for scheduler and relay."""
    networks = world.networks(count)
    world.round()
    seen_to(world)
    stamp(world)
    return networks


def acknowledge(world: World, agent_id: str, networks: list[str], epoch: int = 1) -> None:
    with world.database.read() as connection:
        positions = change.positions(connection, map(key, networks))
    rows = [
        {"agent_id": agent_id, "scope": key(one), "position": positions[key(one)], "epoch": epoch} for one in networks
    ]
    world.database.write(lambda tx: holder.acknowledge(tx.connection, rows, [], [agent_id]))


def touch(world: World, network: str) -> None:
    world.database.write(lambda tx: tx.log("network", network, "update", key(network)))


def epoch_of(world: World, network: str) -> int:
    with world.database.read() as connection:
        return int(connection.execute(sa.select(interest.c.epoch).where(interest.c.scope == key(network))).scalar_one())


def test_from_a_slot_without_agent_to_an_acknowledgement(world: World) -> None:
    (network,) = world.networks(1)
    stamp(world)
    found = of(world, network)
    assert reasons(found.late) == ["no agent: the scheduler has not got to it"] and found.open_slots
    agent_id = world.agent("h1", network=10)
    world.round()
    found = of(world, network)
    assert "the ports that go with it are not ready" in reasons(found.late) and found.open_slots
    seen_to(world)
    found = of(world, network)
    assert reasons(found.late) == ["not yet sent", "on its way"] and not found.open_slots
    assert found.unstamped is not None and found.unstamped[0] <= found.unstamped[1]
    stamp(world)
    (late,) = (found := of(world, network)).late
    assert found.unstamped is None
    assert (late.agent_id, late.host, late.agent_type) == (agent_id, "h1", "DHCP agent")
    assert (late.scope, late.reason, late.applied) == (key(network), "on its way", None)
    assert late.since is not None and late.age is not None and 0.0 <= late.age < 60.0
    acknowledge(world, agent_id, [network], epoch_of(world, network))
    assert of(world, network) == progress.Progress((), False, None)


def test_an_acknowledgement_of_another_epoch_or_of_less_is_none(world: World) -> None:
    agent_id = world.agent("h1", network=10)
    (network,) = placed(world)
    acknowledge(world, agent_id, [network], epoch_of(world, network) - 1)
    assert reasons(of(world, network).late) == ["on its way"]
    acknowledge(world, agent_id, [network], epoch_of(world, network))
    touch(world, network)
    stamp(world)
    (late,) = of(world, network).late
    assert late.position is not None and late.applied is not None and late.applied < late.position
    assert of(world, network, targets={key(network): late.applied}).late == ()  # it has what was asked for
    assert reasons(of(world, network, targets={key(network): late.position}).late) == ["on its way"]


def test_what_others_write_later_is_not_waited_for(world: World) -> None:
    agent_id = world.agent("h1", network=10)
    (network,) = placed(world)
    acknowledge(world, agent_id, [network], epoch_of(world, network))
    with world.database.read() as connection:
        targets = change.positions(connection, [key(network)])
    touch(world, network)
    assert reasons(of(world, network).late) == ["not yet sent"]
    assert of(world, network, targets=targets).late == ()


def test_who_is_silent_and_who_has_not_let_go(world: World) -> None:
    first = world.agent("h1", network=10)
    (network,) = placed(world)
    world.silent(first, 30)
    assert reasons(of(world, network).late)[0].startswith("the agent is suspect, unheard of since 20")
    world.silent(first, 50)
    (late,) = of(world, network).late
    assert late.reason.startswith("the agent is dead, unheard of since 20") and not late.dead_end
    second = world.agent("h2", network=10)
    world.round()
    seen_to(world)
    stamp(world)
    lost, held = sorted(of(world, network).late, key=lambda one: str(one.host))
    assert lost.reason.startswith("has not yet removed it: the agent is dead") and lost.dead_end
    assert (held.agent_id, held.reason, held.dead_end) == (second, "on its way", False)
    world.beat(first)
    assert {one.reason for one in of(world, network).late} == {"has not yet removed it: on its way", "on its way"}
    world.database.write(lambda tx: holder.acknowledge(tx.connection, [], [(first, key(network))], [first]))
    assert [one.host for one in of(world, network).late] == ["h2"]


def test_a_fault_is_the_reason(world: World) -> None:
    agent_id = world.agent("h1", network=10)
    (network,) = placed(world)
    epoch = epoch_of(world, network)
    told: Any = [(agent_id, "network", network, epoch, "no space left")]
    world.database.write(lambda tx: beat.faults(tx.connection, told))
    (late,) = of(world, network).late
    assert (late.host, late.reason, late.plain) == ("h1", "fails: no space left", "fails")
    acknowledge(world, agent_id, [network], epoch)
    found = of(world, network)
    assert reasons(found.late) == ["fails: no space left"] and not found.open_slots  # broken since it was in force
    with world.database.read() as connection:
        assert reasons(progress.of_agent(connection, agent_id)) == ["fails: no space left"]


def test_what_the_broker_does_not_take(world: World) -> None:
    world.agent("h1", network=10)
    (network,) = placed(world)
    touch(world, network)
    stamp(world, send=False)

    def earlier(tx: Any) -> None:
        tx.execute(sa.update(change.log).values(created_at=base.before_now(tx.connection, 10)))

    world.database.write(earlier)
    assert reasons(of(world, network).late) == ["not yet sent: the relay waits for the message broker"]


def test_what_an_agent_is_behind_with(world: World) -> None:
    agent_id = world.agent("h1", network=10)
    networks = placed(world, 3)
    acknowledge(world, agent_id, networks[:1], epoch_of(world, networks[0]))
    with world.database.read() as connection:
        late: list[Late] = progress.of_agent(connection, agent_id)
        assert progress.of_agent(connection, "nobody") == []
    assert {one.scope for one in late} == {key(network) for network in networks[1:]}
    assert set(reasons(late)) == {"on its way"}


def test_statements_do_not_grow_with_what_is_asked(world: World) -> None:
    agent_id = world.agent("h1", network=2000)
    networks = placed(world, 400)
    with world.database.read() as connection:
        with counted(world.database) as sent:
            found = progress.of(connection, [key(network) for network in networks])
        assert len(found.late) == 400 and len(sent) == 3, sent
        positions = change.positions(connection, [key(network) for network in networks])
        with counted(world.database) as sent:
            progress.of(connection, [key(network) for network in networks], positions)
        assert len(sent) == 3, sent
        with counted(world.database) as sent:
            assert len(progress.of_agent(connection, agent_id)) == 400
        assert len(sent) == 3, sent


def test_scopes_of_kinds_without_slots_and_nothing_at_all(world: World) -> None:
    with world.database.read() as connection:
        assert progress.of(connection, ["firewall/f1"]) == progress.Progress((), False, None)
        assert progress.of(connection, []) == progress.Progress((), False, None)
        open_ = connection.execute(sa.select(sa.func.count()).select_from(binding)).scalar_one()
    assert open_ == 0
