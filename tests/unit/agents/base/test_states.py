"""What an agent says of single objects: once when nothing changed, again when something did or a beat was lost."""

from __future__ import annotations

import random

import pytest

from netsched.agents.base.driver import Content
from netsched.agents.base.heartbeat import Heart, Identity
from netsched.agents.base.report import REMOVED, STATES_PER_BEAT, Report
from netsched.rpc.agent import BeatAnswer, State
from tests.fakes.clock import FakeClock
from tests.unit.agents.base.test_agent import ME, N1, World

A, B = "network/a", "network/b"
P, Q = ("port", "p"), ("port", "q")


def content(**revisions: int) -> Content:
    return {"port": {id_: {"id": id_, "revision_number": revision} for id_, revision in revisions.items()}}


@pytest.fixture
def report() -> Report:
    made = Report(1)
    made.found(set())
    made.answered(1, made.take(1).complete)
    return made


def take(report: Report, sequence: int) -> list[tuple[str, int, int, str]]:
    return [(one.id, one.epoch, one.revision, one.status) for one in report.take(sequence).states]


def test_a_state_is_said_until_a_beat_that_carried_it_is_answered(report: Report) -> None:
    report.take(2)
    report.states(A, 1, {P: "ACTIVE"}, content(p=4))
    report.answered(2, False)  # left before there was anything to say
    assert take(report, 3) == [("p", 1, 4, "ACTIVE")]
    assert take(report, 4) == [("p", 1, 4, "ACTIVE")]
    report.answered(3, False)
    assert take(report, 5) == []


def test_the_same_again_is_not_said_again(report: Report) -> None:
    report.states(A, 1, {P: "ACTIVE", Q: "DOWN"}, content(p=4, q=1))
    report.take(2)
    report.answered(2, False)
    report.states(A, 1, {P: "ACTIVE", Q: "DOWN"}, content(p=4, q=1))
    assert not report.news() and take(report, 3) == []


@pytest.mark.parametrize(
    ("epoch", "status", "revision"), [(1, "DOWN", 4), (1, "ACTIVE", 5), (2, "ACTIVE", 4)], ids=repr
)
def test_another_status_revision_or_epoch_is_news_of_that_object_alone(
    report: Report, epoch: int, status: str, revision: int
) -> None:
    report.states(B, 1, {Q: "ACTIVE"}, content(q=1))
    report.states(A, 1, {P: "ACTIVE"}, content(p=4))
    report.take(2)
    report.answered(2, False)
    report.states(A, epoch, {P: status}, content(p=revision))
    assert report.news() and take(report, 3) == [("p", epoch, revision, status)]


def test_a_change_while_the_last_one_is_under_way_is_not_taken_for_said(report: Report) -> None:
    report.states(A, 1, {P: "DOWN"}, content(p=1))
    report.take(2)
    report.states(A, 1, {P: "ACTIVE"}, content(p=1))
    report.answered(2, False)
    assert take(report, 3) == [("p", 1, 1, "ACTIVE")]


def test_the_server_may_ask_for_everything(report: Report) -> None:
    report.states(A, 1, {P: "ACTIVE"}, content(p=1))
    report.states(B, 1, {Q: "DOWN"}, content(q=1))
    report.take(2)
    report.answered(2, False)
    report.send_all()
    said = report.take(3)
    assert said.complete and {one.id for one in said.states} == {"p", "q"}
    report.answered(3, True)
    assert take(report, 4) == []


def test_states_go_with_their_object_and_with_their_scope(report: Report) -> None:
    report.applied(A, 1, 1)
    report.states(A, 1, {P: "ACTIVE", Q: "ACTIVE"}, content(p=1, q=1))
    report.states(A, 1, {P: "ACTIVE"}, content(p=1))  # q was deleted before it was said
    assert [one[0] for one in take(report, 2)] == ["p"]
    report.applied(A, 1, REMOVED)
    assert take(report, 3) == []
    report.send_all()
    assert take(report, 4) == []
    report.states(A, 1, {P: "ACTIVE"}, content(p=1))  # held again
    assert [one[0] for one in take(report, 5)] == ["p"]


def test_another_incarnation_hears_no_states_of_the_old_one(report: Report) -> None:
    report.applied(A, 1, 1)
    report.states(A, 1, {P: "ACTIVE"}, content(p=1))
    report.meet("A")
    report.meet("B")
    assert take(report, 2) == []
    report.states(A, 1, {P: "ACTIVE"}, content(p=1))
    assert take(report, 3) == [("p", 1, 1, "ACTIVE")]


def test_what_is_held_and_not_in_force_is_down(report: Report) -> None:
    report.states(A, 1, {P: "ACTIVE", Q: "DOWN"}, content(p=3, q=1))
    report.take(2)
    report.answered(2, False)
    report.down(A, 1)
    assert take(report, 3) == [("p", 1, 3, "DOWN")]


# 5,000 ports on one host


MANY = 5_000


