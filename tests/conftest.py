"""Fixtures that many tests share: a database of each kind, and a message broker. Servers start when first asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from netsched.db import schema
from netsched.db.session import Database
from tests.keystone import Keystone
from tests.servers import MariaDB, PostgreSQL, RabbitMQ
from tests.size import FULL

# What makes the statements is tried on all three kinds of database always; in the short form what uses it is tried on
# SQLite and one of the other two, which depends on the test's name.
ON_TWO = ("api", "budgets", "services")
SERVERS = ("mariadb", "postgresql")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to the full run what every change need not wait for."""
    if FULL:
        return
    left = [item for item in items if item.get_closest_marker("full") or _elsewhere(item)]
    items[:] = [item for item in items if item not in set(left)]
    config.hook.pytest_deselected(items=left)


def _elsewhere(item: pytest.Item) -> bool:
    """Is it the other server's turn?"""
    assert isinstance(item, pytest.Function)
    kind = item.callspec.params.get("database_url") if hasattr(item, "callspec") else None
    if kind not in SERVERS or item.path.parent.name not in ON_TWO:
        return False
    if item.get_closest_marker("three") or _names_databases(item):
        return False
    return kind != SERVERS[zlib.crc32(item.originalname.encode()) % 2]


def _names_databases(item: pytest.Item) -> bool:
    return any("database_url" in str(mark.args[0]) for mark in item.iter_markers("parametrize"))


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    with RabbitMQ() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def keystone() -> Iterator[Keystone]:
    with Keystone() as server:
        yield server


def _with_tables(url: str) -> Database:
    database = Database(url)
    schema.metadata().create_all(database.engines[0])
    return database


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/netsched.sqlite"


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def empty_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh database without tables, on each of the three; for tests of the migrations."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server: PostgreSQL | MariaDB = request.getfixturevalue(request.param)
    url = server.url()
    yield url
    server.drop(url)


@pytest.fixture(scope="session")
def postgresql_template(postgresql: PostgreSQL) -> str:
    """A database with all tables, to be copied: 30 ms instead of 250."""
    url = postgresql.url()
    _with_tables(url).dispose()
    return url


@pytest.fixture(scope="session")
def used_mariadb() -> list[str]:
    """Databases with all tables that tests are done with. MariaDB needs a second to make and drop one."""
    return []


@pytest.fixture
def copied_postgresql(postgresql: PostgreSQL, postgresql_template: str) -> Iterator[str]:
    url = postgresql.url(like=postgresql_template)
    yield url
    postgresql.drop(url)


@pytest.fixture
def emptied_mariadb(mariadb: MariaDB, used_mariadb: list[str]) -> Iterator[str]:
    if used_mariadb:
        database = Database(url := used_mariadb.pop())
        with database.engines[0].begin() as connection:
            for table in reversed(schema.metadata().sorted_tables):
                connection.execute(table.delete())
    else:
        database = _with_tables(url := mariadb.url())
    database.dispose()
    yield url
    used_mariadb.append(url)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database with all tables and no rows, on each of the three."""
    if request.param == "sqlite":
        url: str = request.getfixturevalue("sqlite_url")
        _with_tables(url).dispose()
        return url
    name = {"postgresql": "copied_postgresql", "mariadb": "emptied_mariadb"}[request.param]
    return str(request.getfixturevalue(name))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh Database on SQLite, PostgreSQL and MariaDB in turn."""
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """A fresh Database on SQLite, for tests in which the kind of database plays no part."""
    database = _with_tables(sqlite_url)
    yield database
    database.dispose()
