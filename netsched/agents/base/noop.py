"""The driver of machines without privileges and of simulations: keeps what is wanted in memory and calls it done."""

from __future__ import annotations

from collections.abc import Callable

from netsched.agents.base.driver import Content, Driver, States


class NoopDriver(Driver):
    """Touches nothing, for any kind of agent. Remembers identities only, since content is the cache's."""

    def __init__(self, states: Callable[[Content], States] | None = None) -> None:
        """`states`: what an agent of this kind would say of the objects in a scope once they are in force."""
        self._applied: set[str] = set()
        self._states = states or (lambda content: {})

    def apply(self, scope: str, wanted: Content | None) -> None:
        if wanted is None:
            self._applied.discard(scope)
        else:
            self._applied.add(scope)

    def actual(self) -> set[str]:
        return set(self._applied)

    def check(self, scope: str, wanted: Content | None) -> bool:
        return (scope in self._applied) == (wanted is not None)

    def states(self, scope: str, wanted: Content) -> States:
        return self._states(wanted)
