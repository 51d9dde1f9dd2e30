"""Beats of one agent that two servers store at about the same time."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from netsched.db import beat
from netsched.db.agent import agent_beat
from netsched.db.session import Database
from tests.db.placements import World

NOON = datetime.datetime(2126, 1, 1, 12)  # after what the agent is made with


def row(agent_id: str, sent_at: datetime.datetime | None) -> dict[str, Any]:
    same: dict[str, Any] = {"lease": 4.0, "present_since": NOON, "sequence": 1, "load": {}, "count": 0, "checksum": 0}
    return {"agent_id": agent_id, "received_at": NOON, "sent_at": sent_at, **same}


@pytest.mark.parametrize("late", [NOON - datetime.timedelta(seconds=5), None])
def test_slow_server_does_not_make_an_agent_silent(database: Database, late: datetime.datetime | None) -> None:
    """It read what it knows of the agent before the other server stored a newer beat."""
    agent_id = World(database).agent("h1")
    for sent_at in (None, NOON, late):
        with database.engines[0].begin() as connection:
            beat.store(connection, [row(agent_id, sent_at)])
    with database.read() as connection:
        assert connection.execute(sa.select(agent_beat.c.sent_at)).scalar_one() == NOON
