"""N agents of each kind in one process: to size a deployment, and for the benchmarks.

They are the real agents with a driver that does nothing, and they share one delivery address. A few threads serve
all: a heap says which agent has something due next, a message makes its agent due at once.

Hosts are numbered and shared by the kinds: with 10 L3 and 1,000 L2 agents, the first 10 hosts have one of each.
"""

from __future__ import annotations

import heapq
import ipaddress
import itertools
import logging
import pathlib
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netsched import clock, errors
from netsched.agents.base.agent import Agent, AgentSettings
from netsched.agents.base.driver import Driver
from netsched.agents.base.heartbeat import Identity
from netsched.agents.base.settings import KindSettings
from netsched.agents.base.store import MemoryStore
from netsched.agents.dhcp import main as dhcp
from netsched.agents.l2 import main as l2
from netsched.agents.l3 import main as l3
from netsched.rpc import transport
from netsched.rpc.agent import Beat, BeatAnswer, Notice, PullAnswer, PullRequest, ToServer, agent_handler, recipient

LOG = logging.getLogger(__name__)
UNDERLAY = ipaddress.IPv4Address("10.0.0.1")  # of host 0; the others follow
REMEMBERED = 100_000  # newest answer times
UNANSWERED = 64  # beats of one agent whose answers are still waited for


@dataclass(frozen=True)
class SimulationSettings:
    """`counts`: agents by kind. `ramp`: seconds over which they appear, so that their beats are spread from then on.

    Hosts are called <prefix>-<number> and live in `zones` in turn. `capacity` as for one agent. `physical`: interfaces
    of physical networks, the same on every host."""

    address: str
    counts: Mapping[str, int]
    prefix: str = "sim"
    zones: tuple[str, ...] = ("nova",)
    capacity: int | None = None
    physical: Mapping[str, str] = field(default_factory=dict)
    mtu: int = 1500
    threads: int = 4
    ramp: float = 10.0
    seed: int = 1


