"""When beats are due, and what a report carries until it is acknowledged."""

from __future__ import annotations

import random

import pytest

from netsched.agents.base.heartbeat import Heart, Identity
from netsched.agents.base.report import REMOVED, Report
from netsched.model import checksum
from netsched.rpc.agent import Beat, BeatAnswer
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def heart(clock: FakeClock) -> Heart:
    heart = Heart(Identity("t", "h", "b", "a"), clock, random.Random(3), "boot")
    heart.report.found(set())
    return heart


def answer(beat: Beat, time: float = 5000.0, **more: object) -> BeatAnswer:
    fields: dict[str, object] = {"interval": 10.0, "lease": 40.0, **more}
    names = {"agent_type": "t", "host": "h", "sequence": beat.sequence, "time": time, "incarnation": "A"}
    return BeatAnswer.model_validate(names | fields)


def due_in(heart: Heart, clock: FakeClock) -> float:
    return heart.due() - clock.monotonic()


def test_first_beats_come_more_and_more_seldom(heart: Heart, clock: FakeClock) -> None:
    pauses = []
    for _ in range(12):
        heart.beat({})
        pauses.append(due_in(heart, clock))
        clock.advance(pauses[-1])
    assert 1.0 <= pauses[0] <= 2.0
    assert 10.0 <= pauses[-1] <= 20.0


def test_the_second_beat_follows_at_once_then_the_interval_with_jitter(heart: Heart, clock: FakeClock) -> None:
    first = heart.beat({})
    heart.answered(answer(first))
    assert due_in(heart, clock) == 0.0
    seen = set()
    for _ in range(20):
        heart.answered(answer(heart.beat({})))
        seen.add(round(due_in(heart, clock), 2))
        clock.advance(due_in(heart, clock))
    assert all(9.0 <= pause <= 11.0 for pause in seen) and len(seen) > 10


def test_acknowledgements_are_coalesced_and_spaced(heart: Heart, clock: FakeClock) -> None:
    heart.answered(answer(heart.beat({})))
    heart.answered(answer(heart.beat({})))
    heart.soon()
    assert due_in(heart, clock) == pytest.approx(0.5)
    clock.advance(0.5)
    heart.answered(answer(heart.beat({})))
    clock.advance(3)
    heart.soon()
    heart.soon()
    assert due_in(heart, clock) == pytest.approx(0.1)


def test_a_server_that_always_wants_all_does_not_make_a_storm(heart: Heart, clock: FakeClock) -> None:
    heart.answered(answer(heart.beat({})))
    beats = 0
    for _ in range(1000):
        if due_in(heart, clock) <= 0:
            heart.answered(answer(heart.beat({}), send_all=True))
            beats += 1
        clock.advance(0.1)
    assert beats <= 22  # in 100 s


def test_an_older_answer_that_comes_late_changes_nothing(heart: Heart, clock: FakeClock) -> None:
    one, two = heart.beat({}), heart.beat({})
    assert heart.answered(answer(two, time=6000.0))
    assert not heart.answered(answer(one, time=5000.0))
    assert heart.beat({}).echo == pytest.approx(6000.0)


def test_the_lease_counts_from_the_sending_of_the_answered_beat(heart: Heart, clock: FakeClock) -> None:
    beat = heart.beat({})
    clock.advance(15)
    heart.answered(answer(beat))
    assert heart.holds_lease()
    clock.suspend(26)
    assert not heart.holds_lease()


def test_introduced_until_answered_and_when_asked(heart: Heart) -> None:
    one = heart.beat({})
    assert one.capabilities is not None and heart.beat({}).capabilities is not None
    heart.answered(answer(one))
    beat = heart.beat({})
    assert beat.capabilities is None and beat.configurations is None
    heart.answered(answer(beat, introduce=True))
    assert heart.beat({}).configurations == {}


def test_no_two_lives_share_sequence_numbers(clock: FakeClock) -> None:
    hearts = [Heart(Identity("t", "h", "b", "a"), clock, random.Random(seed), "boot") for seed in (1, 2)]
    assert not hearts[1].answered(answer(hearts[0].beat({})))


def report() -> Report:
    report = Report(1)
    report.found(set())
    report.answered(1, report.take(1).complete)
    return report


def test_a_change_after_the_answered_beat_is_still_unsaid() -> None:
    r = report()
    r.applied("network/a", 1, 1)
    r.take(2)
    r.applied("network/b", 1, 1)
    r.answered(2, False)
    assert [one.scope for one in r.take(3).applied] == ["network/b"]


def test_a_change_of_what_is_under_way_is_said_again() -> None:
    r = report()
    r.applied("network/a", 1, 1)
    r.take(2)
    r.applied("network/a", 1, 2)
    r.answered(2, False)
    assert [one.position for one in r.take(3).applied] == [2]


def test_the_same_again_is_no_news() -> None:
    r = report()
    r.applied("network/a", 1, 1)
    r.take(2)
    r.answered(2, False)
    r.applied("network/a", 1, 1)
    assert r.take(3).applied == []


def test_count_and_checksum_are_of_the_whole_set() -> None:
    r = report()
    for scope, position in (("network/a", 1), ("network/b", 4), ("network/a", 7), ("network/c", 1)):
        r.applied(scope, 2, position)
    r.applied("network/c", 2, REMOVED)
    said = r.take(2)
    assert (said.count, said.checksum) == (2, checksum.of([("network/a", 2, 7), ("network/b", 2, 4)]))
    assert [one.position for one in said.applied if one.scope == "network/c"] == [REMOVED]


def test_all_is_said_until_answered_but_not_before_leftovers_are_accounted_for() -> None:
    r = Report(1)
    assert not r.take(1).complete
    r.found({"network/old"})
    assert not r.take(2).complete
    r.applied("network/old", 0, REMOVED)
    assert r.take(3).complete and r.take(4).complete
    r.answered(2, False)
    assert r.take(5).complete
    r.answered(5, True)
    assert not r.take(6).complete


def test_a_fault_is_news_once() -> None:
    r = report()
    assert r.fault("network/a", 1, "broken") and not r.fault("network/a", 1, "broken")
    assert r.fault("network/a", 1, None) and not r.fault("network/a", 1, None)
