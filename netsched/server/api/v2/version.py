"""The documents by which a client finds its way: versions, resources, extensions, OpenAPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netsched.server.api.openapi import ANY_OBJECT, Operation, wrapped
from netsched.server.api.request import Answer, ApiRequest
from netsched.wire import extension
from netsched.wire.resource import Definition

_LIST = {"type": "array", "items": ANY_OBJECT}
VERSIONS = Operation("list_version", "List the versions", answer=wrapped("versions", _LIST), errors=())
RESOURCES = Operation("list_resource", "List the resources", answer=wrapped("resources", _LIST))
EXTENSION = Operation("show_extension", "Show an extension", answer=wrapped("extension", ANY_OBJECT))
EXTENSIONS = Operation(
    "list_extension",
    "List the extensions",
    answer=wrapped("extensions", _LIST),
    links={"show": {"operationId": EXTENSION.id, "parameters": {"alias": "$response.body#/extensions/0/alias"}}},
)
OPENAPI = Operation("show_openapi", "This description", answer=ANY_OBJECT, errors=())


class Documents:
    def __init__(self, definitions: tuple[Definition, ...], openapi: Callable[[], dict[str, Any]]) -> None:
        self._definitions = definitions
        self._openapi = openapi

    def versions(self, request: ApiRequest) -> Answer:
        links = [{"rel": "self", "href": f"{request.application_url}/v2.0/"}]
        return Answer(body={"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})

    def resources(self, request: ApiRequest) -> Answer:
        base = f"{request.application_url}/v2.0"
        found = [
            {"name": d.name, "collection": d.plural, "links": [{"rel": "self", "href": f"{base}/{d.plural}"}]}
            for d in self._definitions
        ]
        return Answer(body={"resources": found})

    def extensions(self, request: ApiRequest) -> Answer:
        return Answer(body={"extensions": list(extension.EXTENSIONS.values())})

    def extension(self, request: ApiRequest, alias: str) -> Answer:
        return Answer(body={"extension": extension.find(alias)})

    def openapi(self, request: ApiRequest) -> Answer:
        return Answer(body=self._openapi())