@dataclass
class Counts:
    """Since the start. `answer_times`: seconds from a beat to its answer."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    pulls: int = 0
    pulled: int = 0
    notices: int = 0
    answer_times: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class _Counting(ToServer):
    """Counts what the agents send."""

    def __init__(self, transport_: transport.Transport, clock_: clock.Clock, counts: Counts) -> None:
        super().__init__(transport_)
        self._clock = clock_
        self._counts = counts
        self._sent: dict[str, dict[int, float]] = {}  # unanswered beats of each agent: sequence -> when

    def beat(self, beat: Beat) -> None:
        unanswered = self._sent.setdefault(recipient(beat.agent_type, beat.host), {})
        unanswered[beat.sequence] = self._clock.monotonic()
        if len(unanswered) > UNANSWERED:
            del unanswered[min(unanswered)]
        try:
            super().beat(beat)
        except errors.NetschedError:
            self._counts.failed += 1
            raise
        self._counts.sent += 1

    def pull(self, request: PullRequest, timeout: float = 10.0) -> PullAnswer:
        answer = super().pull(request, timeout)
        self._counts.pulls += 1
        self._counts.pulled += len(answer.scopes)
        return answer

    def answered(self, to: str, sequence: int) -> None:
        at = self._sent.get(to, {}).pop(sequence, None)
        self._counts.answered += 1
        if at is not None:
            self._counts.answer_times.append(self._clock.monotonic() - at)


class Simulation:
    """The counters are kept without a lock: a lost increment in a million does not matter to anyone."""

    def __init__(self, transport_: transport.Transport, clock_: clock.Clock, settings: SimulationSettings) -> None:
        self.counts = Counts()
        self._transport = transport_
        self._clock = clock_
        self._settings = settings
        self._server = _Counting(transport_, clock_, self.counts)
        self.agents: dict[str, Agent] = {}
        for kind, count in settings.counts.items():
            for number in range(count):
                agent = self._agent(kind, number)
                self.agents[recipient(agent.identity.agent_type, agent.identity.host)] = agent
        self._condition = threading.Condition()
        self._stopping = False
        self._heap: list[tuple[float, int, str]] = []
        self._due: dict[str, float] = {}  # what of the heap still counts
        self._busy: set[str] = set()
        self._order = itertools.count()
        self._threads: list[threading.Thread] = []
        self._serving: transport.Serving | None = None

    def listen(self) -> None:
        """Hear what comes for the agents, which a caller without threads then ticks. Raises Unavailable."""
        handler = agent_handler(self._on_answer, self._on_notices)
        self._serving = self._transport.serve(self._settings.address, handler)

    def start(self) -> None:
        """Raises Unavailable if there is no broker."""
        self.listen()
        rng, now = random.Random(self._settings.seed), self._clock.monotonic()
        with self._condition:
            for name in self.agents:
                self._schedule(name, now + rng.uniform(0, self._settings.ramp))
        for number in range(self._settings.threads):
            thread = threading.Thread(target=self._run, name=f"simulate {number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        if self._serving is not None:
            self._serving.stop()
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        for thread in self._threads:
            thread.join(10.0)

    def held(self) -> int:
        """Scopes held by all agents together."""
        return sum(len(agent.cache.scopes()) for agent in self.agents.values())

    def _agent(self, kind: str, number: int) -> Agent:
        build = KINDS.get(kind)
        if build is None:
            raise errors.Invalid(reason=f"there are no agents of kind {kind}, only {', '.join(KINDS)}")
        settings = self._settings
        place = KindSettings(
            host=f"{settings.prefix}-{number}",
            state_dir=pathlib.Path("/nonexistent"),
            zone=settings.zones[number % len(settings.zones)],
            driver="noop",
            capacity=settings.capacity,
        )
        me, driver = build(vars(place), settings, str(UNDERLAY + number), self._clock)
        how = AgentSettings(workers=1, supervision=0.0, seed=settings.seed * 1_000_003 + len(self.agents))
        return Agent(me, driver, self._server, MemoryStore(), self._clock, how)

    # The heap

    def _schedule(self, name: str, at: float) -> None:
        self._due[name] = at
        heapq.heappush(self._heap, (at, next(self._order), name))
        self._condition.notify()

    def _wake(self, name: str, at: float) -> None:
        """A message moved what is due; of an agent that is busy right now, `_run` will ask."""
        with self._condition:
            if name not in self._busy and at < self._due.get(name, float("inf")):
                self._schedule(name, at)

    def _next(self) -> str | None:
        """Wait for an agent that is due; None when it is time to stop."""
        with self._condition:
            while not self._stopping:
                now = self._clock.monotonic()
                if self._heap and self._heap[0][0] <= now:
                    at, _, name = heapq.heappop(self._heap)
                    if self._due.get(name) == at:
                        del self._due[name]
                        self._busy.add(name)
                        return name
                    continue
                self._condition.wait(self._heap[0][0] - now if self._heap else None)
            return None

    def _run(self) -> None:
        while (name := self._next()) is not None:
            agent = self.agents[name]
            try:
                agent.tick()
            except Exception:  # the agents' loop: one of thousands must not take the others along
                LOG.exception("%s: unexpected", name)
            with self._condition:
                self._busy.discard(name)
                # A message may have come meanwhile; due() knows.
                self._schedule(name, agent.due())

    # Messages

    def _on_answer(self, answer: BeatAnswer) -> None:
        to = recipient(answer.agent_type, answer.host)
        agent = self.agents.get(to)
        if agent is None:
            return
        self._server.answered(to, answer.sequence)
        agent.on_answer(answer)
        self._wake(to, agent.due())

    def _on_notices(self, to: str, notices: list[Notice]) -> None:
        agent = self.agents.get(to)
        if agent is not None:
            self.counts.notices += len(notices)
            agent.on_notices(notices)
            self._wake(to, agent.due())


# How an agent of each kind is made: from what all kinds share, the simulation's settings, and the host's address.

Made = tuple[Identity, Driver]
Build = Callable[[dict[str, Any], SimulationSettings, str, clock.Clock], Made]


def _dhcp(shared: dict[str, Any], settings: SimulationSettings, local_ip: str, clock_: clock.Clock) -> Made:
    one = dhcp.DhcpAgentSettings(**shared, mtu=settings.mtu)
    return dhcp.identity(one, settings.address), dhcp.driver(one, clock_)


def _l2(shared: dict[str, Any], settings: SimulationSettings, local_ip: str, clock_: clock.Clock) -> Made:
    one = l2.L2AgentSettings(**shared, mtu=settings.mtu, local_ip=local_ip, interfaces=settings.physical)
    return l2.identity(one, settings.address), l2.driver(one, clock_)


def _l3(shared: dict[str, Any], settings: SimulationSettings, local_ip: str, clock_: clock.Clock) -> Made:
    reaches = l2.configured(l2.L2AgentSettings(**shared, local_ip=local_ip, interfaces=settings.physical)).reaches
    one = l3.L3AgentSettings(**shared, mtu=settings.mtu, reaches=reaches)
    return l3.identity(one, settings.address), l3.driver(one, clock_)


KINDS: Mapping[str, Build] = {"dhcp": _dhcp, "l2": _l2, "l3": _l3}
