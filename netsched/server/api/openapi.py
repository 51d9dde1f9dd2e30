"""The OpenAPI document, from the routes and from the definitions that validate."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pydantic

from netsched.wire.resource import Attribute, Definition

Schema = dict[str, Any]
ANY_OBJECT: Schema = {"type": "object"}
ANY_TEXT: Schema = {"type": "string", "pattern": "^[^\\u0000]*$"}
ERROR: Schema = {
    "type": "object",
    "required": ["NeutronError"],
    "properties": {
        "NeutronError": {
            "type": "object",
            "required": ["type", "message", "detail", "code"],
            "properties": {name: {"type": "string"} for name in ("type", "message", "detail", "code")},
        }
    },
}
REASONS = {
    400: "The request is malformed; the message names the field",
    403: "A policy rule forbids it; the message names the rule",
    404: "No such object",
    409: "It contradicts what is there",
    412: "If-Match does not hold",
    413: "The body is too large",
    415: "The body is not JSON",
    503: "The database cannot be reached",
}


@dataclass(frozen=True)
class Operation:
    """`status` None: the operation is there to be refused. `query` are OpenAPI parameters.

    `media`: the answer's type. `others`: statuses whose answer is no error's, and their schemas.
    """

    id: str
    summary: str
    status: int | None = 200
    answer: Schema | None = None
    body: Schema | None = None
    query: tuple[Schema, ...] = ()
    errors: tuple[int, ...] = (400, 403, 404, 503)
    media: str = "application/json"
    others: Mapping[int, Schema] = field(default_factory=dict)
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    links: Mapping[str, Schema] = field(default_factory=dict)


class Described(Protocol):
    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def operation(self) -> Operation: ...


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def wrapped(key: str, schema: Schema, *others: str) -> Schema:
    """{"network": {...}}"""
    properties = {key: schema, **{other: {"type": "array", "items": ANY_OBJECT} for other in others}}
    return {"type": "object", "required": [key], "properties": properties, "additionalProperties": False}


def parameter(name: str, schema: Schema, description: str = "", repeated: bool = False) -> Schema:
    if repeated:
        schema = {"type": "array", "items": schema}
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def fields(definition: Definition) -> Schema:
    names = {"type": "string", "enum": list(definition.attributes)}
    return parameter("fields", names, "Attributes to answer with; all by default", repeated=True)


IF_MATCH: Schema = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^revision_number=[0-9]{1,18}$"},
    "description": "Refuse (412) unless the object has this revision",
}


class Resource:
    """The operations of a resource's five verbs."""

    def __init__(
        self,
        definition: Definition,
        after_create: Mapping[str, Schema] | None = None,
        after_list: Mapping[str, Schema] | None = None,
    ) -> None:
        """`after_*`: links from these answers to likely next steps, besides those on the object itself."""
        self._definition = definition
        self._after_create = after_create or {}
        self._after_list = after_list or {}
        self._name = definition.name
        words = definition.name.replace("_", " ")
        self._one_of_them = f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
        self._title = definition.model.__name__
        self._one = reference(self._title)

    @property
    def list(self) -> Operation:
        definition = self._definition
        answer = {
            "type": "object",
            "required": [definition.plural],
            "properties": {
                definition.plural: {"type": "array", "items": self._one},
                f"{definition.plural}_links": {"type": "array", "items": ANY_OBJECT},
            },
        }
        return self._operation(
            "list",
            f"List {definition.plural.replace('_', ' ')}",
            answer=answer,
            query=tuple(self._parameters()),
            links={**(self._links(f"{definition.plural}/0/id") if definition.writable else {}), **self._after_list},
        )

    @property
    def create(self) -> Operation:
        definition, post = self._definition, f"{self._title}Post"
        bulk = {"type": "array", "minItems": 1, "items": reference(post)}
        return self._operation(
            "create",
            f"Create {self._one_of_them}, or several (all or nothing)",
            status=201,
            body={"oneOf": [wrapped(self._name, reference(post)), wrapped(definition.plural, bulk)]},
            answer={
                "oneOf": [
                    wrapped(self._name, self._one),
                    wrapped(definition.plural, {"type": "array", "items": self._one}),
                ]
            },
            errors=(400, 403, 404, 409, 413, 415, 503),
            schemas={self._title: _read_schema(definition), **_schemas(definition.post_model)},
            links={**self._links(f"{self._name}/id"), **self._after_create},
        )

    @property
    def show(self) -> Operation:
        answer = wrapped(self._name, self._one)
        return self._operation("show", f"Show {self._one_of_them}", answer=answer, query=(fields(self._definition),))

    @property
    def update(self) -> Operation:
        return self._operation(
            "update",
            f"Change {self._one_of_them}",
            answer=wrapped(self._name, self._one),
            body=wrapped(self._name, reference(f"{self._title}Put")),
            query=(IF_MATCH,),
            errors=(400, 403, 404, 409, 412, 413, 415, 503),
            schemas=_schemas(self._definition.put_model),
        )

    @property
    def delete(self) -> Operation:
        errors = (400, 403, 404, 409, 412, 503)
        return self._operation("delete", f"Delete {self._one_of_them}", status=204, query=(IF_MATCH,), errors=errors)

    def _operation(
        self, verb: str, summary: str, schemas: Mapping[str, Schema] | None = None, **rest: Any
    ) -> Operation:
        shown = {self._title: _read_schema(self._definition)}
        return Operation(f"{verb}_{self._name}", summary, schemas={**shown, **(schemas or {})}, **rest)

    def _links(self, id: str) -> dict[str, Schema]:
        """From an answer to the operations on what it names, for tools that walk an API by its description."""
        return {
            verb: {"operationId": f"{verb}_{self._name}", "parameters": {"id": f"$response.body#/{id}"}}
            for verb in ("show", "update", "delete")
        }

    def _parameters(self) -> Iterable[Schema]:
        definition = self._definition
        yield fields(definition)
        keys = {"type": "string", "enum": list(definition.sort_keys)}
        yield parameter("sort_key", keys, "Attributes to sort by", repeated=True)
        directions = {"type": "string", "enum": ["asc", "desc"]}
        yield parameter("sort_dir", directions, "One for each sort_key", repeated=True)
        yield parameter("limit", {"type": "integer", "minimum": 0}, "Objects per page; 0: no limit")
        yield parameter("marker", {"type": "string", "format": "uuid"}, "Last object of the page before")
        yield parameter("page_reverse", {"type": "boolean"}, "The page before the marker")
        for name in definition.filters:
            yield parameter(
                name, _filter_schema(definition.attributes[name]), "Filter; repeated: any of", repeated=True
            )
        for name in definition.more_filters:
            schema = {"type": "string", "format": "date-time"} if name == "changed_since" else ANY_TEXT
            yield parameter(name, schema, "Filter; tags by comma or repeated", repeated=True)


