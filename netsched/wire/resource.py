"""What is derived from the one definition of a resource: validating models, serialiser, filters, sort keys.

A definition is a pydantic class whose fields carry an `Attr`. It is never instantiated.
"""

from __future__ import annotations

import copy
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pydantic
from pydantic_core import PydanticUndefined

from netsched import errors
from netsched.wire import types


@dataclass(frozen=True)
class Attr:
    """What a client may do with an attribute.

    `guarded`: the attribute's own policy rule is asked only for values for which this says so (default: for every
    value that is not the attribute's default).
    """

    post: bool = False
    put: bool = False
    required: bool = False  # in POST
    filter: bool = True
    sort: bool = True
    guarded: Callable[[Any], bool] | None = None
    name: str | None = None  # on the wire, where it is no Python name
    filter_pattern: str | None = None  # what the filter's text looks like, where it is not the attribute's value


READ_ONLY = Attr()
UNSORTED = Attr(sort=False)  # lists and dictionaries that the server writes


@dataclass(frozen=True)
class Attribute:
    """One attribute as the API sees it. `default` is PydanticUndefined where an absent value stays absent."""

    name: str
    field: str
    hint: Any
    attr: Attr
    default: Any
    convert: pydantic.TypeAdapter[Any]
    schema: Mapping[str, Any]

    @property
    def has_default(self) -> bool:
        return self.default is not PydanticUndefined

    @property
    def is_number(self) -> bool:
        return self.schema.get("type") in ("boolean", "integer")

    def is_guarded(self, value: Any, on_post: bool) -> bool:
        """Does setting this value need the permission of the attribute's own policy rule?"""
        if self.attr.guarded is not None:
            return self.attr.guarded(value)
        return not (on_post and self.has_default and value == self.default)


class Resource(pydantic.BaseModel):
    """Base of the definitions: attributes in the order in which they are sent."""


class Definition:
    """Everything the API derives from a resource's class.

    `name` and `plural` are the keys of bodies; `collection` is the path segment; `not_found` the error of a missing id.
    """

    def __init__(self, model: type[Resource], name: str, plural: str, not_found: type[errors.NotFound]) -> None:
        self.model = model
        self.name = name
        self.plural = plural
        self.not_found = not_found
        self.attributes = _attributes(model)
        self.post_model = self._model("Post", lambda a: a.attr.post, filled=True)
        self.put_model = self._model("Put", lambda a: a.attr.put, filled=False)
        self.filters = tuple(a.name for a in self.attributes.values() if a.attr.filter)
        self.more_filters = _more_filters(self.attributes)
        self.writable = any(a.attr.put for a in self.attributes.values())
        self.sort_keys = tuple(a.name for a in self.attributes.values() if a.attr.sort)

    def _model(self, suffix: str, chosen: Callable[[Attribute], bool], filled: bool) -> type[pydantic.BaseModel]:
        fields: dict[str, Any] = {}
        for a in self.attributes.values():
            if chosen(a):
                fields[a.field] = (a.hint, _field(a, filled))
        title = self.model.__name__ + suffix
        config = pydantic.ConfigDict(extra="forbid")
        return pydantic.create_model(title, __config__=config, **fields)

    def parse_post(self, body: Any) -> dict[str, Any]:
        """A valid POST body with defaults filled in; attributes without a default stay absent."""
        self._refuse(body, lambda a: a.attr.post, "Attribute '{}' not allowed in POST")
        given = _validate(self.post_model, body)
        defaults = {a.name: copy.deepcopy(a.default) for a in self.attributes.values() if a.attr.post and a.has_default}
        return defaults | given

    def parse_put(self, body: Any) -> dict[str, Any]:
        """A valid PUT body: what was given, no more."""
        self._refuse(body, lambda a: a.attr.put, "Cannot update read-only attribute {}")
        return _validate(self.put_model, body)

    def _refuse(self, body: Any, allowed: Callable[[Attribute], bool], message: str) -> None:
        if not isinstance(body, dict):
            raise errors.HTTPBadRequest(reason=f"Unable to find '{self.name}' in request body")
        unknown = [name for name in body if name not in self.attributes]
        if unknown:
            named = ", ".join(f"'{name[:100]}'" for name in unknown[:10])
            raise errors.HTTPBadRequest(reason=f"Unrecognized attribute(s) {named}")
        for name in body:
            if not allowed(self.attributes[name]):
                raise errors.HTTPBadRequest(reason=message.format(name))

    def show(self, object_: Mapping[str, Any], fields: Collection[str], hidden: Collection[str]) -> dict[str, Any]:
        """The object as sent. `fields` empty: all; `hidden`: what this reader may not see."""
        return {
            name: object_[name]
            for name in self.attributes
            if name in object_ and name not in hidden and (not fields or name in fields)
        }

    def filter_value(self, name: str, text: str) -> Any:
        """A filter's text from a URL as the attribute's type. Raises InvalidAttribute.

        Text of an impossible form, such as a name where an id is wanted, stays as it is, matches nothing and is no
        error: clients look a thing up by id and by name without knowing which one they were given. What lists and
        dictionaries are searched for (``fixed_ips=ip_address=192.0.2.1``) is the tables' business.
        """
        if name in self.more_filters:
            return text
        attribute = self.attributes[name]
        try:
            return convert(attribute.convert, text, name)
        except errors.InvalidAttribute:
            if attribute.is_number:
                raise
            return text


