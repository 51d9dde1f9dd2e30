"""How the service is: for administrators."""

from __future__ import annotations

from netsched.server.api import query
from netsched.server.api.openapi import ANY_OBJECT, Operation, wrapped
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Status

SERVERS = Operation(
    "list_server", "List the server's processes", answer=wrapped("servers", {"type": "array", "items": ANY_OBJECT})
)
STATUS = Operation("show_status", "Workers, broker, database, change log", answer=wrapped("status", ANY_OBJECT))


class Operators:
    def __init__(self, status: Status) -> None:
        self._status = status

    def servers(self, request: ApiRequest) -> Answer:
        request.rights.check("get_server", {})
        query.only_fields(request)
        return Answer(body={"servers": self._status.servers(request.principal)})

    def status(self, request: ApiRequest) -> Answer:
        request.rights.check("get_status", {})
        query.only_fields(request)
        return Answer(body={"status": self._status.status(request.principal)})
