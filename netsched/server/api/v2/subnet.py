"""Subnets: creating one asks who owns the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netsched.server.api.collection import Collection
from netsched.server.api.request import ApiRequest
from netsched.server.api.services import Crud, Object
from netsched.wire.subnet import SUBNET


class Subnets(Collection):
    def __init__(self, service: Crud, networks: Crud, max_limit: int) -> None:
        super().__init__(SUBNET, service, max_limit)
        self._networks = networks

    def _more_of_target(self, request: ApiRequest, body: Object) -> Mapping[str, Any]:
        if request.principal.is_admin:
            return {"network:project_id": request.principal.project_id}  # saves a read: the answer would not matter
        return {"network:project_id": self._networks.get(request.principal, body["network_id"])["project_id"]}
