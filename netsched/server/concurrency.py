"""How a server process does several things at once: the one file that knows of eventlet.

`prepare` must run before anything else is imported that could hold a socket or a lock, and after the fork: a fork
once eventlet has touched its hub leaves both processes slow and deaf.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol

LOG = logging.getLogger(__name__)
THREADING = "threading"
EVENTLET = "eventlet"
CONNECTIONS = 1000  # open ones that an eventlet server takes at once; a green thread each
LINGER = 0.5  # s for which connections without a request stay open at the end: one may be on its way

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class HttpServer(Protocol):
    def stop(self, timeout: float) -> None:
        """Take no more connections; requests under way are finished, for at most `timeout` s."""


def prepare(kind: str) -> None:
    """Make the standard library cooperate with the chosen kind."""
    if kind == EVENTLET:
        import eventlet

        eventlet.monkey_patch()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, made before the fork so that all processes share it. Port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(256)
    sock.setblocking(False)
    return sock


def serve_http(
    kind: str, application: Wsgi, sock: socket.socket, threads: int, probes: Collection[str] = ()
) -> HttpServer:
    """Serve a WSGI application on the socket, in the background, until stopped; `threads` requests at once.

    Those for the paths `probes` do not wait until others are done.
    """
    if kind == EVENTLET:
        return _Eventlet(application, sock, threads, probes)
    from netsched.server.threaded import ThreadedServer  # not before `prepare`

    return ThreadedServer(application, sock, threads, probes)


class _Eventlet:
    def __init__(self, application: Wsgi, sock: socket.socket, threads: int, probes: Collection[str]) -> None:
        import eventlet
        import eventlet.wsgi

        self._ending, self._finish = threading.Event(), threading.Event()
        self._pool = eventlet.GreenPool(CONNECTIONS)
        # minimum_chunk_size: eventlet would hold back small chunks of a stream for ever.
        self._thread = eventlet.spawn(
            eventlet.wsgi.server,
            _listener(sock, self._finish),
            _limited(_closing(application, self._ending.is_set), threads, frozenset(probes)),
            custom_pool=self._pool,
            log=logging.getLogger(f"{__name__}.wsgi"),
            log_output=False,
            minimum_chunk_size=1,
        )

    def stop(self, timeout: float) -> None:
        import eventlet

        self._ending.set()
        self._thread.kill()  # see _listener: it does not end by that
        eventlet.sleep(min(LINGER, timeout))
        self._finish.set()
        with eventlet.Timeout(timeout, False):
            self._pool.waitall()


def _limited(application: Wsgi, most: int, probes: Collection[str]) -> Wsgi:
    """At most so many at once, probes aside."""
    room = threading.Semaphore(most)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") in probes:
            return application(environ, start_response)
        with room:
            return application(environ, start_response)

    return answer


def _closing(application: Wsgi, ending: Callable[[], bool]) -> Wsgi:
    """When the server ends, each answer says that it is the last on its connection."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, ("Connection", "close")] if ending() else headers, *rest)

        return application(environ, start)

    return answer


def _listener(sock: socket.socket, finish: threading.Event) -> Any:
    """A listening socket that, when its server is killed, hands out who is connected already, and then closes.

    eventlet's server would cut off at once everybody from whom it has not read a request yet. This one says only after
    `finish` that there is nobody else, upon which that server closes what is idle and waits for the rest.
    """
    import eventlet.greenio
    from eventlet.support.greenlets import GreenletExit

    class Listener(eventlet.greenio.GreenSocket):
        ending = False

        def accept(self) -> Any:
            if not self.ending:
                try:
                    return super().accept()
                except GreenletExit:
                    self.ending = True
            try:
                client, address = self.fd.accept()
                return eventlet.greenio.GreenSocket(client), address
            except OSError:  # nobody, or closed before
                self.close()
            finish.wait()
            raise SystemExit

    return Listener(sock)
