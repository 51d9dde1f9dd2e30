"""Scheduling: the round that places what wants a place, and what operators ask and do about it.

A round is snapshot -> brakes -> plan -> apply. What apply refuses (somebody was faster, an agent is gone) is planned
again on a new snapshot; what stays without a place stays open, with its reason on it.
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from netsched import errors
from netsched.clock import Clock, SystemClock
from netsched.db import agent as agents
from netsched.db import (
    apply,
    dhcp_port,
    explanation,
    manual,
    network,
    rebinding,
    router,
    router_port,
    snapshot,
    unplaced,
)
from netsched.db.session import Database
from netsched.db.snapshot import Span, Wanted
from netsched.model import brake, kinds
from netsched.model.principal import Principal
from netsched.model.scheduling import Plan, Snapshot, Unplaced
from netsched.scheduler import engine, explain, profile, replay
from netsched.server.services.brake import BrakeService
from netsched.server.services.rush import Rush
from netsched.server.services.turns import Turns
from netsched.tally import Tally

LOG = logging.getLogger(__name__)
STALEMATES = 3  # rounds in a row in which everything was refused, before it is left to the next run

Object = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """What operators bind by hand: how it is read, and what is refused with which error, as clients know them.

    `not_hosted` None: it is on one agent at most, and what is done already may be asked for again.
    """

    agent_type: str
    read: Callable[[Any, Iterable[str]], Mapping[str, Object]]  # those of the ids that exist
    not_found: type[errors.NetschedError]
    wrong_agent: type[errors.NetschedError]
    hosted: type[errors.NetschedError]
    not_hosted: type[errors.NetschedError] | None


KINDS: Mapping[str, Kind] = {
    "network": Kind(
        kinds.DHCP_AGENT,
        network.by_ids,
        errors.NetworkNotFound,
        errors.InvalidDHCPAgent,
        errors.NetworkHostedByDHCPAgent,
        errors.NetworkNotHostedByDhcpAgent,
    ),
    "router": Kind(
        kinds.L3_AGENT, router.by_ids, errors.RouterNotFound, errors.InvalidL3Agent, errors.RouterHostedByL3Agent, None
    ),
}


@dataclass(frozen=True)
class SchedulingSettings:
    """`unbind_hold`: seconds for which a slot emptied by hand is left to the operator. `page`: slots per snapshot.

    `max_moves`: per second.
    """

    profile: profile.Settings = field(default_factory=profile.Settings)
    unbind_hold: float = 60.0
    max_moves: float = 500.0
    page: int = snapshot.LIMIT
    chunk: int = apply.CHUNK


class SchedulingService:
    def __init__(
        self,
        database: Database,
        loaded: profile.Profile,
        settings: SchedulingSettings,
        trust: Callable[[], bool] = lambda: True,
        brakes: BrakeService | None = None,
        clock: Clock | None = None,
        rush: Rush | None = None,
    ) -> None:
        """`trust`: may this server believe that silent agents are dead? While it may not, only those move that somebody
        has forced down."""
        clock = clock or SystemClock()
        self._database = database
        self._profile = loaded
        self._settings = settings
        self._trust = trust
        self._brakes = brakes or BrakeService(database)
        self._turns = Turns(settings.max_moves, clock)
        self._rush = rush or Rush(clock)
        self._more = False  # moves wait for their turn, as far as this run has seen
        self.placements, self.refusals = Tally(), Tally()  # each by resource type and cause

    def run_once(self) -> int:
        """Place what can be placed, then see to the ports that go with it. Returns how many were placed."""
        wanted, self._more = self._wanted(), False
        found = self._snapshot(Span(), wanted)
        if len(found.slots) < self._settings.page:
            placed = self._settle(found, Span(), wanted)
        else:
            placed = self._sweeps(wanted)
        if wanted.moves and not self._more:
            self._rush.all_moved()
        dhcp_port.reconcile(self._database)
        router_port.reconcile(self._database)
        rebinding.reconcile(self._database)
        return placed

    def _wanted(self) -> Wanted:
        # Reading much in order to move little would cost more than the wait.
        return Wanted(self._trust(), self._turns.worth_it(), failing_after=self._settings.profile.move_failing_after)

    def _sweeps(self, wanted: Wanted) -> int:
        """More than a page. First what no other living agent holds, of everything: a page's order is its own."""
        # Servers that begin at different places seldom plan the same slots.
        start = (str(uuid.uuid4()), "", 0)
        passes = [replace(wanted, alone=True), wanted] if wanted.moves else [wanted]
        return sum(self._sweep(span, one) for one in passes for span in (Span(after=start), Span(until=start)))

    def _sweep(self, span: Span, wanted: Wanted) -> int:
        """All of the span, page by page."""
        placed = 0
        while True:
            found = self._snapshot(span, wanted)
            placed += self._settle(found, span, wanted)
            if len(found.slots) < self._settings.page:
                return placed
            span = Span(snapshot.key(found.slots[-1]), span.until)
            wanted = replace(wanted, moves=wanted.moves and self._turns.worth_it())
            if wanted.alone and not wanted.moves:
                return placed

    def _snapshot(self, span: Span, wanted: Wanted) -> Snapshot:
        """With the brakes as they are judged by it: kept first, so that no server moves what another one holds."""
        with self._database.read() as connection:
            found = snapshot.take(connection, wanted, span, self._settings.page)
        # Asked again after the look: a stop within it would make everybody look dead.
        found = replace(found, trusted=wanted.trust and self._trust())
        if found.trusted:
            judged = brake.judge(found.brakes, found.agents, found.now)
            self._brakes.keep(found.brakes, judged)
            found = replace(found, brakes=judged)
        return self._turns.limit(found)

    def _settle(self, found: Snapshot, span: Span, wanted: Wanted) -> int:
        """One page, again and again while others interfere; then store why the rest is open."""
        placed = stalemates = 0
        while found.slots:
            plan = engine.plan(found, self._profile, self._settings.profile)
            self._rush.begins(sum(one.request.moving_from is not None for one in plan.assignments))
            self._more = self._more or any(one.for_now for one in plan.unplaced)
            refusals = apply.apply(self._database, plan, self._basis(found), self._settings.chunk)
            done = len(plan.assignments) - len(refusals)
            placed += done
            self._count(found, plan, refusals)
            stalemates = 0 if done else stalemates + 1
            left = plan.unplaced + tuple(Unplaced(r.assignment.request, {}, r.reason) for r in refusals)
            if not refusals or stalemates == STALEMATES:
                self._note(found, left)
                break
            found = self._snapshot(span, wanted)
        if placed:
            LOG.info("networks and routers placed on agents: %d", placed)
        return placed

    def _count(self, found: Snapshot, plan: Plan, refusals: Sequence[apply.Refusal]) -> None:
        refused = {id(refusal.assignment) for refusal in refusals}
        moves = []
        for one in plan.assignments:
            tally = self.refusals if id(one) in refused else self.placements
            tally.add(one.request.slot.resource_type, one.request.cause or "new")
            if one.request.moving_from is not None and id(one) not in refused:
                moves.append(one.request)
        self._turns.take(found, moves)

    def _basis(self, found: Snapshot) -> apply.Basis:
        hosts = explain.hosts(found)
        return apply.Basis(
            snapshot=found,
            snapshot_record=replay.to_json(found, self._settings.profile),
            record=lambda assignment: explain.record(assignment, found.seed, hosts),
        )

    def _note(self, found: Snapshot, left: tuple[Unplaced, ...]) -> None:
        hosts = explain.hosts(found)
        lasting = [one for one in left if not one.for_now]
        news = unplaced.note(self._database, lasting, lambda one: explain.record(one, found.seed, hosts))
        for reason, count in Counter(one.reason for one in news).items():
            LOG.warning("networks and routers without an agent: %d (%s)", count, reason)

    def held(self, principal: Principal, resource_type: str, agent_id: str) -> list[Object]:
        """The networks, or routers, that the agent holds. Raises AgentNotFound."""
        with self._database.read() as connection:
            self._agent(connection, agent_id)
            held = explanation.held_by(connection, resource_type, agent_id)
            return sorted(KINDS[resource_type].read(connection, held).values(), key=lambda found: str(found["id"]))

    def holders(self, principal: Principal, resource_type: str, resource_id: str) -> list[Object]:
        """The agents that hold it. Raises NetworkNotFound, RouterNotFound."""
        with self._database.read() as connection:
            self._check_exists(connection, resource_type, resource_id)
            holders = explanation.holders_of(connection, resource_type, resource_id)
            return list(agents.by_ids(connection, holders).values())

    def bind(self, principal: Principal, agent_id: str, resource_type: str, resource_id: str) -> None:
        """Raises AgentNotFound, AgentCannotReach, NoCapacity, and the errors of its Kind."""
        kind = KINDS[resource_type]
        with self._database.read() as connection:
            agent = self._agent(connection, agent_id)
            if agent["agent_type"] != kind.agent_type or not agent["admin_state_up"]:
                raise kind.wrong_agent(id=agent_id)
            self._check_exists(connection, resource_type, resource_id)
        resource, demand = (resource_type, resource_id), {resource_type: 1}
        alone = kind.not_hosted is None
        holder = self._database.write(lambda tx: manual.bind(tx, resource, agent_id, demand, principal, alone))
        if holder is None:
            self.placements.add(resource_type, "operator")
            LOG.info("%s %s bound to agent %s by user %s", *resource, agent_id, principal.user_id)
        elif holder != agent_id or not alone:
            raise kind.hosted(agent_id=holder, **{f"{resource_type}_id": resource_id})

    def unbind(self, principal: Principal, agent_id: str, resource_type: str, resource_id: str) -> None:
        """The agent is barred from it until someone binds it there again.

        Raises AgentNotFound, and the errors of its Kind.
        """
        kind = KINDS[resource_type]
        with self._database.read() as connection:
            self._agent(connection, agent_id)
            self._check_exists(connection, resource_type, resource_id)
        resource = (resource_type, resource_id)
        hold = self._settings.unbind_hold
        if self._database.write(lambda tx: manual.unbind(tx, resource, agent_id, hold, principal)):
            LOG.info("%s %s unbound from agent %s by user %s", *resource, agent_id, principal.user_id)
        elif kind.not_hosted is not None:
            raise kind.not_hosted(agent_id=agent_id, **{f"{resource_type}_id": resource_id})

    def reasons(self, principal: Principal, resource_type: str, resource_id: str) -> Object:
        """{"binding_reasons": ...}: why it is where it is; see db/explanation.py. Raises what `holders` raises."""
        with self._database.read() as connection:
            self._check_exists(connection, resource_type, resource_id)
            found = explanation.of(connection, resource_type, resource_id)
        return {"binding_reasons": {f"{resource_type}_id": resource_id, **found}}

    def _agent(self, connection: Any, agent_id: str) -> Mapping[str, Any]:
        found = agents.by_ids(connection, [agent_id])
        if agent_id not in found:
            raise errors.AgentNotFound(id=agent_id)
        return found[agent_id]

    @staticmethod
    def _check_exists(connection: Any, resource_type: str, resource_id: str) -> None:
        kind = KINDS[resource_type]
        if resource_id not in kind.read(connection, [resource_id]):
            raise kind.not_found(id=resource_id)
