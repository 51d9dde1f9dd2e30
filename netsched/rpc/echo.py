"""A server's message to itself: out through the broker, into the queue in which the beats wait, and back.

Any server may be the one that answers. That is as good a proof: the question went in and the answer came out, past
everything that waits there, and in time.
"""

from __future__ import annotations

from netsched import errors
from netsched.rpc import transport

METHOD = "ping"


class Echo:
    def __init__(self, transport_: transport.Transport, timeout: float) -> None:
        """`timeout`: seconds after which an answer proves nothing any more."""
        self._transport = transport_
        self._timeout = timeout

    def ping(self) -> None:
        """Raises Unavailable unless the answer came in time."""
        try:
            self._transport.call(transport.SERVER, METHOD, {}, self._timeout)
        except errors.UnknownCode:
            return  # a server of an earlier release, which knows no ping: it has answered all the same
