"""Address groups: the five verbs, and addresses added and removed."""

from __future__ import annotations

from collections.abc import Callable

from netsched.server.api import openapi
from netsched.server.api.collection import Collection
from netsched.server.api.openapi import Operation
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import AddressGroups, Object
from netsched.wire import resource
from netsched.wire.address_group import ADDRESS_GROUP, ADDRESSES

ERRORS = (400, 403, 404, 409, 413, 415, 503)
_CHANGED = openapi.wrapped("address_group", openapi.reference("AddressGroup"))


def _action(name: str, summary: str) -> Operation:
    schema, parts = openapi.body_of(ADDRESSES)
    return Operation(name, summary, answer=_CHANGED, body=schema, errors=ERRORS, schemas=parts)


ADD = _action("add_addresses", "Add addresses to an address group")
REMOVE = _action("remove_addresses", "Remove addresses from an address group")
LINKS = {
    operation.id: {"operationId": operation.id, "parameters": {"id": "$response.body#/address_group/id"}}
    for operation in (ADD, REMOVE)
}


class AddressGroupCollection(Collection):
    def __init__(self, service: AddressGroups, max_limit: int) -> None:
        super().__init__(ADDRESS_GROUP, service, max_limit)
        self._groups = service

    def add_addresses(self, request: ApiRequest, id: str) -> Answer:
        return self._changed(request, id, "add_addresses", self._groups.add_addresses)

    def remove_addresses(self, request: ApiRequest, id: str) -> Answer:
        return self._changed(request, id, "remove_addresses", self._groups.remove_addresses)

    def _changed(self, request: ApiRequest, id: str, rule: str, work: Callable[..., Object]) -> Answer:
        group = self._visible(request, id)
        request.rights.check(rule, group)
        addresses = resource.convert(ADDRESSES, request.document(), "")["addresses"]
        changed = work(request.principal, group["id"], addresses)
        return Answer(body={"address_group": self._show(request, changed)})
