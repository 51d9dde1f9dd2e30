"""How a server process does several things at once: the one file that knows of eventlet.

`prepare` must run before anything else is imported that could hold a socket or a lock, and after the fork: a fork
once eventlet has touched its hub leaves both processes slow and deaf.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from typing import Any, Protocol

LOG = logging.getLogger(__name__)
THREADING = "threading"
EVENTLET = "eventlet"


class HttpServer(Protocol):
    def stop(self) -> None:
        """Take no more connections; requests under way are finished."""


def prepare(kind: str) -> None:
    """Make the standard library cooperate with the chosen kind."""
    if kind == EVENTLET:
        import eventlet

        eventlet.monkey_patch()
        _make_psycopg2_cooperate()


def _make_psycopg2_cooperate() -> None:
    """libpq waits in C, where no other green thread gets a turn: not even the one that holds the lock waited for."""
    import psycopg2.extensions
    from eventlet.hubs import trampoline

    def wait(connection: Any) -> None:
        while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
            if state == psycopg2.extensions.POLL_READ:
                trampoline(connection.fileno(), read=True)
            else:
                trampoline(connection.fileno(), write=True)

    psycopg2.extensions.set_wait_callback(wait)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, made before the fork so that all processes share it. Port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(256)
    sock.setblocking(False)
    return sock


def serve_http(kind: str, application: Callable[..., Any], sock: socket.socket, threads: int) -> HttpServer:
    """Serve a WSGI application on the socket, in the background, until stopped."""
    if kind == EVENTLET:
        return _Eventlet(application, sock, threads)
    return _Waitress(application, sock, threads)


class _Waitress:
    def __init__(self, application: Callable[..., Any], sock: socket.socket, threads: int) -> None:
        from waitress.server import create_server

        self._server = create_server(
            application,
            sockets=[sock],
            threads=threads,
            ident="netsched",
            max_request_body_size=2**24,
            asyncore_use_poll=True,  # select, the default, ends the server at the first file descriptor above 1023
        )
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._server.run()
        except OSError as error:
            LOG.debug("listening ended: %s", error)

    def stop(self) -> None:
        self._server.close()
        self._server.task_dispatcher.shutdown(cancel_pending=False, timeout=10)


class _Eventlet:
    def __init__(self, application: Callable[..., Any], sock: socket.socket, threads: int) -> None:
        import eventlet
        import eventlet.wsgi

        green = eventlet.greenio.GreenSocket(sock)
        quiet = logging.getLogger(f"{__name__}.wsgi")
        self._pool = eventlet.GreenPool(threads)
        # minimum_chunk_size: eventlet would hold back small chunks of a stream for ever.
        self._thread = eventlet.spawn(
            eventlet.wsgi.server,
            green,
            application,
            custom_pool=self._pool,
            log=quiet,
            log_output=False,
            minimum_chunk_size=1,
        )

    def stop(self) -> None:
        self._thread.kill()
        self._pool.waitall()
