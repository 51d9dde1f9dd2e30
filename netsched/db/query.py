"""Compiles a model.query.Query onto a table: filters, order, and pages by keyset (never OFFSET).

A page's cost depends on the page, not on how many pages came before: the marker's own sort values are looked up once,
and the page starts behind them.
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base
from netsched.db.transaction import Repeat, Transaction
from netsched.model.query import Query

Condition = sa.ColumnElement[bool]
Values = Sequence[Any]
Row = Mapping[str, Any] | sa.RowMapping

BATCH = 1000  # ids or rows in one statement: SQLite takes 32,766 parameters
TAGS = ("tags", "tags-any", "not-tags", "not-tags-any")  # filters of whatever has tags
_TRUE = {"true", "1", "yes", "on", "t"}
_FALSE = {"false", "0", "no", "off", "f"}


@dataclass(frozen=True)
class Fields:
    """What of a resource can be asked for: attribute -> column, or attribute -> condition for accepted values.

    Attributes of `columns` can be sorted by as well.
    """

    table: sa.Table
    columns: Mapping[str, sa.Column[Any]]
    conditions: Mapping[str, Callable[[Values], Condition]] = field(default_factory=dict)


def standard_fields(table: sa.Table) -> dict[str, sa.Column[Any]]:
    """The attributes that every resource has."""
    names = ("id", "project_id", "name", "description", "created_at", "updated_at", "revision_number")
    return {"tenant_id": table.c.project_id} | {name: table.c[name] for name in names}


def batches(items: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    found = list(items)
    for start in range(0, len(found), size):
        yield found[start : start + size]


def page(connection: sa.Connection, fields: Fields, query: Query, visible: Condition | None = None) -> sa.Select[Any]:
    """A select of the ids on the page, in order. One statement is sent when there is a marker, otherwise none.

    Raises InvalidInput for a marker that does not exist, an attribute unknown here, or a value of the wrong type.
    """
    wanted = sa.select(fields.table.c.id)
    if visible is not None:
        wanted = wanted.where(visible)
    for name, values in query.filters.items():
        wanted = wanted.where(_condition(fields, name, values))
    keys = _keys(fields, query)
    if query.marker is not None:
        wanted = wanted.where(_behind(keys, _marker(connection, fields, query.marker, keys, visible)))
    return wanted.order_by(*_order(keys)).limit(query.limit)


def order(fields: Fields, query: Query) -> list[sa.ColumnElement[Any]]:
    """ORDER BY of the statement around the page; rows come backwards for page_reverse, see `turned`."""
    return _order(_keys(fields, query))


def turned(objects: list[dict[str, Any]], query: Query) -> list[dict[str, Any]]:
    """Objects as read, in the order in which the client wants them."""
    return objects[::-1] if query.page_reverse else objects


def _keys(fields: Fields, query: Query) -> list[tuple[sa.ColumnElement[Any], bool]]:
    """Sort keys with direction (True: upwards). The id comes last, so that the order is total."""
    sorts = [*query.sorts]
    if not any(name == "id" for name, _ in sorts):
        sorts.append(("id", True))
    keys = []
    for name, ascending in sorts:
        if name not in fields.columns:
            raise errors.InvalidInput(reason=f"sort_key: '{name}' is invalid attribute for sorting")
        keys.append((_comparable(fields.columns[name]), ascending != query.page_reverse))
    return keys


def _comparable(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """The three databases disagree on where NULL sorts, and two of them on whether booleans compare."""
    if isinstance(column.type, sa.Boolean):
        return sa.case((column, 1), else_=0)
    return sa.func.coalesce(column, "") if column.nullable else column


def _order(keys: Iterable[tuple[sa.ColumnElement[Any], bool]]) -> list[sa.ColumnElement[Any]]:
    return [key.asc() if upwards else key.desc() for key, upwards in keys]


def _marker(
    connection: sa.Connection,
    fields: Fields,
    marker: str,
    keys: list[tuple[sa.ColumnElement[Any], bool]],
    visible: Condition | None,
) -> Sequence[Any]:
    labelled = [key.label(f"key_{position}") for position, (key, _) in enumerate(keys)]
    wanted = sa.select(*labelled).where(fields.table.c.id == marker)
    if visible is not None:
        wanted = wanted.where(visible)
    row = connection.execute(wanted).first() if _storable(marker) else None
    if row is None:
        raise errors.InvalidInput(reason=f"marker: '{marker}' could not be found")
    return tuple(row)


def _behind(keys: list[tuple[sa.ColumnElement[Any], bool]], values: Sequence[Any]) -> Condition:
    """(a, b, id) > (va, vb, vid), each in its own direction: rows behind the marker."""
    ways = []
    for last, (key, upwards) in enumerate(keys):
        same = [before == values[position] for position, (before, _) in enumerate(keys[:last])]
        ways.append(sa.and_(*same, key > values[last] if upwards else key < values[last]))
    return sa.or_(*ways)


def _condition(fields: Fields, name: str, values: Values) -> Condition:
    if name in TAGS and "tags" in fields.table.c:
        return _tagged(fields.table.c.tags, name, values)
    if name == "changed_since" and "updated_at" in fields.table.c:
        return sa.and_(*[fields.table.c.updated_at >= _time(name, value) for value in values])
    if name in fields.conditions:
        return fields.conditions[name](values)
    if name not in fields.columns:
        raise errors.HTTPBadRequest(reason=f"['{name}'] is invalid attribute for filtering")
    column = fields.columns[name]
    if isinstance(column.type, sa.Boolean):
        return column.in_([boolean(name, value) for value in values])
    if isinstance(column.type, sa.Integer):
        return column.in_([number for number in (_integer(name, value) for value in values) if abs(number) < 2**31])
    if isinstance(column.type, sa.DateTime):
        return sa.or_(sa.false(), *[_within(column, _time(name, value)) for value in values])
    return any_of(column, values)


def any_of(column: sa.ColumnElement[Any], values: Values) -> Condition:
    """Text: any of the values. Null and the empty string are one to a client, who cannot send a null."""
    texts = [str(value) for value in values if value not in (None, "")]
    condition: Condition = column.in_([text for text in texts if _storable(text)])
    if len(texts) < len(values):
        condition = sa.or_(condition, column.is_(None), column == "")
    return condition


def either(name: str, condition: Condition) -> Callable[[Values], Condition]:
    """A filter by what is no column but a condition: for any of the values, true and false. Raises InvalidInput."""

    def chosen(values: Values) -> Condition:
        wanted = {boolean(name, value) for value in values}
        return sa.or_(sa.false(), *[condition if one else sa.not_(condition) for one in sorted(wanted)])

    return chosen


def with_shared(fields: Fields, shared: Condition) -> Fields:
    """Fields with a filter by `shared`, which depends on who asks."""
    return replace(fields, conditions={**fields.conditions, "shared": either("shared", shared)})


def json_holds(column: sa.Column[Any]) -> Callable[[Values], Condition]:
    """A list or object in JSON: any of the elements; of objects, `key=value`. Scans: there is nothing to index."""

    def condition(values: Values) -> Condition:
        parts = []
        for value in values:
            key, equals, content = str(value).partition("=")
            sought = f"{json.dumps(key)}:{json.dumps(content)}" if equals else json.dumps(key)
            parts.append(_contains(column, sought))
        return sa.or_(sa.false(), *parts)

    return condition


def _contains(column: sa.Column[Any], sought: str) -> Condition:
    text = sa.type_coerce(column, sa.Text)
    return text.contains(sought, autoescape=True) if _storable(sought) else sa.false()


def _tagged(column: sa.Column[Any], name: str, values: Values) -> Condition:
    """Each value may be several tags by comma. `tags`: has all of them, `tags-any`: one of them, or not so."""
    wanted = [tag for value in values for tag in str(value).split(",")]
    held = [_contains(column, json.dumps(tag)) for tag in wanted]
    found = sa.or_(*held) if name.endswith("any") else sa.and_(*held)
    return sa.or_(column.is_(None), ~found) if name.startswith("not") else found


def _storable(text: str) -> bool:
    """Text with a NUL or half a surrogate pair is in no table, and PostgreSQL's driver would not even ask."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def boolean(name: str, value: Any) -> bool:
    """A filter's value. Raises InvalidInput."""
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        raise errors.InvalidInput(reason=f"{name}: '{value}' is not a valid boolean value")
    return text in _TRUE


