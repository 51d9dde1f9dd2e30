"""What a Galera does that one MariaDB does not: it refuses at the commit, lags, and falls silent without the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from netsched import errors
from netsched.db.session import Database
from netsched.db.transaction import Repeat, Transaction
from tests.clusters import Galera

pytestmark = pytest.mark.timeout(300)

EACH = 60  # increments by each of two writers


@pytest.fixture(scope="module")
def galera() -> Iterator[Galera]:
    with Galera() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def databases(galera: Galera) -> Iterator[list[Database]]:
    found = [Database(url) for url in galera.urls()]
    with found[0].engines[0].begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (id INTEGER PRIMARY KEY, value INTEGER)"))
        connection.execute(sa.text("INSERT INTO t VALUES (1, 0)"))
    yield found
    for database in found:
        database.dispose()


def value(connection: sa.Connection) -> int:
    return int(connection.execute(sa.text("SELECT value FROM t WHERE id = 1")).scalar_one())


def increment(tx: Transaction) -> None:
    """Guarded as all of ours are: by what the row was when it was read."""
    old = value(tx.connection)
    statement = sa.text("UPDATE t SET value = :new WHERE id = 1 AND value = :old")
    if not tx.execute(statement, {"new": old + 1, "old": old}).rowcount:
        raise Repeat("another was faster")


def test_what_another_node_changed_first_is_done_again(databases: list[Database]) -> None:
    refused: list[object] = []
    for database in databases:
        event.listen(database.engines[0], "handle_error", lambda context: refused.append(context.original_exception))
    ended: list[int] = []

    def write(database: Database) -> None:
        for _ in range(EACH):
            while True:  # a writer that lost 12 races in a row is told so, and may ask again
                try:
                    database.write(increment)
                    break
                except errors.Unavailable:
                    continue
        ended.append(EACH)

    threads = [threading.Thread(target=write, args=(database,), daemon=True) for database in databases[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert ended == [EACH, EACH]
    for database in databases:
        with database.read() as connection:
            assert value(connection) == 2 * EACH
    assert any("1213" in str(error) for error in refused), "nothing was refused: the test tried nothing"


def test_what_one_node_committed_another_one_shows(databases: list[Database]) -> None:
    for _ in range(100):
        databases[0].write(increment)
        with databases[0].read() as connection:
            written = value(connection)
        with databases[2].read() as connection:
            assert value(connection) == written


def test_a_node_without_the_others_is_an_unavailable_database(galera: Galera, databases: list[Database]) -> None:
    """The last test: it leaves one node of three."""
    for node in galera.nodes[1:]:
        node.kill()
    with pytest.raises(errors.Unavailable):
        while True:
            databases[0].write(increment)
    with pytest.raises(errors.Unavailable), databases[0].read() as connection:
        value(connection)
