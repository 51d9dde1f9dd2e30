"""Subnets: creating one asks who owns the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netsched.server.api.collection import Collection
from netsched.server.api.network_owner import NetworkOwners
from netsched.server.api.request import ApiRequest
from netsched.server.api.services import Crud, Object
from netsched.wire.subnet import SUBNET


class Subnets(Collection):
    def __init__(self, service: Crud, owners: NetworkOwners, max_limit: int) -> None:
        super().__init__(SUBNET, service, max_limit)
        self._owners = owners

    def _more_of_target(self, request: ApiRequest, body: Object) -> Mapping[str, Any]:
        if request.principal.is_admin:
            return {"network:project_id": request.principal.project_id}  # saves a read: the answer would not matter
        return {"network:project_id": self._owners.project_of(request, body["network_id"])}
