"""The dirty set: which scopes are to be made real, and which are to be looked at again.

Scopes wait in a set, so a hundred changes of one scope are one apply, and nothing grows. Removals go first, and while
one is under way nothing new is begun. A scope that fails waits longer each time. A scope that is in force is checked
every `period`: whoever killed or changed something, it is found and repaired, with pauses if that does not help.
"""

from __future__ import annotations

import heapq
import logging
import random
import threading
from dataclasses import dataclass, field
from typing import Protocol

from netsched import clock, errors
from netsched.agents.base.driver import Content, Driver, States

LOG = logging.getLogger(__name__)

RETRY_FIRST = 0.5  # s
RETRY_MAX = 60.0
STEADY = 20.0  # s in force after a repair, and the next failure is a new story
CHECK_SHARE = 0.2  # of one worker's time may go into checks


@dataclass(frozen=True)
class Wanted:
    """What the driver is to bring about: `content` None means nothing. `position` is what it is reported as, by the
    database's `incarnation`."""

    epoch: int
    position: int
    content: Content | None
    incarnation: str = ""


class Outcome(Protocol):
    """Who wants to know (process.Agent). Called without locks held."""

    def wanted(self, scope: str) -> Wanted: ...

    def applied(self, scope: str, wanted: Wanted, states: States) -> None: ...

    def found(self, scope: str, wanted: Wanted, states: States) -> None:
        """A check found it in force, and says something else of its objects than was said last."""

    def failed(self, scope: str, wanted: Wanted, message: str, failures: int) -> None: ...

    def fine(self, scope: str, wanted: Wanted) -> None:
        """Whatever failed before, it works again."""


@dataclass
class _Held:
    """A scope that was brought in force; checks compare with what was applied, not with what has come in since."""

    wanted: Wanted
    states: States
    check_at: float = 0.0
    repaired_at: float = -float("inf")
    unsteady: bool = False


@dataclass
class _State:
    dirty: dict[str, tuple[float, bool]] = field(default_factory=dict)  # scope -> (due, is a removal)
    failures: dict[str, int] = field(default_factory=dict)
    running: dict[str, bool] = field(default_factory=dict)  # scope -> is a removal
    held: dict[str, _Held] = field(default_factory=dict)
    checks: list[tuple[float, str]] = field(default_factory=list)  # heap; may name scopes that are no longer held


