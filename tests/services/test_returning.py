"""Agents that come back to a server that knows what they had, or to a database that does not know it any more."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import sqlalchemy as sa

from netsched.db import change, interest
from netsched.db.session import Database
from netsched.model import checksum
from netsched.rpc import agent as rpc
from tests.services.ground import Ground
from tests.statements import counted

N1, N2 = ("network/n1", 1, 1), ("network/n2", 1, 1)


@pytest.fixture
def ground(database: Database) -> Ground:
    """h1 holds n1 and n2 and has acknowledged both; the log stands at 1."""
    made = Ground(database)
    made.beat("h1", capabilities=rpc.Capabilities())
    for network in ("n1", "n2"):
        made.grant("h1", network)
        made.change_port(f"p-{network}", network, "create")
    made.delivery.relay()
    made.applied("h1", N1, N2)
    return made


def start(ground: Ground, *copies: tuple[str, int, int], **fields: Any) -> rpc.BeatAnswer:
    """The first beat of a new life with these copies."""
    brought = rpc.Copies(count=len(copies), checksum=checksum.of(copies))
    known = {"incarnation": "incarnation-1", "capabilities": rpc.Capabilities(), "configurations": {}}
    return ground.beat("h1", restoring=True, copies=brought, **{**known, **fields})


def position(database: Database) -> change.LogState:
    with database.read() as connection:
        return change.state(connection)


def test_copies_of_what_was_acknowledged_are_current(ground: Ground) -> None:
    answer = start(ground, N2, N1)
    assert answer.current and not answer.send_all and not answer.introduce
    assert answer.lagging == [] and answer.dropped == []


@pytest.mark.parametrize(
    "copies", [(N1,), (N1, N2, ("network/n3", 1, 1)), (N1, ("network/n2", 1, 2)), (N1, ("network/n2", 2, 1))]
)
def test_copies_of_anything_else_are_not(ground: Ground, copies: tuple[tuple[str, int, int], ...]) -> None:
    answer = start(ground, *copies)
    assert not answer.current and not answer.send_all, "it says itself when its sums mean something again"


def test_copies_of_another_incarnation_are_not(ground: Ground) -> None:
    assert not start(ground, N1, N2, incarnation="another").current


def test_what_is_owed_beyond_the_copies_is_named_however_fresh(ground: Ground) -> None:
    ground.grant("h1", "n3")
    ground.change_port("p", "n2")
    ground.delivery.relay()
    ground.database.write(
        lambda tx: tx.execute(
            sa.update(interest.interest)
            .where(interest.interest.c.scope == N1[0])
            .values(state=interest.RELEASED)
            .values(behind_since=tx.now)
        )
    )
    answer = start(ground, N1, N2)
    assert answer.current
    assert sorted(one.scope for one in answer.lagging) == ["network/n2", "network/n3"]
    assert answer.dropped == ["network/n1"]


def test_what_a_late_beat_set_back_unnoticed_is_not_current(ground: Ground) -> None:
    """It was in force at 2 and acknowledged, then a beat that says 1 was stored by a server that had hung with it."""
    ground.change_port("p", "n2")
    ground.delivery.relay()
    ground.applied("h1", N1, ("network/n2", 1, 2))
    ground.applied("h1", N1, N2)
    assert not start(ground, N1, N2).current


def test_what_nobody_gave_it_is_not_current(ground: Ground) -> None:
    stray = ("network/stray", 1, 1)
    assert ground.applied("h1", N1, N2, stray).dropped == ["network/stray"]
    assert not start(ground, N1, N2, stray).current, "its life before this one had no time to take it away"


def test_a_warm_restart_costs_one_statement_more_than_a_beat(ground: Ground) -> None:
    with counted(ground.database) as idle:
        ground.beat("h1", count=2, checksum=checksum.of([N1, N2]))
    with counted(ground.database) as warm:
        assert start(ground, N1, N2).current
    assert len(warm) == len(idle) + 1, warm


# A database that is older than its agents


def ahead(log: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in log.records if "ahead of the database" in record.getMessage()]


def test_a_position_beyond_the_log_begins_a_new_incarnation_once(ground: Ground, caplog: Any) -> None:
    said = [rpc.Applied(scope="network/n1", epoch=1, position=9)]
    first = ground.beat("h1", applied=said, incarnation="incarnation-1")
    again = ground.beat("h1", applied=said, incarnation="incarnation-1")
    assert first.incarnation == again.incarnation == position(ground.database).incarnation != "incarnation-1"
    assert ahead(caplog) == [logging.ERROR]
    with ground.database.read() as connection:
        stored = connection.execute(sa.select(interest.applied.c.position)).scalars().all()
    assert sorted(stored) == [1, 1], "what it said of the other time is not stored"


def test_a_list_beyond_a_scope_proves_it_although_the_log_has_grown(ground: Ground, caplog: Any) -> None:
    for _ in range(10):
        ground.change_port("p", "n2")
        ground.delivery.relay()
    ground.applied("h1", ("network/n1", 1, 7), N2, incarnation="incarnation-1")
    assert position(ground.database).incarnation == "incarnation-1", "an ordinary beat costs no look at its scopes"
    answer = ground.applied("h1", ("network/n1", 1, 7), N2, complete=True, incarnation="incarnation-1")
    assert answer.incarnation != "incarnation-1" and ahead(caplog) == [logging.ERROR]


@pytest.mark.parametrize(("asked", "known", "anew"), [(9, "incarnation-1", True), (1, "incarnation-1", False)])
@pytest.mark.parametrize("scope", ["network/n1", "network/never-held"])
def test_a_pull_from_beyond_proves_it(ground: Ground, scope: str, asked: int, known: str, anew: bool) -> None:
    item = rpc.PullItem(scope=scope, position=asked, epoch=1)
    answer = ground.delivery.pull(rpc.PullRequest(agent_type="DHCP agent", host="h1", incarnation=known, items=[item]))
    assert (answer.incarnation != "incarnation-1") is anew
    assert answer.incarnation == position(ground.database).incarnation
    if anew and scope == "network/n1":
        assert answer.scopes[0].full


def test_positions_of_yet_another_incarnation_prove_nothing(ground: Ground) -> None:
    said = [rpc.Applied(scope="network/n1", epoch=1, position=9)]
    answer = ground.beat("h1", applied=said, complete=True, incarnation="some other")
    item = rpc.PullItem(scope="network/n1", position=9, epoch=1)
    ground.delivery.pull(rpc.PullRequest(agent_type="DHCP agent", host="h1", incarnation="some other", items=[item]))
    assert answer.incarnation == position(ground.database).incarnation == "incarnation-1"


def test_a_pull_of_many_unchanged_scopes_is_small_and_costs_a_handful(ground: Ground) -> None:
    for number in range(120):
        ground.grant("h1", f"m{number}")
        ground.change_port(f"q{number}", f"m{number}", "create")
    ground.delivery.relay()
    at = position(ground.database).position
    items = [rpc.PullItem(scope=f"network/m{number}", position=at, epoch=1) for number in range(120)]
    request = rpc.PullRequest(agent_type="DHCP agent", host="h1", incarnation="incarnation-1", items=items)
    with counted(ground.database) as sent:
        answer = ground.delivery.pull(request)
    assert len(answer.scopes) == 120 and not any(one.full or one.upserts for one in answer.scopes)
    assert len(sent) <= 4, sent
    whole = request.model_copy(update={"items": [one.model_copy(update={"position": 0}) for one in items]})
    assert len(ground.delivery.pull(whole).scopes) == 50
