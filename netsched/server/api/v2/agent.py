"""Agents. Who may not see them finds none, as by the incumbent. What they hold is hosted.py's."""

from __future__ import annotations

from netsched import errors
from netsched.server.api.collection import Readable
from netsched.server.api.openapi import Operation
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Updates
from netsched.wire.agent import AGENT

REFUSED = Operation("create_agent", "Refused: agents appear by their first heartbeat", status=None, errors=(400, 403))


class Agents(Readable):
    def __init__(self, service: Updates, max_limit: int) -> None:
        super().__init__(AGENT, service, max_limit)

    def create(self, request: ApiRequest) -> Answer:
        request.rights.check("create_agent", {})
        raise errors.BadRequest(resource="agent", reason="an agent appears by its first heartbeat")
