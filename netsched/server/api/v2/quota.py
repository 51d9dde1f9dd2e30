"""Quotas: how much a project may have and has, for the project itself to see and for administrators to set."""

from __future__ import annotations

from typing import Any

from netsched import errors
from netsched.server.api import query
from netsched.server.api.openapi import Operation, Schema, parameter, wrapped
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Quotas as Service
from netsched.wire import types
from netsched.wire.resource import convert_field

MAX_LIMIT = 2**31 - 1
MAX_PROJECT = 255
LIMIT: Schema = {"type": "integer", "minimum": -1, "maximum": MAX_LIMIT}
USAGE: Schema = {
    "type": "object",
    "required": ["limit", "used", "reserved"],
    "properties": {"limit": LIMIT, "used": {"type": "integer"}, "reserved": {"type": "integer"}},
}
_FLAGS = ("check_limit", "force")
LIMITS: Schema = {"type": "object", "additionalProperties": {"type": ["integer", "string"]}}
_CHANGE: Schema = {
    "type": "object",
    "properties": {name: {"type": "boolean"} for name in _FLAGS},
    "additionalProperties": LIMIT,
}
_FIELDS = (parameter("fields", {"type": "string"}, "Kinds of objects to answer with; all by default", repeated=True),)
_ONE = wrapped("quota", LIMITS)

LIST = Operation(
    "list_quotas",
    "List the limits of projects that have limits of their own",
    answer=wrapped("quotas", {"type": "array", "items": LIMITS}),
    query=_FIELDS,
)
SHOW = Operation("show_quota", "Show the limits of a project; -1: none", answer=_ONE, query=_FIELDS)
DEFAULT = Operation("show_default_quota", "Show what limits a project without its own", answer=_ONE, query=_FIELDS)
DETAILS = Operation(
    "show_quota_details",
    "Show the limits of a project and what it has",
    answer=wrapped("quota", {"type": "object", "additionalProperties": USAGE}),
    query=_FIELDS,
)
UPDATE = Operation(
    "update_quota",
    "Give a project limits of its own; with check_limit none below what it has",
    answer=_ONE,
    body=wrapped("quota", _CHANGE),
    errors=(400, 403, 404, 413, 415, 503),
)
DELETE = Operation("delete_quota", "Take a project's own limits away", status=204)


def _own(key: str) -> Operation:
    answer = wrapped(key, {"type": "object", "properties": {f"{key}_id": {"type": "string"}}})
    return Operation(f"show_own_{key}", "Show for which project the request is", answer=answer)


OWN_TENANT, OWN_PROJECT = _own("tenant"), _own("project")


class Quotas:
    def __init__(self, service: Service) -> None:
        self._service = service

    def list(self, request: ApiRequest) -> Answer:
        request.rights.check("get_quota", {})
        fields = query.only_fields(request)
        return Answer(body={"quotas": [_chosen(one, fields) for one in self._service.list()]})

    def show(self, request: ApiRequest, id: str) -> Answer:
        fields = self._permitted(request, "get_quota", id)
        return Answer(body={"quota": _chosen(self._service.get(id), fields)})

    def default(self, request: ApiRequest, id: str) -> Answer:
        fields = self._permitted(request, "get_quota", id)
        return Answer(body={"quota": _chosen(self._service.default(), fields)})

    def details(self, request: ApiRequest, id: str) -> Answer:
        fields = self._permitted(request, "get_quota", id)
        return Answer(body={"quota": _chosen(self._service.details(id), fields)})

    def update(self, request: ApiRequest, id: str) -> Answer:
        self._permitted(request, "update_quota", id)
        body = request.document()
        given = body.get("quota")
        if list(body) != ["quota"] or not isinstance(given, dict):
            raise errors.HTTPBadRequest(reason="Unable to find 'quota' in request body")
        limits, check = self._wanted(given)
        return Answer(body={"quota": self._service.update(id, limits, check)})

    def delete(self, request: ApiRequest, id: str) -> Answer:
        self._permitted(request, "delete_quota", id)
        self._service.delete(id)
        return Answer(204)

    def tenant(self, request: ApiRequest) -> Answer:
        return Answer(body={"tenant": {"tenant_id": request.principal.project_id}})

    def project(self, request: ApiRequest) -> Answer:
        return Answer(body={"project": {"project_id": request.principal.project_id}})

    @staticmethod
    def _permitted(request: ApiRequest, rule: str, project_id: str) -> tuple[str, ...]:
        """Answers the attributes asked for."""
        request.rights.check(rule, {"project_id": project_id, "tenant_id": project_id})
        if len(project_id) > MAX_PROJECT:
            raise errors.QuotaNotFound(project_id=types.shown(project_id)[1:-1])
        return query.only_fields(request)

    def _wanted(self, given: dict[str, Any]) -> tuple[dict[str, int], bool]:
        """The limits, and whether they must not be below what is there. `force` says the same the other way around."""
        flags = {name: convert_field(types.boolean, given[name], name) for name in _FLAGS if name in given}
        unknown = [name for name in given if name not in (*flags, *self._service.resources)]
        if unknown:
            raise errors.HTTPBadRequest(reason=f"Unrecognized attribute(s) '{unknown[0][:100]}'")
        limits = {name: convert_field(_limit, value, name) for name, value in given.items() if name not in flags}
        return limits, flags.get("check_limit", False) and not flags.get("force", False)


def _limit(value: Any) -> int:
    number = types.integer(value)
    if not -1 <= number <= MAX_LIMIT:
        raise ValueError(f"{types.shown(value)} is not in range -1..{MAX_LIMIT}")
    return number


def _chosen(found: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if not fields or name in fields}
