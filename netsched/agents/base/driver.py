"""The seam between the agent framework and what touches the machine: one small Protocol per agent kind.

The framework decides what is wanted and when; a driver makes it so. A driver is idempotent: first start, restart of
the agent, reboot of the host and repair of drift are the same `apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Object = dict[str, Any]  # in the REST API's format
Content = dict[str, dict[str, Object]]  # all objects of one scope: kind -> id -> object
States = Mapping[tuple[str, str], str]  # (kind, id) -> status, as the API shows it


class Driver(Protocol):
    """Called from several worker threads, but never for one scope by two of them at once.

    `scope` is a key such as ``network/<id>``; `wanted` None means that this agent does not serve the scope (any
    more): take it away. A driver must not change or keep `wanted`, which is shared with the cache.
    """

    def apply(self, scope: str, wanted: Content | None) -> None:
        """Bring the machine to `wanted`: read what is there, change the difference, return when it is in force.

        Removing what is gone succeeds. Raises NetschedError when it could not; the framework retries with growing
        pauses, so nothing sleeps here longer than one command needs.
        """

    def actual(self) -> set[str]:
        """Scopes of which anything is left on this machine, whoever put it there (an earlier life of the agent)."""

    def check(self, scope: str, wanted: Content | None) -> bool:
        """Is `wanted` in force, by reading kernel and processes (not by remembering)? Cheap: runs every second or two.

        `wanted` None: is nothing of the scope left? Raises NetschedError when that cannot be told.
        """

    def states(self, scope: str, wanted: Content) -> States:
        """What is to be said of single objects of a scope that has just been applied and checked.

        For objects whose state only this agent knows: {("port", id): "ACTIVE"}. Others need not be mentioned.
        """
        return {}

    def watch(self, changed: Callable[[str], None]) -> None:
        """From now on call `changed(scope)`, in any thread, when somebody else has done something to it.

        For what must not wait for the next `check`: a tap that appears. Called once, before the first apply.
        """
        return None

    def close(self) -> None:
        """The agent stops: end what `watch` began, and leave everything else as it is."""
        return None
