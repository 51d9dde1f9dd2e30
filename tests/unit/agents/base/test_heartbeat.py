"""When beats are due, and what a report carries until it is acknowledged."""

from __future__ import annotations

import random

import pytest

from netsched.agents.base.heartbeat import Heart, Identity
from netsched.agents.base.report import NOT_IN_FORCE, REMOVED, Report
from netsched.model import checksum
from netsched.rpc.agent import Beat, BeatAnswer, Copies
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


# A beat that is not answered


def beats_in(heart: Heart, clock: FakeClock, seconds: float, answered: bool) -> list[float]:
    """When beats were sent, in seconds from now."""
    begun, sent = clock.monotonic(), []
    while clock.monotonic() < begun + seconds:
        if due_in(heart, clock) <= 0:
            sent.append(clock.monotonic() - begun)
            beat = heart.beat({})
            if answered:
                heart.answered(answer(beat))
        clock.advance(0.05)
    return sent


def opened(heart: Heart, clock: FakeClock) -> None:
    for _ in range(2):
        heart.answered(answer(heart.beat({})))


def test_a_beat_without_an_answer_is_repeated_after_half_an_interval(heart: Heart, clock: FakeClock) -> None:
    opened(heart, clock)
    clock.advance(due_in(heart, clock))
    lost = heart.beat({})
    assert due_in(heart, clock) == pytest.approx(5.0)
    clock.advance(due_in(heart, clock))
    again = heart.beat({})
    assert again.sequence == lost.sequence + 1
    assert 3.9 <= due_in(heart, clock) <= 6.1, "the beat after it comes when it would have come anyway"
    heart.answered(answer(again))
    assert 3.9 <= due_in(heart, clock) <= 6.1


def test_an_unanswered_agent_sends_no_more_than_two_beats_an_interval(heart: Heart, clock: FakeClock) -> None:
    opened(heart, clock)
    sent = beats_in(heart, clock, 38, answered=False)
    assert 6 <= len(sent) <= 8
    assert all(later - earlier > 3.5 for earlier, later in zip(sent, sent[1:], strict=False))
    clock.advance(5)  # the lease is over: nothing is gained any more by haste
    assert 9 <= len(beats_in(heart, clock, 100, answered=False)) <= 12


def test_an_answered_agent_repeats_nothing(heart: Heart, clock: FakeClock) -> None:
    opened(heart, clock)
    assert 9 <= len(beats_in(heart, clock, 100, answered=True)) <= 11


def test_half_of_all_messages_swallowed_makes_nobody_look_dead(clock: FakeClock) -> None:
    """One of two servers hangs. Four intervals without a beat that arrives would be death."""
    heart = Heart(Identity("t", "h", "b", "a"), clock, random.Random(3), "boot")
    opened(heart, clock)
    heard, longest, swallow = clock.monotonic(), 0.0, False
    for _ in range(60 * 20 * 20):
        if due_in(heart, clock) <= 0:
            beat = heart.beat({})
            swallow = not swallow  # they take turns
            if not swallow:
                heart.answered(answer(beat))
                longest, heard = max(longest, clock.monotonic() - heard), clock.monotonic()
        clock.advance(0.05)
    assert longest < 17


# After a restart


def restarted(**brought: tuple[int, int]) -> Report:
    r = Report(1)
    r.bring("A", brought)
    r.found(set(brought))
    return r


def test_what_was_brought_is_summed_up_until_the_server_has_answered() -> None:
    r = restarted(a=(1, 4), b=(2, 9))
    said = r.take(1)
    assert said.restoring and not said.complete and said.applied == [] and said.incarnation == "A"
    assert said.copies == Copies(count=2, checksum=checksum.of([("a", 1, 4), ("b", 2, 9)]))
    assert r.judged(True) and not r.judged(True)
    assert r.take(2).copies is None


def test_what_is_found_as_it_was_is_no_news_and_ends_the_restoring() -> None:
    r = restarted(a=(1, 4), b=(2, 9))
    r.judged(True)
    assert not r.applied("a", 1, 4)
    assert r.take(2).restoring
    r.applied("b", 2, 10)
    said = r.take(3)
    assert [(one.scope, one.position) for one in said.applied] == [("b", 10)]
    assert not said.restoring and not said.complete
    assert (said.count, said.checksum) == (2, checksum.of([("a", 1, 4), ("b", 2, 10)]))


def test_what_fails_after_a_restart_is_not_in_force() -> None:
    r = restarted(a=(1, 4))
    r.judged(True)
    r.fault("a", 1, "broken")
    said = r.take(2)
    assert [(one.scope, one.position) for one in said.applied] == [("a", NOT_IN_FORCE)] and not said.restoring


def test_after_a_reboot_it_says_that_nothing_is_in_force() -> None:
    r = Report(1)
    r.bring("A", {"a": (1, 4), "b": (2, 9)})
    r.judged(True)
    r.found({"b"})
    assert [(one.scope, one.position) for one in r.take(2).applied] == [("a", NOT_IN_FORCE)]


def test_copies_that_the_server_does_not_know_are_no_basis() -> None:
    r = restarted(a=(1, 4))
    r.judged(False)
    r.applied("a", 1, 4)
    said = r.take(2)
    assert [(one.scope, one.position) for one in said.applied] == [("a", 4)] and not said.restoring


def test_something_on_the_machine_of_which_there_is_no_copy_keeps_the_list_back() -> None:
    r = Report(1)
    r.bring("A", {"a": (1, 4)})
    r.found({"a", "stray"})
    r.judged(True)
    r.applied("a", 1, 4)
    r.send_all()
    assert not r.take(2).complete
    r.applied("stray", 0, REMOVED)
    assert r.take(3).complete


def test_what_was_meant_by_another_incarnation_is_not_said() -> None:
    r = restarted(a=(1, 4))
    r.meet("B")
    assert not r.applied("a", 1, 4, "A")
    said = r.take(2)
    assert said.applied == [] and said.incarnation == "B" and not said.restoring


def echo(heart: Heart) -> float:
    said = heart.beat({}).echo
    assert said is not None
    return said


def test_an_answer_that_was_long_on_its_way_does_not_set_the_agent_back(heart: Heart, clock: FakeClock) -> None:
    heart.answered(answer(heart.beat({}), time=5000.0))
    beat = heart.beat({})
    clock.advance(60.0)  # the server, or this process, stood still after the answer had been made
    heart.answered(answer(beat, time=5000.5))
    assert echo(heart) == 5060.0


def test_a_prompt_answer_sets_the_time_whatever_it_was_before(heart: Heart, clock: FakeClock) -> None:
    heart.answered(answer(heart.beat({}), time=5000.0))
    beat = heart.beat({})
    clock.advance(1.0)
    heart.answered(answer(beat, time=2000.0))  # another database, whose clock is behind
    clock.advance(3.0)
    assert echo(heart) == 2003.0


def test_a_late_answer_that_tells_a_later_time_sets_it(heart: Heart, clock: FakeClock) -> None:
    first = heart.beat({})
    clock.advance(60.0)
    heart.answered(answer(first, time=5000.0))  # the first one: better than nothing
    beat = heart.beat({})
    clock.advance(30.0)
    heart.answered(answer(beat, time=5070.0))
    assert echo(heart) == 5070.0
