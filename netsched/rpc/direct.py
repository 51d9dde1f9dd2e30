"""Messages within one process, for flow tests: synchronous and deterministic, yet through JSON like all others.

Nothing here starts a thread or reads a clock. What a network does to messages is for the test to decide: `route` says
what becomes of each cast (lose it, double it, keep it back), and with ``queued=True`` casts wait in `pending`, which
a test may reorder, until it says `deliver`.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from netsched import errors
from netsched.rpc import outcome, transport

LOG = logging.getLogger(__name__)

DELIVERIES_MAX = 100_000  # of one deliver_all: two handlers that answer each other for ever are a bug in the test


@dataclass(frozen=True)
class Envelope:
    """A cast on its way."""

    address: str
    method: str
    payload: transport.Message = field(hash=False)


Route = Callable[[Envelope], list[Envelope]]  # what is delivered instead of this cast, in order


@dataclass
class Traffic:
    """Sent to one address; `size` in bytes of JSON, payloads of casts and calls and the answers of calls."""

    messages: int = 0
    size: int = 0


class DirectServing:
    def __init__(self, handlers: list[DirectServing], handler: transport.Handler) -> None:
        self._handlers = handlers
        self.handler = handler

    def stop(self) -> None:
        if self in self._handlers:
            self._handlers.remove(self)


class DirectTransport:
    """Transport for one process. `traffic` counts by address, `by_method` by (address, method).

    An unexpected exception of a handler (a bug) comes out of `cast`, `call` or `deliver`, so that a test fails on it.
    Several handlers of one address take turns.
    """

    def __init__(self, route: Route | None = None, queued: bool = False) -> None:
        self.route = route
        self.queued = queued
        self.pending: list[Envelope] = []
        self.traffic: defaultdict[str, Traffic] = defaultdict(Traffic)
        self.by_method: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._serving: defaultdict[str, list[DirectServing]] = defaultdict(list)

    def cast(self, address: str, method: str, payload: transport.Message) -> None:
        envelope = Envelope(address, method, self._through_json(address, payload))
        self._count(address, method)
        for routed in [envelope] if self.route is None else self.route(envelope):
            self.post(routed)

    def post(self, envelope: Envelope) -> None:
        """Deliver, or queue, past the route: for what a route kept back earlier."""
        if self.queued:
            self.pending.append(envelope)
        else:
            self._hand_over(envelope)

    def deliver(self, index: int = 0) -> None:
        """Deliver one queued cast; what its handler casts joins the end of the queue."""
        self._hand_over(self.pending.pop(index))

    def deliver_all(self) -> int:
        """Deliver until nothing is queued, new casts included; returns how many."""
        count = 0
        while self.pending:
            self.deliver()
            count += 1
            if count >= DELIVERIES_MAX:
                raise RuntimeError(f"{count} deliveries and no end; last in queue: {self.pending[-1:]}")
        return count

    def call(self, address: str, method: str, payload: transport.Message, timeout: float) -> transport.Message:
        """Calls are neither routed nor queued. `timeout` means nothing here: a handler that returns, answers."""
        handler = self._next_handler(address)
        if handler is None:
            raise errors.Unavailable(reason=f"nobody serves {address}")
        request = self._through_json(address, payload)
        self._count(address, method)
        return outcome.unwrap(self._through_json(address, outcome.run(handler, method, request)))

    def serve(self, address: str, handler: transport.Handler) -> DirectServing:
        handlers = self._serving[address]
        serving = DirectServing(handlers, handler)
        handlers.append(serving)
        return serving

    def close(self) -> None:
        """Nothing: this object is the network of everybody in the process, and goes on when one of them leaves."""

    def _hand_over(self, envelope: Envelope) -> None:
        handler = self._next_handler(envelope.address)
        if handler is None:
            LOG.debug("Lost %s: nobody serves %s", envelope.method, envelope.address)
            return
        result = outcome.run(handler, envelope.method, envelope.payload)
        if "error" in result:
            LOG.warning("%s for %s: %s", envelope.method, envelope.address, result["error"]["message"])

    def _next_handler(self, address: str) -> transport.Handler | None:
        serving = self._serving.get(address)
        if not serving:
            return None
        serving.append(serving.pop(0))
        return serving[-1].handler

    def _count(self, address: str, method: str) -> None:
        self.traffic[address].messages += 1
        self.by_method[address, method] += 1

    def _through_json(self, address: str, message: transport.Message) -> transport.Message:
        text = json.dumps(message)
        self.traffic[address].size += len(text)  # ASCII: one byte a character
        decoded: transport.Message = json.loads(text)
        return decoded
