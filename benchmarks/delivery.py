"""What a change costs on the wire under each way of delivery, and what a plain broadcast would.

Counted, not timed: 100 agents with one network each, in one process, over the transport that counts. Heartbeats come
anyway; only what a change adds to them is counted. Then: of 10, 100 and 1,000 L2 agents, how many hear of a change of a
port on a network that is on three hosts.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.report import Result
from benchmarks.site import Site
from netsched.agents.simulate import Simulation, SimulationSettings
from netsched.model import kinds
from netsched.rpc.direct import Envelope
from netsched.rpc.transport import SERVER
from netsched.server.services.delivery import DeliverySettings
from tests.flow.world import ADMIN, STEP, World

AGENTS = 100
PRESENT = 3  # hosts with a port of the network
CALM = 5.0  # s of the world's time, in which everything is told and acknowledged


def run(site: Site) -> Iterator[Result]:
    agents = site.plan.choose(20, AGENTS)
    whole: dict[str, Any] = {}
    for mode in ("push", "beat"):
        for payload in ("full", "id"):
            site.say(f"{mode}, {payload}, {agents} agents")
            with tempfile.TemporaryDirectory(dir=site.directory) as directory:
                for result in _measure(Path(directory), agents, DeliverySettings(mode, payload), site):
                    if (mode, payload) == ("push", "full"):
                        whole[result.case.split(",")[0]] = result.figures
                    yield result
    for change, figures in whole.items():
        yield _result(f"{change}, plain broadcast (computed)", Cost(agents, 0, 0, agents * figures["bytes"]))
    for l2_agents in site.plan.choose((10, 100), (10, 100, 1000)):
        site.say(f"{l2_agents} L2 agents")
        with tempfile.TemporaryDirectory(dir=site.directory) as directory:
            yield _among(Path(directory), l2_agents, site.plan.choose(5, 20))


def _among(directory: Path, l2_agents: int, changes: int) -> Result:
    """Renames of ports on a network that is on `PRESENT` of so many hosts, and served by one DHCP agent."""
    world = World(directory, agents=3)
    fleet = Simulation(world.transport, world.clock, SimulationSettings("fleet", {"l2": l2_agents}))
    fleet.listen()
    _run(world, fleet, CALM)
    network = world.network()
    ports = [world.port(network) for _ in range(PRESENT)]
    for number, port in enumerate(ports):
        world.ports.update(ADMIN, port, {"binding:host_id": f"sim-{number}"}, None)
    _run(world, fleet, CALM)
    wire, heard = _Wire(world), fleet.counts.notices
    for number in range(changes):
        world.ports.update(ADMIN, ports[number % PRESENT], {"name": f"name-{number}"}, None)
        _run(world, fleet, 4 * STEP)
    _run(world, fleet, CALM)
    wire.end()
    figures = {
        "L2 agents told": (fleet.counts.notices - heard) / changes,
        "DHCP agents told": wire.told[kinds.DHCP_AGENT] / changes,
    }
    figures["ports ACTIVE"] = sum(world.ports.get(ADMIN, port)["status"] == "ACTIVE" for port in ports)
    return Result("delivery per port change, by L2 agents", f"{l2_agents} agents, {PRESENT} with the network", figures)


def _run(world: World, fleet: Simulation, seconds: float) -> None:
    for _ in range(round(seconds / STEP)):
        world.run(STEP)
        for agent in fleet.agents.values():
            if agent.due() <= world.clock.monotonic():
                agent.tick()
        world.transport.deliver_all()


def _measure(directory: Path, agents: int, settings: DeliverySettings, site: Site) -> Iterator[Result]:
    world = World(directory, agents=agents, delivery=settings)
    networks = [world.network() for _ in range(agents)]
    ports = [world.port(network) for network in networks]
    world.run(4 * CALM)
    changes: dict[str, Callable[[int], object]] = {
        "port create": lambda n: world.port(networks[n]),
        "port rename": lambda n: world.ports.update(ADMIN, ports[n], {"name": "other"}, None),
        "network rename": lambda n: world.networks.update(ADMIN, networks[n], {"name": "other"}, None),
    }
    number = site.plan.choose(5, 10)
    for name, change in changes.items():
        wire = _Wire(world)
        for one in range(number):
            change(one)
        world.run(CALM)
        yield _result(f"{name}, {settings.mode}, {settings.payload}", wire.end().per(number))


def _result(case: str, cost: Cost) -> Result:
    return Result("delivery per change", case, dataclasses.asdict(cost))


@dataclasses.dataclass(frozen=True)
class Cost:
    """`messages`: sent to agents for this. `in_answers`: notices and positions on answers to heartbeats, which come
    anyway. `pulls`: calls, each a message and its answer. `bytes`: of all these, as JSON."""

    messages: float
    in_answers: float
    pulls: float
    bytes: float

    def per(self, number: int) -> Cost:
        return Cost(*(value / number for value in dataclasses.astuple(self)))


class _Wire:
    """Counts what goes over the transport, heartbeats and their empty answers left out."""

    def __init__(self, world: World) -> None:
        self._transport = world.transport
        self._casts: collections.Counter[str] = collections.Counter()
        self._size: collections.Counter[str] = collections.Counter()
        self.told: collections.Counter[str] = collections.Counter()  # notices by type of agent
        self._pulls_before = self._transport.by_method[SERVER, "pull"]
        self._bytes_before = self._transport.traffic[SERVER].size
        self._transport.route = self._see

    def end(self) -> Cost:
        self._transport.route = None
        pulls = self._transport.by_method[SERVER, "pull"] - self._pulls_before
        pulled = self._transport.traffic[SERVER].size - self._bytes_before - self._size["beat"]
        size = self._size["notices"] + self._size["in answers"] + pulled
        return Cost(self._casts["notices"], self._casts["in answers"], pulls, size)

    def _see(self, envelope: Envelope) -> list[Envelope]:
        self._casts[envelope.method] += 1
        self._size[envelope.method] += len(json.dumps(envelope.payload))
        if envelope.method == "notices":
            for to, notices in envelope.payload["notices"].items():
                self.told[to.partition("@")[0]] += len(notices)
        if envelope.method == "answers":
            told = [one for a in envelope.payload["answers"] for one in (*a["lagging"], *a["notices"])]
            self._casts["in answers"] += len(told)
            self._size["in answers"] += sum(len(json.dumps(one)) for one in told)
        return [envelope]
