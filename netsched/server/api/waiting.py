"""``?wait=applied&timeout=S``: the answer comes once what was asked for is in force on the agents, or S seconds later.

Handlers know nothing of it. The change is made and committed as ever, then the scopes that it touched are waited for,
and two headers say how far it got. So an answer with an error's status has changed nothing, and any other one has.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlencode

from netsched import errors, trace
from netsched.server.api.openapi import Operation, Schema, parameter
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.routing import Handler, Route
from netsched.server.api.services import Delivery
from netsched.wire import types

DEFAULT, LONGEST = 10, 60  # s
APPLIED, LATE = "X-Netsched-Applied", "X-Netsched-Late"
PARAMETERS: tuple[Schema, ...] = (
    parameter("wait", {"type": "string", "enum": ["applied"]}, "Answer once it is in force on the agents"),
    parameter(
        "timeout",
        {"type": "integer", "minimum": 0, "maximum": LONGEST},
        f"Seconds to wait for that at most, {DEFAULT} by default; only with `wait`",
    ),
)
_DIGITS = re.compile(r"[0-9]{1,2}")


class Writes:
    """Makes routes that change something understand the two parameters."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def around(self, route: Route) -> Route:
        described: Operation = replace(route.operation, query=(*route.operation.query, *PARAMETERS))
        return replace(route, handler=self._waiting(route.handler), operation=described)

    def _waiting(self, handler: Handler) -> Handler:
        def handle(request: ApiRequest, *ids: str) -> Answer:
            seconds = take(request)
            if seconds is None:
                return handler(request, *ids)
            with self._delivery.place():
                answer = handler(request, *ids)
                current = trace.current()
                touched = current.scopes if current else ()
                outcome = self._delivery.until_applied(touched, seconds)
            headers = {**answer.headers, APPLIED: str(outcome.applied).lower()}
            if late := outcome.summary(request.principal):
                headers[LATE] = late
            return replace(answer, headers=headers)

        return handle


def take(request: ApiRequest) -> int | None:
    """Take the two parameters out of the query string: seconds to wait, None for not at all. Raises HTTPBadRequest."""
    given = request.parameters()
    waits = [value for name, value in given if name == "wait"]
    timeouts = [value for name, value in given if name == "timeout"]
    if not waits and not timeouts:
        return None
    if waits != ["applied"]:
        raise errors.HTTPBadRequest(reason="wait=applied is what can be waited for; timeout goes only with it.")
    if len(timeouts) > 1 or (timeouts and not (_DIGITS.fullmatch(timeouts[0]) and int(timeouts[0]) <= LONGEST)):
        said = ", ".join(map(types.shown, timeouts))
        raise errors.HTTPBadRequest(reason=f"timeout is a whole number of seconds from 0 to {LONGEST}, not {said}.")
    kept = [(name, value) for name, value in given if name not in ("wait", "timeout")]
    request.environ["QUERY_STRING"] = urlencode(kept)
    return int(timeouts[0]) if timeouts else DEFAULT
