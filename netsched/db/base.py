"""What all tables share: the metadata, the column types, and the columns of every resource."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import expression

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sa.String(36)
DateTime = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
# SQLite gives an auto-increment only to INTEGER.
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


class Json(sa.types.TypeDecorator[Any]):
    """JSON as text on all three databases: we store and return it, and never search in it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else json.dumps(value, separators=(",", ":"), sort_keys=True)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        if value == "{}":  # what most of it is, and parsing costs more than all the rest of a row
            return {}
        if value == "[]":
            return []
        return None if value is None else json.loads(value)


class now(expression.FunctionElement[datetime.datetime]):  # noqa: N801 (reads as the SQL function that it is)
    """The database's clock, UTC: the only one by which leases and dead limits are judged."""

    type = DateTime
    inherit_cache = True


@compiles(now, "postgresql")
def _now_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return "timezone('utc', clock_timestamp())"


@compiles(now, "mysql")
@compiles(now, "mariadb")
def _now_mariadb(element: Any, compiler: Any, **kw: Any) -> str:
    return "UTC_TIMESTAMP(6)"


@compiles(now, "sqlite")
def _now_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return "netsched_now()"  # defined on each connection by session.py: SQLite's clock is the process's


def before_now(
    connection: sa.Connection, seconds: float | sa.ColumnElement[float]
) -> sa.ColumnElement[datetime.datetime]:
    """The database's time some seconds ago, as an expression that an index can be searched with.

    `seconds` may be a column: then it is a time per row, null where the column is.
    """
    name = connection.dialect.name
    if name == "sqlite":
        return sa.func.netsched_now(seconds, type_=DateTime)
    if isinstance(seconds, sa.ColumnElement):
        if name == "postgresql":
            return now() - sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds, type_=sa.Interval())
        micros = sa.cast(seconds * -1e6, sa.BigInteger)
        return sa.func.timestampadd(sa.text("MICROSECOND"), micros, now(), type_=DateTime)
    if name == "postgresql":
        return now() - datetime.timedelta(seconds=seconds)
    return sa.func.timestampadd(sa.text("MICROSECOND"), -int(seconds * 1e6), now(), type_=DateTime)


def standard_columns() -> list[sa.Column[Any]]:
    """The columns that every REST resource has."""
    return [
        sa.Column("id", Id, primary_key=True),
        sa.Column("project_id", sa.String(255), nullable=False, index=True),
        sa.Column("name", sa.String(255), nullable=False, default=""),
        sa.Column("description", sa.String(255), nullable=False, default=""),
        sa.Column("created_at", DateTime, nullable=False),
        sa.Column("updated_at", DateTime, nullable=False),
        sa.Column("revision_number", sa.BigInteger, nullable=False, default=0),
        # A list of texts in the order given; null is none. With the row, since they are only ever wanted with it.
        sa.Column("tags", Json, nullable=True),
    ]


def timestamp(value: datetime.datetime) -> str:
    """A time as the Networking API writes it: whole seconds, UTC."""
    return value.isoformat(timespec="seconds") + "Z"  # half of what strftime takes


def insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]], **same: Any) -> None:
    """INSERT all rows, which name the same columns, in one statement; `same`: what all of them have, besides.

    Not by `values(rows)`: SQLAlchemy would compile that anew, each value of each row, which takes it several times as
    long as the database takes to do it.
    """
    if rows:
        connection.execute(sa.insert(table).values(**same) if same else sa.insert(table), rows)


def by_key(key: sa.Column[Any], column: sa.Column[Any], values: Mapping[str, Any]) -> sa.ColumnElement[Any]:
    """In an UPDATE of many rows: what each row gets in `column`, by its `key`; rows that are not named keep theirs.

    A WHEN per value and not one per row: hundreds of rows have but few, and each WHEN costs more to compile than a row
    costs the database.
    """
    keys: dict[str, list[str]] = {}
    given: dict[str, Any] = {}
    for name, value in values.items():
        text = repr(value)
        keys.setdefault(text, []).append(name)
        given[text] = value
    whens = [(key.in_(names), sa.literal(given[text], column.type)) for text, names in keys.items()]
    return sa.case(*whens, else_=column)


def upsert(
    connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]], *columns: str, **computed: Any
) -> None:
    """INSERT all rows, which name the same columns, in one statement; where the primary key exists, set `columns` to
    the new values instead.

    And `computed` columns to expressions over the row that is there, or to what functions make of the new row. They are
    given in an order in which none reads a column that an earlier one has set: MariaDB evaluates them one after the
    other. What is SQL in the first row, such as `now()`, is the same in all. No IN in `computed`.
    """
    if not rows:
        return
    same = {name: value for name, value in rows[0].items() if isinstance(value, sa.ClauseElement)}
    if connection.dialect.name in ("mysql", "mariadb"):
        insert = mysql.insert(table).values(**same)
        new_values = [(name, insert.inserted[name]) for name in columns]
        old_values = [(name, made(insert.inserted) if callable(made) else made) for name, made in computed.items()]
        statement: Any = insert.on_duplicate_key_update([*old_values, *new_values])
    else:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        new = dialect.insert(table).values(**same)
        keys = [column.name for column in table.primary_key.columns]
        values = {name: made(new.excluded) if callable(made) else made for name, made in computed.items()}
        values |= {name: new.excluded[name] for name in columns}
        statement = new.on_conflict_do_update(index_elements=keys, set_=values)
    # Compiled once, as in `insert`. SQLAlchemy does so with an upsert only if it returns something.
    given = [{name: value for name, value in row.items() if name not in same} for row in rows]
    connection.execute(statement.returning(sa.literal_column("1")), given)
