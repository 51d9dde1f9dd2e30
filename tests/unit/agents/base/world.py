"""One agent against a small server and a machine in memory, without threads, on a fake clock."""

from __future__ import annotations

from netsched.agents.base.agent import Agent, AgentSettings
from netsched.agents.base.heartbeat import Identity
from netsched.agents.base.process import AgentProcess
from netsched.agents.base.store import MemoryStore
from netsched.rpc.agent import Capabilities, ToServer
from netsched.rpc.direct import DirectTransport
from tests.fakes.clock import FakeClock
from tests.fakes.driver import FakeDriver, FakeMachine
from tests.fakes.server import FakeServer

ME, OTHER = "toy@h1", "toy@h2"
N1, N2, N3 = "network/1", "network/2", "network/3"


class World:
    """A server, and one host whose agent can be restarted. `run` lets time pass in steps of 50 ms."""

    def __init__(self, transport: DirectTransport | None = None) -> None:
        self.clock = FakeClock()
        self.transport = transport or DirectTransport()
        self.server = FakeServer(self.transport, self.clock)
        self.machine, self.store = FakeMachine(), MemoryStore()
        self.lives = 0
        self.settings: dict[str, object] = {}
        self.start()

    def start(self) -> None:
        self.lives += 1
        self.driver = FakeDriver(self.machine)
        identity = Identity("toy", "h1", "toy-agent", "box", capabilities=Capabilities(hosts=["network"]))
        settings = AgentSettings(seed=self.lives, boot_id="boot", **self.settings)  # type: ignore[arg-type]
        self.agent = Agent(identity, self.driver, ToServer(self.transport), self.store, self.clock, settings)
        self.process = AgentProcess(self.transport, "box", [self.agent])
        self.process.listen()

    def stop(self) -> None:
        self.process.stop()

    def run(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self.agent.tick()
            self.clock.advance(0.05)

    def in_force(self) -> dict[str, set[str]]:
        return {scope: set(content["port"]) for scope, content in self.machine.scopes.items()}