def _integer(name: str, value: Any) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise errors.InvalidInput(reason=f"{name}: '{value}' is not an integer") from None


def _time(name: str, value: Any) -> datetime.datetime:
    try:
        return datetime.datetime.fromisoformat(str(value).removesuffix("Z")).replace(tzinfo=None)
    except ValueError:
        raise errors.InvalidInput(reason=f"{name}: '{value}' is not a valid date") from None


def _within(column: sa.Column[Any], moment: datetime.datetime) -> Condition:
    """The API shows whole seconds, the tables keep parts of them."""
    if moment.year == datetime.MAXYEAR:
        return sa.false()
    return sa.and_(column >= moment, column < moment + datetime.timedelta(seconds=1))


def _revised(table: sa.Table, object_id: str, if_match: int | None) -> Condition:
    """The row to change: of that id, and still of the revision that the client has seen."""
    if if_match is None:
        return table.c.id == object_id
    return sa.and_(table.c.id == object_id, table.c.revision_number == max(min(if_match, 2**62), -1))


def standard_attributes(row: Row) -> dict[str, Any]:
    """The standard attributes of a row in the REST API's format."""
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "project_id": row["project_id"],
        "tenant_id": row["project_id"],
        "created_at": base.timestamp(row["created_at"]),
        "updated_at": base.timestamp(row["updated_at"]),
        "revision_number": row["revision_number"],
        "tags": sorted(row["tags"] or ()),
    }


