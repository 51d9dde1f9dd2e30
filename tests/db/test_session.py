"""Transactions are repeated whole where that is safe, and nothing half done is ever left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from netsched import errors
from netsched.db import change
from netsched.db.interest import applied
from netsched.db.session import Database
from netsched.db.transaction import Transaction

STATE = change.log_state


@pytest.fixture
def counters(database: Database) -> Iterator[Database]:
    """Two rows to fight over."""
    rows = [{"id": n, "position": 0, "floor": 0, "incarnation": "i"} for n in (1, 2)]
    database.write(lambda tx: tx.execute(sa.insert(STATE).values(rows)))
    yield database


def add(tx: Transaction, row: int) -> None:
    tx.execute(sa.update(STATE).where(STATE.c.id == row).values(position=STATE.c.position + 1))


def values(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.execute(sa.select(STATE.c.position).order_by(STATE.c.id)).scalars())


def hang_up(database: Database, tx: Transaction) -> None:
    """Let the database end the transaction's own connection."""
    if database.dialect == "postgresql":
        pid = tx.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        statement = f"SELECT pg_terminate_backend({pid})"
    else:
        pid = tx.execute(sa.text("SELECT CONNECTION_ID()")).scalar_one()
        statement = f"KILL {pid}"
    with database.read() as other:
        other.execute(sa.text(statement))


def test_writers_that_deadlock_both_succeed(counters: Database) -> None:
    both = threading.Barrier(2, timeout=10)

    def work(first: int, second: int) -> None:
        tries: list[int] = []

        def transaction(tx: Transaction) -> None:
            tries.append(1)
            add(tx, first)
            if len(tries) == 1 and counters.dialect != "sqlite":  # there, writers take turns
                both.wait()
            add(tx, second)

        counters.write(transaction)

    threads = [threading.Thread(target=work, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert values(counters) == [2, 2]


def test_a_connection_lost_in_a_transaction_repeats_it_whole(counters: Database) -> None:
    if counters.dialect == "sqlite":
        return  # there is no connection to lose
    tries: list[int] = []

    def work(tx: Transaction) -> None:
        tries.append(1)
        add(tx, 1)
        if len(tries) == 1:
            hang_up(counters, tx)
        add(tx, 2)

    counters.write(work)
    assert len(tries) == 2 and values(counters) == [1, 1]


def test_what_was_deleted_under_a_transaction_is_read_again(counters: Database) -> None:
    if counters.dialect == "sqlite":
        return  # there, nobody else writes while a transaction is open
    tries: list[int] = []

    def work(tx: Transaction) -> None:
        tries.append(1)
        add(tx, 1)
        if len(tries) == 1:
            row = {"agent_id": "deleted since", "scope": "network/n", "position": 1, "epoch": 1}
            tx.execute(sa.insert(applied).values(row))

    counters.write(work)
    assert len(tries) == 2 and values(counters) == [1, 0]


def test_idle_connections_that_died_are_not_noticed_by_anyone(counters: Database) -> None:
    if counters.dialect == "sqlite":
        return
    assert values(counters) == [0, 0]
    with counters.engines[1].connect() as connection:
        raw = connection.connection.dbapi_connection
    assert raw is not None
    raw.close()
    time.sleep(1.1)
    assert values(counters) == [0, 0]


def test_a_failure_leaves_nothing_half_done(counters: Database) -> None:
    def work(tx: Transaction) -> None:
        add(tx, 1)
        tx.log("network", "n", "create", "network/n")
        raise errors.Conflict(reason="changed my mind")

    with pytest.raises(errors.Conflict):
        counters.write(work)
    assert values(counters) == [0, 0]
    with counters.read() as connection:
        assert connection.execute(sa.select(change.log)).all() == []


def test_what_was_logged_is_written_with_the_rest_and_then_nudges(counters: Database) -> None:
    nudged: list[int] = []
    counters.on_commit(lambda: nudged.append(1))
    counters.write(lambda tx: tx.log("port", "p", "update", "network/a", "network/b", "network/a"))
    with counters.read() as connection:
        assert connection.execute(sa.select(change.log.c.scope).order_by(change.log.c.id)).scalars().all() == [
            "network/a",
            "network/b",
        ]
    assert nudged == [1]
    counters.write(lambda tx: None)
    assert nudged == [1]


def test_a_database_that_is_away_is_unavailable_and_no_secret_is_told() -> None:
    database = Database("postgresql+psycopg2://user:sesame@127.0.0.1:1/none")
    with pytest.raises(errors.Unavailable) as raised, database.read() as connection:
        connection.execute(sa.select(1))
    assert "sesame" not in str(raised.value)
    with pytest.raises(errors.Unavailable):
        database.write(lambda tx: None)
