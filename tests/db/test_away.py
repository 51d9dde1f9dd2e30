"""A database that is killed, or that hangs: an error that says what is known, in bounded time; then all goes on.

SQLite has no server; a file that is gone is in tests/flow/test_metrics.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from netsched import errors
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from tests.servers import MariaDB, PostgreSQL

pytestmark = pytest.mark.timeout(240)
LIMIT = 2.0  # s that a statement may take here
KINDS = {"postgresql": PostgreSQL, "mariadb": MariaDB}


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[PostgreSQL | MariaDB]:
    """One of its own, since others' would be away as well."""
    with KINDS[request.param](durable=True) as started:
        yield started


@pytest.fixture
def database(server: PostgreSQL | MariaDB) -> Iterator[Database]:
    database = Database(server.url(), statement_timeout=LIMIT)
    database.write(lambda tx: tx.execute(sa.text("CREATE TABLE one (value INTEGER)")))
    yield database
    database.dispose()


@contextlib.contextmanager
def stopped(server: PostgreSQL | MariaDB) -> Iterator[None]:
    """SIGSTOP: its kernel answers, it does not."""
    assert server.pid is not None
    processes = [server.pid, *children(server.pid)]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def insert(tx: Transaction) -> None:
    tx.execute(sa.text("INSERT INTO one VALUES (1)"))


def count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.text("SELECT count(*) FROM one")).scalar_one())


def recovered(database: Database) -> int:
    """What it has once it answers again: a pool notices its dead connections one by one."""
    end = time.monotonic() + 60
    while True:
        try:
            return count(database)
        except errors.Unavailable:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_killed(server: PostgreSQL | MariaDB, database: Database) -> None:
    database.write(insert)
    server.kill()
    began = time.monotonic()
    with pytest.raises(errors.Unavailable, match="cannot be reached"):
        count(database)
    with pytest.raises(errors.Unavailable, match="cannot be reached"):
        database.write(insert)
    assert time.monotonic() - began < 10
    server.start()
    assert recovered(database) == 1
    database.write(insert)
    assert count(database) == 2


def test_hanging(server: PostgreSQL | MariaDB, database: Database) -> None:
    database.write(insert)
    with stopped(server):
        for ask in (lambda: count(database), lambda: database.write(insert)):
            began = time.monotonic()
            with pytest.raises(errors.Unavailable):
                ask()
            assert time.monotonic() - began < 3 * LIMIT + 12  # or the connecting, which has 10 s
    assert recovered(database) == 1
    database.write(insert)
    assert count(database) == 2


def test_killed_before_the_commit(server: PostgreSQL | MariaDB, database: Database) -> None:
    """Nobody knows whether a commit came through: said so, and not tried again, or it might be there twice."""
    attempts = []

    def work(tx: Transaction) -> None:
        attempts.append(1)
        insert(tx)
        server.kill()

    with pytest.raises(errors.OutcomeUnknown, match="not known") as caught:
        database.write(work)
    assert caught.value.code == "database.outcome_unknown"
    assert len(attempts) == 1
    server.start()
    assert recovered(database) == 0


def test_hanging_before_the_commit(server: PostgreSQL | MariaDB, database: Database) -> None:
    attempts = []
    with contextlib.ExitStack() as until:

        def work(tx: Transaction) -> None:
            attempts.append(1)
            insert(tx)
            until.enter_context(stopped(server))

        with pytest.raises(errors.OutcomeUnknown):
            database.write(work)
    assert len(attempts) == 1
    assert recovered(database) in (0, 1)


def test_lost_before_anything_was_decided(server: PostgreSQL | MariaDB, database: Database) -> None:
    """A connection that ends within a transaction costs nothing: it is repeated on another one."""
    attempts = []

    def work(tx: Transaction) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            server.kill()
            server.start()
        insert(tx)

    database.write(work)
    assert len(attempts) == 2
    assert count(database) == 1


def test_no_free_connection(server: PostgreSQL | MariaDB) -> None:
    database = Database(server.url(), pool_size=1)
    database.engines[1].pool._timeout = 0.2  # 30 s otherwise
    with database.read(), database.read(), pytest.raises(errors.Unavailable, match="All connections"), database.read():
        pass
    database.dispose()
