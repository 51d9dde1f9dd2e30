"""How a use case asks whether it may go on, at the moment when it knows what the rules want to know.

Who owns a network is read anyway when a subnet or port is put on it; to read it before, for the rules alone, would cost
every tenant's request two statements more.
"""

from __future__ import annotations

from collections.abc import Callable

# Called for each object, before anything is written: its position in the request and the project of its network.
# Raises Forbidden. A transaction that is repeated asks again.
Permit = Callable[[int, str], None]


def anyone(position: int, network_project: str) -> None:
    """For callers who have no rules: the service itself, and tests."""
