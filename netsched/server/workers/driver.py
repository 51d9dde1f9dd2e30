"""Runs the background work: each worker a function without arguments, called every period and whenever nudged.

The work takes no input on purpose: with a hint there would be a common path with it and a rare one without (after a
restart, with several servers), and the rare one would rot. The next run is the retry.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from netsched import errors
from netsched.clock import Clock

LOG = logging.getLogger(__name__)


class Worker:
    """One thread that runs `work` every `period` seconds, and at once after `nudge`, but not within `gap` seconds."""

    def __init__(
        self, name: str, work: Callable[[], object], clock: Clock, period: float = 1.0, gap: float = 0.0
    ) -> None:
        self.name = name
        self._work = work
        self._period = period
        self._gap = gap
        self._clock = clock
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._status: dict[str, Any] = {"runs": 0, "failures": 0, "last_run": None, "last_error": None}
        self._began_at: float | None = None  # monotonic, of the last run

    def nudge(self) -> None:
        self._wake.set()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the run under way finish, then end."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def status(self) -> dict[str, Any]:
        """{"name", "runs", "failures", "last_run", "last_error"}; last_run in UTC, ISO 8601."""
        return {"name": self.name, **self._status}

    def age(self) -> float | None:
        """Seconds since the last run began; None: there was none."""
        return None if self._began_at is None else self._clock.monotonic() - self._began_at

    def has_ended(self) -> bool:
        """Has its thread ended although nobody stopped it?"""
        return self._thread is not None and not self._thread.is_alive() and not self._stopping.is_set()

    def run(self) -> None:
        """One run now, in the caller's thread: what the loop does, and what tests call."""
        self._status["last_run"] = self._clock.utcnow().isoformat(timespec="seconds") + "Z"
        self._began_at = self._clock.monotonic()
        self._status["runs"] += 1
        try:
            self._work()
        except Exception as error:
            # The one place that may catch everything on the server's background side: a worker must outlive its work.
            said, self._status["last_error"] = self._status["last_error"], f"{type(error).__name__}: {error}"
            self._status["failures"] += 1
            if not isinstance(error, errors.Unavailable):
                LOG.exception("worker %s failed; it runs again in %.1f s", self.name, self._period)
            elif said != self._status["last_error"]:  # an outage: once, and without its stack
                LOG.warning("worker %s waits: %s", self.name, error)
        else:
            self._status["last_error"] = None

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._period - self._gap)  # the rest of the period has passed below
            self._wake.clear()
            if self._stopping.is_set():
                return
            self.run()
            self._stopping.wait(self._gap)


class Driver:
    """All workers of a process: started together, stopped together, in the reverse order."""

    def __init__(self, workers: list[Worker]) -> None:
        self.workers = workers

    def start(self) -> None:
        for worker in self.workers:
            worker.start()

    def stop(self) -> None:
        for worker in reversed(self.workers):
            worker.stop()

    def status(self) -> list[dict[str, Any]]:
        return [worker.status() for worker in self.workers]

    def ages(self) -> list[dict[str, Any]]:
        """As `status`, with "age": seconds since the last run began, or None."""
        return [{**worker.status(), "age": worker.age()} for worker in self.workers]

    def ended(self) -> list[str]:
        """Names of workers that run no more although nobody stopped them."""
        return [worker.name for worker in self.workers if worker.has_ended()]
