"""Writes placements: what apply.py (a plan) and manual.py (an operator) have in common, set-wise and guarded."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from netsched.db import base, binding, claim, dhcp_port, interest, router_port
from netsched.db.agent import agent, agent_beat, agent_claim
from netsched.db.binding import binding as table
from netsched.db.transaction import Repeat, Transaction
from netsched.model import scope, segment


@dataclass(frozen=True)
class Target:
    """An agent as it is now. `sent_at` is when its newest judged beat was sent; `now` the database's time."""

    id: str
    agent_type: str
    host: str
    admin_state_up: bool
    reaches: tuple[str, ...]
    created_at: datetime.datetime
    sent_at: datetime.datetime | None
    lease: float | None
    forced_down: Mapping[str, str] | None
    now: datetime.datetime
    free: Mapping[str, int]  # per resource class; one that is absent is unlimited and has no claim row yet


@dataclass(frozen=True)
class Placement:
    """`row` is the slot as read in this transaction (a row of `binding`), `epoch` the one it is to have."""

    row: Mapping[str, Any]
    target: Target
    epoch: int
    alternates: tuple[str, ...] = ()
    failed_on: Mapping[str, str] = field(default_factory=dict)  # agents it is to leave alone, with what they said

    @property
    def scope(self) -> str:
        return scope.key(self.row["resource_type"], self.row["resource_id"])


def targets(connection: sa.Connection, agent_ids: Collection[str]) -> dict[str, Target]:
    """The agents as they are now, by id, in one statement; those that are gone are absent."""
    rows = connection.execute(
        sa.select(
            *(agent.c[name] for name in ("id", "agent_type", "host", "admin_state_up", "created_at", "capabilities")),
            *(agent.c.forced_down, agent_beat.c.sent_at, agent_beat.c.lease, base.now().label("now")),
            *(agent_claim.c.resource_class, (agent_claim.c.capacity - agent_claim.c.used).label("left")),
        )
        .outerjoin_from(agent, agent_beat, agent_beat.c.agent_id == agent.c.id)
        .outerjoin(agent_claim, agent_claim.c.agent_id == agent.c.id)
        .where(agent.c.id.in_(sorted(agent_ids)))
    ).mappings()
    found: dict[str, tuple[dict[str, Any], dict[str, int]]] = {}
    for row in rows:
        facts = dict(row)
        resource_class, left = facts.pop("resource_class"), facts.pop("left")
        facts["reaches"] = segment.reached(facts.pop("capabilities"))
        _, free = found.setdefault(facts["id"], (facts, {}))
        if resource_class is not None:
            free[resource_class] = left
    return {agent_id: Target(**facts, free=free) for agent_id, (facts, free) in found.items()}


def slots(
    connection: sa.Connection, resources: Collection[tuple[str, str]], locked: bool = False
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """All slots of each (resource_type, resource_id), in one statement.

    `locked` makes other schedulers wait here, in one order, instead of failing at the guards or in a deadlock. It is no
    guard: Galera and SQLite do without.
    """
    where = (
        table.c.resource_type.in_({kind for kind, _ in resources}),
        table.c.resource_id.in_(sorted({resource_id for _, resource_id in resources})),
    )
    wanted = sa.select(table).where(*where).order_by(table.c.resource_type, table.c.resource_id, table.c.slot)
    rows = connection.execute(wanted.with_for_update() if locked else wanted).mappings()
    found: dict[tuple[str, str], list[dict[str, Any]]] = {key: [] for key in resources}
    for row in rows:
        found.setdefault((row["resource_type"], row["resource_id"]), []).append(dict(row))
    return found


def next_epoch(rows: Sequence[Mapping[str, Any]]) -> int:
    """Above every epoch of the resource, not only of the slot.

    An agent may lose one slot of a resource and get another before it heard of either; its copy has one epoch.
    """
    return 1 + max(row["epoch"] for row in rows)


def place(tx: Transaction, placements: Sequence[Placement]) -> None:
    """Give each slot to its agent. At most one slot of a resource at a time: its id keys every CASE.

    Raises Repeat when somebody else has changed a slot or a claim since it was read, when an agent is gone, or has
    another slot of the resource by now: reading again will tell.
    """
    try:
        _write_slots(tx, placements)
        interest.grant(
            tx,
            held=[(p.target.id, p.scope, p.epoch) for p in placements],
            lost=[(p.row["agent_id"], p.scope, p.row["epoch"]) for p in placements if p.row["agent_id"]],
        )
    except exc.IntegrityError as error:
        raise Repeat("an agent was deleted or got another replica") from error
    placed = [(p.row, p.target.host) for p in placements]
    dhcp_port.follow(tx, placed)
    router_port.follow(tx, placed)
    for p in placements:
        binding.tell(tx, p.row["resource_type"], p.row["resource_id"])


def _write_slots(tx: Transaction, placements: Sequence[Placement]) -> None:
    def by_resource(name: str, value: Callable[[Placement], Any]) -> sa.ColumnElement[Any]:
        return base.by_key(table.c.resource_id, table.c[name], {p.row["resource_id"]: value(p) for p in placements})

    values = {
        "agent_id": by_resource("agent_id", lambda p: p.target.id),
        "epoch": by_resource("epoch", lambda p: p.epoch),
        "alternates": by_resource("alternates", lambda p: list(p.alternates)),
        "state": binding.BOUND,
        "bound_at": base.now(),
        **dict.fromkeys(binding.TOLD),
    }
    if any(p.failed_on for p in placements):
        values["failed_on"] = by_resource("failed_on", lambda p: dict(p.failed_on) or None)
    # The epoch grows with every change of holder and of state, so it guards them all.
    guard = [(p.row["resource_id"], p.row["slot"], p.row["epoch"]) for p in placements]
    where = (
        table.c.resource_type.in_({p.row["resource_type"] for p in placements}),
        table.c.resource_id.in_([p.row["resource_id"] for p in placements]),  # what MariaDB can use its index for
        sa.tuple_(table.c.resource_id, table.c.slot, table.c.epoch).in_(guard),
    )
    if tx.execute(sa.update(table).where(*where).values(values)).rowcount != len(placements):
        raise Repeat("a slot has changed")


def claim_for(tx: Transaction, placements: Sequence[Placement]) -> None:
    """Claim what the placements take of their agents, and give back what they free elsewhere.

    To be called last before the commit: every scheduler writes these few rows, and waits while another holds them.
    Raises Repeat when an agent has become full.
    """
    deltas: Counter[tuple[str, str]] = Counter()
    unknown = set()
    for p in placements:
        for resource_class, amount in p.row["demand"].items():
            deltas[p.target.id, resource_class] += amount
            if resource_class not in p.target.free:
                unknown.add((p.target.id, resource_class))
            if p.row["agent_id"]:
                deltas[p.row["agent_id"], resource_class] -= amount
    claim.open_rows(tx, sorted(unknown))
    if not claim.settle(tx, deltas):
        raise Repeat("an agent is full")
