"""One fresh API per test that asks for it. The tables are made once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from netsched.db.session import Database
from tests.api.ground import Api, database_in


@pytest.fixture(scope="session")
def empty_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tables")
    database_in(directory).dispose()
    return directory / "netsched.sqlite"


@pytest.fixture
def tables(empty_tables: Path, tmp_path: Path) -> Iterator[Database]:
    shutil.copy(empty_tables, tmp_path / "netsched.sqlite")
    database = Database(f"sqlite:///{tmp_path}/netsched.sqlite")
    yield database
    database.dispose()


@pytest.fixture
def api(tables: Database) -> Api:
    return Api(tables)
