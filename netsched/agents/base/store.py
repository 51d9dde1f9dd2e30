"""The cache on disk: one JSON file per scope, so that a host can rebuild what it holds while no server answers.

It is wanted state only. What is in force is always read back from kernel and processes, and a stale file costs one
pull from an older position, so files are written behind the apply, never in its way.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import pathlib
import threading
import urllib.parse
from typing import Any, Protocol

from netsched import clock, errors
from netsched.agents.base.cache import Cache, Copy

LOG = logging.getLogger(__name__)

GATHER = 1.0  # s for which changes of copies are gathered before they are written
SHARE = 0.1  # of the time may go into writing, however large the copies and slow the disk
RETRY = 10.0  # s
_KEYS = {"scope", "incarnation", "epoch", "position", "content"}


class Store(Protocol):
    def load(self) -> tuple[str, dict[str, Copy]]:
        """The incarnation ("" if none) and all copies; those of another incarnation stand at epoch and position 0."""

    def save(self, scope: str, copy: Copy, incarnation: str) -> None: ...

    def remove(self, scope: str) -> None:
        """Removing what is gone succeeds."""

    def meet(self, incarnation: str) -> None:
        """Remember the server's incarnation."""


class DirectoryStore:
    """In a directory of its own. Raises OSError when the disk does; readers never see half a file."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = pathlib.Path(directory)
        self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)

    def claim(self) -> None:
        """Have it alone until this process ends, whatever ends that. Raises Conflict.

        Two of a kind on one host would speak for one agent, and each would repair what the other does.
        """
        self._claimed = os.open(self._directory, os.O_RDONLY)
        try:
            fcntl.flock(self._claimed, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._claimed)
            reason = f"another agent of this kind runs on this host already: it keeps its copy in {self._directory}"
            raise errors.Conflict(reason=reason) from None

    def load(self) -> tuple[str, dict[str, Copy]]:
        meta = self._read(self._directory / "meta") or {}
        incarnation = str(meta.get("incarnation", ""))
        copies: dict[str, Copy] = {}
        for path in sorted(self._directory.glob("*.json")):
            data = self._read(path)
            if data is not None and data.keys() >= _KEYS:
                known = data["incarnation"] == incarnation
                epoch, position = (data["epoch"], data["position"]) if known else (0, 0)
                copies[data["scope"]] = Copy(epoch, position, data["content"])
        return incarnation, copies

    def save(self, scope: str, copy: Copy, incarnation: str) -> None:
        data = {
            "scope": scope,
            "incarnation": incarnation,
            "epoch": copy.epoch,
            "position": copy.position,
            "content": copy.content,
        }
        self._write(self._path(scope), data)

    def remove(self, scope: str) -> None:
        self._path(scope).unlink(missing_ok=True)

    def meet(self, incarnation: str) -> None:
        self._write(self._directory / "meta", {"incarnation": incarnation})

    def _path(self, scope: str) -> pathlib.Path:
        return self._directory / (urllib.parse.quote(scope, safe="") + ".json")

    def _read(self, path: pathlib.Path) -> dict[str, Any] | None:
        """None for what is missing or not ours: the server will be asked for it."""
        try:
            data = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            data = None
        if not isinstance(data, dict):
            LOG.warning("%s is not readable", path)
            return None
        return data

    def _write(self, path: pathlib.Path, data: dict[str, object]) -> None:
        temporary = path.with_suffix(".new")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w") as file:
            json.dump(data, file)
            file.flush()
            os.fsync(file.fileno())  # a rename alone may leave an empty file after a power cut
        os.replace(temporary, path)


class MemoryStore:
    """Nothing on disk: for simulations, and for tests where a "restart" hands it to the next life."""

    def __init__(self) -> None:
        self._incarnation = ""
        self._copies: dict[str, tuple[str, Copy]] = {}

    def load(self) -> tuple[str, dict[str, Copy]]:
        known = {
            scope: copy if incarnation == self._incarnation else Copy(0, 0, copy.content)
            for scope, (incarnation, copy) in self._copies.items()
        }
        return self._incarnation, known

    def save(self, scope: str, copy: Copy, incarnation: str) -> None:
        self._copies[scope] = (incarnation, copy)

    def remove(self, scope: str) -> None:
        self._copies.pop(scope, None)

    def meet(self, incarnation: str) -> None:
        self._incarnation = incarnation


class Saver:
    """Brings the store up to date with the cache, a little behind it. Thread-safe; one thread calls `save`."""

    def __init__(self, store: Store, cache: Cache, clock_: clock.Clock) -> None:
        self._store = store
        self._cache = cache
        self._clock = clock_
        self._lock = threading.Lock()
        self._unsaved: set[str] = set()
        self._meet = False
        self._due = float("inf")
        self._rested = -float("inf")

    def due(self) -> float:
        """When (monotonic) `save` is to be called."""
        with self._lock:
            return self._due

    def later(self, scope: str, at_once: bool = False) -> None:
        """The copy changed; `at_once` when it is gone, so that the next life does not bring it back."""
        with self._lock:
            self._unsaved.add(scope)
            now = self._clock.monotonic()
            self._due = min(self._due, now if at_once else max(now + GATHER, self._rested))

    def meet(self) -> None:
        """The incarnation changed."""
        with self._lock:
            self._meet = True
            self._due = min(self._due, self._clock.monotonic())

    def save(self) -> None:
        with self._lock:
            scopes, self._unsaved = self._unsaved, set()
            meet, self._meet = self._meet, False
            self._due = float("inf")
        started = self._clock.monotonic()
        try:
            if meet:
                self._store.meet(self._cache.incarnation)
            for scope in scopes:
                copy = self._cache.get(scope)
                if copy is None:
                    self._store.remove(scope)
                else:
                    self._store.save(scope, copy, self._cache.incarnation)
        except OSError as error:
            LOG.warning("the copy on disk falls behind: %s", error)
            with self._lock:
                self._unsaved |= scopes
                self._meet = self._meet or meet
                self._due = self._clock.monotonic() + RETRY
            return
        with self._lock:
            now = self._clock.monotonic()
            self._rested = now + (now - started) / SHARE
