"""Agents, and the networks that operators bind to DHCP agents by hand. For administrators only."""

from __future__ import annotations

from netsched import errors
from netsched.server.api import query
from netsched.server.api.collection import Readable
from netsched.server.api.openapi import Operation, reference, wrapped
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Scheduling, Updates
from netsched.wire import types
from netsched.wire.agent import AGENT
from netsched.wire.network import NETWORK
from netsched.wire.resource import convert_field

REFUSED = Operation("create_agent", "Refused: agents appear by their first heartbeat", status=None, errors=(400, 403))
BIND = Operation(
    "bind_network_to_dhcp_agent",
    "Bind a network to a DHCP agent",
    status=201,
    answer={"type": "null"},
    body={
        "type": "object",
        "required": ["network_id"],
        "properties": {"network_id": {"type": "string", "format": "uuid"}},
        "additionalProperties": False,
    },
    errors=(400, 403, 404, 409, 413, 415, 503),
)
UNBIND = Operation(
    "unbind_network_from_dhcp_agent",
    "Remove a network from a DHCP agent, which is barred from it until someone binds it there again",
    status=204,
    errors=(400, 403, 404, 409, 503),
)
HELD = Operation(
    "list_networks_of_dhcp_agent",
    "List the networks of a DHCP agent",
    answer=wrapped("networks", {"type": "array", "items": reference("Network")}),
    links={
        "unbind": {
            "operationId": UNBIND.id,
            "parameters": {"id": "$request.path.id", "network_id": "$response.body#/networks/0/id"},
        }
    },
)
LINKS = {
    "networks": {"operationId": HELD.id, "parameters": {"id": "$response.body#/agents/0/id"}},
    "bind": {"operationId": BIND.id, "parameters": {"id": "$response.body#/agents/0/id"}},
}


class Agents(Readable):
    def __init__(self, service: Updates, scheduling: Scheduling, max_limit: int) -> None:
        super().__init__(AGENT, service, max_limit)
        self._scheduling = scheduling

    def list(self, request: ApiRequest) -> Answer:
        request.rights.check("get_agent", {})
        return super().list(request)

    def show(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check("get_agent", {})
        return super().show(request, id)

    def update(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check("update_agent", {})
        return super().update(request, id)

    def delete(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check("delete_agent", {})
        return super().delete(request, id)

    def create(self, request: ApiRequest) -> Answer:
        request.rights.check("create_agent", {})
        raise errors.BadRequest(resource="agent", reason="an agent appears by its first heartbeat")

    def dhcp_networks(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check("get_dhcp-networks", {})
        fields = query.only_fields(request)
        networks = self._scheduling.held(request.principal, "network", self._id(id))
        return Answer(body={"networks": [NETWORK.show(network, fields, ()) for network in networks]})

    def bind(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check("create_dhcp-network", {})
        body = request.document()
        unknown = [name for name in body if name != "network_id"]
        if unknown:
            raise errors.HTTPBadRequest(reason=f"Unrecognized attribute(s) '{unknown[0][:100]}'")
        if "network_id" not in body:
            raise errors.HTTPBadRequest(reason="Failed to parse request. Required attribute 'network_id' not specified")
        network_id = convert_field(types.uuid_, body["network_id"], "network_id")
        self._scheduling.bind(request.principal, self._id(id), "network", network_id)
        return Answer(201, None)

    def unbind(self, request: ApiRequest, id: str, network_id: str) -> Answer:
        request.rights.check("delete_dhcp-network", {})
        if not types.is_uuid(network_id):
            raise errors.NetworkNotFound(id=types.shown(network_id)[1:-1])
        self._scheduling.unbind(request.principal, self._id(id), "network", network_id)
        return Answer(204)

    def _id(self, id: str) -> str:
        if not types.is_uuid(id):
            raise errors.AgentNotFound(id=types.shown(id)[1:-1])
        return id
