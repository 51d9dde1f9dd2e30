"""Fixtures that many tests share: a database of each kind, and a message broker. Servers start when first asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from netsched.db import schema
from netsched.db.session import Database
from tests.servers import MariaDB, PostgreSQL, RabbitMQ


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


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """The URL of a fresh database with all tables and no rows, on each of the three."""
    _with_tables(empty_database_url).dispose()
    return empty_database_url


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
