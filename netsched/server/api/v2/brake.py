"""Brakes of zones, seen and released: for administrators."""

from __future__ import annotations

from netsched import errors
from netsched.server.api import query
from netsched.server.api.openapi import Operation, Schema, wrapped
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Brakes as Service
from netsched.wire import types
from netsched.wire.resource import convert_field

BRAKE: Schema = {
    "type": "object",
    "required": ["id", "zone", "agent_type", "state", "since", "silent", "total", "released_by"],
    "properties": {
        "id": {"type": "string"},
        "zone": {"type": "string"},
        "agent_type": {"type": "string"},
        "state": {"type": "string", "enum": ["engaged", "released", "resuming"]},
        "since": {"type": "string", "nullable": True},
        "silent": {"type": "integer"},
        "total": {"type": "integer"},
        "released_by": {"type": "object", "nullable": True},
    },
}
CHANGE: Schema = {
    "type": "object",
    "required": ["released"],
    "properties": {"released": {"type": "boolean"}},
    "additionalProperties": False,
}
ALL = wrapped("brakes", {"type": "array", "items": BRAKE})
LIST = Operation("list_brake", "List the brakes that are on, or were until just now", answer=ALL)
RELEASE = Operation(
    "update_brake",
    "Let moves go on in a zone although its agents are silent, or hold them again",
    answer=ALL,
    body=wrapped("brake", CHANGE),
    errors=(400, 403, 404, 413, 415, 503),
)


class Brakes:
    def __init__(self, service: Service) -> None:
        self._service = service

    def list(self, request: ApiRequest) -> Answer:
        request.rights.check("get_brake", {})
        query.only_fields(request)
        return Answer(body={"brakes": self._service.list(request.principal)})

    def release(self, request: ApiRequest, zone: str) -> Answer:
        request.rights.check("update_brake", {})
        body = request.document()
        wanted = body.get("brake")
        if list(body) != ["brake"] or not isinstance(wanted, dict) or list(wanted) != ["released"]:
            raise errors.HTTPBadRequest(reason='The body must be {"brake": {"released": true or false}}.')
        released = convert_field(types.boolean, wanted["released"], "released")
        return Answer(body={"brakes": self._service.release(request.principal, zone, released)})
