"""Subnet pools: the five verbs, prefixes added and removed, and subnets of networks taken over."""

from __future__ import annotations

from typing import Any

from netsched.server.api import openapi
from netsched.server.api.collection import Collection
from netsched.server.api.openapi import Operation, Schema
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Object, SubnetPools
from netsched.wire import resource
from netsched.wire.subnetpool import ONBOARDING, PREFIXES, SUBNETPOOL

ERRORS = (400, 403, 404, 409, 413, 415, 503)
_PREFIXES: Schema = openapi.wrapped("prefixes", {"type": "array", "items": {"type": "string"}})
_ONBOARDED: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["id", "cidr"],
        "properties": {"id": {"type": "string", "format": "uuid"}, "cidr": {"type": "string"}},
        "additionalProperties": False,
    },
}


def _action(name: str, summary: str, body: Any, answer: Schema) -> Operation:
    schema, parts = openapi.body_of(body)
    return Operation(name, summary, answer=answer, body=schema, errors=ERRORS, schemas=parts)


ADD = _action("add_prefixes", "Add prefixes to a subnet pool", PREFIXES, _PREFIXES)
REMOVE = _action("remove_prefixes", "Take prefixes that no subnet uses out of a subnet pool", PREFIXES, _PREFIXES)
ONBOARD = _action("onboard_network_subnets", "Take the subnets of a network over", ONBOARDING, _ONBOARDED)

_CREATED = "$response.body#/subnetpool/id"
LINKS = {
    operation.id: {"operationId": operation.id, "parameters": {"id": _CREATED}} for operation in (ADD, REMOVE, ONBOARD)
}


class SubnetPoolCollection(Collection):
    def __init__(self, service: SubnetPools, max_limit: int) -> None:
        super().__init__(SUBNETPOOL, service, max_limit)
        self._pools = service

    def add_prefixes(self, request: ApiRequest, id: str) -> Answer:
        pool = self._permitted(request, id, "add_prefixes")
        prefixes = resource.convert(PREFIXES, request.document(), "")["prefixes"]
        return Answer(body={"prefixes": self._pools.add_prefixes(request.principal, pool["id"], prefixes)})

    def remove_prefixes(self, request: ApiRequest, id: str) -> Answer:
        pool = self._permitted(request, id, "remove_prefixes")
        prefixes = resource.convert(PREFIXES, request.document(), "")["prefixes"]
        return Answer(body={"prefixes": self._pools.remove_prefixes(request.principal, pool["id"], prefixes)})

    def onboard(self, request: ApiRequest, id: str) -> Answer:
        pool = self._permitted(request, id, "onboard_network_subnets")
        network_id = resource.convert(ONBOARDING, request.document(), "")["network_id"]
        return Answer(body=self._pools.onboard(request.principal, pool["id"], network_id))

    def _permitted(self, request: ApiRequest, id: str, rule: str) -> Object:
        pool = self._visible(request, id)
        request.rights.check(rule, pool)
        return pool
