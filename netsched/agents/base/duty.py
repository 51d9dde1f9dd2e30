"""A thread that does one thing whenever it is due. An agent has a fixed handful of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from netsched import clock

LOG = logging.getLogger(__name__)

LOOK_AGAIN = 2.0  # s: a wake-up that was missed costs no more than this
AFTER_A_BUG = 1.0  # s


class Duty:
    """`due()` says when (monotonic) `do()` has something to do; `wake()` after anything that may have changed that."""

    def __init__(self, name: str, due: Callable[[], float], do: Callable[[], object], clock_: clock.Clock) -> None:
        self._due = due
        self._do = do
        self._clock = clock_
        self._awake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._awake.set()

    def stop(self) -> None:
        """Do nothing more; what is under way goes on until `join`."""
        self._stopping = True
        self._awake.set()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping:
            self._awake.clear()
            wait = self._due() - self._clock.monotonic()
            if wait > 0:
                self._awake.wait(min(wait, LOOK_AGAIN))
                continue
            try:
                self._do()
            except Exception:  # the agent's loop: a bug is logged and costs a pause, not the agent
                LOG.exception("%s: unexpected", self._thread.name)
                self._awake.wait(AFTER_A_BUG)
