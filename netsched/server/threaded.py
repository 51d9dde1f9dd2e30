"""HTTP by waitress, with what it lacks: a lane for probes of their own, and an end that loses no request.

Without the lane, a database that hangs takes every thread with it, and then nobody can ask whether the server is ready.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from waitress import wasyncore
from waitress.server import create_server
from waitress.task import ThreadedTaskDispatcher

LOG = logging.getLogger(__name__)
LANE = 2  # threads for probes
# s for which a connection without a request is left open when the server ends: one may be on its way.
LINGER = 0.5
LOOK = 0.05  # s between two looks at what is still under way


class _Lanes:
    """What waitress calls a dispatcher: which threads a request is for."""

    def __init__(self, threads: int, probes: Collection[str]) -> None:
        self._probes = frozenset(probes)
        self._usual, self._lane = ThreadedTaskDispatcher(), ThreadedTaskDispatcher()
        self._usual.set_thread_count(threads)
        self._lane.set_thread_count(LANE)
        self.ending = False

    def add_task(self, channel: Any) -> None:
        """`channel`: a connection; its first request is the one to be served."""
        request = channel.requests[0]
        if self.ending:
            _let_it_be_the_last(request)
        is_probe = not request.error and request.path in self._probes
        (self._lane if is_probe else self._usual).add_task(channel)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 1.0) -> bool:
        ended = [one.shutdown(cancel_pending, timeout) for one in (self._usual, self._lane)]
        return all(ended)


def _let_it_be_the_last(request: Any) -> None:
    """As if its client had said that it will send no other on this connection."""
    if not request.error:
        request.headers["CONNECTION"] = "close"


class ThreadedServer:
    """Serves in the background, on `threads` threads, until stopped."""

    def __init__(
        self, application: Callable[..., Any], sock: socket.socket, threads: int, probes: Collection[str]
    ) -> None:
        """`probes`: paths that are not to wait for the others."""
        self._lanes = _Lanes(threads, probes)
        self._server = create_server(
            application,
            sockets=[sock],
            _dispatcher=self._lanes,
            threads=threads,
            ident="netsched",
            max_request_body_size=2**24,
            asyncore_use_poll=True,  # select, the default, ends the server at the first file descriptor above 1023
        )
        self._stopped_at = 0.0
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._server.run()
        except OSError as error:
            LOG.debug("listening ended: %s", error)

    def stop(self, timeout: float) -> None:
        """Take no more connections; finish what is under way, for at most that many seconds."""
        self._stopped_at = time.time()
        self._in_its_thread(self._stop_listening)
        end = self._stopped_at + timeout
        while self._thread.is_alive() and time.time() < end:
            self._in_its_thread(self._close_idle)
            self._thread.join(LOOK)
        if self._thread.is_alive():
            LOG.warning("requests cut off: %d were still under way", len(self._server.active_channels))
            self._in_its_thread(self._close_all)
        self._lanes.shutdown()

    def _in_its_thread(self, work: Callable[[], None]) -> None:
        """waitress is not made to be touched from another thread while it polls."""
        try:
            self._server.trigger.pull_trigger(work)
        except OSError:
            LOG.debug("it has ended meanwhile")

    def _stop_listening(self) -> None:
        """First those who are in the kernel's queue: they are connected, as far as they know."""
        taken = -1
        while taken < (taken := len(self._server.active_channels)):
            self._server.handle_accept()
        wasyncore.dispatcher.close(self._server)
        self._lanes.ending = True
        for channel in self._server.active_channels.values():
            for request in list(channel.requests):
                _let_it_be_the_last(request)

    def _close_idle(self) -> None:
        now = time.time()
        for channel in list(self._server.active_channels.values()):
            silent_since = max(channel.last_activity, self._stopped_at)
            busy = channel.requests or channel.request is not None or channel.total_outbufs_len
            if not busy and now - silent_since > LINGER:
                channel.handle_close()
        if not self._server.active_channels:
            self._close_all()

    def _close_all(self) -> None:
        """With the last of them, the trigger, its loop ends."""
        wasyncore.close_all(self._server._map, ignore_all=True)
