"""The request under way: its id, and the scopes that its commits touched.

Carried beside the arguments: every function between the API and the change log would have to hand it on, and only the
two ends look at it. Who begins no trace (workers, agents) has none, and nothing depends on there being one.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Trace:
    """`scopes`: those in which this request's committed transactions logged a change, in order, each once."""

    request_id: str
    scopes: dict[str, None] = field(default_factory=dict)


_current: contextvars.ContextVar[Trace | None] = contextvars.ContextVar("trace", default=None)


@contextlib.contextmanager
def begin(request_id: str) -> Iterator[Trace]:
    """Within it, whatever this thread commits belongs to the request."""
    trace = Trace(request_id)
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


def current() -> Trace | None:
    return _current.get()
