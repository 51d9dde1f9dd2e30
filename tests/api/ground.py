"""The whole API over real services on SQLite, in-process; agents appear by heartbeats as they do in life."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from oslo_config import cfg
from webob import Request, Response

from netsched.clock import SystemClock
from netsched.conf import quotas as conf_quotas
from netsched.db import base, gauges, segment
from netsched.db.session import Database
from netsched.model.principal import Principal
from netsched.model.provider import ProviderSettings
from netsched.rpc import agent as rpc
from netsched.scheduler import profile
from netsched.server.api.app import ApiSettings, make_app
from netsched.server.api.hooks import Authenticator, NoAuth
from netsched.server.api.services import Services
from netsched.server.policies.enforcer import Policy
from netsched.server.services.address_group import AddressGroupService
from netsched.server.services.address_scope import AddressScopeService
from netsched.server.services.addresses import FloatingIpPoolService, IpAvailabilityService
from netsched.server.services.agent import AgentService
from netsched.server.services.brake import BrakeService
from netsched.server.services.default_security_group_rule import DefaultSecurityGroupRuleService
from netsched.server.services.floatingip import FloatingIPService
from netsched.server.services.health import Found, HealthService
from netsched.server.services.heartbeat import agent_id
from netsched.server.services.metrics import Counted, MetricsService, Now
from netsched.server.services.network import NetworkService
from netsched.server.services.port import PortService
from netsched.server.services.quota import Quotas, QuotaService
from netsched.server.services.rbac_policy import RbacPolicyService
from netsched.server.services.router import RouterService
from netsched.server.services.scheduling import SchedulingService, SchedulingSettings
from netsched.server.services.security_group import SecurityGroupService
from netsched.server.services.security_group_rule import SecurityGroupRuleService
from netsched.server.services.status import StatusService
from netsched.server.services.subnet import SubnetService
from netsched.server.services.subnetpool import SubnetPoolService
from netsched.server.services.waiting import WaitingService, WaitSettings
from netsched.tally import Tally
from tests.fakes.clock import FakeClock
from tests.services.ground import Ground

ADMIN: dict[str, str] = {}
TENANT = {"X-Project-Id": "alice", "X-User-Id": "alice-1", "X-Roles": "member"}
PROVIDER = ProviderSettings(vlan_ranges={"physnet1": ((100, 199),), "physnet2": ()}, flat_networks=("physnet1",))
QUOTAS = conf_quotas.DEFAULTS | {"network": 10_000, "subnet": 10_000, "port": 10_000}  # as configured, but for paging
OTHER = {"X-Project-Id": "bob", "X-User-Id": "bob-1", "X-Roles": "member,reader"}


class Api:
    """`application` is the WSGI callable; `ask` a request to it."""

    def __init__(
        self,
        database: Database,
        settings: ApiSettings | None = None,
        policy_file: str | None = None,
        replace: dict[str, Any] | None = None,
        authenticator: Authenticator | None = None,
    ) -> None:
        """`replace`: services by name, in place of the real ones. Without `authenticator`, headers are believed."""
        self.database = database
        segment.configure(database, PROVIDER)
        self._agents = Ground(database)
        loaded = profile.load(profile.configured("least_loaded"))
        self.scheduling = SchedulingService(database, loaded, SchedulingSettings())
        brakes = BrakeService(database)
        quotas = Quotas(QUOTAS)
        services = Services(
            network=NetworkService(database, PROVIDER, quotas),
            subnet=SubnetService(database, 1, quotas),
            port=PortService(database, quotas=quotas),
            router=RouterService(database, quotas=quotas),
            floatingip=FloatingIPService(database, quotas=quotas),
            agent=AgentService(database),
            scheduling=self.scheduling,
            status=StatusService(database, "test", list, lambda: "ok", brakes.list, lambda: None),
            brakes=brakes,
            delivery=WaitingService(database, FakeClock(), WaitSettings(4, (1.0, 10.0))),
            health=HealthService(lambda: Found("9999", 0.0), lambda: None, lambda: False, list),
            metrics=MetricsService("test", SystemClock(), _counted(database), _now(database)),
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
        self.services = dataclasses.replace(services, **(replace or {}))
        self.policy = _policy(policy_file)
        self.application = make_app(
            self.services, settings or ApiSettings(), self.policy, authenticator or NoAuth(), "test"
        )

    def agent(self, host: str, agent_type: str = "DHCP agent", **fields: Any) -> str:
        """An agent that has just sent its first heartbeat. Returns its id."""
        able = rpc.Capabilities(hosts=["network"])
        self._agents.beat(host, agent_type=agent_type, capabilities=able, configurations={}, **fields)
        return agent_id(agent_type, host)

    def relay(self) -> None:
        """What is committed is sent to those who hold it."""
        self._agents.delivery.relay()

    @staticmethod
    def administrator() -> Principal:
        return Principal("root", "", ("admin",), True, "req-test")

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Response:
        """`body` is sent as JSON, bytes as they are."""
        options: dict[str, Any] = {"method": method, "headers": headers or {}}
        if body is not None:
            options["body"] = body if isinstance(body, bytes) else json.dumps(body).encode()
            options["content_type"] = "application/json"
        return Request.blank(path, **options).get_response(self.application)

    def make(self, resource: str, attributes: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        """POST one object that is in order; the object."""
        answer = self.ask("POST", f"/v2.0/{resource}s", {resource: attributes}, headers)
        assert answer.status_int == 201, answer.text
        found: dict[str, Any] = answer.json[resource]
        return found


def _counted(database: Database) -> Counted:
    return Counted(database.statements, *(Tally() for _ in range(5)))


def _now(database: Database) -> Now:
    def read() -> gauges.Gauges:
        with database.read() as connection:
            return gauges.read(connection)

    return Now(read, list, lambda: None, lambda: True, lambda: False)


def database_in(directory: Path) -> Database:
    database = Database(f"sqlite:///{directory}/netsched.sqlite")
    base.metadata.create_all(database.engines[0])
    return database


def _policy(policy_file: str | None) -> Policy:
    conf = cfg.ConfigOpts()
    conf([], project="netsched", default_config_files=[])
    return Policy(conf, policy_file)
