"""The one place where errors become HTTP: eight kinds, eight statuses, the Networking API's body."""

from __future__ import annotations

import json
import logging
from typing import Any

from pecan import hooks
from webob import Response, exc

from netsched import errors, trace

LOG = logging.getLogger(__name__)

STATUS: dict[type[errors.NetschedError], int] = {
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.Conflict: 409,
    errors.Stale: 412,
    errors.Invalid: 400,
    errors.Forbidden: 403,
    errors.NoCapacity: 409,
    errors.Unavailable: 503,
}
# HTTP's own errors, which are about requests and not about networks.
CODE = {404: "route.not_found", 405: "route.method_not_allowed", 413: "request.too_large", 415: "request.media_type"}
RETRY_AFTER = 5  # s: databases and brokers that restart or fail over are back within that, or in minutes
UNEXPECTED = "Request Failed: internal server error while processing your request."


class ErrorHook(hooks.PecanHook):
    def on_error(self, state: Any, error: Exception) -> Response:
        if isinstance(error, errors.NetschedError):
            status = status_of(error)
            if status != 500:
                answer = respond(status, error.type, str(error), error.code)
                if status == 503:
                    answer.headers["Retry-After"] = str(RETRY_AFTER)
                return answer
        if isinstance(error, exc.HTTPException):
            message = error.detail or error.explanation
            answer = respond(error.status_int, type(error).__name__, message, CODE.get(error.status_int, "request.bad"))
            answer.headers.update({k: v for k, v in error.headers.items() if k == "Allow"})
            return answer
        with trace.begin(state.request.request_id):
            LOG.error("request %s failed", state.request.request_id, exc_info=error)
        return respond(500, "HTTPInternalServerError", UNEXPECTED, "internal")


def status_of(error: errors.NetschedError) -> int:
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return status
    return 500


def respond(status: int, type_: str, message: str, code: str) -> Response:
    """An error as clients of the Networking API know it; `code` is ours, stable where the message is not."""
    body = {"NeutronError": {"type": type_, "message": message, "detail": "", "code": code}}
    return Response(json.dumps(body).encode(), status=status, content_type="application/json", charset=None)
