"""Networks: the five verbs, and where a network is served and why."""

from __future__ import annotations

from netsched.server.api import query
from netsched.server.api.collection import Collection
from netsched.server.api.openapi import ANY_OBJECT, Operation, reference, wrapped
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Crud, Scheduling
from netsched.wire.agent import AGENT
from netsched.wire.network import NETWORK

AGENTS = Operation(
    "list_dhcp_agents_of_network",
    "List the DHCP agents of a network",
    answer=wrapped("agents", {"type": "array", "items": reference("Agent")}),
)
REASONS = Operation(
    "show_binding_reasons", "Why the network is where it is, or nowhere", answer=wrapped("binding_reasons", ANY_OBJECT)
)
_ID = "$response.body#/network/id"
LINKS = {
    "subnet": {
        "operationId": "create_subnet",
        "requestBody": {"subnet": {"network_id": _ID, "ip_version": 4, "cidr": "192.0.2.0/24"}},
    },
    "port": {"operationId": "create_port", "requestBody": {"port": {"network_id": _ID}}},
    "dhcp_agents": {"operationId": AGENTS.id, "parameters": {"id": _ID}},
    "binding_reasons": {"operationId": REASONS.id, "parameters": {"id": _ID}},
}


class Networks(Collection):
    def __init__(self, service: Crud, scheduling: Scheduling, max_limit: int) -> None:
        super().__init__(NETWORK, service, max_limit)
        self._scheduling = scheduling

    def dhcp_agents(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check("get_dhcp-agents", {})
        fields = query.only_fields(request)
        network = self._visible(request, id)
        agents = self._scheduling.holders(request.principal, "network", network["id"])
        return Answer(body={"agents": [AGENT.show(agent, fields, ()) for agent in agents]})

    def binding_reasons(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check("get_binding-reasons", {})
        query.only_fields(request)
        network = self._visible(request, id)
        return Answer(body=self._scheduling.reasons(request.principal, "network", network["id"]))
