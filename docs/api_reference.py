"""Sphinx extension: writes the API's reference out of the definitions by which the server validates and the routes
that it serves, wherever a page says ``.. api-reference``. Nothing of it is kept in a file that could fall behind."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from netsched import errors, wire
from netsched.server.api.errors import status_of
from netsched.server.api.routing import Route
from netsched.server.api.services import Services
from netsched.server.api.v2 import root
from netsched.wire import extension
from netsched.wire.resource import Attribute, Definition

PLACE = ".. api-reference\n"
ALIASES = Path(__file__).parent.parent / "tests/api/reference/attributes.txt"
STANDARD = {
    "description": "standard-attr-description",
    "created_at": "standard-attr-timestamp",
    "updated_at": "standard-attr-timestamp",
    "revision_number": "standard-attr-revisions",
    "tags": "standard-attr-tag",
    "project_id": "project-id",
}
Row = Iterable[str]


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", _write)
    return {"parallel_read_safe": True}


def _write(app: Any, name: str, source: list[str]) -> None:
    if PLACE in source[0]:
        source[0] = source[0].replace(PLACE, text())


def text() -> str:
    """The reference in reStructuredText: a section for each resource, then what belongs to none, extensions, errors."""
    table = routes()
    parts = [_resource(one, table) for one in definitions()]
    told = {path for one in definitions() for path in _paths(one, table)}
    rest = [route for route in table if route.path not in told]
    parts.append(_section("Other paths", _operations(rest)))
    parts.append(_section("Extensions", _extensions()))
    parts.append(_section("Errors", _errors()))
    return "\n".join(parts)


def definitions() -> list[Definition]:
    """Every resource that clients see, by its collection's name."""
    found = {}
    for module in pkgutil.iter_modules(wire.__path__):
        for value in vars(importlib.import_module(f"netsched.wire.{module.name}")).values():
            if isinstance(value, Definition):
                found[value.plural] = value
    return [found[plural] for plural in sorted(found)]


def routes() -> list[Route]:
    """Every route; the handlers are never called, so no services are behind them."""
    absent: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Services))
    return root.routes(Services(**absent), 0, "")


def _paths(definition: Definition, table: Iterable[Route]) -> set[str]:
    """Of the collection, of one of it, and what is done to one."""
    starts = {f"/v2.0/{name}" for name in (definition.plural, definition.plural.replace("_", "-"))}
    return {route.path for route in table if "/".join(route.path.split("/")[:3]) in starts}


def _resource(definition: Definition, table: list[Route]) -> str:
    paths = _paths(definition, table)
    about = inspect.cleandoc(definition.model.__doc__ or "")
    attributes = [_attribute(definition, one) for one in definition.attributes.values()]
    header = ("Attribute", "Type", "POST", "PUT", "Default", "Filter", "Sort", "Alias")
    return _section(
        definition.plural.replace("_", " ").capitalize(),
        f"{about}\n\n{_table(header, attributes)}\n{_operations([one for one in table if one.path in paths])}",
    )


def _attribute(definition: Definition, one: Attribute) -> Row:
    attr = one.attr
    default = json.dumps(one.default) if one.has_default and attr.post else ""
    post = "required" if attr.required else _yes(attr.post)
    kinds = (f"``{one.name}``", _kind(one), post, _yes(attr.put), f"``{default}``" if default else "")
    return (*kinds, _yes(attr.filter), _yes(attr.sort), _alias(definition, one.name))


def _yes(allowed: bool) -> str:
    return "yes" if allowed else ""


def _kind(one: Attribute) -> str:
    """JSON types; those of references to other schemas are objects."""
    choices = one.schema.get("anyOf", [one.schema])
    return " or ".join(dict.fromkeys(str(choice.get("type", "object")) for choice in choices))


def _alias(definition: Definition, name: str) -> str:
    """The extension that brings the attribute; empty for the core of v2.0."""
    for line in ALIASES.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if cells[:2] == [definition.plural, name]:
            listed = [alias for alias in cells[2].split(", ") if alias in extension.EXTENSIONS]
            return ", ".join(f"``{alias}``" for alias in listed)
    alias = STANDARD.get(name)
    return f"``{alias}``" if alias in extension.EXTENSIONS else ""


def _operations(table: Iterable[Route]) -> str:
    rows = []
    for route in table:
        done = "" if route.operation.status is None else str(route.operation.status)
        refused = ", ".join(str(status) for status in route.operation.errors)
        rows.append((route.method, f"``{route.path}``", route.operation.summary, done, refused))
    return _table(("Method", "Path", "What it does", "Done", "Refused"), rows)


def _extensions() -> str:
    rows = [(f"``{alias}``", str(one["name"]), str(one["description"])) for alias, one in extension.EXTENSIONS.items()]
    return _table(("Alias", "Name", "Description"), sorted(rows))


def _errors() -> str:
    """Those that have a name of their own: a kind's other errors are special cases of it."""
    rows = []
    for one in sorted(set(_below(errors.NetschedError)), key=lambda cls: (status_of(_blank(cls)), cls.code)):
        status = status_of(_blank(one))
        if status != 500:
            message = " ".join(inspect.cleandoc(one.__doc__ or "").split())
            rows.append((str(status), f"``{_blank(one).type}``", f"``{one.code}``", message.replace("*", "\\*")))
    return _table(("Status", "Type", "Code", "Message"), rows)


def _below(cls: type[errors.NetschedError]) -> Iterator[type[errors.NetschedError]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _below(sub)


def _blank(cls: type[errors.NetschedError]) -> errors.NetschedError:
    """One of that kind without the facts that its message needs."""
    return cls.__new__(cls)


def _section(title: str, body: str) -> str:
    return f"{title}\n{'-' * len(title)}\n\n{body}\n"


def _table(header: Row, rows: Iterable[Row]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (header, *rows):
        for place, cell in enumerate(row):
            lines.append(f"   {'*' if place == 0 else ' '} - {cell}".rstrip())
    return "\n".join([*lines, ""])
