"""What an agent of any kind is told about itself, and how it becomes a process: the part that all kinds share."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass

from netsched import clock
from netsched.agents.base.agent import Agent, AgentSettings
from netsched.agents.base.driver import Driver
from netsched.agents.base.heartbeat import Identity
from netsched.agents.base.process import AgentProcess
from netsched.agents.base.store import DirectoryStore
from netsched.rpc import transport
from netsched.rpc.agent import ToServer


@dataclass(frozen=True)
class KindSettings:
    """`capacity`: objects that it offers to hold, None for any number. `mode`: "active" or "passive".

    `driver`: "linux" or "noop". `state_dir` may be shared by agents of several kinds: each has names of its own in it.
    """

    host: str
    state_dir: pathlib.Path
    zone: str = "nova"
    driver: str = "linux"
    capacity: int | None = None
    mode: str = "active"
    agent: AgentSettings = AgentSettings()

    def offer(self, resource_class: str) -> dict[str, int]:
        """How much of what it holds it offers, as a heartbeat says it; a class that is not named is unlimited."""
        return {} if self.capacity is None else {resource_class: self.capacity}


def process(
    me: Identity,
    driver: Driver,
    wanted: pathlib.Path,
    transport_: transport.Transport,
    clock_: clock.Clock,
    settings: AgentSettings,
) -> AgentProcess:
    """A process with this one agent, ready to start. `wanted`: the directory of its copies, and of no other agent's.

    Raises Unavailable or OSError for a directory that cannot work, Conflict while another process has it.
    """
    store = DirectoryStore(wanted)
    store.claim()
    agent = Agent(me, driver, ToServer(transport_), store, clock_, settings)
    return AgentProcess(transport_, me.address, [agent])
