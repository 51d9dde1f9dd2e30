"""Serving HTTP with threads."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

from netsched.server import concurrency


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def test_a_process_with_more_than_1024_files_open_is_served_still() -> None:
    """Connections to clients and databases: a large server has that many."""
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1030)]
    server = None
    try:
        sock = concurrency.listen("127.0.0.1", 0)
        server = concurrency.serve_http(concurrency.THREADING, application, sock, 2)
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.read() == b"ok"
    finally:
        if server is not None:
            server.stop(10.0)
        for descriptor in held:
            os.close(descriptor)
