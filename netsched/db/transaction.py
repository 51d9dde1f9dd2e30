"""What a use case is given to write with: an open transaction, and the notes of what it changed."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True)
class Entry:
    """One line of the change log: something happened to an object of a scope. `operation`: create, update, delete."""

    scope: str
    kind: str
    object_id: str
    operation: str


class Repeat(Exception):
    """Raised by a transaction's work that lost a race, which it will win or be able to explain when run again."""


class Transaction:
    """One open write transaction. `log` notes what changed; the notes are written as its last statement."""

    def __init__(self, connection: sa.Connection, now: datetime.datetime, attempt: int = 1) -> None:
        self.connection = connection
        self.attempt = attempt  # beyond the first, work may check beforehand what it only tried at first
        self.now = now  # wall clock of this server, for created_at and updated_at
        self.changes: list[Entry] = []

    def execute(self, statement: Any, parameters: Any = None) -> sa.CursorResult[Any]:
        return self.connection.execute(statement, parameters)

    def log(self, kind: str, object_id: str, operation: str, *scopes: str) -> None:
        """Note a change (`operation`: create, update, delete) in every scope that it touches, before and after."""
        self.changes.extend(Entry(scope, kind, object_id, operation) for scope in dict.fromkeys(scopes))
