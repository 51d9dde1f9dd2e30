"""A handler that notes what arrives, for tests of transports."""

from __future__ import annotations

import threading

from netsched import errors
from netsched.rpc.transport import Message


class Receiver:
    """Serves: `echo` (answers its payload), `fail` (NetworkNotFound), `bug` (KeyError), `slow` (waits for `release`).

    Anything else is noted, and answered as an unknown method.
    """

    def __init__(self) -> None:
        self.messages: list[tuple[str, Message]] = []
        self.release = threading.Event()
        self.most_at_once = 0
        self._at_once = 0
        self._changed = threading.Condition()

    def __call__(self, method: str, payload: Message) -> Message | None:
        with self._changed:
            self.messages.append((method, payload))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._changed.notify_all()
        try:
            return self._answer(method, payload)
        finally:
            with self._changed:
                self._at_once -= 1
                self._changed.notify_all()

    def _answer(self, method: str, payload: Message) -> Message | None:
        if method == "echo":
            return payload
        if method == "nothing":
            return None
        if method == "fail":
            raise errors.NetworkNotFound(id=payload["id"])
        if method == "bug":
            raise KeyError("secret")
        if method == "slow":
            assert self.release.wait(60)
            return {"slow": True}
        raise errors.UnknownCode(message=f"no method {method}")

    def wait(self, count: int, timeout: float = 15.0) -> list[tuple[str, Message]]:
        """The messages, once there are `count`."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.messages) >= count, timeout)
            assert arrived, f"{len(self.messages)} of {count} messages arrived"
            return list(self.messages)

    def wait_idle(self, timeout: float = 15.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._at_once == 0, timeout)