def heart_with_many() -> tuple[Heart, FakeClock]:
    clock = FakeClock()
    heart = Heart(Identity("t", "h", "b", "a"), clock, random.Random(3), "boot")
    heart.report.found(set())
    for _ in range(2):
        heart.answered(answer(heart.beat({}).sequence))
    clock.advance(1)
    ids = [f"{number:05}" for number in range(MANY)]
    heart.report.states(A, 1, {("port", id_): "ACTIVE" for id_ in ids}, content(**dict.fromkeys(ids, 1)))
    return heart, clock


def answer(sequence: int) -> BeatAnswer:
    names = {"agent_type": "t", "host": "h", "sequence": sequence, "time": 5000.0, "incarnation": "A"}
    return BeatAnswer.model_validate(names | {"interval": 10.0, "lease": 40.0})


def test_many_states_are_spread_over_beats_that_follow_soon() -> None:
    heart, clock = heart_with_many()
    said: list[State] = []
    began = clock.monotonic()
    while len(said) < MANY:
        beat = heart.beat({})
        assert 0 < len(beat.states) <= STATES_PER_BEAT
        said += beat.states
        heart.answered(answer(beat.sequence))
        clock.advance(max(0.0, heart.due() - clock.monotonic()) if len(said) < MANY else 0.0)
    assert len({one.id for one in said}) == MANY
    assert clock.monotonic() - began < 5.0
    assert heart.due() - clock.monotonic() > 5.0, "when all is said, it beats at its leisure"
    assert heart.beat({}).states == []


def test_many_states_survive_lost_beats_and_changes_meanwhile() -> None:
    heart, _ = heart_with_many()
    rng = random.Random(7)
    heard: dict[str, str] = {}
    ids = [f"{number:05}" for number in range(MANY)]
    wanted = dict.fromkeys(ids, "ACTIVE")
    for turn in range(60):
        beat = heart.beat({})
        assert len(beat.states) <= STATES_PER_BEAT
        if rng.random() < 0.5:  # else it, or its answer, is lost
            heard.update({one.id: one.status for one in beat.states})
            if rng.random() < 0.5:
                heart.answered(answer(beat.sequence))
        if turn < 20:
            wanted[rng.choice(ids)] = rng.choice(["ACTIVE", "DOWN"])
            said = {("port", id_): status for id_, status in wanted.items()}
            heart.report.states(A, 1, said, content(**dict.fromkeys(ids, 1)))
    assert heard == wanted


# A whole agent


def statuses(world: World) -> list[str]:
    return [one.status for beat in world.server.beats for one in beat.states]


def serve_one(**settings: object) -> World:
    """A world in which the port dhcp-1 is ACTIVE and the server knows."""
    world = World()
    if settings:
        world.stop()
        world.settings = settings
        world.start()
    world.driver.said = {("port", "dhcp-1"): "ACTIVE"}
    world.run(2)
    world.server.bind(N1, ME, tell="box")
    world.run(0.7)
    assert statuses(world) == ["ACTIVE"]
    return world


def test_what_came_into_force_is_said_soon_and_once() -> None:
    world = serve_one()
    (said,) = [one for beat in world.server.beats for one in beat.states]
    assert (said.scope, said.epoch, said.kind, said.id) == (N1, 1, "port", "dhcp-1")
    world.run(60)
    assert statuses(world) == ["ACTIVE"]


def test_a_lost_beat_is_made_up_for() -> None:
    world = serve_one()
    world.server.mute = True
    world.driver.said[P] = "ACTIVE"
    world.server.change(N1, "p", tell="box")
    world.run(15)
    assert len(world.server.beats[-1].states) == 1
    world.server.mute = False
    world.run(25)
    assert world.server.beats[-1].states == []


def test_the_driver_calls_and_the_agent_looks_again_at_once() -> None:
    world = serve_one()
    world.driver.said[("port", "dhcp-1")] = "DOWN"
    world.agent._touched(N1)
    world.run(0.7)
    assert statuses(world) == ["ACTIVE", "DOWN"]


def test_what_nobody_called_about_is_found_by_the_next_check() -> None:
    world = serve_one()
    applies = len(world.driver.calls)
    world.driver.said[("port", "dhcp-1")] = "DOWN"
    world.run(4)
    assert statuses(world) == ["ACTIVE", "DOWN"] and len(world.driver.calls) == applies


def test_a_disabled_agent_that_stops_says_down_and_up_again() -> None:
    world = serve_one(serve_when_admin_down=False)
    world.server.admin_state_up = False
    world.run(12)
    assert statuses(world) == ["ACTIVE", "DOWN"]
    world.server.admin_state_up = True
    world.run(12)
    assert statuses(world) == ["ACTIVE", "DOWN", "ACTIVE"]


def test_a_restored_database_is_told_again_under_its_own_epochs() -> None:
    world = serve_one()
    world.server.incarnation = "B"
    world.server.applied.clear()
    world.server.scopes[N1].epoch = 7
    world.run(40)
    assert [(one.epoch, one.status) for beat in world.server.beats for one in beat.states][1:] == [(7, "ACTIVE")]


def test_looking_again_with_nothing_new_costs_no_beat() -> None:
    world = serve_one()
    world.run(20)
    beats = len(world.server.beats)
    for _ in range(10):
        world.agent._touched(N1)
        world.run(0.5)
    assert len(world.server.beats) - beats <= 1
