"""The seam under all messages: cast, call, serve. Three implementations, one contract (tests/rpc).

`address` is a name: SERVER for any one server process, or an agent process's delivery address. Payloads are plain
JSON values. Delivery is at most once per cast; that every change arrives is the change log's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

SERVER = "server"

Message = dict[str, Any]
Handler = Callable[[str, Message], Message | None]  # (method, payload) -> answer of a call; raises NetschedError


class Serving(Protocol):
    def stop(self) -> None:
        """Take no more messages, let those under way finish, return when they have."""


class Transport(Protocol):
    def cast(self, address: str, method: str, payload: Message) -> None:
        """Hand the message over; returns once the broker has it. Raises Unavailable if nobody could take it."""

    def call(self, address: str, method: str, payload: Message, timeout: float) -> Message:
        """The handler's answer. Raises what the handler raised (a NetschedError), or Unavailable after `timeout` s."""

    def serve(self, address: str, handler: Handler) -> Serving:
        """Deliver messages for `address` to `handler`, several at a time in threads, until stopped."""

    def close(self) -> None: ...
