"""Scheduling: the round that places what wants a place, and what operators ask and do about it.

A round is snapshot -> plan -> apply. What apply refuses (somebody was faster, an agent is gone) is planned again on a
new snapshot; what stays without a place stays open, with its reason on it.
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from netsched import errors
from netsched.db import agent as agents
from netsched.db import apply, dhcp_port, explanation, manual, network, snapshot, unplaced
from netsched.db.session import Database
from netsched.db.snapshot import Span
from netsched.model import liveness
from netsched.model.principal import Principal
from netsched.model.scheduling import Snapshot, Unplaced
from netsched.scheduler import engine, explain, profile, replay

LOG = logging.getLogger(__name__)
STALEMATES = 3  # rounds in a row in which everything was refused, before it is left to the next run
NETWORK = "network"
DHCP_AGENT = "DHCP agent"


@dataclass(frozen=True)
class SchedulingSettings:
    """`unbind_hold`: seconds for which a slot emptied by hand is left to the operator. `page`: slots per snapshot."""

    profile: profile.Settings = field(default_factory=profile.Settings)
    limits: liveness.Limits = field(default_factory=liveness.Limits)
    unbind_hold: float = 60.0
    page: int = snapshot.LIMIT
    chunk: int = apply.CHUNK


class SchedulingService:
    def __init__(
        self,
        database: Database,
        loaded: profile.Profile,
        settings: SchedulingSettings,
        trust: Callable[[], bool] = lambda: True,
    ) -> None:
        """`trust`: may this server believe that silent agents are dead? While it may not, nothing moves."""
        self._database = database
        self._profile = loaded
        self._settings = settings
        self._trust = trust

    def run_once(self) -> int:
        """Place what can be placed, then see to the ports that go with it. Returns how many were placed."""
        found = self._snapshot(Span())
        if len(found.slots) < self._settings.page:
            placed = self._settle(found, Span())
        else:
            # Servers that begin at different places seldom plan the same slots.
            start = (str(uuid.uuid4()), "", 0)
            placed = self._sweep(Span(after=start)) + self._sweep(Span(until=start))
        dhcp_port.reconcile(self._database)
        return placed

    def _sweep(self, span: Span) -> int:
        """All of the span, page by page."""
        placed = 0
        while True:
            found = self._snapshot(span)
            placed += self._settle(found, span)
            if len(found.slots) < self._settings.page:
                return placed
            span = Span(snapshot.key(found.slots[-1]), span.until)

    def _snapshot(self, span: Span) -> Snapshot:
        with self._database.read() as connection:
            return snapshot.take(connection, self._settings.limits, span, self._settings.page, self._trust())

    def _settle(self, found: Snapshot, span: Span) -> int:
        """One page, again and again while others interfere; then store why the rest is open."""
        placed = stalemates = 0
        while found.slots:
            settings = self._settings.profile
            if not self._trust():
                settings = replace(settings, move_from_dead=False)
            plan = engine.plan(found, self._profile, settings)
            refusals = apply.apply(self._database, plan, self._basis(found, settings), self._settings.chunk)
            done = len(plan.assignments) - len(refusals)
            placed += done
            stalemates = 0 if done else stalemates + 1
            left = plan.unplaced + tuple(Unplaced(r.assignment.request, {}, r.reason) for r in refusals)
            if not refusals or stalemates == STALEMATES:
                self._note(found, left)
                break
            found = self._snapshot(span)
        if placed:
            LOG.info("placed %d", placed)
        return placed

    def _basis(self, found: Snapshot, settings: profile.Settings) -> apply.Basis:
        hosts = explain.hosts(found)
        return apply.Basis(
            snapshot=found,
            snapshot_record=replay.to_json(found, settings),
            limits=self._settings.limits,
            record=lambda assignment: explain.record(assignment, found.seed, hosts),
        )

    def _note(self, found: Snapshot, left: tuple[Unplaced, ...]) -> None:
        hosts = explain.hosts(found)
        news = unplaced.note(self._database, left, lambda one: explain.record(one, found.seed, hosts))
        for reason, count in Counter(one.reason for one in news).items():
            LOG.warning("%d without a place: %s", count, reason)

    def dhcp_networks(self, principal: Principal, agent_id: str) -> list[dict[str, Any]]:
        """The networks that the agent holds. Raises AgentNotFound."""
        with self._database.read() as connection:
            self._agent(connection, agent_id)
            held = explanation.held_by(connection, NETWORK, agent_id)
            return sorted(network.by_ids(connection, held).values(), key=lambda found: str(found["id"]))

    def dhcp_agents(self, principal: Principal, network_id: str) -> list[dict[str, Any]]:
        """The agents that hold the network. Raises NetworkNotFound."""
        with self._database.read() as connection:
            self._network(connection, network_id)
            holders = explanation.holders_of(connection, NETWORK, network_id)
            return list(agents.by_ids(connection, self._settings.limits, holders).values())

    def bind(self, principal: Principal, agent_id: str, resource_type: str, resource_id: str) -> None:
        """Raises InvalidDHCPAgent, NetworkNotFound, NetworkHostedByDHCPAgent, NoCapacity."""
        with self._database.read() as connection:
            agent = self._agent(connection, agent_id)
            if agent["agent_type"] != DHCP_AGENT or not agent["admin_state_up"]:
                raise errors.InvalidDHCPAgent(id=agent_id)
            self._network(connection, resource_id)
        resource = (resource_type, resource_id)
        done = self._database.write(lambda tx: manual.bind(tx, resource, agent_id, {resource_type: 1}, principal))
        if done is None:
            raise errors.NetworkHostedByDHCPAgent(network_id=resource_id, agent_id=agent_id)
        LOG.info("%s %s bound to agent %s by user %s", *resource, agent_id, principal.user_id)

    def unbind(self, principal: Principal, agent_id: str, resource_type: str, resource_id: str) -> None:
        """The agent is barred from it until someone binds it there again.

        Raises AgentNotFound, NetworkNotFound, NetworkNotHostedByDhcpAgent.
        """
        with self._database.read() as connection:
            self._agent(connection, agent_id)
            self._network(connection, resource_id)
        resource = (resource_type, resource_id)
        hold = self._settings.unbind_hold
        if not self._database.write(lambda tx: manual.unbind(tx, resource, agent_id, hold, principal)):
            raise errors.NetworkNotHostedByDhcpAgent(network_id=resource_id, agent_id=agent_id)
        LOG.info("%s %s unbound from agent %s by user %s", *resource, agent_id, principal.user_id)

    def reasons(self, principal: Principal, resource_type: str, resource_id: str) -> dict[str, Any]:
        """{"binding_reasons": ...}: why the resource is where it is; see db/explanation.py. Raises NetworkNotFound."""
        with self._database.read() as connection:
            if resource_type == NETWORK:
                self._network(connection, resource_id)
            found = explanation.of(connection, resource_type, resource_id)
        return {"binding_reasons": {f"{resource_type}_id": resource_id, **found}}

    def _agent(self, connection: Any, agent_id: str) -> Mapping[str, Any]:
        found = agents.by_ids(connection, self._settings.limits, [agent_id])
        if agent_id not in found:
            raise errors.AgentNotFound(id=agent_id)
        return found[agent_id]

    @staticmethod
    def _network(connection: Any, network_id: str) -> None:
        if network_id not in network.by_ids(connection, [network_id]):
            raise errors.NetworkNotFound(id=network_id)
