"""Routers: the five verbs, and interfaces and routes added and removed one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netsched import errors
from netsched.server.api import openapi
from netsched.server.api.collection import Collection
from netsched.server.api.openapi import Operation, Schema
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Object, Routers
from netsched.wire import resource
from netsched.wire.router import EXTRA_ROUTES, INTERFACE, ROUTER

ERRORS = (400, 403, 404, 409, 413, 415, 503)
_ID: Schema = {"type": "string", "format": "uuid"}
_INTERFACE_ANSWER: Schema = {
    "type": "object",
    "required": ["id", "project_id", "port_id", "network_id", "subnet_id", "subnet_ids"],
    "properties": {
        **{name: _ID for name in ("id", "port_id", "network_id", "subnet_id")},
        "project_id": {"type": "string"},
        "subnet_ids": {"type": "array", "items": _ID},
    },
    "additionalProperties": False,
}


def _action(name: str, summary: str, body: Any, answer: Schema) -> Operation:
    schema, parts = openapi.body_of(body)
    return Operation(name, summary, answer=answer, body=schema, errors=ERRORS, schemas=parts)


_CHANGED = openapi.wrapped("router", openapi.reference("Router"))
ADD_INTERFACE = _action(
    "add_router_interface", "Connect a subnet, or make a port an interface", INTERFACE, _INTERFACE_ANSWER
)
REMOVE_INTERFACE = _action(
    "remove_router_interface", "Disconnect a subnet, or take off a port", INTERFACE, _INTERFACE_ANSWER
)
ADD_ROUTES = _action("add_extraroutes", "Add routes to those that are there", EXTRA_ROUTES, _CHANGED)
REMOVE_ROUTES = _action("remove_extraroutes", "Take routes out of those that are there", EXTRA_ROUTES, _CHANGED)

_CREATED = "$response.body#/router/id"
LINKS = {
    operation.id: {"operationId": operation.id, "parameters": {"id": _CREATED}}
    for operation in (ADD_INTERFACE, REMOVE_INTERFACE, ADD_ROUTES, REMOVE_ROUTES)
}


class RouterCollection(Collection):
    def __init__(self, service: Routers, max_limit: int) -> None:
        super().__init__(ROUTER, service, max_limit)
        self._routers = service

    def add_interface(self, request: ApiRequest, id: str) -> Answer:
        return self._interface(request, id, "add_router_interface", self._routers.add_interface)

    def remove_interface(self, request: ApiRequest, id: str) -> Answer:
        return self._interface(request, id, "remove_router_interface", self._routers.remove_interface)

    def add_routes(self, request: ApiRequest, id: str) -> Answer:
        return self._routes(request, id, "add_extraroutes", self._routers.add_routes)

    def remove_routes(self, request: ApiRequest, id: str) -> Answer:
        return self._routes(request, id, "remove_extraroutes", self._routers.remove_routes)

    def _interface(self, request: ApiRequest, id: str, rule: str, work: Callable[..., Object]) -> Answer:
        router = self._permitted(request, id, rule)
        wanted = resource.convert(INTERFACE, request.document(), "")
        if not wanted:
            raise errors.BadRequest(resource="router", reason="Either subnet_id or port_id must be specified")
        if len(wanted) > 1 and rule == "add_router_interface":
            raise errors.BadRequest(resource="router", reason="Cannot specify both subnet-id and port-id")
        body = work(request.principal, router["id"], wanted.get("port_id"), wanted.get("subnet_id"))
        return Answer(body=body)

    def _routes(self, request: ApiRequest, id: str, rule: str, work: Callable[..., Object]) -> Answer:
        router = self._permitted(request, id, rule)
        wanted = resource.convert(EXTRA_ROUTES, request.document(), "")
        changed = work(request.principal, router["id"], wanted["router"]["routes"])
        return Answer(body={"router": self._show(request, changed)})

    def _permitted(self, request: ApiRequest, id: str, rule: str) -> Object:
        router = self._visible(request, id)
        self._permit(request, rule, router)
        return router
