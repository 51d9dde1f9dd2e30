"""Counts the statements that a database is sent, begin and commit included: the unit of the budgets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import event

from netsched.db.session import Database


@contextlib.contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements sent inside the block; each row of a looped executemany is one."""
    sent: list[str] = []

    def statement(conn: Any, cursor: Any, text: str, parameters: Any, context: Any, executemany: bool) -> None:
        sent.extend([text] * (len(parameters) if executemany and isinstance(parameters, list) else 1))

    writer, reader = database.engines
    sqlite = database.dialect == "sqlite"  # it sends its BEGIN as a statement of its own
    listeners = [(engine, "before_cursor_execute", statement) for engine in (writer, reader)]
    listeners += [(writer, name, lambda conn, what=name: sent.append(what)) for name in ("commit", "rollback")]
    if not sqlite:
        listeners.append((writer, "begin", lambda conn: sent.append("begin")))
    for engine, name, listener in listeners:
        event.listen(engine, name, listener)
    try:
        yield sent
    finally:
        for engine, name, listener in listeners:
            event.remove(engine, name, listener)
