"""A question to a collection: filters, order and page, already validated, still without SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Query:
    """`filters` maps an attribute to accepted values (any of); `sorts` is [(attribute, ascending)].

    `marker` is the id of the last object of the previous page; `visible_to` a project that sees only its own and
    what is shared (None: sees all). `limit` None means no limit.
    """

    filters: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    sorts: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    marker: str | None = None
    page_reverse: bool = False
    visible_to: str | None = None
