"""The brake by itself: when it goes on, what holds it, when it ends; and never more moves than it allows."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsched.model import brake, liveness
from netsched.model.brake import Brake
from netsched.model.bucket import Bucket
from netsched.model.liveness import Limits, State
from netsched.model.scheduling import AgentView, Snapshot
from tests.scheduler.worlds import NOW, agent, plan, slot, snapshot

LEASE = 40.0
DAY = 86400.0
BY = {"user_id": "anna", "project_id": "ops", "request_id": "req-1"}


def at(seconds: float) -> datetime.datetime:
    return NOW + datetime.timedelta(seconds=seconds)


def seen(name: str, now: float, sent: float, lease: float = LEASE, since: float = -DAY, **changes: object) -> AgentView:
    """An agent whose last beat was sent at `sent`, as it is seen at `now`."""
    state = liveness.state(at(sent), at(-DAY), at(now), Limits.for_lease(lease))
    values = {
        "created_at": at(-DAY),
        "sent_at": at(sent),
        "present_since": at(since),
        "lease": lease,
        "state": state,
        **changes,
    }
    return agent(name, **values)


def zone(now: float, silent_since: Mapping[str, float], names: Sequence[str]) -> list[AgentView]:
    """Agents that beat until then, and those that beat still."""
    return [seen(name, now, min(silent_since.get(name, now), now)) for name in names]


def one(stored: Sequence[Brake], agents: Sequence[AgentView], now: float) -> Brake | None:
    found = brake.judge(stored, agents, at(now))
    assert brake.judge(found, agents, at(now)) == found, "judging the outcome again changes nothing"
    assert len(found) <= 1
    return found[0] if found else None


NAMES = [f"a{n}" for n in range(8)]


@pytest.mark.parametrize(
    ("silent", "alive", "on"),
    [
        (2, 0, False),
        (2, 1, False),
        (3, 0, True),
        (3, 2, True),
        (3, 3, False),
        (4, 3, True),
        (5, 5, False),
        (6, 5, True),
    ],
)
def test_more_than_half_and_at_least_three(silent: int, alive: int, on: bool) -> None:
    names = [f"a{n}" for n in range(silent + alive)]
    found = one((), zone(30, dict.fromkeys(names[:silent], 0.0), names), 30)
    assert (found is not None and found.holds) is on
    if found is not None:
        assert (found.silent, found.total) == (silent, silent + alive)


def test_all_at_once_is_on_before_the_first_is_dead() -> None:
    silent = dict.fromkeys(NAMES, 0.0)
    assert one((), zone(24, silent, NAMES), 24) is None
    agents = zone(26, silent, NAMES)
    assert {a.state for a in agents} == {State.SUSPECT}
    found = one((), agents, 26)
    assert found is not None and found.holds


def test_disabled_and_forced_down_agents_do_not_count() -> None:
    agents = [seen(name, 30, 0) for name in NAMES[:5]] + [seen(name, 30, 29) for name in NAMES[5:]]
    assert one((), agents, 30)
    for change in ({"admin_state_up": False}, {"forced_down": True, "state": State.DEAD}):
        fewer = [dataclasses.replace(a, **change) if n < 3 else a for n, a in enumerate(agents)]
        assert one((), fewer, 30) is None


def test_who_was_not_there_two_dead_limits_ago_does_not_count() -> None:
    long_dead = [seen(name, 0, -106) for name in NAMES]
    assert one((), long_dead, 0) is None
    new = [seen(name, 30, 0, since=-49) for name in NAMES]
    assert one((), new, 30) is None
    assert one((), [dataclasses.replace(a, present_since=at(-50)) for a in new], 30)


def test_each_agent_has_its_own_limits() -> None:
    """Those that were told a long lease are not silent yet when the others are."""
    slow = [seen(name, 30, 0, lease=400) for name in NAMES[:5]]
    brisk = [seen(name, 30, 0) for name in NAMES[5:]]
    assert one((), slow + brisk, 30) is None
    late = [seen(name, 300, 0, lease=400) for name in NAMES[:5]]
    found = one((), late, 300)
    assert found is not None and found.lease == 400


def test_zones_and_kinds_are_judged_apart() -> None:
    agents = [
        *(seen(f"x{n}", 30, 0, zone="z1") for n in range(3)),
        *(seen(f"y{n}", 30, 30, zone="z2") for n in range(3)),
        *(seen(f"l{n}", 30, 30, zone="z1", agent_type="L3 agent") for n in range(3)),
    ]
    assert [b.place for b in brake.judge((), agents, at(30))] == [("z1", "DHCP agent")]


@pytest.mark.parametrize(
    ("outage", "lost", "on"),
    [(60, 5, True), (82, 3, False), (82, 5, True), (300, 4, False), (300, 5, True), (DAY, 8, True)],
)
def test_after_an_outage_of_the_servers_it_goes_by_those_who_were_there_before(
    outage: float, lost: int, on: bool
) -> None:
    """Nobody was heard of for so long, and of eight so many have not come back within 15 s."""
    now = outage + 15
    since = outage + 5 if outage > 2 * LEASE else -DAY
    back = [seen(name, now, now, since=since) for name in NAMES[lost:]]
    other = [seen("w", now, now, since=since, zone="z2")]  # who tells that nobody was heard of
    away = [seen(name, now, 0) for name in NAMES[:lost]]
    new = [seen(f"n{n}", now, now, since=now - 1, created_at=at(now - 1)) for n in range(9)]
    found = one((), [*away, *back, *other, *new], now)
    assert (found is not None and found.holds) is on
    if found is not None:
        assert (found.silent, found.total, found.population) == (lost, 8, tuple(NAMES))
    beating = [seen("w", now, now, zone="z2")]
    assert outage < 85 or one((), [*away, *back, *beating], now) is None, "it was their own silence, judged at its time"


def test_what_a_brake_held_and_an_operator_released_is_not_held_again_after_an_outage() -> None:
    """The dead have stayed dead; the others come back."""
    released = dataclasses.replace(engaged(5), engaged_at=None, ended_at=at(200), released=BY, population=())
    back = [seen(name, 3600, 3600, since=3590) for name in NAMES[5:]]
    assert one([released], [*zone(3600, dict.fromkeys(NAMES[:5], 0.0), NAMES[:5]), *back], 3600) == released


def engaged(silent: int = 8) -> Brake:
    found = one((), zone(30, dict.fromkeys(NAMES[:silent], 0.0), NAMES), 30)
    assert found is not None
    return found


def test_a_zone_that_stays_dark_stays_braked() -> None:
    """Hours later nobody was alive two dead limits ago; the population of the engaging moment still is."""
    stored = engaged()
    for later in (120, 3600, DAY):
        found = one([stored], zone(later, dict.fromkeys(NAMES, 0.0), NAMES), later)
        assert found is not None and found.holds and (found.silent, found.total) == (8, 8)
    newcomers = [seen(f"n{n}", DAY, DAY, since=DAY - 300) for n in range(20)]
    found = one([stored], [*zone(DAY, dict.fromkeys(NAMES, 0.0), NAMES), *newcomers], DAY)
    assert found is not None and found.holds, "new agents do not bring the old ones back"


@pytest.mark.parametrize("how", ["return", "delete", "disable", "force down"])
def test_it_ends_when_enough_return_or_are_taken_out(how: str) -> None:
    """Four of eight may stay away; of those taken out only two of what is left would be too few to hold it."""
    now = 3600.0
    for gone in range(1, 9):
        agents = zone(now, dict.fromkeys(NAMES, 0.0), NAMES)
        if how == "return":  # after a long gap: too young to be a reference themselves
            agents[:gone] = [seen(name, now, now, since=now - 5) for name in NAMES[:gone]]
        elif how == "delete":
            agents = agents[gone:]
        else:
            change = {"admin_state_up": False} if how == "disable" else {"forced_down": True}
            agents[:gone] = [dataclasses.replace(a, **change) for a in agents[:gone]]
        found = one([engaged()], agents, now)
        assert found is not None
        assert found.holds is (gone < 4 if how == "return" else gone < 6)
        assert found.state(at(now)) == ("engaged" if found.holds else "resuming")


def test_moves_return_evenly_within_one_dead_limit() -> None:
    ended = dataclasses.replace(engaged(), engaged_at=None, ended_at=at(0))
    assert [ended.rate(at(t), 500) for t in (0, 20, 39.999, 40)] == [5, 252.5, pytest.approx(500, 0.01), None]
    assert ended.rate(at(10), 2) == 2
    assert ended.state(at(40)) is None


def test_a_zone_that_comes_and_goes_is_braked_again_at_once() -> None:
    """Those that came back lately are no reference by themselves; the old population is one for two dead limits."""
    now = 3600.0
    back = {name: now + 20 for name in NAMES}
    ended = one([engaged()], [seen(name, now, now, since=now) for name in NAMES], now)
    assert ended is not None and not ended.holds
    dark = [seen(name, now + 46, back[name], since=now) for name in NAMES]
    found = one([ended], dark, now + 46)
    assert found is not None and found.holds and found.engaged_at == at(now + 46)
    assert found.released is None


def test_a_release_lets_move_until_the_condition_ends() -> None:
    released = dataclasses.replace(engaged(), released={**BY, "at": at(100).isoformat()})
    dark = dict.fromkeys(NAMES, 0.0)
    found = one([released], zone(110, dark, NAMES), 110)
    assert found is not None and not found.holds and found.state(at(110)) == "released"
    back = one([released], zone(110, {}, NAMES), 110)
    assert back is not None and back.state(at(110)) is None, "no gradual return: moves were on already"


def test_a_release_does_not_leave_the_zone_without_a_brake_for_ever() -> None:
    """Five of eight never return and are never deleted. Once theirs has moved, the other three are watched again."""
    dark = dict.fromkeys(NAMES[:5], 0.0)
    released = dataclasses.replace(engaged(5), released={**BY, "at": at(100).isoformat()})
    during = one([released], zone(179, dark, NAMES), 179)
    assert during is not None and during.state(at(179)) == "released"
    over = one([released], zone(181, dark, NAMES), 181)
    assert over is not None and over.engaged_at is None and over.state(at(181)) is None
    assert one([over], zone(190, dark, NAMES), 190) == over, "not engaged again by those that were released"
    again = one([over], zone(1030, {**dark, **dict.fromkeys(NAMES[5:], 1000.0)}, NAMES), 1030)
    assert again is not None and again.holds and (again.silent, again.total) == (3, 3)


# How much may move before it engages

STEP = 1.0


def moved_until_dark(silent_since: Mapping[str, float], names: Sequence[str], until: float) -> set[str]:
    """The agents whose networks have moved, with a round every second and nobody else beside."""
    moved: set[str] = set()
    stored: tuple[Brake, ...] = ()
    now = 0.0
    while now <= until:
        agents = zone(now, silent_since, names)
        world = Snapshot(at(now), "seed", tuple(agents), tuple(_slots(names, moved)), stored)
        stored = brake.judge(stored, agents, at(now))
        moved |= {a.request.moving_from or "" for a in plan(world).assignments}
        now += STEP
    return moved


def _slots(names: Sequence[str], moved: set[str]) -> list[object]:
    return [slot(f"n-{name}", agent_id=name) for name in names if name not in moved]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(3, 14).flatmap(
        lambda n: st.lists(st.one_of(st.none(), st.floats(0, 78)), min_size=n, max_size=n),
    )
)
def test_within_two_dead_limits_never_more_than_half_moves(when: list[float | None]) -> None:
    """However they fall silent: together, one by one, some never. (Two of fewer than six are no mass failure.)"""
    names = [f"a{n:02}" for n in range(len(when))]
    silent_since = {name: moment for name, moment in zip(names, when, strict=True) if moment is not None}
    moved = moved_until_dark(silent_since, names, until=200)
    assert moved <= silent_since.keys()
    assert len(moved) <= max(len(names) / 2, brake.LEAST - 1)
    if len(silent_since) <= len(names) / 2:
        assert moved == silent_since.keys(), "an ordinary failure moves"


@pytest.mark.parametrize(("spacing", "most"), [(0.0, 0), (1.0, 0), (3.0, 5), (5.0, 7), (8.0, 9)])
def test_one_after_the_other(spacing: float, most: int) -> None:
    """20 agents, one more silent every few seconds: the sooner, the less has moved when the brake comes."""
    names = [f"a{n:02}" for n in range(20)]
    moved = moved_until_dark({name: n * spacing for n, name in enumerate(names)}, names, until=400)
    assert len(moved) <= most


# In plans


def braked_world(**changes: object) -> Snapshot:
    agents = zone(50, dict.fromkeys(NAMES[:5], 0.0), NAMES)
    world = snapshot(agents, [slot(f"n{n}", agent_id=NAMES[n % 8]) for n in range(40)])
    return dataclasses.replace(world, now=at(50), **changes)


def test_what_a_brake_holds_waits_with_the_reason_and_is_not_stored() -> None:
    made = plan(braked_world())
    assert not made.assignments
    assert {u.for_now for u in made.unplaced} == {True}
    (reason,) = {u.reason for u in made.unplaced}
    assert "brake of zone z1" in reason and "5 of 8" in reason and "netsched brake release --zone z1" in reason
    assert len(made.unplaced) == 25


def test_forced_down_moves_though_braked_and_without_trust() -> None:
    world = braked_world()
    world = dataclasses.replace(
        world, agents=tuple(dataclasses.replace(a, forced_down=a.id == "a0") for a in world.agents)
    )
    world = dataclasses.replace(world, brakes=(engaged(),))  # of eight, before
    assert {a.request.moving_from for a in plan(world).assignments} == {"a0"}
    assert {a.request.moving_from for a in plan(dataclasses.replace(world, trusted=False)).assignments} == {"a0"}


def test_a_released_brake_holds_nothing() -> None:
    released = dataclasses.replace(engaged(5), released={**BY, "at": at(45).isoformat()})
    assert len(plan(braked_world(brakes=(released,))).assignments) == 25


def test_no_more_moves_than_there_may_be_and_lonely_ones_first() -> None:
    agents = [seen("dead", 50, 0), seen("a", 50, 50), seen("b", 50, 50)]
    slots = [slot(f"n{n:02}", agent_id="dead", siblings=("a",) if n % 2 else ()) for n in range(20)]
    world = dataclasses.replace(snapshot(agents, slots), now=at(50), moves=12)
    made = plan(world)
    moved = [a.request.slot.resource_id for a in made.assignments]
    assert moved == [f"n{n:02}" for n in range(0, 20, 2)] + ["n01", "n03"]
    assert len(made.unplaced) == 8 and all(u.for_now for u in made.unplaced)
    few = plan(dataclasses.replace(world, moves=None, moves_from={"z1/DHCP agent": 3}))
    assert len(few.assignments) == 3


@given(st.floats(0.5, 1000), st.lists(st.tuples(st.floats(0, 5), st.integers(0, 2000)), max_size=30))
def test_a_bucket_gives_no_more_than_its_rate(rate: float, steps: list[tuple[float, int]]) -> None:
    bucket, now, taken = Bucket(rate, 0.0), 0.0, 0
    for pause, wanted in steps:
        now += pause
        given = min(bucket.fill(rate, now), wanted)
        bucket.take(given)
        taken += given
        assert taken <= max(rate, 1) + rate * now + 1e-6
