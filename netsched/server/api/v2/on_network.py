"""What subnets and ports share: the rules of creating one ask who owns the network."""

from __future__ import annotations

from typing import Any

from netsched.server.api.collection import Collection
from netsched.server.api.request import ApiRequest
from netsched.server.api.services import CrudOnNetwork, Object
from netsched.wire.resource import Definition


class OnNetwork(Collection):
    def __init__(self, definition: Definition, service: CrudOnNetwork, max_limit: int) -> None:
        super().__init__(definition, service, max_limit)
        self._on_network = service

    def _create(self, request: ApiRequest, items: list[Any], bodies: list[Object]) -> list[Object]:
        def permit(position: int, network_project: str) -> None:
            target = {**bodies[position], "network:project_id": network_project}
            self._check_create(request, items[position], bodies[position], target)

        return self._on_network.create(request.principal, bodies, permit)
