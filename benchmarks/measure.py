"""How things are measured: CPU time of process trees, percentiles, and HTTP clients that keep their connection."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil

LIMIT = 20.0  # seconds after which a load sends no more, so that a slow machine delays nobody for ever


def cpu(pid: int | None) -> float:
    """CPU seconds of a process and all its descendants so far; 0 for None. One that ends between two calls is lost,
    unless its parent waited for it."""
    if pid is None:
        return 0.0
    root = psutil.Process(pid)
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; 0.0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def wait(what: str, condition: Callable[[], Any], limit: float = 60.0, pause: float = 0.02) -> float:
    """Seconds until the condition held. Raises TimeoutError that says what was waited for."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > limit:
            raise TimeoutError(f"{what}: not within {limit:g} s")
        time.sleep(pause)
    return time.monotonic() - began


@dataclass(frozen=True)
class Call:
    method: str
    path: str  # below /v2.0/
    body: Any = None


@dataclass
class Load:
    """`times`: seconds of each call. `bodies`: what came back, in the order of the calls."""

    times: list[float] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    elapsed: float = 0.0


class Client:
    """One keep-alive connection. Raises RuntimeError for an answer that is no success."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def raw(self, call: Call, body: bytes | None) -> bytes:
        headers = {"Content-Type": "application/json"} if body else {}
        self._connection.request(call.method, f"/v2.0/{call.path}", body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{call.method} {call.path}: {answer.status} {text[:500].decode(errors='replace')}")
        return text

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        text = self.raw(Call(method, path), encoded(body))
        return json.loads(text) if text else None

    def close(self) -> None:
        self._connection.close()


def encoded(body: Any) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


def send(port: int, calls: Iterable[Call], clients: int, limit: float = LIMIT) -> Load:
    """Send the calls from that many clients, each as fast as it gets its answers."""
    ready = [(number, call, encoded(call.body)) for number, call in enumerate(calls)]
    found: dict[int, tuple[float, bytes]] = {}
    errors: list[Exception] = []
    lock, queue = threading.Lock(), iter(ready)
    until = time.monotonic() + limit

    def work() -> None:
        client = Client(port)
        try:
            for number, call, body in _shared(queue, lock):
                began = time.monotonic()
                if began > until or errors:
                    return
                text = client.raw(call, body)
                found[number] = (time.monotonic() - began, text)
        except (RuntimeError, OSError, http.client.HTTPException) as error:
            errors.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - began
    if errors:
        raise errors[0]
    numbers = sorted(found)
    bodies = [json.loads(found[n][1]) if found[n][1] else None for n in numbers]
    return Load([found[n][0] for n in numbers], bodies, elapsed)


def _shared(queue: Iterator[Any], lock: threading.Lock) -> Iterator[Any]:
    while True:
        with lock:
            item = next(queue, None)
        if item is None:
            return
        yield item
