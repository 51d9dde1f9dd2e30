"""The kinds of errors, of which every other one is a special case."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar


class NetschedError(Exception):
    """An unexpected condition: {reason}"""

    code: ClassVar[str] = "internal"

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        template = inspect.cleandoc(type(self).__doc__ or "")
        super().__init__(template.format(**facts))

    @property
    def type(self) -> str:
        """The error type as clients of the Networking API know it."""
        return type(self).__name__


class NotFound(NetschedError):
    """{resource} {id} could not be found."""

    code = "not_found"


class AlreadyExists(NetschedError):
    """{resource} {id} already exists."""

    code = "already_exists"


class Conflict(NetschedError):
    """{reason}"""

    code = "conflict"


class Stale(NetschedError):
    """{resource} {id} has revision {actual}, not {expected}. Read it again, then repeat the change."""

    code = "stale"


class Invalid(NetschedError):
    """Invalid input for operation: {reason}."""

    code = "invalid"


class Forbidden(NetschedError):
    """{reason}"""

    code = "forbidden"


class NoCapacity(NetschedError):
    """{reason}"""

    code = "no_capacity"


class Unavailable(NetschedError):
    """{reason}"""

    code = "unavailable"


class OutcomeUnknown(Unavailable):
    """The database was lost during the commit: whether the change happened is not known. Look before you repeat it."""

    code = "database.outcome_unknown"


class UnknownCode(NetschedError):
    """{message}"""

    code = "unknown"
