"""When to beat, what a beat says, and what its answer proves. No threads, no transport: process.py has those.

The echo is T + (boottime now - boottime when T arrived), see rpc/agent.py, with T from the newest answer that came
promptly. One that was long on its way (the server, this process or a queue between stood still) would set the agent
back by that time and make it look dead: it tells the time only if it tells a later one.

Load on the server is bounded: one beat per interval (+-10 %), and besides at most one every `SPACING` while scopes
come into force, so that who waits for that learns of it soon, and one at once for an answer that asks for it, but not
twice within an interval. A beat without an answer after half an interval is repeated, at most one per interval and only
while the lease holds: so one of two servers that hangs, and swallows half of all messages, makes no agent look dead.
"""

from __future__ import annotations

import logging
import pathlib
import random
import threading
from dataclasses import dataclass, field
from typing import Any

from netsched import clock
from netsched.agents.base.report import Report
from netsched.rpc.agent import Beat, BeatAnswer, Capabilities

LOG = logging.getLogger(__name__)

COALESCE = 0.1  # s: what comes into force within it shares a beat
SPACING = 0.5  # s between two beats of one agent, at least
FIRST_INTERVAL = 1.0  # s between beats until the first answer; grows by half each time
FIRST_INTERVAL_MAX = 10.0
JITTER = 0.1
REMEMBERED = 64  # unanswered beats of which it is known when they were sent


@dataclass(frozen=True)
class Identity:
    """Who the agent is and what it offers. `settings` must agree with the server's; `address` is where it is told."""

    agent_type: str
    host: str
    binary: str
    address: str
    zone: str = "nova"
    capabilities: Capabilities = field(default_factory=Capabilities)
    configurations: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Sent:
    at: float  # boottime
    complete: bool
    more: bool  # it had no room for all states


