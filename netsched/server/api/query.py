"""Collections' query strings: filters, fields, order, page; and the links to the pages before and after."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from netsched import errors
from netsched.model.query import Query
from netsched.server.api.request import ApiRequest
from netsched.wire import types
from netsched.wire.resource import Definition

RESERVED = ("fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse")
ALIASES = {"tenant_id": "project_id"}  # one column, two names
NO_LIMIT = 1_000_000_000  # larger ones mean none, and would not fit where SQL wants them


@dataclass(frozen=True)
class Asked:
    """A parsed query string. `fields` empty means all attributes."""

    query: Query
    fields: tuple[str, ...]


def parse(request: ApiRequest, definition: Definition, hidden: frozenset[str], max_limit: int) -> Asked:
    """Raises HTTPBadRequest or InvalidAttribute that names the parameter.

    `hidden`: attributes that this reader may not see, and therefore must not be able to ask about either.
    """
    given: dict[str, list[str]] = {}
    for name, value in request.parameters():
        given.setdefault(name, []).append(value)
    query = Query(
        filters=_filters(given, definition, hidden),
        sorts=_sorts(given, definition, hidden),
        limit=_limit(given, max_limit),
        marker=_marker(given),
        page_reverse=_flag(given, "page_reverse"),
    )
    return Asked(query, fields(given.get("fields", [])))


def fields(values: Sequence[str]) -> tuple[str, ...]:
    """`fields`, repeated or with commas."""
    return tuple(name for value in values for name in value.split(",") if name)


def only_fields(request: ApiRequest, ignored: Collection[str] = ()) -> tuple[str, ...]:
    """The query string of a single object: `fields`, and names that clients send along, which mean nothing here."""
    given = request.parameters()
    unknown = sorted({name for name, _ in given if name != "fields" and name not in ignored})
    if unknown:
        raise errors.HTTPBadRequest(reason=f"{unknown} is invalid attribute for filtering")
    return fields([value for name, value in given if name == "fields"])


def _filters(
    given: Mapping[str, list[str]], definition: Definition, hidden: frozenset[str]
) -> dict[str, tuple[Any, ...]]:
    known = {*definition.filters, *definition.more_filters} - hidden
    unknown = [name for name in given if name not in RESERVED and name not in known]
    if unknown:
        raise errors.HTTPBadRequest(
            reason=f"{[name[:100] for name in unknown[:10]]} is invalid attribute for filtering"
        )
    return {
        ALIASES.get(name, name): tuple(dict.fromkeys(definition.filter_value(name, text) for text in texts))
        for name, texts in given.items()
        if name not in RESERVED
    }


def _sorts(
    given: Mapping[str, list[str]], definition: Definition, hidden: frozenset[str]
) -> tuple[tuple[str, bool], ...]:
    keys, directions = given.get("sort_key", []), given.get("sort_dir", [])
    if directions and len(directions) != len(keys):
        raise errors.HTTPBadRequest(reason="The number of sort_keys and sort_dirs must be same")
    for key in keys:
        if key not in definition.sort_keys or key in hidden:
            raise errors.HTTPBadRequest(reason=f"{types.shown(key)} is invalid attribute for sort_key")
    for direction in directions:
        if direction not in ("asc", "desc"):
            raise errors.HTTPBadRequest(
                reason=f"{types.shown(direction)} is invalid value for sort_dirs, valid value is 'asc' and 'desc'"
            )
    sorts: dict[str, bool] = {}
    for key, direction in zip(keys, directions or ["asc"] * len(keys), strict=True):
        sorts.setdefault(ALIASES.get(key, key), direction == "asc")
    sorts.setdefault("id", True)  # a total order, so that pages neither overlap nor skip
    return tuple(sorts.items())


def _last(given: Mapping[str, list[str]], name: str) -> str | None:
    return given[name][-1] if name in given else None


def _limit(given: Mapping[str, list[str]], max_limit: int) -> int | None:
    text = _last(given, "limit")
    if text is None:
        return max_limit or None
    if not (text.isascii() and text.isdigit()) or len(text) > 100:
        reason = f"Limit must be an integer 0 or greater and not {types.shown(text)}"
        raise errors.BadRequest(resource="limit", reason=reason)
    limit = int(text) or NO_LIMIT
    return min(limit, max_limit) if max_limit else (limit if limit < NO_LIMIT else None)


def _marker(given: Mapping[str, list[str]]) -> str | None:
    text = _last(given, "marker")
    if text is not None and not types.is_uuid(text):
        raise errors.InvalidAttribute(field="marker", reason=f"{types.shown(text)} is not a valid UUID")
    return text


def _flag(given: Mapping[str, list[str]], name: str) -> bool:
    text = _last(given, name)
    try:
        return text is not None and types.boolean(text)
    except ValueError as error:
        raise errors.InvalidAttribute(field=name, reason=str(error)) from None


def links(request: ApiRequest, query: Query, found: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Links to the next and the previous page, as the incumbent decides whether there is one."""
    if not query.limit:
        return []
    full = len(found) >= query.limit
    pages = []
    if full or query.page_reverse:
        pages.append({"rel": "next", "href": _href(request, found[-1:], reverse=False)})
    if full or not query.page_reverse:
        pages.append({"rel": "previous", "href": _href(request, found[:1], reverse=True)})
    return pages


def _href(request: ApiRequest, edge: Sequence[Mapping[str, Any]], reverse: bool) -> str:
    """The page beyond the object at the edge of this one; where this one is empty, the collection's last or first."""
    kept = [(name, value) for name, value in request.parameters() if name not in ("marker", "page_reverse")]
    kept += [("marker", one["id"]) for one in edge]
    if reverse:
        kept.append(("page_reverse", "True"))
    return f"{request.path_url}?{urlencode(kept)}"
