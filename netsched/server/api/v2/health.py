"""What probes and scrapers ask: /healthz, /readyz, /metrics. Outside of the versions, where such programs look."""

from __future__ import annotations

from netsched import errors
from netsched.server.api import query
from netsched.server.api.openapi import Operation, Schema, parameter
from netsched.server.api.request import Answer, ApiRequest
from netsched.server.api.services import Health, Metrics

PATHS = ("/healthz", "/readyz", "/metrics")
EXCLUDE = ("broker", "database", "relay", "schema")


def _body(*statuses: str) -> Schema:
    check = {
        "type": "object",
        "required": ["status", "reason"],
        "properties": {"status": {"enum": ["ok", "failed"]}, "reason": {"type": ["string", "null"]}},
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "required": ["status", "checks"],
        "properties": {"status": {"enum": list(statuses)}, "checks": {"type": "object", "additionalProperties": check}},
        "additionalProperties": False,
    }


ALIVE = Operation(
    "show_health",
    "Whether this process and its workers run",
    answer=_body("alive", "failed"),
    others={503: _body("failed")},
    errors=(400,),
)
READY = Operation(
    "show_readiness",
    "Whether this process should be sent requests",
    answer=_body("ready"),
    others={503: _body("not ready")},
    query=(parameter("exclude", {"enum": list(EXCLUDE)}, "Checks that do not count", repeated=True),),
    errors=(400,),
)
METRICS = Operation(
    "show_metrics",
    "Counts and gauges in Prometheus' text format",
    answer={"type": "string"},
    media="text/plain",
    errors=(400, 403, 503),
)


class Probes:
    """Health is for everybody; metrics for administrators, unless they are `open`."""

    def __init__(self, health: Health, metrics: Metrics, open_metrics: bool) -> None:
        self._health = health
        self._metrics = metrics
        self.open_metrics = open_metrics

    def alive(self, request: ApiRequest) -> Answer:
        query.only_fields(request)
        found = self._health.alive()
        return Answer(200 if found["status"] == "alive" else 503, found)

    def ready(self, request: ApiRequest) -> Answer:
        given = request.parameters()
        unknown = sorted({name for name, _ in given if name != "exclude"})
        excluded = {one for _, value in given for one in value.split(",")}
        if unknown or excluded - set(EXCLUDE):
            raise errors.HTTPBadRequest(reason=f"The only parameter is exclude; it takes {', '.join(EXCLUDE)}.")
        found = self._health.ready(excluded)
        return Answer(200 if found["status"] == "ready" else 503, found)

    def metrics(self, request: ApiRequest) -> Answer:
        query.only_fields(request)
        if not self.open_metrics:
            request.rights.check("get_metrics", {})
        content_type, text = self._metrics.exposition()
        return Answer(body=text, content_type=content_type)
