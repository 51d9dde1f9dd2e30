"""Messages over a Unix socket, for `netsched standalone`: one server process whose agents are its child processes.

The server listens, agents connect; one connection carries everything both ways (rpc/unix_connection.py has the
format). An agent says which addresses it serves, again after every reconnect, and the server sends each message to
the connection that claimed its address last. The socket is mode 0600: who can open it is trusted.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import socket
import stat
import threading

from netsched import errors
from netsched.rpc import outcome, transport
from netsched.rpc.unix_connection import Connection, Frame, Handlers, Serving

LOG = logging.getLogger(__name__)

ANNOUNCE_LIMIT = 5.0  # seconds for the server to take note of an address
RETRY_FIRST, RETRY_LONGEST = 0.1, 5.0  # seconds between attempts to connect, doubling, each times 0.5 to 1.5


class UnixServerTransport:
    """The server's end. Raises Unavailable if another process listens at `path`, OSError if the path is unusable."""

    def __init__(self, path: str, threads: int = 16) -> None:
        self._path = path
        self._handlers = Handlers(threads)
        self._lock = threading.Lock()
        self._routes: dict[str, Connection] = {}
        self._connections: set[Connection] = set()
        self._closed = False
        self._socket = _listen(path)
        self._inode = os.stat(path).st_ino
        self._thread = threading.Thread(target=self._accept, name="rpc-accept", daemon=True)
        self._thread.start()

    def cast(self, address: str, method: str, payload: transport.Message) -> None:
        """To an address that nobody serves: lost, as on a broker after its queue has expired."""
        serving = self._handlers.get(address)
        if serving is not None:
            serving.submit(method, _copy(payload), None)
        elif (connection := self._route(address)) is not None:
            connection.send(kind="cast", address=address, method=method, payload=payload)
        else:
            LOG.debug("Lost %s: nobody serves %s", method, address)

    def call(self, address: str, method: str, payload: transport.Message, timeout: float) -> transport.Message:
        serving = self._handlers.get(address)
        if serving is not None:
            return _call_here(serving, method, payload, timeout)
        connection = self._route(address)
        if connection is None:
            raise errors.Unavailable(reason=f"nobody serves {address}")
        return connection.call(timeout, kind="call", address=address, method=method, payload=payload)

    def serve(self, address: str, handler: transport.Handler) -> Serving:
        return self._handlers.add(address, handler, forgotten=lambda: None)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            connections = list(self._connections)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # close alone would leave accept waiting
        self._socket.close()
        self._thread.join()
        self._handlers.stop()
        for connection in connections:
            connection.close()
        with contextlib.suppress(FileNotFoundError):
            if os.stat(self._path).st_ino == self._inode:  # not a successor's
                os.unlink(self._path)

    def _route(self, address: str) -> Connection | None:
        with self._lock:
            return self._routes.get(address)

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._socket.accept()
            except OSError as error:
                if self._closed:
                    return
                # Out of file descriptors, most likely: those who wait in the backlog are served when there are some.
                LOG.warning("Cannot accept a connection: %s", error)
                threading.Event().wait(0.5)
                continue
            connection = Connection(connected, self._receive)
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._read, args=(connection,), name="rpc-read", daemon=True).start()

    def _read(self, connection: Connection) -> None:
        if not self._closed:
            connection.read()
        connection.close()
        with self._lock:
            self._connections.discard(connection)
            lost = [address for address, owner in self._routes.items() if owner is connection]
            for address in lost:
                del self._routes[address]
        LOG.info("An agent process disconnected; it served %s", ", ".join(lost) or "nothing by now")

    def _receive(self, connection: Connection, frame: Frame) -> None:
        if frame.kind == "serve":
            with self._lock:
                self._routes.update(dict.fromkeys(frame.addresses, connection))
            if frame.addresses:
                LOG.info("An agent process serves %s", ", ".join(frame.addresses))
            if frame.id:
                connection.answer(frame.id, {"answer": {}})
        elif frame.kind == "forget":
            with self._lock:
                for address in frame.addresses:
                    if self._routes.get(address) is connection:
                        del self._routes[address]
        else:
            self._handlers.receive(connection, frame)