def _filter_schema(attribute: Attribute) -> Schema:
    if attribute.attr.filter_pattern is not None:
        return {"type": "string", "pattern": attribute.attr.filter_pattern}
    if attribute.is_number or attribute.schema.get("format") == "date-time":
        return dict(attribute.schema)
    return ANY_TEXT


def _read_schema(definition: Definition) -> Schema:
    """The schema of answers. Values are what databases and agents hold, so formats are not promised again."""
    properties = {a.name: _loose(a.schema) for a in definition.attributes.values()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _loose(schema: Mapping[str, Any]) -> Schema:
    named = {f"#/$defs/{name}": part for name, part in schema.get("$defs", {}).items()}
    choices = [named.get(choice.get("$ref", ""), choice) for choice in schema.get("anyOf", ())]
    kinds = {schema.get("type")} | {choice.get("type") for choice in choices}
    kinds.discard(None)
    found = sorted(str(kind) for kind in kinds)
    return {"type": found if len(found) > 1 else found[0]} if found else {}


@functools.cache
def _schemas(model: type[pydantic.BaseModel]) -> Mapping[str, Schema]:
    """A model's schema and those that it refers to, by name. Made once: all of them take 80 ms."""
    schema = model.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    parts = schema.pop("$defs", {})
    return {model.__name__: schema, **parts}


def body_of(adapter: pydantic.TypeAdapter[Any]) -> tuple[Schema, dict[str, Schema]]:
    """The schema of an action's body, and those that it refers to, by name."""
    schema = adapter.json_schema(ref_template="#/components/schemas/{model}")
    return schema, schema.pop("$defs", {})


def document(routes: Iterable[Described], version: str) -> Schema:
    """The whole description, OpenAPI 3.1."""
    paths: dict[str, Schema] = {}
    schemas: dict[str, Schema] = {"Error": ERROR}
    for route in routes:
        operation = route.operation
        schemas.update(operation.schemas)
        paths.setdefault(route.path, {})[route.method.lower()] = _described(route.path, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "netsched: Networking API v2.0", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _described(path: str, operation: Operation) -> Schema:
    responses: Schema = {}
    if operation.status is not None:
        responses[str(operation.status)] = {"description": "Done"}
        if operation.answer is not None:
            responses[str(operation.status)]["content"] = {operation.media: {"schema": operation.answer}}
        if operation.links:
            responses[str(operation.status)]["links"] = dict(operation.links)
    for status, schema in operation.others.items():
        responses[str(status)] = {"description": REASONS[status], "content": _json(schema)}
    for status in operation.errors:
        responses[str(status)] = {"description": REASONS[status], "content": _json(reference("Error"))}
    ids = [segment[1:-1] for segment in path.split("/") if segment.startswith("{")]
    id_schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
    described: Schema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": [{"name": n, "in": "path", "required": True, "schema": id_schema} for n in ids]
        + list(operation.query),
        "responses": responses,
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _json(operation.body)}
    return described


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
