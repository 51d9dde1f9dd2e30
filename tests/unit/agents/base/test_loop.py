"""The dirty set: order, retries, repair, and several workers."""

from __future__ import annotations

import logging
import random
import threading
from typing import Any

import pytest

from netsched.agents.base.driver import Content, States
from netsched.agents.base.loop import Loop, Wanted
from tests.fakes.clock import FakeClock
from tests.fakes.driver import FakeDriver

A, B, C = "network/a", "network/b", "network/c"
CONTENT: Content = {"port": {"p": {"id": "p"}}}


class Desk:
    """What is wanted, and what came of it."""

    def __init__(self) -> None:
        self.contents: dict[str, Content | None] = {}
        self.log: list[tuple[Any, ...]] = []

    def wanted(self, scope: str) -> Wanted:
        return Wanted(1, 1, self.contents.get(scope))

    def applied(self, scope: str, wanted: Wanted, states: States) -> None:
        self.log.append(("applied", scope))

    def found(self, scope: str, wanted: Wanted, states: States) -> None:
        self.log.append(("found", scope))

    def failed(self, scope: str, wanted: Wanted, message: str, failures: int) -> None:
        self.log.append(("failed", scope, failures))

    def fine(self, scope: str, wanted: Wanted) -> None:
        self.log.append(("fine", scope))


class Bench:
    def __init__(self, driver: FakeDriver, period: float = 0.0) -> None:
        self.driver, self.clock, self.desk = driver, FakeClock(), Desk()
        self.loop = Loop(driver, self.desk, self.clock, random.Random(1), period)

    def want(self, scope: str, content: Content | None = CONTENT) -> None:
        self.desk.contents[scope] = content
        self.loop.mark(scope, content is None)

    def run(self, seconds: float = 0.0) -> None:
        end = self.clock.monotonic() + seconds
        while True:
            while self.loop.run_one():
                pass
            if self.clock.monotonic() >= end:
                return
            self.clock.advance(0.1)

    def count(self, *entry: Any) -> int:
        return len([e for e in self.desk.log if e[: len(entry)] == entry])


@pytest.fixture
def bench() -> Bench:
    return Bench(FakeDriver())


def test_removals_first(bench: Bench) -> None:
    bench.want(A)
    bench.want(B, None)
    bench.run()
    assert bench.driver.calls == [("remove", B), ("apply", A)]


def test_a_removal_that_fails_does_not_hold_the_others_up(bench: Bench) -> None:
    bench.driver.failing = {B}
    bench.want(B, None)
    bench.want(A)
    bench.run()
    assert ("applied", A) in bench.desk.log


def test_nothing_new_is_begun_while_a_removal_runs_but_what_is_held_goes_on(bench: Bench) -> None:
    bench.want(A)
    bench.run()
    entered, leave = threading.Event(), threading.Event()

    class Slow(FakeDriver):
        def apply(self, scope: str, wanted: Content | None) -> None:
            if wanted is None:
                entered.set()
                leave.wait(5)
            super().apply(scope, wanted)

    slow = Slow(bench.driver.machine)
    bench.loop._driver = slow
    bench.want(C, None)
    worker = threading.Thread(target=bench.loop.run_one)
    worker.start()
    assert entered.wait(5)
    bench.want(B)
    bench.want(A)
    bench.run()
    assert slow.calls == [("apply", A)]
    leave.set()
    worker.join(5)
    bench.run()
    assert slow.calls == [("apply", A), ("remove", C), ("apply", B)]


def test_a_hundred_changes_are_one_apply(bench: Bench) -> None:
    for _ in range(100):
        bench.want(A)
    bench.run()
    assert bench.driver.calls == [("apply", A)]


def test_retries_grow_to_a_minute_and_end_with_success(bench: Bench) -> None:
    bench.driver.failing = {A}
    bench.want(A)
    bench.run(300)
    assert 10 <= len(bench.driver.calls) <= 14
    bench.driver.failing = set()
    bench.run(75)
    assert bench.desk.log[-2:] == [("applied", A), ("fine", A)]


def test_a_change_is_tried_at_once_even_while_it_waits_for_a_retry(bench: Bench) -> None:
    bench.driver.failing = {A}
    bench.want(A)
    bench.run(60)
    bench.driver.failing = set()
    bench.want(A)
    bench.run()
    assert ("applied", A) in bench.desk.log


