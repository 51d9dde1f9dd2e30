"""Ports: some attributes are for whoever owns the network, so their rules ask who that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netsched import errors
from netsched.server.api.collection import Collection
from netsched.server.api.network_owner import NetworkOwners
from netsched.server.api.request import ApiRequest
from netsched.server.api.services import Crud, Object
from netsched.wire.port import PORT

OF_THE_NETWORK = ("mac_address", "fixed_ips")


class Ports(Collection):
    def __init__(self, service: Crud, owners: NetworkOwners, max_limit: int) -> None:
        super().__init__(PORT, service, max_limit)
        self._owners = owners

    def _check_attributes(
        self, request: ApiRequest, verb: str, body: Object, target: Mapping[str, Any], given: Mapping[str, Any]
    ) -> None:
        """The network is read only where an answer depends on it."""
        if not request.principal.is_admin and any(name in given for name in OF_THE_NETWORK):
            target = {**target, "network:project_id": self._owner(request, verb, target["network_id"])}
        super()._check_attributes(request, verb, body, target, given)

    def _owner(self, request: ApiRequest, verb: str, network_id: str) -> str | None:
        try:
            return self._owners.project_of(request, network_id)
        except errors.NetworkNotFound:
            if verb == "create":
                raise
            return None  # an administrator made the port for this caller, who does not see the network
