"""Zones that fall silent: what moves, when, and what people are told."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from netsched import errors
from netsched.db import agent as agents
from netsched.model import kinds
from netsched.server.services.agent import AgentService
from netsched.server.services.brake import BrakeService
from netsched.server.services.heartbeat import agent_id
from netsched.server.services.status import StatusService
from tests.flow.world import ADMIN, DEATH, INTERVAL, LIMITS, STEP, World

LONG = 3 * LIMITS.dead_after  # present for long enough to be a reference


def world_of(directory: Path, *zones: int, **options: Any) -> World:
    """So many agents in z1, z2, ...: hosts z1-1, z1-2, ...; all of them there for a while."""
    world = World(directory, agents=0, **options)
    for number, count in enumerate(zones, start=1):
        for one in range(1, count + 1):
            world.add(f"z{number}-{one}", zone=f"z{number}")
    world.run(LONG)
    return world


def hosts(world: World, zone: str) -> list[str]:
    return [host for host in world.nodes if host.startswith(zone)]


def silence(world: World, *names: str) -> None:
    for name in names:
        world.nodes[name].kill()


def brakes(world: World) -> list[tuple[str, str, int, int]]:
    service = BrakeService(world.database)
    return [(one["zone"], one["state"], one["silent"], one["total"]) for one in service.list(ADMIN)]


def where(world: World, networks: list[str]) -> dict[str, str]:
    return {network: ",".join(world.holders(network)) for network in networks}


def reasons(world: World, network: str) -> dict[str, Any]:
    (slot,) = world.servers[0].scheduling.reasons(ADMIN, "network", network)["binding_reasons"]["slots"]
    return dict(slot)


@pytest.mark.parametrize("servers", [1, 2])
def test_a_zone_falls_silent(tmp_path: Path, servers: int, caplog: pytest.LogCaptureFixture) -> None:
    world = world_of(tmp_path, 5, 2, servers=servers)
    networks = [world.network() for _ in range(20)]
    world.settle()
    before = where(world, networks)
    dark = {n for n in networks if before[n].startswith("z1")}
    with caplog.at_level(logging.WARNING):
        silence(world, *hosts(world, "z1"))
        world.run(DEATH)
        assert where(world, networks) == before, "nothing moves"
        assert brakes(world) == [("z1", "engaged", 5, 5)]
        world.run(10 * DEATH)
        assert where(world, networks) == before, "nor later, when nobody was alive two dead limits ago"
    told = [r.getMessage() for r in caplog.records if "the brake of zone z1 is on" in r.getMessage()]
    assert len(told) == 1, "one server says it, once"
    some = sorted(dark)[0]
    assert (
        "5 of 5" in reasons(world, some)["reason"]
        and "netsched brake release --zone z1" in reasons(world, some)["reason"]
    )
    other = next(n for n in networks if n not in dark)
    assert reasons(world, other)["reason"] is None
    new = world.network()
    world.run(3)
    assert world.holders(new)[0].startswith("z2"), "what is new is placed all the same"
    for host in hosts(world, "z1"):
        world.nodes[host].start()
    world.run(3 * INTERVAL)
    assert [one[1] for one in brakes(world)] == ["resuming"]
    world.settle()
    assert where(world, networks) == before and brakes(world) == []


def test_released_moves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = world_of(tmp_path, 4, 2)
    networks = [world.network() for _ in range(12)]
    world.settle()
    silence(world, *hosts(world, "z1"))
    world.run(2 * DEATH)
    service = BrakeService(world.database)
    with pytest.raises(errors.BrakeNotFound):
        service.release(ADMIN, "z2", True)
    with caplog.at_level(logging.WARNING):
        (shown,) = service.release(ADMIN, "z1", True)
    assert shown["state"] == "released"
    assert {name: shown["released_by"][name] for name in ("user_id", "request_id")} == {
        "user_id": ADMIN.user_id,
        "request_id": ADMIN.request_id,
    }
    assert ADMIN.request_id in caplog.text
    world.run(3 * INTERVAL)
    assert all(host.startswith("z2") for host in where(world, networks).values())
    for host in hosts(world, "z1"):
        world.nodes[host].start()
    world.settle()
    assert brakes(world) == []


def test_a_release_taken_back_holds_again(tmp_path: Path) -> None:
    world = world_of(tmp_path, 3)
    network = world.network()
    world.settle()
    silence(world, *hosts(world, "z1"))
    world.run(2 * DEATH)
    service = BrakeService(world.database)
    service.release(ADMIN, "z1", True)
    (shown,) = service.release(ADMIN, "z1", False)
    assert (shown["state"], shown["released_by"]) == ("engaged", None)
    world.add("z2-1", zone="z2")
    held = world.holders(network)
    world.run(DEATH)
    assert world.holders(network) == held


@pytest.mark.parametrize("gone", [2, 4, 5])
def test_a_zone_that_falls_silent_while_the_servers_are_away(tmp_path: Path, gone: int) -> None:
    world = world_of(tmp_path, 5, 2)
    networks = [world.network() for _ in range(20)]
    world.settle()
    before = where(world, networks)
    world.kill_server()
    silence(world, *hosts(world, "z1")[:gone])
    world.run(3 * LIMITS.dead_after)
    world.start_server()
    world.run(2 * DEATH)
    if gone < 3:
        assert brakes(world) == [] and not set(where(world, networks).values()) & set(hosts(world, "z1")[:gone])
        return
    assert brakes(world) == [("z1", "engaged", gone, 5)]
    assert where(world, networks) == before
    world.run(4 * DEATH)
    assert where(world, networks) == before, "nor later, when those that are back are a reference again"


def test_two_of_two_are_no_mass_failure(tmp_path: Path) -> None:
    world = world_of(tmp_path, 2, 1)
    networks = [world.network() for _ in range(6)]
    world.settle()
    silence(world, *hosts(world, "z1"))
    world.run(DEATH)
    assert set(where(world, networks).values()) == {"z2-1"}
    assert brakes(world) == []


def test_disabled_agents_do_not_count(tmp_path: Path) -> None:
    world = world_of(tmp_path, 5, 1)
    networks = [world.network() for _ in range(12)]
    world.settle()
    for host in hosts(world, "z1")[:2]:
        disabled = {"admin_state_up": False}
        AgentService(world.database).update(ADMIN, agent_id(kinds.DHCP_AGENT, host), disabled, None)
    silence(world, *hosts(world, "z1")[:4])  # of three that count, two
    world.run(DEATH)
    assert brakes(world) == []
    assert set(where(world, networks).values()) <= {"z1-5", "z2-1"}


def test_forced_down_moves_at_once_though_braked(tmp_path: Path) -> None:
    world = world_of(tmp_path, 5, 1)
    networks = [world.network() for _ in range(12)]
    world.settle()
    before = where(world, networks)
    silence(world, *hosts(world, "z1"))
    world.run(DEATH)
    assert where(world, networks) == before
    gone = hosts(world, "z1")[0]
    down = {"user_id": "anna", "project_id": "ops", "request_id": "req-9", "at": "2026-01-01T00:00:00"}
    of_gone = agents.agent.c.id == agent_id(kinds.DHCP_AGENT, gone)
    world.database.write(lambda tx: tx.execute(agents.agent.update().where(of_gone).values(forced_down=down)))
    world.run(INTERVAL)
    after = where(world, networks)
    assert {n for n in networks if after[n] != before[n]} == {n for n in networks if before[n] == gone}
    assert brakes(world) == [("z1", "engaged", 4, 4)]


def test_silence_that_spreads_slowly_moves_half_at_most(tmp_path: Path) -> None:
    world = world_of(tmp_path, 8, 2)
    networks = [world.network() for _ in range(40)]
    world.settle()
    before = where(world, networks)
    for host in hosts(world, "z1"):
        silence(world, host)
        world.run(0.75 * INTERVAL)
    world.run(4 * DEATH)
    after = where(world, networks)
    lost = {before[n] for n in networks if after[n] != before[n]}
    assert 0 < len(lost) <= 4, "some died before most were silent"
    assert [one[:2] for one in brakes(world)] == [("z1", "engaged")]


def test_moves_return_gradually(tmp_path: Path) -> None:
    world = world_of(tmp_path, 6, 1, max_moves=40.0, eager=True)
    networks = [world.network() for _ in range(140)]
    world.settle()
    before = where(world, networks)
    away = hosts(world, "z1")[:3]
    silence(world, *hosts(world, "z1"))
    world.run(2 * DEATH)
    for host in hosts(world, "z1")[3:]:
        world.nodes[host].start()
    counts, to_move = [], sum(1 for n in networks if before[n] in away)
    for _ in range(round(2 * LIMITS.dead_after / STEP)):
        world.run(STEP)
        counts.append(sum(1 for n in networks if before[n] in away and world.holders(n) != [before[n]]))
    begun = next(i for i, count in enumerate(counts) if count)
    assert counts[begun] <= 6, "the first are few, where 40 may move at once otherwise"
    assert counts[-1] == to_move > 40, "and all are made within two dead limits"
    world.settle()


def test_a_silent_zone_is_an_alarm_where_nothing_is_held(tmp_path: Path) -> None:
    world = world_of(tmp_path, 3)
    silence(world, *hosts(world, "z1"))
    world.run(LIMITS.suspect_after + INTERVAL)
    assert brakes(world) == [("z1", "engaged", 3, 3)]
    status = StatusService(world.database, "1", list, lambda: "ok", BrakeService(world.database).list, lambda: None)
    assert [one["zone"] for one in status.status(ADMIN)["brakes"]] == ["z1"]


def test_no_more_than_max_moves_a_second(tmp_path: Path) -> None:
    world = world_of(tmp_path, 1, max_moves=20.0)
    networks = [world.network() for _ in range(70)]
    world.settle()
    world.add("z2-1", zone="z2")
    world.run(2)
    silence(world, "z1-1")
    counts = []
    for _ in range(round((DEATH + 4) / STEP)):
        world.run(STEP)
        counts.append(sum(1 for host in where(world, networks).values() if host == "z2-1"))
    begun = next(i for i, count in enumerate(counts) if count)
    per_second = round(1 / STEP)
    for start in range(begun, len(counts) - per_second):
        second = counts[start + per_second] - counts[start]
        assert second <= 20 + 20 * STEP, counts
    assert counts[begun + 3 * per_second] == 70, "20 at once, then 20 a second"
