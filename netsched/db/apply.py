"""Applies a Plan: the one way from a decision to rows, whoever decided (invariants 5 and 6).

What the plan was based on may be past by now, so everything is read again inside the transaction, and what does not
hold any more is refused. What changes between that read and the write is caught by guards: the epochs of the slots,
the conditional UPDATE of the claims, UNIQUE(resource, agent).

A chunk costs 12 statements at most when all of it moves: begin, agents, slots, UPDATE of slots, interests, ports (2),
plan, decisions, claims, change log, commit. Two more if it has networks and routers, and up to four for each of both
where L2 agents must hear of the ports.
"""

from __future__ import annotations

import datetime
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netsched import errors
from netsched.db import binding, decision, placement
from netsched.db.agent import UNLIMITED, judged
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model import liveness, segment
from netsched.model.scheduling import FAILING, Assignment, Plan, SlotView, Snapshot

LOG = logging.getLogger(__name__)
CHUNK = 250  # assignments in a transaction: short enough for others to get in between, long enough to be cheap


@dataclass(frozen=True)
class Basis:
    """What the plan was made from. `record` turns an assignment into what is stored as its explanation."""

    snapshot: Snapshot
    snapshot_record: Mapping[str, Any]
    record: Callable[[Assignment], Mapping[str, Any]]


@dataclass(frozen=True)
class Refusal:
    assignment: Assignment
    reason: str


def beat_token(sent_at: datetime.datetime | None) -> str | None:
    """AgentView.beat: changes with every judged beat."""
    return sent_at.isoformat() if sent_at else None


def apply(database: Database, plan: Plan, basis: Basis, chunk: int = CHUNK) -> list[Refusal]:
    """Write the assignments, in one short transaction per chunk; returns those that do not hold any more."""
    application = _Application(database, basis)
    return [refusal for part in chunks(plan.assignments, chunk) for refusal in application.apply(part)]


def chunks(assignments: Sequence[Assignment], size: int) -> Iterator[list[Assignment]]:
    """Parts of at most `size`, in order, each with at most one slot of a resource (see placement.place)."""
    rest = list(assignments)
    while rest:
        part: dict[tuple[str, str], Assignment] = {}
        later = []
        for assignment in rest:
            key = _resource(assignment.request.slot)
            if len(part) < size and key not in part:
                part[key] = assignment
            else:
                later.append(assignment)
        yield list(part.values())
        rest = later


class _Application:
    def __init__(self, database: Database, basis: Basis) -> None:
        self._database = database
        self._basis = basis
        self._views = {view.id: view for view in basis.snapshot.agents}
        self._plan_id = str(uuid.uuid4())
        self._plan_written = False

    def apply(self, assignments: list[Assignment]) -> list[Refusal]:
        try:
            refusals = self._database.write(lambda tx: self._write(tx, assignments))
        except errors.Unavailable as lost:
            LOG.warning("%d placements not written: %s", len(assignments), lost)
            return [Refusal(assignment, str(lost)) for assignment in assignments]
        self._plan_written = self._plan_written or len(refusals) < len(assignments)
        return refusals

    def _write(self, tx: Transaction, assignments: list[Assignment]) -> list[Refusal]:
        agent_ids = {a.agent_id for a in assignments} | {a.request.moving_from or a.agent_id for a in assignments}
        check = _Check(
            self._views,
            placement.targets(tx.connection, agent_ids),
            placement.slots(tx.connection, {_resource(a.request.slot) for a in assignments}, locked=True),
        )
        refusals, held, placements = [], [], []
        for assignment in assignments:
            reason = check.refuse(assignment)
            if reason:
                refusals.append(Refusal(assignment, reason))
            else:
                held.append(assignment)
                placements.append(check.placement(assignment))
        if placements:
            placement.place(tx, placements)
            if not self._plan_written:
                decision.insert_plan(tx, self._plan_id, self._basis.snapshot_record)
            decision.insert(tx, [self._decision(a, p.epoch) for a, p in zip(held, placements, strict=True)])
            placement.claim_for(tx, placements)
        return refusals

    def _decision(self, assignment: Assignment, epoch: int) -> decision.Decision:
        slot = assignment.request.slot
        return decision.Decision(
            slot.resource_type,
            slot.resource_id,
            slot.slot,
            action="move" if assignment.request.moving_from else "place",
            epoch=epoch,
            agent_id=assignment.agent_id,
            plan_id=self._plan_id,
            record=self._basis.record(assignment),
        )


