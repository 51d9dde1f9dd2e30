"""One Unix stream connection as both its ends see it, and the handlers of a process: what rpc/unix.py is made of.

A frame is a length (4 bytes, big-endian) and that many bytes of JSON, an object with `kind`:
  serve   {id, addresses}                  agent to server: this connection serves these (too)
  forget  {addresses}                      agent to server: it does not any more
  cast    {address, method, payload}
  call    {id, address, method, payload}
  answer  {id, outcome}                    to a call or serve whose id is not 0; `outcome` as of rpc/outcome.py
Either side may send any of them at any time. What does not look like this ends the connection, nothing else.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from typing import Any, BinaryIO, Literal

from pydantic import BaseModel, Field, ValidationError

from netsched import errors
from netsched.rpc import outcome, transport

LOG = logging.getLogger(__name__)

FRAME_MAX = 64 * 2**20  # bytes; a full pull of a network of 10,000 ports is about 12 MB
SEND_LIMIT = 10  # seconds that a peer may leave its socket unread before it is hung up on
WAITING_MAX = 10_000  # messages in one process before more are turned away; a beat is about 1 kB
_LENGTH = struct.Struct("!I")


class Frame(BaseModel):
    kind: Literal["serve", "forget", "cast", "call", "answer"]
    id: int = 0
    addresses: list[str] = Field(default_factory=list)
    address: str = ""
    method: str = ""
    payload: transport.Message = Field(default_factory=dict)
    outcome: transport.Message = Field(default_factory=dict)


Receive = Callable[["Connection", Frame], None]


class Connection:
    """A connected socket: `send` and `call` from any thread, `read` in a thread of the owner's until it ends."""

    def __init__(self, connected: socket.socket, receive: Receive) -> None:
        # Bounds sends only, while reads wait for ever: a socket time-out would bound both.
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_LIMIT, 0))
        self._socket = connected
        self._receive = receive
        self._sending = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[transport.Message]] = {}
        self._ids = itertools.count(1)
        self._closed = False

    def send(self, **frame: Any) -> None:
        """Returns once the kernel has it. Raises Unavailable if the connection is gone, Invalid if it is too long."""
        body = json.dumps(frame).encode()
        if len(body) > FRAME_MAX:
            raise errors.Invalid(reason=f"a message of {len(body)} bytes is longer than {FRAME_MAX}")
        try:
            with self._sending:
                self._socket.sendall(_LENGTH.pack(len(body)) + body)
        except OSError as error:
            self.close()  # half a frame may be out: nothing that follows would make sense to the peer
            raise errors.Unavailable(reason=f"the connection was lost: {error}") from error

    def call(self, timeout: float, **frame: Any) -> transport.Message:
        """Send and wait for the answer; raises what the other side's handler raised."""
        number = next(self._ids)
        future: Future[transport.Message] = Future()
        with self._lock:
            if self._closed:
                raise errors.Unavailable(reason="the connection was lost")
            self._waiting[number] = future
        try:
            self.send(id=number, **frame)
            return outcome.unwrap(future.result(timeout))
        except TimeoutError as error:
            raise errors.Unavailable(reason=f"no answer within {timeout:g} s") from error
        finally:
            with self._lock:
                self._waiting.pop(number, None)

    def answer(self, number: int, result: transport.Message) -> None:
        try:
            self.send(kind="answer", id=number, outcome=result)
        except errors.Invalid as error:
            self.answer(number, {"error": errors.to_wire(error)})
        except errors.Unavailable as error:
            LOG.info("Dropped an answer: %s", error)

    def read(self) -> None:
        """Hand on what arrives until the peer or `close` ends it, or a frame is malformed."""
        try:
            with self._socket.makefile("rb") as stream:
                while (frame := _read_frame(stream)) is not None:
                    if frame.kind == "answer":
                        self._resolve(frame)
                    else:
                        self._receive(self, frame)
        except (ValueError, RecursionError) as error:
            LOG.warning("Closing a connection after a malformed message: %s", error)
        except OSError as error:
            LOG.info("Connection lost: %s", error)
        finally:
            self.close()

    def close(self) -> None:
        """End it: `read` returns, calls under way raise Unavailable."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            abandoned = list(self._waiting.values())
        with contextlib.suppress(OSError):  # the peer was first
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        gone = {"error": errors.to_wire(errors.Unavailable(reason="the connection was lost"))}
        for future in abandoned:
            _resolve_once(future, gone)

    def _resolve(self, frame: Frame) -> None:
        with self._lock:
            future = self._waiting.get(frame.id)
        if future is None:
            LOG.info("Dropped an answer that came too late")
        else:
            _resolve_once(future, frame.outcome)


def _resolve_once(future: Future[transport.Message], result: transport.Message) -> None:
    with contextlib.suppress(InvalidStateError):  # answered just as the connection went
        future.set_result(result)


def _read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame; None at the end of the stream. ValueError if it is malformed."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        if head:
            raise ValueError("the stream ended within a length")
        return None
    (size,) = _LENGTH.unpack(head)
    if size > FRAME_MAX:
        raise ValueError(f"{size} bytes announced, at most {FRAME_MAX} allowed")
    body = stream.read(size)
    if len(body) < size:
        raise ValueError(f"the stream ended after {len(body)} of {size} bytes")
    try:
        return Frame.model_validate(json.loads(body))
    except ValidationError as error:  # its own text would repeat the payload
        raise ValueError("; ".join(f"{e['loc']}: {e['msg']}" for e in error.errors(include_input=False))) from None


class Serving:
    """One address, its handler and the threads that run it."""

    def __init__(self, address: str, handler: transport.Handler, threads: int, forget: Callable[[str], None]) -> None:
        self._address = address
        self._handler = handler
        self._forget = forget
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"rpc-{address}")
        self._lock = threading.Lock()
        self._under_way = 0
        self._stopped = False

    def submit(self, method: str, payload: transport.Message, then: Callable[[transport.Message], None] | None) -> bool:
        """Run the handler in a thread, then `then` with its outcome. False: stopped, or far too busy."""
        with self._lock:
            if self._stopped or self._under_way >= WAITING_MAX:
                return False
            self._under_way += 1
            self._pool.submit(self._run, method, payload, then)
            return True

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
        self._forget(self._address)
        self._pool.shutdown(wait=True)

    def _run(self, method: str, payload: transport.Message, then: Callable[[transport.Message], None] | None) -> None:
        try:
            result = outcome.run_guarded(self._handler, self._address, method, payload)
            if then is not None:
                then(result)
        finally:
            with self._lock:
                self._under_way -= 1


class Handlers:
    """Everything that this process serves, by address. `threads` for each."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._serving: dict[str, Serving] = {}

    def add(self, address: str, handler: transport.Handler, forgotten: Callable[[], None]) -> Serving:
        """`forgotten` runs when the serving is stopped, before its last messages are done."""

        def forget(stopped: str) -> None:
            with self._lock:
                self._serving.pop(stopped, None)
            forgotten()

        with self._lock:
            if address in self._serving:
                raise errors.Conflict(reason=f"this process serves {address} already")
            serving = self._serving[address] = Serving(address, handler, self._threads, forget)
        return serving

    def get(self, address: str) -> Serving | None:
        with self._lock:
            return self._serving.get(address)

    def addresses(self) -> list[str]:
        with self._lock:
            return sorted(self._serving)

    def stop(self) -> None:
        for address in self.addresses():
            serving = self.get(address)
            if serving is not None:
                serving.stop()

    def receive(self, connection: Connection, frame: Frame) -> None:
        """A cast or a call from the other end."""
        serving = self.get(frame.address)
        wants = (lambda result: connection.answer(frame.id, result)) if frame.kind == "call" else None
        if serving is not None and serving.submit(frame.method, frame.payload, wants):
            return
        reason = f"{frame.address} is " + ("not served here" if serving is None else "too busy or stopping")
        LOG.info("Turned away %s: %s", frame.method, reason)
        if wants is not None:
            wants({"error": errors.to_wire(errors.Unavailable(reason=reason))})
