"""A whole deployment in one thread: servers, database, agents with machines in memory, one clock that tests move.

Everything is real but the kernel, the wire and time. `run` lets time pass in small steps, in each of which every part
does what is due; a part that is dead does nothing. `converged` says what must hold once things have calmed down,
whatever happened before.
"""

from __future__ import annotations

import contextlib
import functools
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

from netsched.agents.base.agent import Agent, AgentSettings
from netsched.agents.base.heartbeat import Identity
from netsched.agents.base.process import AgentProcess
from netsched.agents.base.store import DirectoryStore
from netsched.db import binding as bindings
from netsched.db import change, interest, schema, segment
from netsched.db import port as port_table
from netsched.db.session import Database
from netsched.model import kinds, liveness, scope
from netsched.model.principal import Principal
from netsched.rpc import transport as transports
from netsched.rpc.agent import Capabilities, ToServer, server_handler
from netsched.rpc.direct import DirectTransport, Envelope
from netsched.scheduler import profile
from netsched.server import configuration, wiring
from netsched.server.policies.enforcer import Policy
from netsched.server.services.delivery import DeliverySettings
from netsched.server.services.floatingip import FloatingIPService
from netsched.server.services.heartbeat import HeartbeatSettings, agent_id
from netsched.server.services.network import NetworkService
from netsched.server.services.port import PortService
from netsched.server.services.router import RouterService
from netsched.server.services.scheduling import SchedulingSettings
from netsched.server.services.subnet import SubnetService
from netsched.server.workers.driver import Worker
from tests.fakes.clock import FakeClock
from tests.fakes.driver import FakeDriver, FakeMachine

ADMIN = Principal("operator", "project-1", ("admin",), True, "req-1")
INTERVAL = 1.0
LIMITS = liveness.Limits.for_interval(INTERVAL)
STEP = 0.25
WAYS = [DeliverySettings(mode, payload) for mode in ("push", "beat") for payload in ("full", "id")]
DEATH = LIMITS.dead_after + 3 * INTERVAL  # until a silent agent's networks have moved


OFFERS = {
    kinds.DHCP_AGENT: Capabilities(hosts=["network"]),
    kinds.L2_AGENT: Capabilities(reaches=["vxlan"]),
    kinds.L3_AGENT: Capabilities(hosts=["router"], reaches=["vxlan"]),
}


class Node:
    """An agent's host: the machine and the disk stay when the agent dies. `name` tells agents of one host apart."""

    def __init__(
        self,
        world: World,
        name: str,
        host: str,
        agent_type: str = kinds.DHCP_AGENT,
        capabilities: Capabilities | None = None,
        configurations: dict[str, Any] | None = None,
        transport: transports.Transport | None = None,
        zone: str = "nova",
    ) -> None:
        self.serve_when_admin_down = True
        self.on_lease_lost = "keep"
        self.world = world
        self.transport = transport or world.transport
        self.host = host
        self.machine = FakeMachine()
        self.driver = FakeDriver(self.machine)
        self.identity = Identity(
            agent_type=agent_type,
            host=host,
            binary="agent",
            zone=zone,
            address=f"agent.{name}",
            capabilities=capabilities or OFFERS[agent_type],
            configurations=configurations or {},
        )
        self.disk = world.directory / f"disk-{name}"
        self.process: AgentProcess | None = None
        self.agent: Agent | None = None
        self.start()

    @property
    def alive(self) -> bool:
        return self.agent is not None

    def start(self) -> None:
        wires = self.host if self.identity.agent_type == kinds.L2_AGENT else None
        self.driver = FakeDriver(self.machine, wires)
        settings = AgentSettings(
            workers=1,
            seed=hash_of(self.host),
            boot_id="boot",
            spread=0.0,
            serve_when_admin_down=self.serve_when_admin_down,
            on_lease_lost=self.on_lease_lost,
        )
        store = DirectoryStore(self.disk)
        self.agent = Agent(self.identity, self.driver, ToServer(self.transport), store, self.world.clock, settings)
        self.process = AgentProcess(self.transport, self.identity.address, [self.agent])
        self.process.listen()

    def kill(self) -> None:
        """kill -9: nothing is saved, nobody is told, the machine goes on."""
        if self.process is not None and self.process._serving is not None:
            self.process._serving.stop()
        self.process = self.agent = None

    def restart(self, reboot: bool = False) -> None:
        self.kill()
        if reboot:
            self.machine.reboot()
        self.start()


