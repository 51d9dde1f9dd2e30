"""The driver of machines without privileges and of simulations: keeps what is wanted in memory and calls it done."""

from __future__ import annotations

from netsched.agents.base.driver import Content


class NoopDriver:
    """An agents.base.driver.Driver that touches nothing. Remembers identities only, since content is the cache's."""

    def __init__(self) -> None:
        self._applied: set[str] = set()

    def apply(self, scope: str, wanted: Content | None) -> None:
        if wanted is None:
            self._applied.discard(scope)
        else:
            self._applied.add(scope)

    def actual(self) -> set[str]:
        return set(self._applied)

    def check(self, scope: str, wanted: Content | None) -> bool:
        return (scope in self._applied) == (wanted is not None)
