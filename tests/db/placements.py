"""A world to place things in: agents, networks with subnets, and one scheduling round over them."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched.db import base, binding, change, manual, network, port_change, router, snapshot, subnet
from netsched.db import port as ports
from netsched.db.agent import UNLIMITED, agent, agent_beat, agent_claim
from netsched.db.apply import Basis, Refusal, apply
from netsched.db.interest import interest
from netsched.db.session import Database
from netsched.model import addressing, kinds
from netsched.model.liveness import Limits
from netsched.model.principal import Principal
from netsched.model.scheduling import Plan, Snapshot
from netsched.scheduler import engine, explain, profile, replay
from netsched.scheduler.filters import (
    admin_up,
    agent_type,
    alive,
    already_hosting,
    capacity,
    failed,
    mode,
    reach,
    zone_hints,
)
from netsched.scheduler.weighers import load, stickiness, zone_spread

DHCP = "DHCP agent"
LIMITS = Limits(interval=10, suspect_after=25, dead_after=40)
OPERATOR = Principal("anna", "ops", ("admin",), True, "req-1")
SETTINGS = profile.Settings()
LOADED = profile.assemble(
    SETTINGS,
    {
        "admin_up": admin_up.reject,
        "agent_type": agent_type.reject,
        "alive": alive.reject,
        "already_hosting": already_hosting.reject,
        "capacity": capacity.reject,
        "failed": failed.reject,
        "mode": mode.reject,
        "reach": reach.reject,
        "zone_hints": zone_hints.reject,
    },
    {"load": load.weigh, "stickiness": stickiness.weigh, "zone_spread": zone_spread.weigh},
)


class World:
    def __init__(self, database: Database, lease: float = LIMITS.dead_after) -> None:
        """`lease`: seconds without a beat (none comes by itself) after which an agent is dead."""
        self.database = database
        self.lease = lease
        self._vnis = itertools.count(1)
        database.write(lambda tx: change.start(tx, "incarnation-1"))

    def agent(
        self, host: str, kind: str = DHCP, zone: str = "nova", reaches: Sequence[str] = (), **capacity: int
    ) -> str:
        """An agent that has just been heard of; its id."""
        agent_id = str(uuid.uuid4())
        row = {
            "id": agent_id,
            "agent_type": kind,
            "host": host,
            "binary": "netsched-agent",
            "address": host,
            "zone": zone,
            "version": "1.0",
            "created_at": base.now(),
            "capabilities": {"reaches": list(reaches)},
            "configurations": {},
            "settings_mismatch": {},
        }
        claims = [{"agent_id": agent_id, "resource_class": k, "capacity": v, "used": 0} for k, v in capacity.items()]

        def work(tx: Any) -> None:
            tx.execute(sa.insert(agent).values(row))
            beat = {
                "agent_id": agent_id,
                "received_at": base.now(),
                "sent_at": base.now(),
                "load": {},
                "lease": self.lease,
            }
            tx.execute(sa.insert(agent_beat).values(beat))
            if claims:
                tx.execute(sa.insert(agent_claim).values(claims))

        self.database.write(work)
        return agent_id

    def silent(self, agent_id: str, seconds: float = 100) -> None:
        """The agent's newest beat was sent that long ago."""

        def work(tx: Any) -> None:
            long_ago = base.before_now(tx.connection, seconds)
            tx.execute(sa.update(agent_beat).where(agent_beat.c.agent_id == agent_id).values(sent_at=long_ago))

        self.database.write(work)

    def beat(self, agent_id: str) -> None:
        self.silent(agent_id, 0)

    def reaching(self, agent_id: str, reaches: Sequence[str]) -> None:
        """The agent reports that it reaches these segments."""
        values = {"capabilities": {"reaches": list(reaches)}}
        self.database.write(lambda tx: tx.execute(sa.update(agent).where(agent.c.id == agent_id).values(values)))

    def routers(self, count: int, requires: Sequence[str] = (), on: str | None = None, ports: int = 2) -> list[str]:
        """Routers that want an agent, each with a gateway and other ports; `on`: bound to that agent by hand."""
        ids = [str(uuid.uuid4()) for _ in range(count)]

        def work(tx: Any) -> None:
            router.insert_many(tx, [{"id": key, "name": "router", "project_id": "p"} for key in ids], {})
            networks = [self.network(tx) for _ in range(ports)]
            owners = ["network:router_gateway", *["network:router_interface"] * (ports - 1)]
            wanted = [
                {"network_id": network_id, "device_id": key, "device_owner": owner}
                for key in ids
                for network_id, owner in zip(networks, owners, strict=True)
            ]
            port_change.insert_many(tx, wanted)
            for key in ids:
                self.want_router(tx, key, requires)
                if on:
                    manual.bind(tx, ("router", key), on, {"router": 1}, OPERATOR, alone=True)

        self.database.write(work)
        return ids

    @staticmethod
    def want_router(tx: Any, router_id: str, requires: Sequence[str] = ()) -> None:
        binding.want(tx, "router", router_id, kinds.L3_AGENT, 1, {"router": 1}, (), requires)

    def network(self, tx: Any) -> str:
        """A VXLAN network that nobody needs placed."""
        segment = {"provider:network_type": "vxlan", "provider:segmentation_id": next(self._vnis)}
        return str(network.insert_many(tx, [{"name": "net", "project_id": "p", "mtu": 1450, **segment}])[0]["id"])

    def networks(self, count: int, replicas: int = 1, cidr: str | None = None) -> list[str]:
        """Networks that want DHCP; with a subnet each if a CIDR is given."""
        ids = [str(uuid.uuid4()) for _ in range(count)]

        def work(tx: Any) -> None:
            network.insert_many(tx, [{"id": key, "name": "net", "project_id": "p", "mtu": 1450} for key in ids])
            for key in ids:
                if cidr:
                    self._subnet(tx, key, cidr)
                binding.want(tx, "network", key, DHCP, replicas, {"network": 1}, ())

        self.database.write(work)
        return ids

    def subnet(self, network_id: str, cidr: str, **attributes: Any) -> str:
        """One more DHCP subnet, as the subnet service makes it."""

        def work(tx: Any) -> str:
            subnet_id = self._subnet(tx, network_id, cidr, **attributes)
            binding.want(tx, "network", network_id, DHCP, 1, {"network": 1}, ())
            return subnet_id

        return self.database.write(work)

    @staticmethod
    def _subnet(tx: Any, network_id: str, cidr: str, **attributes: Any) -> str:
        net = addressing.network(cidr, 6 if ":" in cidr else 4)
        gateway = addressing.default_gateway(net)
        wanted: dict[str, Any] = {
            "project_id": "p",
            "network_id": network_id,
            "ip_version": net.version,
            "cidr": cidr,
            "gateway_ip": gateway,
            "allocation_pools": addressing.pools_as_dicts(addressing.default_pools(net, gateway), net.version),
            "dns_nameservers": [],
            "host_routes": [],
            "enable_dhcp": True,
            "ipv6_ra_mode": None,
            "ipv6_address_mode": None,
            **attributes,
        }
        return str(subnet.insert_many(tx, [wanted])[0]["id"])

    def snapshot(self, **options: Any) -> Snapshot:
        with self.database.read() as connection:
            return snapshot.take(connection, **options)

    def plan(self, found: Snapshot) -> Plan:
        return engine.plan(found, LOADED, SETTINGS)

    def apply(self, found: Snapshot, plan: Plan, chunk: int = 250) -> list[Refusal]:
        hosts = explain.hosts(found)
        record = lambda assignment: explain.record(assignment, found.seed, hosts)  # noqa: E731
        return apply(self.database, plan, Basis(found, replay.to_json(found, SETTINGS), record), chunk)

    def round(self) -> list[Refusal]:
        found = self.snapshot()
        return self.apply(found, self.plan(found))

    def rows(self, table: sa.Table, *where: Any) -> list[Mapping[str, Any]]:
        order = list(table.primary_key.columns)
        with self.database.read() as connection:
            return [dict(row) for row in connection.execute(sa.select(table).where(*where).order_by(*order)).mappings()]

    def slots(self, resource_id: str) -> list[Mapping[str, Any]]:
        return self.rows(binding.binding, binding.binding.c.resource_id == resource_id)

    def holders(self, resource_id: str) -> list[str | None]:
        return [row["agent_id"] for row in self.slots(resource_id)]

    def used(self, agent_id: str) -> int:
        rows = self.rows(agent_claim, agent_claim.c.agent_id == agent_id)
        return sum(row["used"] for row in rows)

    def interests(self, scope: str) -> dict[str, tuple[str, int]]:
        """agent id -> (state, epoch)"""
        rows = self.rows(interest, interest.c.scope == scope)
        return {row["agent_id"]: (row["state"], row["epoch"]) for row in rows}

    def ports(self, network_id: str) -> list[Mapping[str, Any]]:
        with self.database.read() as connection:
            return ports.in_networks(connection, [network_id]).get(network_id, [])

    def check_claims(self) -> None:
        """What is claimed of every agent is what it holds, and fits."""
        held: dict[tuple[str, str], int] = {}
        for row in self.rows(binding.binding, binding.binding.c.agent_id.is_not(None)):
            for name, amount in row["demand"].items():
                held[row["agent_id"], name] = held.get((row["agent_id"], name), 0) + amount
        claims = self.rows(agent_claim)
        assert {(c["agent_id"], c["resource_class"]): c["used"] for c in claims if c["used"]} == held
        assert all(c["used"] <= c["capacity"] for c in claims if c["capacity"] < UNLIMITED)