class World:
    def __init__(self, directory: Path, agents: int = 3, servers: int = 1, **options: Any) -> None:
        """Options: replicas, heartbeat, delivery and profile (settings), max_moves, seed, url (of tables), eager."""
        self.directory = directory
        self.clock = FakeClock()
        self.rng = random.Random(options.get("seed", 1))
        self.transport = DirectTransport(queued=True)
        self.url = options.get("url") or f"sqlite:///{directory}/netsched.sqlite"
        if "url" not in options:
            (directory / "netsched.sqlite").write_bytes(_migrated())
        self.database = Database(self.url, self.clock)
        self.settings = configuration.Settings(
            replicas=options.get("replicas", 1),
            write_delay=INTERVAL / 10,
            heartbeat=options.get("heartbeat", HeartbeatSettings(interval=INTERVAL)),
            delivery=options.get("delivery", DeliverySettings()),
            scheduling=SchedulingSettings(
                options.get("profile", profile.Settings()), unbind_hold=10.0, max_moves=options.get("max_moves", 500.0)
            ),
            host="server",
        )
        segment.configure(self.database, self.settings.provider)
        self.extra_readers: dict[str, Any] = options.get("readers", {})
        self.servers: list[wiring.Server] = []
        self._eager: bool = options.get("eager", False)  # everything that servers do is due at every step
        self._ran: dict[Worker, float] = {}
        self.database.on_commit(self._nudge)
        for _ in range(servers):
            self.start_server()
        self.networks = NetworkService(self.database, self.settings.provider)
        self.subnets = SubnetService(self.database, self.settings.replicas)
        self.ports = PortService(self.database, "fa:16:3e:00:00:00")
        self.routers = RouterService(self.database)
        self.floatingips = FloatingIPService(self.database)
        self.nodes: dict[str, Node] = {}
        for number in range(agents):
            self.add(f"h{number + 1}")
        self.run(3 * INTERVAL)

    def add(self, host: str, **options: Any) -> Node:
        """An agent, known by its host; a further one of a host by its type and host."""
        name = host if host not in self.nodes else f"{options['agent_type']}@{host}"
        self.nodes[name] = Node(self, name, host, **options)
        return self.nodes[name]

    # Servers

    def start_server(self, transport: transports.Transport | None = None) -> wiring.Server:
        transport = transport or self.transport
        conf = cfg.ConfigOpts()
        conf([])
        database = Database(self.url, self.clock)
        server = wiring.Server(self.settings, database, transport, Policy(conf), self.clock, self.extra_readers)
        handler = server_handler(server.heartbeats.receive, server.delivery.pull)
        server._serving = transport.serve(transports.SERVER, handler)
        self.servers.append(server)
        return server

    def kill_server(self) -> None:
        """kill -9 of the oldest: its queue of beats and all it was about to do are gone."""
        dead = self.servers.pop(0)
        assert dead._serving is not None
        dead._serving.stop()

    def _nudge(self) -> None:
        """What a test commits, a server might have: its workers hear of it."""
        for server in self.servers:
            for worker in server.driver.workers:
                if worker.name in ("relay", "schedule"):
                    worker.nudge()

    # Time

    def run(self, seconds: float) -> None:
        """Let time pass: every living part does what is due, in small steps."""
        for _ in range(round(seconds / STEP)):
            self.clock.advance(STEP)
            for server in list(self.servers):
                for worker in server.driver.workers:
                    if worker.name == "purge" or not self._due(worker):
                        continue
                    worker.run()
                    assert worker.status()["last_error"] is None, worker.status()
                self.transport.deliver_all()
            for node in list(self.nodes.values()):
                if node.agent is not None:
                    node.agent.tick()
                    self.transport.deliver_all()

    def _due(self, worker: Worker) -> bool:
        """Nudged, or not run for its period: as its thread would have it. All the time would cost twice the CPU."""
        now = self.clock.monotonic()
        if not self._eager and not worker._wake.is_set() and now - self._ran.get(worker, 0.0) < worker._period:
            return False
        worker._wake.clear()
        self._ran[worker] = now
        return True

    def settle(self) -> None:
        """Long enough for a death to be noticed, moved, told, applied and acknowledged; then `converged`."""
        self.run(DEATH + 12 * INTERVAL)
        self.converged()

    # What tenants do

    def network(self, subnet: bool = True, **fields: Any) -> str:
        body = {"name": "n", "description": "", "admin_state_up": True, "shared": False, "project_id": "project-1"}
        body |= {"availability_zone_hints": [], **fields}
        network_id = str(self.networks.create(ADMIN, [body])[0]["id"])
        if subnet:
            self.subnet(network_id)
        return network_id

    def subnet(self, network_id: str, cidr: str = "10.0.0.0/24") -> str:
        body = {"name": "", "description": "", "network_id": network_id, "ip_version": 4, "cidr": cidr}
        body |= {"enable_dhcp": True, "project_id": "project-1", "dns_nameservers": [], "host_routes": []}
        return str(self.subnets.create(ADMIN, [body])[0]["id"])

    def port(self, network_id: str, host: str = "", **fields: Any) -> str:
        body = {"name": "", "description": "", "network_id": network_id, "admin_state_up": True, "device_id": ""}
        body |= {"device_owner": "", "project_id": "project-1", "extra_dhcp_opts": []}
        body |= {"binding:host_id": host, **fields}
        return str(self.ports.create(ADMIN, [body])[0]["id"])

    def ports_of(self, network_id: str) -> list[str]:
        """Tenants' ports on the network."""
        with self.database.read() as connection:
            ports = port_table.in_networks(connection, [network_id]).get(network_id, [])
        return [p["id"] for p in ports if not p["device_owner"].startswith("network:")]

    # What is

    def holders(self, network_id: str, resource_type: str = "network") -> list[str]:
        """Hosts to which the network is bound."""
        table = bindings.binding
        with self.database.read() as connection:
            ids = connection.execute(
                sa.select(table.c.agent_id).where(
                    table.c.resource_type == resource_type,
                    table.c.resource_id == network_id,
                    table.c.agent_id.is_not(None),
                )
            ).scalars()
            hosts = {agent_id(n.identity.agent_type, n.host): n.host for n in self.nodes.values()}
            return sorted(hosts.get(id_, id_) for id_ in ids)

    def truth(self) -> dict[str, dict[str, Any]]:
        """What each scope is by the tables, as an agent should have it: {scope: content}."""
        with self.database.read() as connection:
            scopes = set(connection.execute(sa.select(interest.interest.c.scope)).scalars())
            whole = self.servers[0].delivery._whole(connection, sorted(scopes))
        return {
            scope_: {kind: {o["id"]: o for o in objects} for kind, objects in content.items() if objects}
            for scope_, content in whole.items()
        }

    def converged(self) -> None:
        """On living hosts: exactly what is held is in force, as the tables have it; all acknowledged, all sent."""
        truth = self.truth()
        with self.database.read() as connection:
            held = connection.execute(sa.select(interest.interest)).all()
            backlog = change.backlog(connection)
        assert backlog["unsent"] == 0
        for node in self.nodes.values():
            if not node.alive:
                continue
            me = agent_id(node.identity.agent_type, node.host)
            mine = {row.scope for row in held if row.agent_id == me and row.state == interest.HELD}
            owing = [row.scope for row in held if row.agent_id == me and row.behind_since is not None]
            assert owing == [], (node.host, owing)
            got = {s: {k: o for k, o in content.items() if o} for s, content in node.machine.scopes.items()}
            assert got == {scope_: truth[scope_] for scope_ in mine}, node.host

    @contextlib.contextmanager
    def weather(self, drop: float = 0.0, duplicate: float = 0.0, reorder: bool = False) -> Iterator[None]:
        """Casts are lost, doubled and overtake each other inside the block; probabilities by message."""

        def route(envelope: Envelope) -> list[Envelope]:
            if self.rng.random() < drop:
                return []
            copies = [envelope] * (2 if self.rng.random() < duplicate else 1)
            if reorder and self.transport.pending:
                self.rng.shuffle(self.transport.pending)
            return copies

        self.transport.route = route
        try:
            yield
        finally:
            self.transport.route = None


@functools.cache
def _migrated() -> bytes:
    """The file of an empty database, made by the migrations once per process: 130 ms of CPU for each world."""
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{directory}/netsched.sqlite")
        schema.upgrade(database)
        database.dispose()
        return (Path(directory) / "netsched.sqlite").read_bytes()


def hash_of(text: str) -> int:
    return sum(ord(letter) * 31**index for index, letter in enumerate(text)) % 2**32


def scope_of(network_id: str) -> str:
    return scope.key("network", network_id)
