"""How many objects of each kind a project may have, and that it gets no more of them, however many ask at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netsched.db.transaction import Transaction

UNLIMITED = -1


class Quotas:
    """Other services ask it in the transaction that creates. `defaults`: limits by kind of object, -1 for none."""

    def __init__(self, defaults: Mapping[str, int] | None = None) -> None:
        self.defaults = dict(defaults or {})

    def claim(self, tx: Transaction, resource: str, projects: Iterable[str]) -> None:
        """Before new objects are written, one project for each of them: raises OverQuota if it may not have so many.

        What is there is counted with the project's count of that kind locked, so two of these follow one another.
        """
