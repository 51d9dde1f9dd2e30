"""The migrations lead to the tables that the code has, and a server refuses to work on any other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from netsched.db import change, schema
from netsched.db.session import Database


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    database = Database(empty_database_url)
    yield database
    database.dispose()


def test_upgrading_an_empty_database_gives_the_tables_of_this_release(empty: Database) -> None:
    assert schema.upgrade(empty) == schema.wanted() == schema.current(empty)
    assert schema.drift(empty) == []
    schema.check(empty)


def test_a_second_upgrade_changes_nothing(empty: Database) -> None:
    schema.upgrade(empty)
    with empty.read() as connection:
        before = change.state(connection)
    schema.upgrade(empty)
    with empty.read() as connection:
        assert change.state(connection) == before


def test_a_wrong_schema_is_refused_with_the_command_to_run(empty: Database) -> None:
    with pytest.raises(schema.WrongSchema, match="netsched-manage db upgrade"):
        schema.check(empty)
    schema.upgrade(empty)
    empty.write(lambda tx: tx.execute(sa.text("UPDATE alembic_version SET version_num = '0001'")))
    with pytest.raises(schema.WrongSchema, match="0001.*netsched-manage db upgrade"):
        schema.check(empty)
    empty.write(lambda tx: tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(schema.WrongSchema, match="9999.*install that one here, too"):
        schema.check(empty)


def test_the_history_tells_each_step() -> None:
    assert ("0001", "initial tables") in schema.history()
