"""What an agent holds, bound and unbound by hand: networks of DHCP agents, routers of L3 agents."""

from __future__ import annotations

from netsched import errors
from netsched.server.api import query
from netsched.server.api.openapi import Operation, Schema, reference, wrapped
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Scheduling
from netsched.wire import types
from netsched.wire.resource import Definition, convert_field


class Words:
    """How one kind of resource is called in paths, rules and operations: dhcp-networks, get_dhcp-networks."""

    def __init__(self, definition: Definition, service: str) -> None:
        """`service`: what its agents do, "dhcp" or "l3"."""
        self.definition = definition
        self.plural = f"{service}-{definition.plural}"
        self.singular = f"{service}-{definition.name}"
        self.key = f"{definition.name}_id"
        name, agent = definition.name, f"{service}_agent"
        title, people = definition.model.__name__, f"{service.upper()} agent"
        body: Schema = {
            "type": "object",
            "required": [self.key],
            "properties": {self.key: {"type": "string", "format": "uuid"}},
            "additionalProperties": False,
        }
        self.bind = Operation(
            f"bind_{name}_to_{agent}",
            f"Bind a {name} to a {people}",
            status=201,
            answer={"type": "null"},
            body=body,
            errors=(400, 403, 404, 409, 413, 415, 503),
        )
        self.unbind = Operation(
            f"unbind_{name}_from_{agent}",
            f"Remove a {name} from a {people}, which is barred from it until someone binds it there again",
            status=204,
            errors=(400, 403, 404, 409, 503),
        )
        first = f"$response.body#/{definition.plural}/0/id"
        again = {"operationId": self.unbind.id, "parameters": {"id": "$request.path.id", self.key: first}}
        self.list = Operation(
            f"list_{definition.plural}_of_{agent}",
            f"List the {definition.plural} of a {people}",
            answer=wrapped(definition.plural, {"type": "array", "items": reference(title)}),
            links={"unbind": again},
        )

    @property
    def links(self) -> dict[str, Schema]:
        """From a list of agents to what can be done with the first of them."""
        first = {"id": "$response.body#/agents/0/id"}
        return {one.id: {"operationId": one.id, "parameters": first} for one in (self.list, self.bind)}


class Hosted:
    """For administrators only, by the rules as they come."""

    def __init__(self, words: Words, scheduling: Scheduling) -> None:
        self._words = words
        self._definition = words.definition
        self._scheduling = scheduling

    def list(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check(f"get_{self._words.plural}", {})
        fields = query.only_fields(request)
        held = self._scheduling.held(request.principal, self._definition.name, agent_id(id))
        return Answer(body={self._definition.plural: [self._definition.show(one, fields, ()) for one in held]})

    def bind(self, request: ApiRequest, id: str) -> Answer:
        request.rights.check(f"create_{self._words.singular}", {})
        body, key = request.document(), self._words.key
        unknown = [name for name in body if name != key]
        if unknown:
            raise errors.HTTPBadRequest(reason=f"Unrecognized attribute(s) '{unknown[0][:100]}'")
        if key not in body:
            raise errors.HTTPBadRequest(reason=f"Failed to parse request. Required attribute '{key}' not specified")
        wanted = convert_field(types.uuid_, body[key], key)
        self._scheduling.bind(request.principal, agent_id(id), self._definition.name, wanted)
        return Answer(201, None)

    def unbind(self, request: ApiRequest, id: str, resource_id: str) -> Answer:
        request.rights.check(f"delete_{self._words.singular}", {})
        if not types.is_uuid(resource_id):
            raise self._definition.not_found(id=types.shown(resource_id)[1:-1])
        self._scheduling.unbind(request.principal, agent_id(id), self._definition.name, resource_id)
        return Answer(204)


def agent_id(id: str) -> str:
    """Raises AgentNotFound for what cannot be one."""
    if not types.is_uuid(id):
        raise errors.AgentNotFound(id=types.shown(id)[1:-1])
    return id
