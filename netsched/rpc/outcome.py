"""What became of a message in a handler, as data: the same on every transport."""

from __future__ import annotations

import logging

from pydantic import ValidationError

from netsched import errors
from netsched.rpc import transport

LOG = logging.getLogger(__name__)


def run(handler: transport.Handler, method: str, payload: transport.Message) -> transport.Message:
    """Hand the message over: ``{"answer": {...}}``, or ``{"error": ...}`` as of `errors.to_wire`.

    A payload that does not decode is the sender's mistake: Invalid, naming the field. Anything else that is not a
    NetschedError is ours and passes through.
    """
    try:
        return {"answer": handler(method, payload) or {}}
    except errors.NetschedError as error:
        return {"error": errors.to_wire(error)}
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return {"error": errors.to_wire(errors.Invalid(reason=f"{method}: {where}: {first['msg']}"))}


def run_guarded(handler: transport.Handler, address: str, method: str, payload: transport.Message) -> transport.Message:
    """`run` at the edge of a process: nothing a peer sends may end a worker thread or leave its caller waiting."""
    try:
        outcome = run(handler, method, payload)
    except Exception as error:
        LOG.exception("Handling %s for %s failed", method, address)
        return {"error": errors.to_wire(errors.NetschedError(reason=f"{method}: {type(error).__name__}"))}
    if "error" in outcome:
        LOG.debug("%s for %s: %s", method, address, outcome["error"]["message"])
    return outcome


def unwrap(outcome: transport.Message) -> transport.Message:
    """The answer, or the handler's error raised again; UnknownCode if this side cannot rebuild it."""
    if "error" not in outcome:
        return outcome.get("answer") or {}
    data = outcome["error"]
    try:
        error = errors.from_wire(data)
    except KeyError:  # a peer of another version writes the same code with other facts
        error = errors.UnknownCode(message=data["message"])
    raise error
