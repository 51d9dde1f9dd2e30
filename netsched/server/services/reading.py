"""How the objects that travel to agents are read: one `Reader` for each kind in each type of scope.

Agents get the REST API's format without what changes under an object with no change of its own being logged: what
agents report of it themselves, and what is derived from other objects.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Object = dict[str, Any]
ByIds = Callable[[Any, Sequence[str]], Mapping[str, Object]]
InScopes = Callable[[Any, Sequence[str]], Mapping[str, list[Object]]]


class Source(Protocol):
    """What a db module (or a test) has to offer of a kind of object."""

    def by_ids(self, connection: Any, ids: Sequence[str]) -> Mapping[str, Object]: ...

    def in_scopes(self, connection: Any, scope_ids: Sequence[str]) -> Mapping[str, list[Object]]: ...


class Reader(Protocol):
    def whole(self, connection: Any, scope_ids: Sequence[str]) -> dict[str, list[Object]]:
        """All objects of the kind in each scope, by the scope's id; one read."""

    def some(self, connection: Any, wanted: Mapping[str, Collection[str]]) -> dict[str, dict[str, Object]]:
        """Those of the wanted ids (by scope's id) that are in the scope now: {scope id: {id: object}}; one read."""


@dataclass(frozen=True)
class Owned:
    """Objects that say themselves in which scopes they are, by `scopes`; None: for ever in the one they are told in.

    `hidden`: attributes that agents do not get.
    """

    by_ids: ByIds
    in_scopes: InScopes
    scopes: Callable[[Object], Collection[str | None]] | None = None
    hidden: tuple[str, ...] = ()

    def whole(self, connection: Any, scope_ids: Sequence[str]) -> dict[str, list[Object]]:
        found = self.in_scopes(connection, scope_ids)
        return {scope_id: [_without(one, self.hidden) for one in some] for scope_id, some in found.items()}

    def some(self, connection: Any, wanted: Mapping[str, Collection[str]]) -> dict[str, dict[str, Object]]:
        found = self.by_ids(connection, sorted({id_ for ids in wanted.values() for id_ in ids}))
        return {
            scope_id: {
                id_: _without(found[id_], self.hidden)
                for id_ in ids
                if id_ in found and (self.scopes is None or scope_id in self.scopes(found[id_]))
            }
            for scope_id, ids in wanted.items()
        }


@dataclass(frozen=True)
class Borrowed:
    """Objects that know nothing of the scope, such as a router's networks: what is in it is read anew each time."""

    in_scopes: InScopes
    hidden: tuple[str, ...] = ()

    def whole(self, connection: Any, scope_ids: Sequence[str]) -> dict[str, list[Object]]:
        found = self.in_scopes(connection, scope_ids)
        return {scope_id: [_without(one, self.hidden) for one in some] for scope_id, some in found.items()}

    def some(self, connection: Any, wanted: Mapping[str, Collection[str]]) -> dict[str, dict[str, Object]]:
        found = self.whole(connection, sorted(wanted))
        return {
            scope_id: {one["id"]: one for one in found.get(scope_id, ()) if one["id"] in ids}
            for scope_id, ids in wanted.items()
        }


def own_scope(source: Source) -> Owned:
    """The reader of a kind whose objects are scopes themselves."""
    return Owned(source.by_ids, source.in_scopes)


def _without(one: Object, hidden: Collection[str]) -> Object:
    return {name: value for name, value in one.items() if name not in hidden} if hidden else one
