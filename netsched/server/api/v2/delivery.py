"""How far changes have got: what an agent is behind with, and who is late with a network or a router."""

from __future__ import annotations

from netsched.server.api import query, waiting
from netsched.server.api.collection import Readable
from netsched.server.api.openapi import Operation, Schema, wrapped
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Delivery, Updates
from netsched.server.api.v2.hosted import agent_id
from netsched.wire.network import NETWORK
from netsched.wire.resource import Definition
from netsched.wire.router import ROUTER

_TEXT, _MAYBE = {"type": "string"}, {"type": ["string", "null"]}
_NUMBER: Schema = {"type": ["number", "null"]}


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "required": sorted(properties),
        "properties": properties,
        "additionalProperties": False,
    }


_BEHIND = _object(scope=_TEXT, position=_NUMBER, applied=_NUMBER, since=_MAYBE, age=_NUMBER, reason=_TEXT)
_LATE = _object(agent_id=_MAYBE, host=_MAYBE, agent_type=_MAYBE, scope=_TEXT, since=_MAYBE, reason=_TEXT)
OF_AGENT = Operation(
    "show_agent_delivery",
    "What an agent is behind with, and why",
    answer=wrapped(
        "delivery",
        _object(agent_id=_TEXT, behind={"type": "array", "items": _BEHIND}, in_step={"type": "boolean"}),
    ),
)


class OfAgent:
    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def show(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check("get_agent-delivery", {})
        query.only_fields(request)
        return Answer(body={"delivery": self._delivery.of_agent(request.principal, agent_id(id))})


class OfResource(Readable):
    """Of networks, or of routers."""

    def __init__(self, definition: Definition, service: Updates, delivery: Delivery, max_limit: int) -> None:
        super().__init__(definition, service, max_limit)
        self._delivery = delivery
        self.operation = Operation(
            f"show_{definition.name}_delivery",
            f"Is what was asked of the {definition.name} in force, and who is late with it",
            answer=wrapped("delivery", _object(applied={"type": "boolean"}, late={"type": "array", "items": _LATE})),
            query=waiting.PARAMETERS,
        )

    def delivery(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check(f"get_{self._name}-delivery", {})
        seconds = waiting.take(request)
        query.only_fields(request)
        found = self._visible(request, id)
        if seconds is None:
            return self._answer(request, found["id"], 0)
        with self._delivery.place():
            return self._answer(request, found["id"], seconds)

    def _answer(self, request: ApiRequest, id: str, seconds: int) -> Answer:
        return Answer(body={"delivery": self._delivery.of_resource(request.principal, self._name, id, seconds)})


LINKS = {
    definition.name: {
        "operationId": f"show_{definition.name}_delivery",
        "parameters": {"id": f"$response.body#/{definition.name}/id"},
    }
    for definition in (NETWORK, ROUTER)
}
