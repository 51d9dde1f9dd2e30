"""Ports: which MAC and which addresses one has is for whoever owns the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netsched import errors
from netsched.server.api.request import ApiRequest
from netsched.server.api.services import CrudOnNetwork, Object, Reads
from netsched.server.api.v2.on_network import OnNetwork
from netsched.wire.port import PORT

OF_THE_NETWORK = ("mac_address", "fixed_ips", "allowed_address_pairs", "port_security_enabled")


class Ports(OnNetwork):
    def __init__(self, service: CrudOnNetwork, networks: Reads, max_limit: int) -> None:
        super().__init__(PORT, service, max_limit)
        self._networks = networks

    def _permit(self, request: ApiRequest, rule: str, current: Object) -> None:
        """Whoever owns the network may clear it of others' ports."""
        principal = request.principal
        if rule == "delete_port" and not principal.is_admin and current["project_id"] != principal.project_id:
            current = {**current, "network:project_id": self._owner(request, current["network_id"])}
        super()._permit(request, rule, current)

    def _check_update(self, request: ApiRequest, given: Any, changes: Object, current: Mapping[str, Any]) -> None:
        """The network is read only where an answer depends on it."""
        if not request.principal.is_admin and any(name in changes for name in OF_THE_NETWORK):
            current = {**current, "network:project_id": self._owner(request, current["network_id"])}
        super()._check_update(request, given, changes, current)

    def _owner(self, request: ApiRequest, network_id: str) -> str | None:
        try:
            return str(self._networks.get(request.principal, network_id)["project_id"])
        except errors.NetworkNotFound:
            return None  # an administrator made the port for this caller, who does not see the network