class UnixAgentTransport:
    """An agent process's end. Connects by itself, at once if the server is there, and again whenever it comes back.

    While there is no connection, `cast` and `call` raise Unavailable.
    """

    def __init__(self, path: str, threads: int = 8) -> None:
        self._path = path
        self._handlers = Handlers(threads)
        self._connection: Connection | None = None
        self._closing = threading.Event()
        self._connect()
        self._thread = threading.Thread(target=self._run, name="rpc-connection", daemon=True)
        self._thread.start()

    def cast(self, address: str, method: str, payload: transport.Message) -> None:
        self._connected().send(kind="cast", address=address, method=method, payload=payload)

    def call(self, address: str, method: str, payload: transport.Message, timeout: float) -> transport.Message:
        return self._connected().call(timeout, kind="call", address=address, method=method, payload=payload)

    def serve(self, address: str, handler: transport.Handler) -> Serving:
        """Returns when the server knows the address; if it is away, it will be told at the next connect."""
        serving = self._handlers.add(address, handler, forgotten=lambda: self._forget(address))
        try:
            self._connected().call(ANNOUNCE_LIMIT, kind="serve", addresses=[address])
        except errors.Unavailable as error:
            LOG.info("The server is not told yet that %s is served here: %s", address, error)
        return serving

    def close(self) -> None:
        self._closing.set()
        self._handlers.stop()
        if self._connection is not None:
            self._connection.close()
        self._thread.join()

    def _connected(self) -> Connection:
        connection = self._connection
        if connection is None:
            raise errors.Unavailable(reason=f"no server at {self._path}")
        return connection

    def _forget(self, address: str) -> None:
        with contextlib.suppress(errors.Unavailable):
            self._connected().send(kind="forget", addresses=[address])

    def _connect(self) -> bool:
        attempt = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            attempt.connect(self._path)
        except OSError as error:
            attempt.close()
            LOG.debug("No server at %s: %s", self._path, error)
            return False
        # In this order: an address added meanwhile is announced here or by `serve`, or by both.
        self._connection = connection = Connection(attempt, self._handlers.receive)
        with contextlib.suppress(errors.Unavailable):  # gone again: `read` will see it
            connection.send(kind="serve", addresses=self._handlers.addresses())
        LOG.info("Connected to %s", self._path)
        return True

    def _run(self) -> None:
        pause = RETRY_FIRST
        while not self._closing.is_set():
            connection = self._connection
            if connection is not None:
                connection.read()
                self._connection = None
                if not self._closing.is_set():
                    LOG.warning("Lost the server at %s", self._path)
            # Also after a loss, so that agents do not all come back in the same instant.
            self._closing.wait(pause * random.uniform(0.5, 1.5))
            if self._closing.is_set():
                return
            pause = RETRY_FIRST if self._connect() else min(pause * 2, RETRY_LONGEST)
        if self._connection is not None:
            self._connection.close()


def _listen(path: str) -> socket.socket:
    """A listening socket; whatever a dead server left at `path` is removed."""
    if os.path.lexists(path):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(f"{path} is not a socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(path) == 0:
                raise errors.Unavailable(reason=f"another server listens at {path}")
        os.unlink(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(path)
        os.chmod(path, 0o600)  # before listen: until then nobody can connect, so there is no gap
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _copy(payload: transport.Message) -> transport.Message:
    """As it would arrive from elsewhere: equal, JSON, and not shared."""
    copied: transport.Message = json.loads(json.dumps(payload))
    return copied


def _call_here(serving: Serving, method: str, payload: transport.Message, timeout: float) -> transport.Message:
    done = threading.Event()
    results: list[transport.Message] = []

    def then(result: transport.Message) -> None:
        results.append(_copy(result))
        done.set()

    if not serving.submit(method, _copy(payload), then):
        raise errors.Unavailable(reason="too busy or stopping")
    if not done.wait(timeout):
        raise errors.Unavailable(reason=f"no answer within {timeout:g} s")
    return outcome.unwrap(results[0])
