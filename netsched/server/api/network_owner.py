"""Who owns the network that a subnet or port is on: rules ask for it, bodies do not say it."""

from __future__ import annotations

from netsched.server.api.request import ApiRequest
from netsched.server.api.services import Reads


class NetworkOwners:
    def __init__(self, networks: Reads) -> None:
        self._networks = networks

    def project_of(self, request: ApiRequest, network_id: str) -> str:
        """One read per network and request, also for a bulk of hundreds. Raises NetworkNotFound."""
        known: dict[str, str] = request.environ.setdefault("netsched.network_owners", {})
        if network_id not in known:
            known[network_id] = self._networks.get(request.principal, network_id)["project_id"]
        return known[network_id]
