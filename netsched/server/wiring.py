"""Builds a server from its configuration, by constructor arguments alone: no globals, no registry, no look-ups.

The flow that is wired here, from a request to an agent (one arrow, one direction):

    api/v2/port.py --> services/port.py --> one transaction: db/port_change.py, db/port_binding.py (how it is plugged on
    its host, and that the L2 agent there holds its network), then db/change.py (last) --> commit
                                                                                       |
                                        nudge (losing it costs at most one period)  <--+
                                          |                         |
                                          v                         v
    worker "schedule":                                 worker "relay":
      services/scheduling.py                             services/delivery.py
        db/snapshot.py --> Snapshot                        db/change.stamp --> positions
        scheduler/engine.py --> Plan                       db/holder.py --> who holds the scopes
        db/apply.py --> bindings, interests, changes,      db/<kind>.py --> content as it is now
          and the ports of networks and routers follow     rpc/agent.ToAgent --> one message per address
        db/rebinding.py: ports that waited for an agent                    |
                          |                                                v
                          +--> commit, nudge --> relay                the agents: DHCP and router namespaces, bridges
                                                                           |
    worker "heartbeat":                                                    |
      services/heartbeat.py  <-- rpc/agent.server_handler <-- beats, pulls +
        services/saying.py: what they say of ports and floating IPs --> status
        a batch: db/beat.py, db/holder.py --> answers to the agents

Routers and floating IPs go the same way, by services/router.py and services/floatingip.py; a router is placed on an L3
agent as a network is on a DHCP agent. A request that waits until its change is in force looks for that in the database
(api/waiting.py, services/waiting.py).

What keeps "schedule" from moving too much: services/trust.py, which the workers "heartbeat", "presence" and "broker"
prove that this server is not itself the one who is cut off; and services/brake.py (worker "brakes", and each round of
"schedule") where a zone falls silent. Worker "watch" (services/watch.py) says in the log who died or returned.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Mapping
from typing import Any

import netsched
from netsched import clock as clocks
from netsched import errors
from netsched.db import gauges, schema, segment
from netsched.db.session import Database
from netsched.rpc import agent as rpc
from netsched.rpc import connect, transport
from netsched.rpc.echo import Echo
from netsched.scheduler import profile
from netsched.server.api.app import Application, make_app
from netsched.server.api.hooks import Authenticator, NoAuth
from netsched.server.api.services import Services
from netsched.server.configuration import Settings, settings_from
from netsched.server.policies.enforcer import Policy
from netsched.server.readers import readers
from netsched.server.services import health
from netsched.server.services import trust as trusts
from netsched.server.services.address_group import AddressGroupService
from netsched.server.services.address_scope import AddressScopeService
from netsched.server.services.addresses import FloatingIpPoolService, IpAvailabilityService
from netsched.server.services.agent import AgentService
from netsched.server.services.brake import BrakeService
from netsched.server.services.default_security_group_rule import DefaultSecurityGroupRuleService
from netsched.server.services.delivery import DeliveryService
from netsched.server.services.floatingip import FloatingIPService
from netsched.server.services.health import HealthService
from netsched.server.services.heartbeat import HeartbeatService, Wake
from netsched.server.services.metrics import Counted, MetricsService, Now
from netsched.server.services.network import NetworkService
from netsched.server.services.pace import Pace
from netsched.server.services.port import PortService
from netsched.server.services.quota import Quotas, QuotaService
from netsched.server.services.rbac_policy import RbacPolicyService
from netsched.server.services.reading import Source, own_scope
from netsched.server.services.router import RouterService
from netsched.server.services.rush import Rush
from netsched.server.services.scheduling import SchedulingService
from netsched.server.services.security_group import SecurityGroupService
from netsched.server.services.security_group_rule import SecurityGroupRuleService
from netsched.server.services.status import StatusService
from netsched.server.services.subnet import SubnetService
from netsched.server.services.subnetpool import SubnetPoolService
from netsched.server.services.trust import BrokerProof, Trust
from netsched.server.services.upkeep import Process, UpkeepService
from netsched.server.services.waiting import WaitingService
from netsched.server.services.watch import WatchService
from netsched.server.workers.bounded import Bounded
from netsched.server.workers.driver import Driver, Worker

LOG = logging.getLogger(__name__)
POLL = 1.0  # s: what a lost nudge costs at most
PRESENCE = 10.0  # s between two looks of a server at itself and the agents, at most


class Server:
    """A wired server. `role`: "server" has everything, "workers" no API to serve, "api" nothing but the API."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        transport_: transport.Transport,
        policy: Policy,
        clock: clocks.Clock,
        more_kinds: Mapping[str, Source] | None = None,
        authenticator: Authenticator | None = None,
    ) -> None:
        """`more_kinds`: where objects of kinds that this release does not know are read, each its own scope.

        `authenticator`: who asks; None believes the headers.
        """
        self.settings = settings
        self._authenticator = authenticator or NoAuth()
        self.database = database
        self._transport = transport_
        self._serving: transport.Serving | None = None
        to_agents = self._to_agents = rpc.ToAgent(transport_, clock)
        pace = Pace(settings.heartbeat.interval, settings.heartbeat.max_beats)
        trust = self.trust = Trust(clock, pace, settings.brokered)
        rush = Rush(clock)
        others = {(kind, kind): own_scope(source) for kind, source in (more_kinds or {}).items()}
        self.delivery = DeliveryService(database, readers() | others, to_agents, settings.delivery, rush)
        wake = Wake(writer=lambda: beats.nudge(), scheduler=lambda: schedule.nudge())
        self.heartbeats = HeartbeatService(database, self.delivery, to_agents, trust, pace, settings.heartbeat, wake)
        loaded = profile.load(settings.scheduling.profile)
        self.brakes = BrakeService(database, trust)
        self.scheduling = SchedulingService(database, loaded, settings.scheduling, trust, self.brakes, clock, rush)
        self.stopping = threading.Event()  # set by `drain`: /readyz says so from then on
        process = Process(str(uuid.uuid4()), settings.host, settings.role, netsched.__version__, clock.utcnow())
        self.upkeep = UpkeepService(database, process, settings.retention)

        beats = Worker("heartbeat", self.heartbeats.write_batch, clock, settings.write_delay, gap=0.1)
        schedule = Worker("schedule", self.scheduling.run_once, clock, POLL, gap=0.05)
        relay = Worker("relay", self.delivery.relay, clock, POLL)
        self.watch = WatchService(database, pace, trust)
        proof = settings.heartbeat.interval / trusts.PROOFS
        presence = Worker("presence", self._be_present, clock, min(PRESENCE, proof))
        watch = Worker("watch", self.watch.look, clock, min(PRESENCE, settings.heartbeat.interval))
        brakes = Worker("brakes", self.brakes.watch, clock, settings.heartbeat.interval / 2)
        purge = Worker("purge", self.upkeep.purge, clock, 600.0)
        self.driver = Driver(
            [presence] if settings.role == "api" else [beats, relay, schedule, brakes, presence, watch, purge]
        )
        if settings.brokered and settings.role != "api":
            broker = BrokerProof(Echo(transport_, settings.heartbeat.interval / 2).ping, trust)
            self.driver.workers.append(Worker("broker", broker.run, clock, proof))
        database.on_commit(relay.nudge)
        database.on_commit(schedule.nudge)
        self.application = self._application(policy, clock, trust)

    def _be_present(self) -> None:
        self.upkeep.beat(self.driver.status())
        self.trust.proved(trusts.DATABASE)

    def _broker_trouble(self) -> str | None:
        proves = self.settings.role != "api"  # which hears no messages, so that none can come back
        return self._to_agents.trouble() or (self.trust.lacks(trusts.BROKER) if proves else None)

    def _health(self, clock: clocks.Clock) -> HealthService:
        look = Bounded(lambda: health.look(self.database), clock)
        return HealthService(look, self._broker_trouble, self.stopping.is_set, self.driver.ended)

    def _metrics(self, clock: clocks.Clock, trust: Trust) -> MetricsService:
        def read() -> gauges.Gauges:
            with self.database.read() as connection:
                return gauges.read(connection)

        counted = Counted(
            self.database.statements,
            self.heartbeats.beats,
            self._to_agents.sent,
            self.delivery.pulls,
            self.scheduling.placements,
            self.scheduling.refusals,
        )
        now = Now(Bounded(read, clock), self.driver.ages, self._broker_trouble, trust, self.stopping.is_set)
        return MetricsService(netsched.__version__, clock, counted, now)

    def _application(self, policy: Policy, clock: clocks.Clock, trust: Trust) -> Application:
        settings, database = self.settings, self.database
        doubt = trust.why if settings.role != "api" else (lambda: None)  # which moves nothing, and hears nobody
        quotas = Quotas(settings.quotas)
        services = Services(
            network=NetworkService(database, settings.provider, quotas),
            subnet=SubnetService(database, settings.replicas, quotas),
            port=PortService(database, settings.base_mac, quotas, settings.dns_domain),
            router=RouterService(database, settings.base_mac, quotas),
            floatingip=FloatingIPService(database, settings.base_mac, quotas),
            agent=AgentService(database),
            scheduling=self.scheduling,
            status=StatusService(
                database, netsched.__version__, self.driver.status, self._to_agents.health, self.brakes.list, doubt
            ),
            brakes=self.brakes,
            delivery=WaitingService(database, clock, settings.waiting, self.stopping.is_set),
            health=self._health(clock),
            metrics=self._metrics(clock, trust),
            quotas=QuotaService(database, quotas),
            rbac_policy=RbacPolicyService(database, quotas),
            ip_availability=IpAvailabilityService(database),
            floatingip_pool=FloatingIpPoolService(database),
            subnetpool=SubnetPoolService(database, quotas),
            address_scope=AddressScopeService(database),
            security_group=SecurityGroupService(database, quotas),
            security_group_rule=SecurityGroupRuleService(database, quotas),
            default_security_group_rule=DefaultSecurityGroupRuleService(database),
            address_group=AddressGroupService(database),
        )
        return make_app(services, settings.api, policy, self._authenticator, netsched.__version__)

    def start(self) -> None:
        """Hear agents and work. The schema must be right: WrongSchema says what to run."""
        schema.check(self.database)
        segment.configure(self.database, self.settings.provider)
        if self.settings.role != "api":
            handler = rpc.server_handler(self.heartbeats.receive, self.delivery.pull)
            self._serving = self._transport.serve(transport.SERVER, handler)
        self._be_present()
        if self.settings.role != "api":
            self.watch.look()  # what agents are told depends on it from the first answer on
        self.driver.start()

    def drain(self) -> None:
        """It is about to end: say so at /readyz. Everything else goes on."""
        LOG.info("stopping")
        self.stopping.set()

    def stop(self) -> None:
        """Take no more messages, finish what is under way, leave nothing for others to wait for, let go."""
        self.stopping.set()
        if self._serving is not None:
            self._serving.stop()
        self.driver.stop()
        if self.settings.role != "api":
            self._finish()
        with contextlib.suppress(errors.Unavailable):  # then it is forgotten after an hour
            self.upkeep.leave()
        self._transport.close()
        self.database.dispose()

    def _finish(self) -> None:
        """Beats that have arrived are written and answered, changes that are committed are sent."""
        try:
            while self.heartbeats.write_batch():
                pass
            self.delivery.relay()
        except errors.Unavailable as error:
            LOG.warning("left to other servers, since %s", error)


def build(conf: Any, role: str = "server") -> Server:
    """A server from oslo.config's object. Raises NetschedError with what to change."""
    settings = settings_from(conf, role)
    database = Database(conf.database.connection, pool_size=conf.database.pool_size)
    schema.check(database)
    transport_ = connect.server(conf.messaging.transport, conf, conf.server.concurrency)
    policy, clock = Policy(conf, conf.api.policy_file), clocks.SystemClock()
    return Server(settings, database, transport_, policy, clock, authenticator=authenticator(conf, clock))


def authenticator(conf: Any, clock: clocks.Clock) -> Authenticator:
    """Who proves who asks, by [api] auth_strategy. Raises Invalid with what is missing."""
    if conf.api.auth_strategy == "noauth":
        return NoAuth()
    from netsched.server.api.keystone import Keystone  # 0.4 s, which a server without Keystone need not cost

    return Keystone(conf, clock)


def upkeep(conf: Any, database: Database) -> UpkeepService:
    """For the command line: retention without a server."""
    process = Process("", "", "manage", netsched.__version__, clocks.SystemClock().utcnow())
    return UpkeepService(database, process, settings_from(conf, "manage").retention)
