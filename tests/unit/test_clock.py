"""What every clock promises: the system's, and the one that the other tests move by hand."""

from __future__ import annotations

import pytest

from netsched.clock import Clock, SystemClock
from tests.fakes.clock import FakeClock


@pytest.fixture(params=[SystemClock, FakeClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    return request.param()


def test_all_three_go_on_together_while_one_sleeps(clock: Clock) -> None:
    wall, monotonic, boottime = clock.utcnow(), clock.monotonic(), clock.boottime()
    clock.sleep(0.05)
    passed = [(clock.utcnow() - wall).total_seconds(), clock.monotonic() - monotonic, clock.boottime() - boottime]
    assert all(0.049 < seconds < 5 for seconds in passed)


def test_none_goes_back(clock: Clock) -> None:
    for read in (clock.monotonic, clock.boottime):
        seen = [read() for _ in range(100)]
        assert seen == sorted(seen)


def test_the_wall_clock_is_utc_without_saying_so(clock: Clock) -> None:
    assert clock.utcnow().tzinfo is None


def test_boottime_is_not_behind_monotonic(clock: Clock) -> None:
    monotonic = clock.monotonic()
    assert clock.boottime() >= monotonic


def test_a_machine_that_slept_is_older_than_its_monotonic_time() -> None:
    clock = FakeClock()
    wall, monotonic, boottime = clock.utcnow(), clock.monotonic(), clock.boottime()
    clock.suspend(60)
    assert (clock.utcnow() - wall).total_seconds() == 60
    assert clock.monotonic() == monotonic and clock.boottime() == boottime + 60


def test_a_wall_clock_that_is_set_moves_nothing_else() -> None:
    clock = FakeClock()
    wall, monotonic, boottime = clock.utcnow(), clock.monotonic(), clock.boottime()
    clock.step_wall(-3600)
    assert (clock.utcnow() - wall).total_seconds() == -3600
    assert (clock.monotonic(), clock.boottime()) == (monotonic, boottime)