class Heart:
    """Thread-safe."""

    def __init__(self, identity: Identity, clock_: clock.Clock, rng: random.Random, boot_id: str) -> None:
        self.identity = identity
        self._clock = clock_
        self._rng = rng
        self._boot_id = boot_id
        self._lock = threading.Lock()
        self._started_at = clock_.utcnow().isoformat(timespec="seconds") + "Z"
        # No two lives of an agent share sequence numbers: an answer to an earlier life acknowledges nothing.
        self._first = int(clock_.utcnow().timestamp() * 1000) * 1000 + rng.randrange(1000)
        self._sequence = self._first
        self.report = Report(self._first + 1)
        self._sent: dict[int, _Sent] = {}
        self._answer: BeatAnswer | None = None
        self._time, self._time_at = 0.0, 0.0  # T, and boottime when it arrived
        self._lease_end = 0.0  # boottime
        self._introduce_since: int | None = self._first + 1
        self._interval = FIRST_INTERVAL
        self._last = clock_.monotonic() - SPACING
        self._next = self._last + SPACING + rng.uniform(0, SPACING)
        self._asked_again = -float("inf")
        self._repeated = -float("inf")

    def due(self) -> float:
        """When (monotonic) the next beat is to be sent."""
        with self._lock:
            return min(self._next, self._repeat_due())

    def holds_lease(self) -> bool:
        """Has the server answered a beat so lately that what the agent holds is still its own?"""
        with self._lock:
            return self._clock.boottime() < self._lease_end

    def lease_left(self) -> float:
        """Seconds; not above 0 when it has ended."""
        with self._lock:
            return self._lease_end - self._clock.boottime()

    @property
    def lease(self) -> float:
        """Seconds, by the last answer; 0 before the first one."""
        with self._lock:
            return self._answer.lease if self._answer is not None else 0.0

    def was_answered(self) -> bool:
        with self._lock:
            return self._answer is not None

    def beat(self, load: dict[str, float]) -> Beat:
        """The next beat, and the time of the one after it."""
        with self._lock:
            self._sequence += 1
            now = self._clock.boottime()
            echo = self._time + now - self._time_at if self._answer is not None else None
            said = self.report.take(self._sequence)
            self._schedule()
            self._sent[self._sequence] = _Sent(now, said.complete, said.more)
            if len(self._sent) > REMEMBERED:
                del self._sent[min(self._sent)]
            me, introduce = self.identity, self._introduce_since is not None
            return Beat(
                agent_type=me.agent_type,
                host=me.host,
                binary=me.binary,
                address=me.address,
                zone=me.zone,
                boot_id=self._boot_id,
                started_at=self._started_at,
                sequence=self._sequence,
                echo=echo,
                capabilities=me.capabilities if introduce else None,
                configurations=me.configurations if introduce else None,
                load=load,
                applied=said.applied,
                complete=said.complete,
                count=said.count,
                checksum=said.checksum,
                incarnation=said.incarnation,
                interval=self._answer.interval if self._answer is not None else 0.0,
                restoring=said.restoring,
                copies=said.copies,
                settings=me.settings,
                faults=said.faults,
                states=said.states,
            )

    def answered(self, answer: BeatAnswer) -> bool:
        """Take in an answer. False: it tells nothing new (to an earlier life, or overtaken by a newer one)."""
        with self._lock:
            sent = self._sent.get(answer.sequence)
            if sent is None:
                return False
            opened = self._answer is None
            self.report.answered(answer.sequence, sent.complete)
            if self._introduce_since is not None and self._introduce_since <= answer.sequence:
                self._introduce_since = None
            self._sent = {seq: one for seq, one in self._sent.items() if seq > answer.sequence}
            now = self._clock.boottime()
            if opened or now - sent.at <= self._interval or answer.time > self._time + now - self._time_at:
                self._time, self._time_at = answer.time, now
            self._answer = answer
            self._lease_end = max(self._lease_end, sent.at + answer.lease)
            self._interval = answer.interval
            if answer.introduce:
                self._introduce_since = self._sequence + 1
            if answer.send_all:
                self.report.send_all()
            if opened:
                self._soon(0.0)
            elif answer.introduce or answer.send_all:
                self._again()
            else:
                self._next = min(self._next, self._last + self._jittered(answer.interval))
            if sent.more:
                self._soon(COALESCE)
            return True

    def soon(self) -> None:
        """Something came into force: say so, together with what else does in this moment."""
        with self._lock:
            self._soon(COALESCE)

    def change(self, identity: Identity) -> None:
        """Capabilities or configurations are others now: the next beat introduces them."""
        with self._lock:
            self.identity = identity
            self._introduce_since = self._sequence + 1
            self._soon(COALESCE)

    # With the lock held

    def _schedule(self) -> None:
        now = self._clock.monotonic()
        repeats = self._repeat_due() <= now < self._next
        self._last = now
        if repeats:
            self._repeated = now
        elif self._answer is None:
            self._next = self._last + self._rng.uniform(1.0, 2.0) * self._interval
            self._interval = min(self._interval * 1.5, FIRST_INTERVAL_MAX)
        else:
            self._next = self._last + self._jittered(self._interval)

    def _repeat_due(self) -> float:
        """Each beat carries all that is unanswered, so only the newest one is worth repeating."""
        if self._answer is None or not self._sent or self._clock.boottime() >= self._lease_end:
            return float("inf")
        return max(self._last + self._interval / 2, self._repeated + self._interval)

    def _jittered(self, seconds: float) -> float:
        return seconds * self._rng.uniform(1 - JITTER, 1 + JITTER)

    def _soon(self, delay: float) -> None:
        spacing = SPACING if delay else 0.0
        self._next = min(self._next, max(self._clock.monotonic() + delay, self._last + spacing))

    def _again(self) -> None:
        now = self._clock.monotonic()
        if now - self._asked_again >= self._interval:
            self._asked_again = now
            self._soon(0.0)


def boot_id() -> str:
    """The kernel's name for this boot; "" where there is none."""
    try:
        return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
