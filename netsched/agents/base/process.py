"""A process with one agent or many, and the one delivery address they share."""

from __future__ import annotations

import logging
import random
import signal
import threading
import uuid
from collections.abc import Iterable

from netsched import clock, errors
from netsched.agents.base.agent import Agent
from netsched.agents.base.duty import Duty
from netsched.agents.base.hearing import Hearing
from netsched.rpc import transport
from netsched.rpc.agent import BeatAnswer, Notice, agent_handler, recipient

LOG = logging.getLogger(__name__)

LISTEN_RETRY_FIRST, LISTEN_RETRY_MAX = 0.25, 4.0  # s


class AgentProcess:
    """Hands messages for `address` to the agents they name. Agents may be added and removed while it runs."""

    def __init__(
        self,
        transport_: transport.Transport,
        address: str,
        agents: Iterable[Agent] = (),
        clock_: clock.Clock | None = None,
    ) -> None:
        self._transport = transport_
        self._first_address = self.address = address
        self._clock = clock_ or clock.SystemClock()
        self._hearing = Hearing(self._clock)
        self._hears = Duty(f"{address} hearing", self._hearing_due, self.listen_elsewhere, self._clock)
        self._agents: dict[str, Agent] = {}
        self._serving: transport.Serving | None = None
        self._stopping = threading.Event()
        self._listener: threading.Thread | None = None
        for agent in agents:
            self.add(agent)

    def add(self, agent: Agent) -> None:
        self._agents[recipient(agent.identity.agent_type, agent.identity.host)] = agent

    def remove(self, agent: Agent) -> None:
        self._agents.pop(recipient(agent.identity.agent_type, agent.identity.host), None)

    def listen(self) -> None:
        """Serve the address. Raises Unavailable while there is no broker."""
        self._serving = self._transport.serve(self.address, agent_handler(self._on_answer, self._on_notices))

    def start(self) -> None:
        """Agents begin at once, with threads: what they hold must come into force even if no broker is there yet."""
        self._listener = threading.Thread(target=self._listen, name="listen", daemon=True)
        self._listener.start()
        self._hears.start()
        for agent in list(self._agents.values()):
            agent.start()

    def stop(self) -> None:
        """Hear nothing more, stop the agents, leave the machine as it is."""
        self._stopping.set()
        self._hears.stop()
        if self._listener is not None:
            self._listener.join(LISTEN_RETRY_MAX)
        if self._serving is not None:
            self._serving.stop()
            self._serving = None
        for agent in list(self._agents.values()):
            agent.stop()

    def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        done = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: done.set())
        self.start()
        LOG.info("%s: %s", self.address, ", ".join(sorted(self._agents)))
        done.wait()
        self.stop()

    def _listen(self) -> None:
        pause = LISTEN_RETRY_FIRST
        while not self._stopping.is_set():
            try:
                self.listen()
            except errors.Unavailable as error:
                if pause == LISTEN_RETRY_FIRST:
                    LOG.warning("no messages yet: %s", error)
                self._stopping.wait(pause * random.uniform(0.5, 1.5))
                pause = min(2 * pause, LISTEN_RETRY_MAX)
                continue
            for agent in list(self._agents.values()):
                agent.beat_soon()  # answers to what it said so far went nowhere
            return

    def listen_elsewhere(self) -> bool:
        """Nothing has been heard for long: if servers are there all the same, take another address. Was it taken?"""
        agents = list(self._agents.values())
        deaf = self._serving is not None and any(agent.reaches_a_server() for agent in agents[:1])
        if deaf:
            old, before = self._serving, self.address
            self.address = f"{self._first_address}.{uuid.uuid4().hex[:8]}"
            LOG.warning("nothing arrives at %s although servers answer: listening at %s", before, self.address)
            self.listen()
            for agent in agents:
                agent.move(self.address)
            if old is not None:  # which may take as long as its broker likes
                threading.Thread(target=old.stop, name="deaf", daemon=True).start()
        self._hearing.asked(deaf)
        return deaf

    def _hearing_due(self) -> float:
        return self._hearing.due(max((agent.lease for agent in list(self._agents.values())), default=0.0))

    def _on_answer(self, answer: BeatAnswer) -> None:
        self._hearing.heard()
        agent = self._agents.get(recipient(answer.agent_type, answer.host))
        if agent is not None:
            agent.on_answer(answer)

    def _on_notices(self, to: str, notices: list[Notice]) -> None:
        self._hearing.heard()
        agent = self._agents.get(to)
        if agent is not None:
            agent.on_notices(notices)
