"""A TCP proxy between the product and its broker or database, whose connections can be cut or made slow.

A program of its own, since the process that clients run in is busy: it takes commands as lines of JSON on its standard
input, and ends with it. `Proxy` is the hand of whoever started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from typing import Any

CHUNK = 65536


class Line:
    """One listening port and where it leads. `delay`: seconds by which each chunk of the answers is late."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        self.cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    async def serve(self, listening: socket.socket) -> None:
        await asyncio.start_server(self._accept, sock=listening)

    def drop(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut:
            writer.transport.abort()
            return
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there}
        pumps = [
            asyncio.create_task(self._pump(reader, there, slow=False)),
            asyncio.create_task(self._pump(there_reader, writer, slow=True)),
        ]
        self._pumps |= set(pumps)
        await asyncio.wait(pumps)
        self._pumps -= set(pumps)
        self._writers -= {writer, there}

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, slow: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if slow and self.delay:
                    await asyncio.sleep(self.delay)
                sink.write(data)
                await sink.drain()
        sink.close()


async def main(targets: dict[str, tuple[int, int]]) -> None:
    """`targets`: name -> (file descriptor of a listening socket, port that it leads to)."""
    lines = {}
    for name, (descriptor, target) in targets.items():
        lines[name] = Line(target)
        await lines[name].serve(socket.socket(fileno=descriptor))
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while text := await commands.readline():
        command: dict[str, Any] = json.loads(text)
        line = lines[command["line"]]
        line.delay = command.get("delay", line.delay)
        line.cut = command.get("cut", line.cut)
        if command.get("drop") or line.cut:
            line.drop()
    os._exit(0)  # without the farewells of asyncio to each connection


class Proxy:
    """Starts the program; `ports` says where each line listens."""

    def __init__(self, targets: dict[str, int]) -> None:
        self._lock = threading.Lock()
        sockets = {name: socket.create_server(("127.0.0.1", 0), backlog=256) for name in targets}
        self.ports: dict[str, int] = {name: one.getsockname()[1] for name, one in sockets.items()}
        told = json.dumps({name: (one.fileno(), targets[name]) for name, one in sockets.items()})
        descriptors = [one.fileno() for one in sockets.values()]
        command = [sys.executable, "-m", "tests.chaos.proxy", told]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=descriptors)
        for one in sockets.values():
            one.close()

    def tell(self, line: str, **what: Any) -> None:
        """`drop`: end its connections now. `cut`: and let none in, until False. `delay`: of answers, in seconds."""
        with self._lock:
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps({"line": line, **what}).encode() + b"\n")
            self.process.stdin.flush()

    def close(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


if __name__ == "__main__":
    asyncio.run(main({name: tuple(pair) for name, pair in json.loads(sys.argv[1]).items()}))
