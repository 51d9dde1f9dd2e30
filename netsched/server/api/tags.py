"""Tags of any object that has them: read, set, added and removed without a change of anything else.

A tag added or taken away is a change of the whole list, made on the revision that was read: of two clients that add one
at the same time, both are heard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydantic

from netsched import errors
from netsched.server.api.collection import Readable
from netsched.server.api.openapi import Operation, Schema, body_of, wrapped
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Object
from netsched.wire import types
from netsched.wire.resource import convert

ATTEMPTS = 12  # as often as a transaction is tried against others
TAGS: pydantic.TypeAdapter[list[str]] = pydantic.TypeAdapter(types.Tags)
_BODY = wrapped("tags", body_of(TAGS)[0])
_ANSWER = wrapped("tags", {"type": "array", "items": {"type": "string"}})
_READ, _WRITE = (400, 403, 404, 503), (400, 403, 404, 409, 412, 413, 415, 503)
_NULL: Schema = {"type": "null"}


class Described:
    """The operations on the tags of one kind of object."""

    def __init__(self, name: str) -> None:
        self.list = Operation(f"list_{name}_tags", f"List the tags of a {name}", answer=_ANSWER, errors=_READ)
        self.replace = Operation(
            f"replace_{name}_tags", f"Set the tags of a {name}", answer=_ANSWER, body=_BODY, errors=_WRITE
        )
        self.create = Operation(
            f"create_{name}_tags", f"Add tags to a {name}", 201, answer=_ANSWER, body=_BODY, errors=_WRITE
        )
        self.clear = Operation(f"delete_{name}_tags", f"Remove all tags of a {name}", 204, errors=_WRITE)
        self.check = Operation(f"check_{name}_tag", f"Find out whether a {name} has a tag", 204, errors=_READ)
        self.add = Operation(f"add_{name}_tag", f"Add a tag to a {name}", 201, answer=_NULL, errors=_WRITE)
        self.remove = Operation(f"delete_{name}_tag", f"Remove a tag of a {name}", 204, errors=_WRITE)


class Tags(Readable):
    """Who may change an object may change its tags."""

    def list_tags(self, request: ApiRequest, id: str) -> Answer:
        return Answer(body={"tags": self._visible(request, id)["tags"]})

    def replace(self, request: ApiRequest, id: str) -> Answer:
        wanted = self._given(request)
        return Answer(body={"tags": self._changed(request, id, lambda before: wanted)})

    def add_many(self, request: ApiRequest, id: str) -> Answer:
        wanted = self._given(request)
        return Answer(201, {"tags": self._changed(request, id, lambda before: _with(before, wanted))})

    def clear(self, request: ApiRequest, id: str) -> Answer:
        self._changed(request, id, lambda before: [])
        return Answer(204)

    def check(self, request: ApiRequest, id: str, tag: str) -> Answer:
        _held(self._visible(request, id)["tags"], tag)
        return Answer(204)

    def add(self, request: ApiRequest, id: str, tag: str) -> Answer:
        self._changed(request, id, lambda before: _with(before, [tag]))
        return Answer(201, None)

    def remove(self, request: ApiRequest, id: str, tag: str) -> Answer:
        self._changed(request, id, lambda before: _held(before, tag))
        return Answer(204)

    @staticmethod
    def _given(request: ApiRequest) -> list[str]:
        document = request.document()
        if list(document) != ["tags"]:
            raise errors.InvalidInput(reason="Invalid tags body")
        return _valid(document["tags"])

    def _changed(self, request: ApiRequest, id: str, change: Callable[[list[str]], list[str]]) -> list[str]:
        if_match = request.if_match()
        for attempt in range(1, ATTEMPTS + 1):
            current = self._visible(request, id)
            self._permit(request, f"update_{self._name}", current)
            wanted = sorted(change(current["tags"]))
            if wanted == current["tags"] and if_match is None:
                break
            try:
                self._write(request, current, wanted, if_match)
            except errors.RevisionNumberConstraintFailed:
                if if_match is not None or attempt == ATTEMPTS:
                    raise
                continue
            break
        return wanted

    def _write(self, request: ApiRequest, current: Object, wanted: list[str], if_match: int | None) -> None:
        revision = current["revision_number"] if if_match is None else if_match
        self._updates.update(request.principal, current["id"], {"tags": wanted}, revision)


def _with(before: list[str], more: list[str]) -> list[str]:
    """Raises InvalidInput when there would be too many."""
    return _valid([*before, *(tag for tag in more if tag not in before)])


def _valid(tags: Any) -> list[str]:
    try:
        return convert(TAGS, tags, "tags")
    except errors.InvalidAttribute as wrong:
        raise errors.InvalidInput(reason=wrong.facts["reason"]) from None


def _held(before: list[str], tag: str) -> list[str]:
    """The tags without this one. Raises TagNotFound."""
    if tag not in before:
        raise errors.TagNotFound(tag=tag[: types.LONG])
    return [other for other in before if other != tag]
