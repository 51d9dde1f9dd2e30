"""Interests outlive their causes: granted and released with the placement, gone only when acknowledged."""

from __future__ import annotations

import pytest

from netsched.db import holder, interest
from netsched.db.session import Database
from tests.db.placements import World


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_a_grant_takes_from_one_and_gives_to_another_in_one_statement(world: World) -> None:
    old, new = world.agent("h1"), world.agent("h2")
    world.database.write(lambda tx: interest.grant(tx, [(old, "network/n", 1)]))
    assert world.interests("network/n") == {old: ("held", 1)}
    world.database.write(lambda tx: interest.grant(tx, [(new, "network/n", 2)], lost=[(old, "network/n", 1)]))
    assert world.interests("network/n") == {old: ("released", 1), new: ("held", 2)}
    with world.database.read() as connection:
        told = {h.host: h.released for h in holder.holders(connection, ["network/n"])}
    assert told == {"h1": True, "h2": False}


def test_both_owe_an_acknowledgement(world: World) -> None:
    old, new = world.agent("h1"), world.agent("h2")
    world.database.write(lambda tx: interest.grant(tx, [(new, "network/n", 2)], lost=[(old, "network/n", 1)]))
    assert all(row["behind_since"] is not None for row in world.rows(interest.interest))


def test_what_comes_back_before_it_was_acknowledged_is_held_again(world: World) -> None:
    agent_id = world.agent("h1")
    world.database.write(lambda tx: interest.grant(tx, [(agent_id, "network/n", 1)]))
    world.database.write(lambda tx: interest.release(tx, [(agent_id, "network/n")]))
    assert world.interests("network/n") == {agent_id: ("released", 1)}
    world.database.write(lambda tx: interest.grant(tx, [(agent_id, "network/n", 2)]))
    assert world.interests("network/n") == {agent_id: ("held", 2)}


def test_a_release_touches_only_what_it_names(world: World) -> None:
    first, second = world.agent("h1"), world.agent("h2")
    pairs = [(agent, scope) for agent in (first, second) for scope in ("network/a", "network/b")]
    world.database.write(lambda tx: interest.grant(tx, [(*pair, 1) for pair in pairs]))
    world.database.write(lambda tx: interest.release(tx, [(first, "network/a"), (second, "network/b")]))
    assert world.interests("network/a") == {first: ("released", 1), second: ("held", 1)}
    assert world.interests("network/b") == {first: ("held", 1), second: ("released", 1)}
    world.database.write(lambda tx: interest.release(tx, []))
