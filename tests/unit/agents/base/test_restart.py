"""An agent that starts again: with copies that are what the server thinks, older, newer, or no more its own."""

from __future__ import annotations

import pytest

from tests.unit.agents.base.world import ME, N1, N2, OTHER, World


@pytest.fixture
def world() -> World:
    return World()


def test_a_restart_changes_nothing_that_is_still_wanted(world: World) -> None:
    for scope in (N1, N2):
        world.server.bind(scope, ME)
    world.run(3)
    world.stop()
    pulls, beats = len(world.server.pulls), len(world.server.beats)
    world.start()
    world.run(2)
    assert len(world.server.pulls) == pulls, "it said what it has, and that was what the server thought"
    assert world.in_force().keys() == {N1, N2}
    assert sorted(world.driver.calls) == [("apply", N1), ("apply", N2)]
    assert not any(beat.applied or beat.complete for beat in world.server.beats[beats:])
    assert not world.server.beats[-1].restoring
    world.run(30)
    assert world.server.beats[-1].count == 2 and not world.server.beats[-1].complete


def test_a_restart_pulls_only_what_changed_meanwhile(world: World) -> None:
    for scope in (N1, N2):
        world.server.bind(scope, ME)
    world.run(3)
    world.stop()
    world.server.change(N2, "p")
    pulls = len(world.server.pulls)
    world.start()
    world.run(2)
    assert [[item.scope for item in pull.items] for pull in world.server.pulls[pulls:]] == [[N2]]
    assert world.in_force() == {N1: {"dhcp-1"}, N2: {"dhcp-1", "p"}}


def test_copies_that_are_not_what_was_acknowledged_are_pulled(world: World) -> None:
    """The disk was behind when the agent was killed: it has less than what it once said."""
    for scope in (N1, N2):
        world.server.bind(scope, ME)
    world.run(3)
    world.server.change(N1, "p", tell="box")
    world.run(0.8)
    assert world.server.applied[ME][N1] == (1, 2)
    world.process._serving.stop()  # type: ignore[union-attr]
    pulls = len(world.server.pulls)
    world.start()
    world.run(3)
    assert [sorted(item.scope for item in pull.items) for pull in world.server.pulls[pulls:]] == [[N1, N2]]
    assert world.in_force() == {N1: {"dhcp-1", "p"}, N2: {"dhcp-1"}}
    world.run(30)
    assert world.server.applied[ME] == {N1: (1, 2), N2: (1, 1)}


def test_without_an_answer_the_pulls_decide_before_the_copies_are_used(world: World) -> None:
    for scope in (N1, N2):
        world.server.bind(scope, ME)
    world.run(3)
    world.stop()
    world.server.bind(N1, OTHER)
    world.server.mute = True
    world.start()
    world.run(2.9)
    assert world.in_force().keys() == {N2} and ("apply", N1) not in world.driver.calls
