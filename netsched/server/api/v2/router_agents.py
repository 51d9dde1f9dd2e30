"""On which agent a router is, and why."""

from __future__ import annotations

from netsched.server.api import query
from netsched.server.api.collection import Readable
from netsched.server.api.openapi import ANY_OBJECT, Operation, reference, wrapped
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Scheduling, Updates
from netsched.wire.agent import AGENT
from netsched.wire.router import ROUTER

AGENTS = Operation(
    "list_l3_agents_of_router",
    "List the L3 agents of a router",
    answer=wrapped("agents", {"type": "array", "items": reference("Agent")}),
)
REASONS = Operation(
    "show_router_binding_reasons",
    "Why the router is where it is, or nowhere",
    answer=wrapped("binding_reasons", ANY_OBJECT),
)
LINKS = {
    one.id: {"operationId": one.id, "parameters": {"id": "$response.body#/router/id"}} for one in (AGENTS, REASONS)
}


class RouterAgents(Readable):
    def __init__(self, service: Updates, scheduling: Scheduling, max_limit: int) -> None:
        super().__init__(ROUTER, service, max_limit)
        self._scheduling = scheduling

    def l3_agents(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check("get_l3-agents", {})
        fields = query.only_fields(request)
        router = self._visible(request, id)
        agents = self._scheduling.holders(request.principal, "router", router["id"])
        return Answer(body={"agents": [AGENT.show(agent, fields, ()) for agent in agents]})

    def binding_reasons(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check("get_router-binding-reasons", {})
        query.only_fields(request)
        router = self._visible(request, id)
        return Answer(body=self._scheduling.reasons(request.principal, "router", router["id"]))
