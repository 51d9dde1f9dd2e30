"""The five verbs that every resource has, over its definition, its rules and its service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netsched import errors
from netsched.server.api import query
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Crud, Lists, Object, Reads, Updates
from netsched.wire import types
from netsched.wire.resource import Definition

PROJECT = ("project_id", "tenant_id")  # asked for once, and only where it is another's
FOR_OTHERS = (
    "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges"
)


class Listed:
    """List."""

    def __init__(self, definition: Definition, service: Lists, max_limit: int) -> None:
        self._definition = definition
        self._lists = service
        self._max_limit = max_limit
        self._name = definition.name

    def list(self, request: ApiRequest) -> Answer:
        principal, rights = request.principal, request.rights
        own = {"project_id": principal.project_id, "shared": False}
        asked = query.parse(request, self._definition, rights.hidden(self._name, own), self._max_limit)
        found = self._lists.list(principal, asked.query)
        seen = [o for o in found if rights.allows(f"get_{self._name}", o)]
        body: dict[str, Any] = {self._definition.plural: [self._show(request, o, asked.fields) for o in seen]}
        pages = query.links(request, asked.query, found) if seen or not found else None  # they name some
        if pages:
            body[f"{self._definition.plural}_links"] = pages
        return Answer(body=body)

    def _show(self, request: ApiRequest, object_: Object, fields: tuple[str, ...] = ()) -> Object:
        return self._definition.show(object_, fields, request.rights.hidden(self._name, object_))


class Shown(Listed):
    """And show."""

    def __init__(self, definition: Definition, service: Reads, max_limit: int) -> None:
        super().__init__(definition, service, max_limit)
        self._reads = service

    def show(self, request: ApiRequest, id: str) -> Answer:
        # Clients that look for a name or an id among some objects send the filters with both requests.
        fields = query.only_fields(request, (*self._definition.filters, *query.RESERVED))
        return Answer(body={self._name: self._show(request, self._visible(request, id), fields)})

    def _visible(self, request: ApiRequest, id: str) -> Object:
        """The object, or NotFound: also when it exists and this reader must not know."""
        if not types.is_uuid(id):
            raise self._definition.not_found(id=types.shown(id)[1:-1])
        found = self._reads.get(request.principal, id)
        if not request.rights.allows(f"get_{self._name}", found):
            raise self._definition.not_found(id=id)
        return found


class Readable(Shown):
    """And update, and delete."""

    def __init__(self, definition: Definition, service: Updates, max_limit: int) -> None:
        super().__init__(definition, service, max_limit)
        self.definition = definition
        self.parts = (definition, service, max_limit)  # for what else is done with the same objects
        self._updates = service

    def update(self, request: ApiRequest, id: str) -> Answer:
        if_match = request.if_match()
        given = _inner(request.document(), self._name)
        changes = self._definition.parse_put(given)
        current = self._visible(request, id)
        self._permit(request, f"update_{self._name}", current)
        self._check_update(request, given, changes, current)
        changed = self._updates.update(request.principal, current["id"], changes, if_match)
        return Answer(body={self._name: self._show(request, changed)})

    def delete(self, request: ApiRequest, id: str) -> Answer:
        if_match = request.if_match()
        current = self._visible(request, id)
        self._permit(request, f"delete_{self._name}", current)
        self._updates.delete(request.principal, current["id"], if_match)
        return Answer(204)

    def _permit(self, request: ApiRequest, rule: str, current: Object) -> None:
        """Raises PolicyNotAuthorized; what is another project's, be it shared, is not there to be changed: NotFound."""
        if not request.rights.allows(rule, current) and current.get("project_id") != request.principal.project_id:
            raise self._definition.not_found(id=current["id"])
        request.rights.check(rule, current)

    def _check_update(self, request: ApiRequest, given: Any, changes: Object, current: Mapping[str, Any]) -> None:
        self._check_attributes(request, "update", changes, current, given)

    def _check_attributes(
        self, request: ApiRequest, verb: str, body: Object, target: Mapping[str, Any], given: Mapping[str, Any]
    ) -> None:
        for name in given:
            attribute = self._definition.attributes[name]
            if name in PROJECT:
                continue
            if name in body and attribute.is_guarded(body[name], on_post=verb == "create"):
                for part in (name, *_parts(name, body[name])):
                    request.rights.check_attribute(f"{verb}_{self._name}:{part}", target)


class Collection(Readable):
    """And create."""

    def __init__(self, definition: Definition, service: Crud, max_limit: int) -> None:
        super().__init__(definition, service, max_limit)
        self._service = service

    def create(self, request: ApiRequest) -> Answer:
        """One object, or with the plural's key all of a list or none of them."""
        document = request.document()
        plural = self._definition.plural
        bulk = plural in document
        items = _inner(document, plural) if bulk else [_inner(document, self._name)]
        if not isinstance(items, list) or not items:
            raise errors.HTTPBadRequest(reason=f"Unable to find '{plural}' in request body")
        items = [_unwrapped(item, self._name) for item in items]
        created = self._create(request, items, [self._body(request, given) for given in items])
        shown = [self._show(request, o) for o in created]
        return Answer(201, {plural: shown} if bulk else {self._name: shown[0]})

    def _body(self, request: ApiRequest, given: Any) -> Object:
        body = self._definition.parse_post(given)
        body["project_id"] = _project(body, request.principal.project_id)
        return body

    def _create(self, request: ApiRequest, items: list[Any], bodies: list[Object]) -> list[Object]:
        """`items` as given, `bodies` as parsed."""
        for given, body in zip(items, bodies, strict=True):
            self._check_create(request, given, body, body)
        return self._service.create(request.principal, bodies)

    def _check_create(self, request: ApiRequest, given: Any, body: Object, target: Mapping[str, Any]) -> None:
        """`target`: the body, and what else rules may use."""
        others = body["project_id"] != request.principal.project_id
        if others and not request.rights.allows(f"create_{self._name}:project_id", target):
            raise errors.HTTPBadRequest(reason=FOR_OTHERS)
        request.rights.check(f"create_{self._name}", target)
        self._check_attributes(request, "create", body, target, given)


def _unwrapped(item: Any, name: str) -> Any:
    """An object of a bulk request may come in a dictionary of its own, as it does alone."""
    return item[name] if isinstance(item, dict) and item.keys() == {name} else item


def _inner(document: Mapping[str, Any], key: str) -> Any:
    if key not in document:
        raise errors.HTTPBadRequest(reason=f"Unable to find '{key}' in request body")
    unknown = [name for name in document if name != key]
    if unknown:
        raise errors.HTTPBadRequest(reason=f"Unrecognized attribute(s) '{unknown[0][:100]}'")
    return document[key]


def _parts(name: str, value: Any) -> list[str]:
    """What rules call the members of an attribute of dictionaries, or of one: ``fixed_ips:ip_address``."""
    items = value if isinstance(value, list) else [value]
    return sorted({f"{name}:{key}" for item in items if isinstance(item, dict) for key in item})


def _project(body: Object, own: str) -> str:
    """The project of a new object: `project_id` or its old name, or the caller's."""
    new, old = body.pop("project_id", None), body.pop("tenant_id", None)
    if new is not None and old is not None and new != old:
        raise errors.HTTPBadRequest(reason="'project_id' and 'tenant_id' do not match")
    return str(new if new is not None else old if old is not None else own)
