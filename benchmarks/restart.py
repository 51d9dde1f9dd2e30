"""What the restart of an agent with a thousand networks costs, with its copies on disk and without.

Counted, not timed. Bytes are those of all messages as JSON; statements are the server's. An agent beats anyway, so each
heartbeat counts with what it costs beyond an idle one.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.report import Result
from benchmarks.site import Site
from netsched.rpc.transport import SERVER
from tests.flow.world import ADMIN, STEP, World
from tests.statements import counted

NETWORKS = 1000
PORTS = 3  # of tenants, on each network
BULK = 100  # networks created in one request
WINDOW = 15.0  # s of the world's time, in which a restart has become calm
METHODS = ("beat", "pull")
LEAST = 50  # times cheaper than pulling everything


@dataclasses.dataclass(frozen=True)
class Cost:
    bytes: int
    statements: int
    pulls: int


def run(site: Site) -> Iterator[Result]:
    networks = site.plan.choose(100, NETWORKS)
    site.say(f"{networks} networks on one agent")
    with tempfile.TemporaryDirectory(dir=site.directory) as directory:
        costs = measure(Path(directory), networks)
    for case, cost in costs.items():
        yield Result(f"restart of an agent with {networks} networks", case, dataclasses.asdict(cost))
    for case in ("copies current", "copies a little old"):
        times = {name: ratio(costs["copies lost"], costs[case], name) for name in ("bytes", "statements")}
        yield Result("times cheaper than with copies lost", case, times)
        if case == "copies current" and networks == NETWORKS and min(times.values()) < LEAST:
            raise RuntimeError(f"a warm restart is not {LEAST} times cheaper than a full pull: {times}")


def ratio(full: Cost, warm: Cost, name: str) -> float:
    """Of something that costs nothing, it is what the other costs."""
    return float(getattr(full, name)) / max(1, getattr(warm, name))


def measure(directory: Path, networks: int) -> dict[str, Cost]:
    """Of each kind of restart, all in one world."""
    world = World(directory, agents=1)
    created: list[str] = []
    while len(created) < networks:
        created += _create(world, min(BULK, networks - len(created)))
        world.run(2)
    world.settle()
    node = world.nodes["h1"]
    assert len(node.machine.scopes) == networks

    def lost() -> None:
        node.kill()
        for path in node.disk.iterdir():
            path.unlink()
        node.start()

    def stale() -> None:
        """One copy is older than what was acknowledged, as after a kill at the wrong moment."""
        path = min(node.disk.glob("*.json"))
        before = path.read_text()
        world.ports.update(ADMIN, world.port(created[0]), {"name": "new"}, None)
        world.networks.update(ADMIN, path.name.removesuffix(".json").rpartition("%2F")[2], {"name": "new"}, None)
        world.settle()
        node.kill()
        path.write_text(before)
        node.start()

    prices = Prices(world)
    found = {}
    for case, event in {"copies current": node.restart, "copies a little old": stale, "copies lost": lost}.items():
        found[case] = prices.cost(event)
        world.settle()
    return found


def _create(world: World, number: int) -> list[str]:
    body = {"name": "n", "description": "", "admin_state_up": True, "shared": False, "project_id": "project-1"}
    made = world.networks.create(ADMIN, [{**body, "availability_zone_hints": []}] * number)
    ids = [str(network["id"]) for network in made]
    for id_ in ids:
        world.subnet(id_)
    world.ports.create(ADMIN, [{"network_id": id_} for id_ in ids for _ in range(PORTS)])
    return ids


class Prices:
    """What things cost in a world with one agent."""

    def __init__(self, world: World) -> None:
        self._world = world
        idle = self._count()
        self._beat_statements = idle["statements"] / idle["beats"]
        self._beat_bytes = idle["bytes"] / idle["beats"]  # with its answer

    def cost(self, event: Callable[[], object]) -> Cost:
        """Of this, and of what follows from it."""
        event()
        found = self._count()
        return Cost(
            round(found["bytes"] - found["beats"] * self._beat_bytes),
            round(found["statements"] - found["beats"] * self._beat_statements),
            found["pulls"],
        )

    def _count(self) -> dict[str, int]:
        self._answer()  # so that whatever is counted as sent is counted as answered, too
        transport = self._world.transport
        before = dict(transport.by_method), sum(traffic.size for traffic in transport.traffic.values())
        with counted(self._world.servers[0].database) as sent:
            self._talk()
        calls = {method: transport.by_method[SERVER, method] - before[0].get((SERVER, method), 0) for method in METHODS}
        size = sum(traffic.size for traffic in transport.traffic.values()) - before[1]
        return {"bytes": size, "statements": len(sent), "beats": calls["beat"], "pulls": calls["pull"]}

    def _talk(self) -> None:
        """Let time pass in which the server does nothing but what its agent asks of it."""
        (node,) = self._world.nodes.values()
        for _ in range(round(WINDOW / STEP)):
            self._world.clock.advance(STEP)
            if node.agent is not None:
                node.agent.tick()
            self._answer()

    def _answer(self) -> None:
        self._world.transport.deliver_all()
        self._world.servers[0].heartbeats.write_batch()
        self._world.transport.deliver_all()
