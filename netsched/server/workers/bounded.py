"""One reader for many askers, and nobody waits long: for what probes and scrapers ask every few seconds.

A database that hangs holds a reader until its time-out. Whoever asks meanwhile is told so at once, instead of becoming
the next thread that hangs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from netsched import errors
from netsched.clock import Clock

LOG = logging.getLogger(__name__)
T = TypeVar("T")


class Bounded(Generic[T]):
    """The result of `read`, at most `keep` s old. A thread of its own runs it, never two at once.

    Raises what `read` raised, if that is a NetschedError, or Unavailable when there is no result within `patience` s.
    """

    def __init__(self, read: Callable[[], T], clock: Clock, keep: float = 1.0, patience: float = 1.5) -> None:
        self._read = read
        self._clock = clock
        self._keep = keep
        self._patience = patience
        self._lock = threading.Lock()
        self._result: tuple[T] | errors.NetschedError | None = None
        self._read_at = 0.0
        self._began: float | None = None  # of the read under way
        self._done = threading.Event()

    def __call__(self) -> T:
        with self._lock:
            now = self._clock.monotonic()
            if self._result is not None and now - self._read_at < self._keep:
                return _value(self._result)
            if self._began is None:
                self._began, self._done = now, threading.Event()
                threading.Thread(target=self._run, name="bounded-read", daemon=True).start()
            done, left = self._done, self._patience - (now - self._began)
        if left > 0 and done.wait(left):
            with self._lock:
                return _value(self._result)
        raise errors.Unavailable(reason=f"no answer within {self._patience:g} s")

    def _run(self) -> None:
        result: tuple[T] | errors.NetschedError
        try:
            result = (self._read(),)
        except errors.NetschedError as error:
            result = error
        except Exception:
            LOG.exception("a reading for probes failed")
            result = errors.Unavailable(reason="it failed; see the server's log")
        with self._lock:
            self._result, self._read_at, self._began = result, self._clock.monotonic(), None
            self._done.set()


def _value(result: tuple[T] | errors.NetschedError | None) -> T:
    if isinstance(result, errors.NetschedError):
        raise result.with_traceback(None)  # the same one for many: without this it grows with each
    assert result is not None
    return result[0]
