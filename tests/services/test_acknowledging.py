"""Beats of one agent that arrive in another order than they were sent in, also at two servers at once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from netsched.db.agent import agent_beat
from netsched.db.interest import applied
from netsched.db.session import Database
from netsched.model import checksum
from netsched.rpc import agent as rpc
from netsched.server.services.heartbeat import HeartbeatService, HeartbeatSettings
from tests.services.ground import Ground

FIRST = 1_800_000_000_000_000  # sequence number with which a life begins
SCOPE = "network/n1"


@pytest.fixture
def ground(database: Database) -> Ground:
    made = Ground(database)
    made.beat("h1", sequence=FIRST)
    return made


def beat(sequence: int, position: int, **fields: Any) -> rpc.Beat:
    """One that says all it has: this scope at this position."""
    has = [(SCOPE, 1, position)]
    told = [rpc.Applied(scope=s, epoch=e, position=p) for s, e, p in has]
    said: dict[str, Any] = {"applied": told, "complete": True, "count": 1, "checksum": checksum.of(has), **fields}
    return rpc.Beat(agent_type="DHCP agent", host="h1", binary="dhcp", address="dhcp.h1", sequence=sequence, **said)


def stored(ground: Ground) -> tuple[int, int, int]:
    """(position in force, sequence, checksum)"""
    with ground.database.read() as connection:
        position = connection.execute(sa.select(applied.c.position)).scalar_one()
        columns = (agent_beat.c.sequence, agent_beat.c.checksum)
        sequence, total = connection.execute(sa.select(*columns)).one()
    return position, sequence, total


def sum_of(position: int) -> int:
    return checksum.of([(SCOPE, 1, position)])


@pytest.mark.parametrize("together", [True, False])
def test_an_overtaken_beat_says_nothing(ground: Ground, together: bool) -> None:
    for late in (beat(FIRST + 2, 7), beat(FIRST + 1, 5)):
        ground.heartbeats.receive(late)
        if not together:
            ground.heartbeats.write_batch()
    ground.heartbeats.write_batch()
    assert stored(ground) == (7, FIRST + 2, sum_of(7))
    assert [answer.sequence for answer in ground.cast.said] == [FIRST, FIRST + 2]


def test_a_beat_of_an_earlier_life_says_nothing(ground: Ground) -> None:
    """Its number may even be higher: the clock of the host was set back before the agent started again."""
    now = ground.cast.said[-1].time
    later = FIRST - 3_600_000_000
    for one in (beat(later, 7), beat(later + 1, 7, echo=now), beat(FIRST + 5, 5, echo=now - 30)):
        ground.heartbeats.receive(one)
        ground.heartbeats.write_batch()
    assert stored(ground) == (7, later + 1, sum_of(7))


def test_a_new_life_is_heard_whatever_its_numbers(ground: Ground) -> None:
    ground.heartbeats.receive(beat(FIRST + 3, 5))
    ground.heartbeats.write_batch()
    for number, position in itertools.product((FIRST + 60_000_000, FIRST - 60_000_000), (7, 8)):
        ground.heartbeats.receive(beat(number + position, position))
        ground.heartbeats.write_batch()
        assert stored(ground) == (position, number + position, sum_of(position))


@pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)  # SQLite has one writer at a time
def test_a_server_that_was_overtaken_in_the_middle_undoes_nothing(ground: Ground, database_url: str) -> None:
    """It has read what it knows of the agent; before it writes, another server stores the next beat."""
    slow = Database(database_url)
    parts = (ground.delivery, ground.cast, ground.trust, ground.pace, HeartbeatSettings())
    other = HeartbeatService(slow, *parts)
    other.receive(beat(FIRST + 1, 5))
    ground.heartbeats.receive(beat(FIRST + 2, 7))

    @event.listens_for(slow.engines[0], "after_cursor_execute", once=True)
    def meanwhile(*_: object) -> None:
        ground.heartbeats.write_batch()

    other.write_batch()
    slow.dispose()
    assert stored(ground) == (7, FIRST + 2, sum_of(7))
