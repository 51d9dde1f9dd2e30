"""When a server may believe that the silent are dead: not after its own silence, wherever that falls."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netsched import errors
from netsched.server.services.pace import Pace
from netsched.server.services.trust import BROKER, DATABASE, WORK, BrokerProof, Trust
from tests.fakes.clock import FakeClock

INTERVAL = 10.0


class Server:
    """Proves all its parts several times in an interval, those excepted that `failing` names."""

    def __init__(self, clock: FakeClock, brokered: bool = True) -> None:
        self.clock = clock
        self.pace = Pace(INTERVAL)
        self.trust = Trust(clock, self.pace, brokered)
        self.parts = (WORK, DATABASE, BROKER) if brokered else (WORK, DATABASE)
        self.failing: set[str] = set()

    def run(self, seconds: float) -> bool:
        """Time passes; does it trust at its end?"""
        for _ in range(round(seconds / 0.5)):
            self.clock.advance(0.5)
            for part in self.parts:
                if part not in self.failing:
                    self.trust.proved(part)
        return self.trust()


@pytest.fixture
def server() -> Server:
    server = Server(FakeClock())
    assert server.run(2 * INTERVAL)
    return server


def test_a_server_that_has_just_started_listens_first() -> None:
    server = Server(FakeClock())
    assert not server.trust() and server.trust.why() == "it has just started"
    assert not server.run(1.4 * INTERVAL) and "listens" in str(server.trust.why())
    assert server.run(0.2 * INTERVAL) and server.trust.why() is None


@pytest.mark.parametrize(
    ("part", "words"), [(WORK, "kept up with the heartbeats"), (DATABASE, "database"), (BROKER, "broker")]
)
def test_a_gap_in_any_part_ends_trust_until_it_has_listened(server: Server, part: str, words: str) -> None:
    server.failing.add(part)
    assert server.run(0.9 * INTERVAL), "a short one does no harm: agents beat several times before they are dead"
    assert not server.run(0.2 * INTERVAL)
    assert words in str(server.trust.why()) and words in str(server.trust.lacks(part))
    server.failing.clear()
    assert not server.run(1.4 * INTERVAL) and server.trust.lacks(part) is None
    assert server.run(0.2 * INTERVAL)


def test_without_a_broker_none_is_to_be_proved() -> None:
    assert Server(FakeClock(), brokered=False).run(2 * INTERVAL)


def test_beats_that_were_lost_here_are_a_gap(server: Server) -> None:
    server.trust.missed()
    assert not server.trust() and not server.run(1.4 * INTERVAL)
    assert server.run(0.2 * INTERVAL)


def test_it_listens_for_as_long_as_the_slowest_agent_needs(server: Server) -> None:
    server.pace.adapt(agents=1, servers=1, lease=4 * 6 * INTERVAL)
    server.trust.missed()
    assert not server.run(1.4 * 6 * INTERVAL)
    assert server.run(0.2 * 6 * INTERVAL)


@pytest.mark.parametrize("stop", [FakeClock.advance, FakeClock.suspend])
def test_a_stop_is_seen_by_whoever_asks_first(server: Server, stop: Callable[[FakeClock, float], None]) -> None:
    """SIGSTOP, or the machine asleep, during which the monotonic clock stands still."""
    stop(server.clock, 60.0)
    assert not server.trust()
    assert not server.run(1.4 * INTERVAL)
    assert server.run(0.2 * INTERVAL)


@pytest.mark.parametrize("first", [WORK, DATABASE, BROKER])
def test_no_order_of_waking_up_hides_a_stop(server: Server, first: str) -> None:
    server.clock.advance(60.0)
    server.trust.proved(first)
    assert not server.trust()
    for part in (WORK, DATABASE, BROKER):
        server.trust.proved(part)
    assert not server.trust()


class StoppedAt(FakeClock):
    """A minute passes at the n-th look at the clock, once: right after the time was read."""

    def __init__(self) -> None:
        super().__init__()
        self.countdown = -1

    def boottime(self) -> float:
        now = super().boottime()
        self.countdown -= 1
        if self.countdown == 0:
            self.advance(60.0)
        return now


@pytest.mark.parametrize("look", range(1, 12))
def test_a_stop_right_after_the_clock_was_read_is_seen_at_the_next_question(look: int) -> None:
    clock = StoppedAt()
    server = Server(clock)
    assert server.run(2 * INTERVAL)
    clock.countdown = look
    before = clock.monotonic()
    while clock.monotonic() - before < 60.0:
        server.run(0.5)
    assert not server.trust()


def test_the_broker_is_proved_by_what_comes_back() -> None:
    server = Server(FakeClock())
    answers: list[Exception | None] = [None, errors.Unavailable(reason="no answer")]

    def ping() -> None:
        if (answer := answers.pop()) is not None:
            raise answer

    proof = BrokerProof(ping, server.trust)
    proof.run()
    assert server.trust.lacks(BROKER) is not None
    proof.run()
    assert server.trust.lacks(BROKER) is None