def convert(adapter: pydantic.TypeAdapter[Any], value: Any, field: str) -> Any:
    """`value` as the adapter's type, or InvalidAttribute that names the field."""
    try:
        return adapter.validate_python(value)
    except pydantic.ValidationError as error:
        raise _translated(error, field) from None


def convert_field(check: Callable[[Any], Any], value: Any, field: str) -> Any:
    """`value` as `check` (a function of wire/types.py) makes it, or InvalidAttribute that names the field."""
    try:
        return check(value)
    except types.Unconvertible as error:
        raise errors.UnconvertibleAttribute(field=field, reason=str(error)) from None
    except ValueError as error:
        raise errors.InvalidAttribute(field=field, reason=str(error)) from None


def _more_filters(attributes: Collection[str]) -> tuple[str, ...]:
    """Filters that are no attributes, which come with attributes."""
    of_tags = ("tags-any", "not-tags", "not-tags-any") if "tags" in attributes else ()
    return (*of_tags, "changed_since") if "updated_at" in attributes else of_tags


def _attributes(model: type[Resource]) -> dict[str, Attribute]:
    hints = typing.get_type_hints(model, include_extras=True)
    found: dict[str, Attribute] = {}
    for field, info in model.model_fields.items():
        attr = next(m for m in info.metadata if isinstance(m, Attr))
        name = attr.name or field
        adapter = pydantic.TypeAdapter(hints[field])
        found[name] = Attribute(name, field, hints[field], attr, info.default, adapter, adapter.json_schema())
    return found


def _field(attribute: Attribute, filled: bool) -> Any:
    """The field of a derived model. `filled`: required ones are, and defaults count."""
    if filled and attribute.attr.required:
        return pydantic.Field(alias=attribute.name)
    if filled and attribute.has_default:
        return pydantic.Field(attribute.default, alias=attribute.name)
    # Absent stays absent (see exclude_unset), which pydantic can only write as a default; readers need not know.
    return pydantic.Field(None, alias=attribute.name, json_schema_extra=_no_default)


def _no_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def _validate(model: type[pydantic.BaseModel], body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        valid = model.model_validate(body)
    except pydantic.ValidationError as error:
        raise _translated(error) from None
    return valid.model_dump(by_alias=True, exclude_unset=True)


def _translated(error: pydantic.ValidationError, field: str = "") -> errors.Invalid:
    """The first problem of a ValidationError in the Networking API's words."""
    problem = error.errors(include_url=False)[0]
    path = field
    for part in problem["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    if problem["type"] == "missing":
        return errors.HTTPBadRequest(reason=f"Failed to parse request. Required attribute '{path}' not specified")
    if problem["type"] == "extra_forbidden":
        return errors.HTTPBadRequest(reason=f"Unrecognized attribute(s) '{path[:100]}'")
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, types.Unconvertible):
        return errors.UnconvertibleAttribute(field=path, reason=str(cause))
    return errors.InvalidAttribute(field=path, reason=str(cause) if cause else problem["msg"])