def standard_row(tx: Transaction, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The standard columns of a new object, from the attributes that a client gave."""
    return {
        "id": wanted.get("id") or str(uuid.uuid4()),
        "project_id": wanted.get("project_id") or wanted.get("tenant_id") or "",
        "name": wanted.get("name") or "",
        "description": wanted.get("description") or "",
        "created_at": tx.now,
        "updated_at": tx.now,
        "revision_number": 0,
        "tags": list(wanted.get("tags") or ()) or None,
    }


def by_id(object_id: str, visible_to: str | None) -> Query:
    return Query(filters={"id": (object_id,)}, visible_to=visible_to)


def only(found: list[dict[str, Any]], missing: type[errors.NotFound], object_id: str) -> dict[str, Any]:
    if not found:
        raise missing(id=object_id)
    return found[0]


def revise(
    tx: Transaction,
    table: sa.Table,
    object_id: str,
    if_match: int | None,
    missing: type[errors.NotFound],
    values: Mapping[str, Any],
) -> None:
    """Write `values` and the next revision; this also locks the row until the commit.

    Raises `missing`, or RevisionNumberConstraintFailed when the row is no longer of the revision `if_match`.
    """
    standard = {"revision_number": table.c.revision_number + 1, "updated_at": tx.now}
    if "tags" in values:
        standard["tags"] = values["tags"] or None
        values = {name: value for name, value in values.items() if name != "tags"}
    if guarded(tx, sa.update(table).where(_revised(table, object_id, if_match)).values(**standard, **values)).rowcount:
        return
    actual = tx.execute(sa.select(table.c.revision_number).where(table.c.id == object_id)).scalar()
    if actual is None:
        raise missing(id=object_id)
    raise errors.RevisionNumberConstraintFailed(expected=if_match, actual=actual)


def guarded(tx: Transaction, statement: Any) -> sa.CursorResult[Any]:
    """Send a statement that a unique or foreign key may refuse: then someone else was faster, so all is done again."""
    try:
        return tx.execute(statement)
    except sa.exc.IntegrityError as refused:
        raise Repeat(str(refused.orig)) from refused