class _Check:
    """Does an assignment still hold, beside those before it in the same chunk?"""

    def __init__(
        self,
        views: Mapping[str, Any],
        targets: Mapping[str, placement.Target],
        slots: Mapping[tuple[str, str], list[dict[str, Any]]],
    ) -> None:
        self._views = views
        self._targets = targets
        self._slots = slots
        self._taken: dict[tuple[str, str], int] = {}

    def refuse(self, assignment: Assignment) -> str | None:
        """The reason, or None; then the demand counts as taken."""
        reason = self._slot_changed(assignment) or self._source_changed(assignment) or self._unfit(assignment)
        if reason is None:
            for resource_class, amount in self._row(assignment)["demand"].items():
                key = (assignment.agent_id, resource_class)
                self._taken[key] = self._taken.get(key, 0) + amount
        return reason

    def placement(self, assignment: Assignment) -> placement.Placement:
        rows = self._slots[_resource(assignment.request.slot)]
        target = self._targets[assignment.agent_id]
        epoch, failed_on = placement.next_epoch(rows), self._failed_on(assignment)
        return placement.Placement(self._row(assignment), target, epoch, tuple(assignment.alternates), failed_on)

    def _failed_on(self, assignment: Assignment) -> dict[str, str]:
        """Who has failed to apply it by now, since it last worked."""
        slot, row = assignment.request.slot, self._row(assignment)
        just_now = {row["agent_id"]: row["error"]} if row["agent_id"] and row["error"] else {}
        return {**slot.failed_on, **just_now}

    def _row(self, assignment: Assignment) -> dict[str, Any]:
        slot = assignment.request.slot
        return next(row for row in self._slots[_resource(slot)] if row["slot"] == slot.slot)

    def _slot_changed(self, assignment: Assignment) -> str | None:
        slot = assignment.request.slot
        rows = self._slots[_resource(slot)]
        row = next((row for row in rows if row["slot"] == slot.slot), None)
        if row is None or row["state"] == binding.IDLE:
            return "it is not wanted any more"
        if row["epoch"] != slot.epoch or row["agent_id"] != assignment.request.moving_from:
            return "somebody else has changed the slot meanwhile"
        if any(other["agent_id"] == assignment.agent_id for other in rows):
            return "the agent has got another replica of it meanwhile"
        return None

    def _source_changed(self, assignment: Assignment) -> str | None:
        source = assignment.request.moving_from
        if source is None or source not in self._targets:
            return None
        if assignment.request.cause == FAILING:
            return None if self._row(assignment)["error"] else "its agent has applied it by now"
        agent = self._targets[source]
        if agent.forced_down is not None:
            return None
        if beat_token(agent.sent_at) != self._views[source].beat:
            return "the agent it was to move from has been heard of"
        if judged(agent) is not liveness.State.DEAD:
            return "the agent it was to move from is not forced down any more"
        return None

    def _unfit(self, assignment: Assignment) -> str | None:
        target = self._targets.get(assignment.agent_id)
        if target is None:
            return "the agent has been deleted"
        if not target.admin_state_up:
            return "the agent has been disabled"
        state = judged(target)
        if state is not self._views[assignment.agent_id].state and state is not liveness.State.ALIVE:
            return f"the agent is {state.value} by now"
        request = assignment.request
        if request.cause == FAILING and assignment.agent_id in request.slot.failed_on:
            return "the agent has failed to apply it"  # also where an operator's list of filters forgets that
        missing = segment.missing(self._row(assignment)["requires"] or (), target.reaches)
        if missing:
            return f"the agent does not reach {', '.join(missing)}"
        for resource_class, amount in self._row(assignment)["demand"].items():
            taken = self._taken.get((assignment.agent_id, resource_class), 0)
            if taken + amount > target.free.get(resource_class, UNLIMITED):
                return f"the agent has no {resource_class} left"
        return None


def _resource(slot: SlotView) -> tuple[str, str]:
    return slot.resource_type, slot.resource_id
