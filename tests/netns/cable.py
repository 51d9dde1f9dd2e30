"""The wire between a host's agents and the server, to be cut by itself: the tenants' wires go on.

While it is cut, connections stay open and what is sent is lost, as when a switch in between drops everything. Joined
again, the old connections end, and whoever wants one opens another.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path


class Cable:
    """A Unix socket at `path` that leads to the one at `server`."""

    def __init__(self, path: Path, server: Path) -> None:
        self._server = str(server)
        self._cut = False
        self._ends: list[socket.socket] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._cut = True

    def join(self) -> None:
        self._end_all()
        self._cut = False

    def close(self) -> None:
        self._listening.close()
        self._end_all()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                agent = self._listening.accept()[0]
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._ends += [agent, server]
                for source, target in ((agent, server), (server, agent)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._cut:
                    target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _end_all(self) -> None:
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
