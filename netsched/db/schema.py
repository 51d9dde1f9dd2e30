"""Which schema the database has, which this release wants, and the way from one to the other."""

from __future__ import annotations

import importlib
import pkgutil
import uuid
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from netsched import db, errors
from netsched.db import base, change
from netsched.db.session import Database


class WrongSchema(errors.Unavailable):
    """The database has schema {actual}, this release wants {wanted}. {advice}"""

    code = "database.wrong_schema"


def metadata() -> sa.MetaData:
    """All tables: every module of the package that defines some is imported."""
    for module in pkgutil.iter_modules(db.__path__):
        if not module.ispkg:
            importlib.import_module(f"{db.__name__}.{module.name}")
    return base.metadata


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "netsched.db:migrations")
    return config


def wanted() -> str:
    """The revision that this release works with."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def current(database: Database) -> str | None:
    """The revision that the database has, None if it is empty. Raises Unavailable."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def history() -> list[tuple[str, str]]:
    """[(revision, what it does)], oldest first."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return [(script.revision, script.doc) for script in reversed(list(scripts))]


def upgrade(database: Database) -> str:
    """Bring the database to the wanted schema, and start the change log if there is none. Returns the revision.

    Raises Unavailable, also when the database's user may not make tables.
    """
    empty = current(database) is None
    try:
        _migrate(database, empty)
    except sa.exc.DBAPIError as error:
        raise errors.Unavailable(reason=f"The database refuses the schema: {error.orig}") from error
    with database.read() as connection:
        started = connection.execute(sa.select(change.log_state.c.id)).first() is not None
    if not started:
        database.write(lambda tx: change.start(tx, str(uuid.uuid4())))
    return wanted()


def _migrate(database: Database, empty: bool) -> None:
    config = _config()
    with database.engines[0].begin() as connection:
        if empty and database.dialect in ("mysql", "mariadb"):
            # Names differ by case and accent, and comparisons must agree with the other databases and with Python.
            connection.exec_driver_sql("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(database: Database) -> None:
    """Raise WrongSchema unless the database has what this release wants."""
    actual = current(database)
    if actual == wanted():
        return
    advice = "Run: netsched-manage db upgrade"
    if actual is not None and actual not in dict(history()):
        advice = "It was upgraded for another release: install that one here, too"
    raise WrongSchema(actual=actual or "none", wanted=wanted(), advice=advice)


def drift(database: Database) -> list[Any]:
    """What alembic finds different between the database and the tables of this release; for the test."""
    with database.engines[0].connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata()))


def new_migration(database: Database, message: str, number: str) -> None:
    """Write the next migration by comparing; for developers (CONTRIBUTING, add a resource)."""
    config = _config()
    with database.engines[0].begin() as connection:
        config.attributes["connection"] = connection
        command.revision(config, message=message, rev_id=number, autogenerate=True)
