"""One node: a process with a DHCP, an L3 and an L2 agent, each with its own copies on disk and its own directory.

    python -m tests.chaos.node --config-file FILE

They are the product's agents with a driver that writes files. What comes and goes by the broker is recorded, to be sent
again by the stale-message fault; a tick twice a second says when this process really ran.
"""

from __future__ import annotations

import json
import os
import pathlib
import threading
from typing import Any

from netsched import clock
from netsched.agents.base.agent import Agent, AgentSettings
from netsched.agents.base.heartbeat import Identity
from netsched.agents.base.process import AgentProcess
from netsched.agents.base.store import DirectoryStore
from netsched.agents.dhcp import main as dhcp
from netsched.agents.l2 import main as l2
from netsched.agents.l3 import main as l3
from netsched.cmd import start
from netsched.rpc import connect, transport
from netsched.rpc.agent import ToServer
from tests.chaos.machine import DirectoryMachine, FileDriver, Journal
from tests.chaos.times import now

TICK = 0.5  # s
RECORD_MAX = 1_000_000  # bytes of a node's recording of one method, before a new one is begun
KINDS = ("dhcp", "l3", "l2")


class Recording(transport.Transport):
    """Hands everything on, and writes down what could be sent again: notices, answers, beats. Counts the rest."""

    def __init__(self, inner: transport.Transport, directory: pathlib.Path, journal: Journal) -> None:
        self._inner = inner
        self._directory = directory
        self._journal = journal
        self._lock = threading.Lock()

    def cast(self, address: str, method: str, payload: transport.Message) -> None:
        self._record(address, method, payload)
        self._inner.cast(address, method, payload)

    def call(self, address: str, method: str, payload: transport.Message, timeout: float) -> transport.Message:
        answer = self._inner.call(address, method, payload, timeout)
        self._journal.note("pulled", scopes=len(answer.get("scopes", [])))
        return answer

    def serve(self, address: str, handler: transport.Handler) -> transport.Serving:
        def handle(method: str, payload: transport.Message) -> transport.Message | None:
            if method == "notices":
                self._journal.note("notices", count=sum(len(some) for some in payload["notices"].values()))
            self._record(address, method, payload)
            return handler(method, payload)

        return self._inner.serve(address, handle)

    def close(self) -> None:
        self._inner.close()

    def _record(self, address: str, method: str, payload: transport.Message) -> None:
        """The newest megabyte or two of each method."""
        path = self._directory / f"recording-{method}"
        with self._lock:
            with path.open("a") as file:
                file.write(f"{now():.3f} {json.dumps([address, payload])}\n")
                full = file.tell() > RECORD_MAX
            if full:
                path.replace(path.with_suffix(".old"))


def main() -> None:
    conf = start.configure("chaos-node", __doc__)
    if spoiled := os.environ.get("NETSCHED_CHAOS_BREAK"):
        from tests.chaos import breaks  # with half of the server in it

        breaks.install(spoiled)
    directory = pathlib.Path(conf.agent.state_dir)
    journal = Journal(directory / "journal")
    journal.note("started")
    recording = Recording(connect.agent(conf.messaging.transport, conf), directory, journal)
    address = f"node.{conf.agent.host}"
    clock_ = clock.SystemClock()
    agents = []
    for kind in KINDS:
        identity, states = made(kind, conf, address)
        store = DirectoryStore(directory / f"wanted-{kind}")
        store.claim()
        driver = FileDriver(DirectoryMachine(directory / kind), journal, kind, states)
        settings = AgentSettings(workers=1, supervision=3.0)
        agents.append(Agent(identity, driver, ToServer(recording), store, clock_, settings))
    threading.Thread(target=tick, args=(journal,), daemon=True).start()
    AgentProcess(recording, address, agents).run()


def made(kind: str, conf: Any, address: str) -> tuple[Identity, Any]:
    """Who the agent is, and what it says of objects in force."""
    shared: dict[str, Any] = {
        "host": conf.agent.host,
        "state_dir": pathlib.Path(conf.agent.state_dir),
        "zone": conf.agent.zone,
        "driver": "noop",
        "capacity": conf.agent.capacity,
    }
    wires = l2.L2AgentSettings(**shared, local_ip="127.0.0.1")
    if kind == "l2":
        return l2.identity(wires, address), l2.noop_states(conf.agent.host)
    if kind == "l3":
        one = l3.L3AgentSettings(**shared, reaches=l2.configured(wires).reaches)
        return l3.identity(one, address), l3.noop_states
    return dhcp.identity(dhcp.DhcpAgentSettings(**shared), address), lambda content: {}


def tick(journal: Journal) -> None:
    """Somebody who wants to know whether this process was silent or the machine too busy looks for gaps."""
    waiting = threading.Event()
    while not waiting.wait(TICK):
        journal.note("tick")


if __name__ == "__main__":
    main()