def test_a_bug_in_a_driver_is_a_fault_with_its_stack_in_the_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.driver.buggy = {A}
    bench.want(A)
    bench.want(B)
    bench.run()
    assert ("failed", A, 1) in bench.desk.log and ("applied", B) in bench.desk.log
    assert any(r.exc_info for r in caplog.records)


def test_an_apply_that_lies_has_failed(bench: Bench) -> None:
    bench.driver.lying = {A}
    bench.want(A)
    bench.run()
    assert bench.desk.log == [("failed", A, 1)]


def test_what_breaks_is_repaired_within_the_period(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(FakeDriver(), period=1.5)
    bench.want(A)
    bench.run(10)
    assert bench.count("applied", A) == 1
    caplog.set_level(logging.WARNING)
    bench.driver.machine.scopes.clear()
    bench.run(2)
    assert bench.count("applied", A) == 2 and bench.count("failed") == 0
    assert "not in force any more" in caplog.text


def test_what_breaks_again_and_again_backs_off_and_is_a_fault_until_it_is_steady() -> None:
    bench = Bench(FakeDriver(), period=1.5)
    bench.want(A)
    bench.run(1)
    for _ in range(300):
        bench.driver.machine.scopes.clear()
        bench.run(1)
    assert bench.count("applied", A) < 25
    assert bench.count("failed", A) > 3
    fine = bench.count("fine", A)
    bench.run(62 + 25)
    assert bench.count("fine", A) == fine + 1


def test_checks_compare_with_what_was_applied() -> None:
    """What has come in since is dirty, not broken."""
    bench = Bench(FakeDriver(), period=1.5)
    bench.want(A)
    bench.run(1)
    bench.desk.contents[A] = {"port": {}}  # in the cache, not yet marked
    bench.run(3)
    assert bench.count("applied", A) == 1


def test_checks_never_take_more_than_their_share() -> None:
    class Costly(FakeDriver):
        clock: FakeClock

        def check(self, scope: str, wanted: Content | None) -> bool:
            self.clock.advance(0.1)
            return super().check(scope, wanted)

    driver = Costly()
    bench = Bench(driver, period=1.5)
    driver.clock = bench.clock
    for n in range(100):
        bench.want(f"network/{n}")
    bench.run(30)
    before, start = driver.checks, bench.clock.monotonic()
    bench.run(100)
    assert (driver.checks - before) * 0.1 / (bench.clock.monotonic() - start) < 0.3


def test_what_somebody_touched_is_applied_again_if_it_is_held(bench: Bench) -> None:
    bench.loop.mark_again(A)
    bench.run()
    assert bench.driver.calls == []
    bench.want(A)
    bench.run()
    bench.loop.mark_again(A)
    bench.loop.mark_again(A)
    bench.run()
    assert bench.driver.calls == [("apply", A)] * 2


def test_what_is_touched_while_it_first_comes_into_force_is_looked_at_again() -> None:
    class Touched(FakeDriver):
        bench: Bench

        def apply(self, scope: str, wanted: Content | None) -> None:
            super().apply(scope, wanted)
            if len(self.calls) == 1:
                self.bench.loop.mark_again(scope)

    driver = Touched()
    driver.bench = Bench(driver)
    driver.bench.want(A)
    driver.bench.run()
    assert driver.calls == [("apply", A)] * 2


def test_touching_hurries_no_retry_and_takes_no_removal_back(bench: Bench) -> None:
    bench.want(A)
    bench.run()
    bench.driver.failing = {A}
    bench.want(A)
    bench.run(10)
    tries = len(bench.driver.calls)
    for _ in range(100):
        bench.loop.mark_again(A)
        bench.run()
    assert len(bench.driver.calls) == tries
    bench.driver.failing = set()
    bench.want(A, None)
    bench.loop.mark_again(A)
    bench.run()
    assert bench.driver.calls[-1] == ("remove", A)
    bench.loop.mark_again(A)
    bench.run()
    assert bench.driver.calls[-1] == ("remove", A)


def test_a_check_that_finds_other_states_reports_them_once() -> None:
    bench = Bench(FakeDriver(), period=1.5)
    bench.want(A)
    bench.run(5)
    bench.driver.said = {("port", "p"): "ACTIVE"}
    bench.run(10)
    assert bench.count("found", A) == 1 and bench.count("applied", A) == 1


def test_hold_and_release(bench: Bench) -> None:
    bench.loop.hold(bench.clock.monotonic() + 3)
    bench.want(A)
    bench.run(2)
    assert bench.driver.calls == []
    bench.run(2)
    assert bench.driver.calls == [("apply", A)]
