"""on_lease_lost = stop: nothing is served without a lease. It is 40 s here, and the interval 10 s."""

from __future__ import annotations

import pytest

from tests.unit.agents.base.world import ME, N1, N2, OTHER, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def strict(world: World) -> World:
    """It holds two networks, and stops without a lease."""
    world.stop()
    world.settings = {"on_lease_lost": "stop"}
    world.start()
    world.server.bind(N1, ME)
    world.server.bind(N2, ME)
    world.run(3)
    assert world.in_force().keys() == {N1, N2}
    return world


def test_when_the_lease_ends_all_is_taken_away_at_once(strict: World) -> None:
    strict.run(20)
    strict.server.mute = strict.server.away = True
    left = strict.agent.heart.lease_left()
    assert 29 < left <= 40
    strict.run(left - 0.1)
    assert strict.in_force().keys() == {N1, N2}
    strict.run(0.3)
    assert strict.in_force() == {}
    assert strict.agent.cache.scopes() == {N1, N2}, "it keeps its copies"


def test_when_answers_come_again_it_serves_what_is_still_its_own(strict: World) -> None:
    strict.server.mute = strict.server.away = True
    strict.run(60)
    assert strict.in_force() == {}
    strict.server.bind(N1, OTHER)
    strict.server.change(N2, "p")
    calls = len(strict.driver.calls)
    strict.server.mute = False  # it is answered before it can pull
    strict.run(20)
    assert strict.in_force() == {}, "what is its own is not known yet"
    strict.server.away = False
    strict.run(30)
    assert strict.in_force() == {N2: {"dhcp-1", "p"}}
    assert ("apply", N1) not in strict.driver.calls[calls:]


def test_a_started_agent_that_stops_serves_nothing_before_an_answer(strict: World) -> None:
    strict.stop()
    strict.machine.scopes["network/stray"] = {"port": {}}
    strict.server.mute = True  # pulls are answered, beats are not: that is no lease
    strict.start()
    strict.run(2.8)
    assert strict.in_force().keys() == {N1, N2, "network/stray"}, "it waits a little for the answer"
    strict.run(0.5)
    assert strict.in_force() == {} and ("apply", N1) not in strict.driver.calls
    strict.run(20)
    assert strict.in_force() == {}
    strict.server.mute = False
    strict.run(20)
    assert strict.in_force().keys() == {N1, N2}


def test_a_started_agent_that_is_answered_soon_touches_nothing(strict: World) -> None:
    strict.stop()
    strict.start()
    strict.run(30)
    assert strict.in_force().keys() == {N1, N2}
    assert "remove" not in [what for what, _ in strict.driver.calls]
