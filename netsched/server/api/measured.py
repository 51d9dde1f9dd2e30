"""Around the whole application: how long every answer took, by route. What no route was found for counts as well."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from netsched.server.api.routing import TEMPLATE
from netsched.server.api.services import Metrics

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Measured:
    """Labels come from here only: whatever clients send, there are as many series as routes, methods and statuses."""

    def __init__(self, application: Wsgi, metrics: Metrics) -> None:
        self._application = application
        self._metrics = metrics

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        began = self._metrics.now()
        status = 500

        def start(line: str, *rest: Any) -> Any:
            nonlocal status
            status = int(line.split(" ", 1)[0])
            return start_response(line, *rest)

        try:
            return self._application(environ, start)
        finally:
            method = environ.get("REQUEST_METHOD", "")
            self._metrics.request(
                environ.get(TEMPLATE, "none"),
                method if method in METHODS else "other",
                status,
                self._metrics.now() - began,
            )