class Loop:
    """Thread-safe; any number of workers call `run_one`."""

    def __init__(
        self, driver: Driver, outcome: Outcome, clock_: clock.Clock, rng: random.Random, period: float = 1.5
    ) -> None:
        """`period`: seconds between checks of a scope in force; 0 for none."""
        self._driver = driver
        self._outcome = outcome
        self._clock = clock_
        self._rng = rng
        self._period = period
        self._lock = threading.Lock()
        self._state = _State()
        self._not_before = -float("inf")
        self._check_cost = 0.0  # s, moving average
        self._busy = 0.0  # s of work since `load` was last asked
        self._asked_at = clock_.monotonic()

    def mark(self, scope: str, removal: bool) -> None:
        """Apply what is wanted of `scope`, soon."""
        with self._lock:
            self._state.dirty[scope] = (self._clock.monotonic(), removal)

    def mark_again(self, scope: str) -> None:
        """Somebody else has touched what is in force, or becomes so right now: apply it again, soon."""
        with self._lock:
            if scope in self._state.held or scope in self._state.running:
                self._state.dirty.setdefault(scope, (self._clock.monotonic(), False))

    def hold(self, until: float) -> None:
        """Begin nothing before `until` (monotonic); in the past: go on."""
        with self._lock:
            self._not_before = until

    def due(self) -> float:
        """When (monotonic) `run_one` will find something to do."""
        with self._lock:
            dirty = min((due for due, _ in (self._state.dirty[s] for s in self._ready())), default=float("inf"))
            check = self._state.checks[0][0] if self._state.checks else float("inf")
            return max(min(dirty, check), self._not_before)

    def load(self, workers: int) -> float:
        """The share of the workers' time spent working since last asked, 0..1."""
        with self._lock:
            now = self._clock.monotonic()
            elapsed, busy = now - self._asked_at, self._busy
            self._asked_at, self._busy = now, 0.0
            return min(1.0, busy / (elapsed * workers)) if elapsed > 0 else 0.0

    def backlog(self) -> int:
        with self._lock:
            return len(self._state.dirty) + len(self._state.running)

    def run_one(self) -> bool:
        """Apply or check one scope; False if nothing is due."""
        with self._lock:
            scope, check = self._take()
        if scope is None:
            return False
        started = self._clock.monotonic()
        try:
            if check:
                self._check(scope)
            else:
                self._apply(scope)
        finally:
            took = self._clock.monotonic() - started
            with self._lock:
                self._state.running.pop(scope, None)
                self._busy += took
                if check:
                    self._check_cost += (took - self._check_cost) / 8
        return True

    # With the lock held

    def _ready(self) -> list[str]:
        """Dirty scopes that could be begun, removals first; alone, if a removal is due or under way."""
        state, now = self._state, self._clock.monotonic()
        free = [scope for scope in state.dirty if scope not in state.running]
        removals = [scope for scope in free if state.dirty[scope][1]]
        removing = any(state.running.values()) or any(state.dirty[scope][0] <= now for scope in removals)
        others = [s for s in free if not state.dirty[s][1] and (s in state.held or not removing)]
        return removals + others

    def _take(self) -> tuple[str | None, bool]:
        state, now = self._state, self._clock.monotonic()
        if now < self._not_before:
            return None, False
        for scope in self._ready():
            due, removal = state.dirty[scope]
            if due <= now:
                del state.dirty[scope]
                state.running[scope] = removal
                return scope, False
        while state.checks and state.checks[0][0] <= now:
            at, scope = heapq.heappop(state.checks)
            held = state.held.get(scope)
            if held is not None and held.check_at == at and scope not in state.dirty and scope not in state.running:
                state.running[scope] = False
                return scope, True
        return None, False

    def _check_later(self, scope: str) -> None:
        if not self._period:
            return
        held = self._state.held[scope]
        pause = max(self._period, self._check_cost * len(self._state.held) / CHECK_SHARE)
        held.check_at = self._clock.monotonic() + pause * self._rng.uniform(0.7, 1.3)
        heapq.heappush(self._state.checks, (held.check_at, scope))

    # Without it

    def _apply(self, scope: str) -> None:
        wanted = self._outcome.wanted(scope)
        states: States = {}
        failure = None
        try:
            self._driver.apply(scope, wanted.content)
            if not self._driver.check(scope, wanted.content):
                raise errors.Unavailable(reason="applied, but reading it back shows something else")
            if wanted.content is not None:
                states = self._driver.states(scope, wanted.content)
        except errors.NetschedError as error:
            failure = str(error)
        except Exception as error:  # a bug in a driver must not end the agent, nor stop its other scopes
            LOG.exception("%s: unexpected", scope)
            failure = f"{type(error).__name__}: {error}"
        if failure is None:
            self._succeed(scope, wanted, states)
        else:
            # Not in the handlers, where oslo.log adds the error to the line once more.
            LOG.warning("%s: %s", scope, failure)
            self._fail(scope, wanted, failure)

    def _succeed(self, scope: str, wanted: Wanted, states: States) -> None:
        with self._lock:
            held = None
            if wanted.content is None:
                self._state.held.pop(scope, None)
            else:
                held = self._state.held.setdefault(scope, _Held(wanted, states))
                held.wanted, held.states = wanted, states
                self._check_later(scope)
            recovered = held is None or not held.unsteady
            if recovered:
                self._state.failures.pop(scope, None)
        self._outcome.applied(scope, wanted, states)
        if recovered:
            self._outcome.fine(scope, wanted)

    def _fail(self, scope: str, wanted: Wanted, message: str) -> None:
        with self._lock:
            failures = self._state.failures[scope] = self._state.failures.get(scope, 0) + 1
            pause = min(RETRY_MAX, RETRY_FIRST * 2 ** min(failures - 1, 10)) * self._rng.uniform(0.8, 1.2)
            # A change that came meanwhile is tried at once.
            self._state.dirty.setdefault(scope, (self._clock.monotonic() + pause, wanted.content is None))
        self._outcome.failed(scope, wanted, message, failures)

    def _check(self, scope: str) -> None:
        with self._lock:
            held = self._state.held[scope]
        wanted, message, states = held.wanted, "not in force any more", held.states
        try:
            fine = self._driver.check(scope, wanted.content)
            if fine and wanted.content is not None:
                states = self._driver.states(scope, wanted.content)
        except errors.NetschedError as error:
            fine, message = False, str(error)
        except Exception as error:  # as in _apply
            LOG.exception("%s: unexpected", scope)
            fine, message = False, f"{type(error).__name__}: {error}"
        if fine:
            self._found_fine(scope, held, states)
        else:
            self._found_broken(scope, held, message)

    def _found_fine(self, scope: str, held: _Held, states: States) -> None:
        with self._lock:
            news = states != held.states
            held.states = states
            self._check_later(scope)
            steady = held.unsteady and self._clock.monotonic() - held.repaired_at > STEADY
            if steady:
                held.unsteady = False
                self._state.failures.pop(scope, None)
        if news:
            self._outcome.found(scope, held.wanted, states)
        if steady:
            self._outcome.fine(scope, held.wanted)

    def _found_broken(self, scope: str, held: _Held, message: str) -> None:
        """Repair at once the first time; what breaks again before it was steady waits longer and is a fault."""
        LOG.warning("%s: %s, applying it again", scope, message)
        with self._lock:
            again, held.unsteady, held.repaired_at = held.unsteady, True, self._clock.monotonic()
        if again:
            self._fail(scope, held.wanted, f"{message}, again and again")
        else:
            self.mark(scope, False)
