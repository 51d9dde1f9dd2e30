"""Takes the scheduler's Snapshot: what needs a decision, and what a decision may depend on.

Work is in proportion to what needs doing: slots are found by their state or by their agent's silence, and agents are
read only when there is such a slot. With nothing to do it costs three statements.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched.db import base, binding
from netsched.db.agent import UNLIMITED, agent, agent_beat, agent_claim
from netsched.db.apply import beat_token
from netsched.db.binding import bar
from netsched.db.binding import binding as table
from netsched.model import liveness, segment
from netsched.model.scheduling import AgentView, SlotView, Snapshot

Key = tuple[str, str, int]  # resource id, resource type, slot: ids are random, so servers can begin anywhere

LIMIT = 1000  # slots in one snapshot: bounds the memory of a round and the size of what is stored of it


@dataclass(frozen=True)
class Span:
    """Slots beyond `after`, up to and including `until`; None: no bound."""

    after: Key | None = None
    until: Key | None = None


def take(
    connection: sa.Connection, limits: liveness.Limits, span: Span = Span(), limit: int = LIMIT, trust: bool = True
) -> Snapshot:
    """The first `limit` slots of the span that need work, and the agents that may take them.

    A round over everything repeats this from key(snapshot.slots[-1]) on until fewer than `limit` come back. Without
    `trust` in what this server has heard, no agent's silence makes work.
    """
    now = connection.execute(sa.select(base.now())).scalar_one()
    rows = _slots(connection, limits, span, limit, trust)
    if not rows:
        return Snapshot(now=now, seed=str(uuid.uuid4()), agents=(), slots=())
    agents = _agents(connection, limits, {row["agent_type"] for row in rows}, now)
    siblings, barred = _neighbours(connection, rows)
    slots = tuple(_slot_view(row, siblings, barred) for row in rows)
    return Snapshot(now=now, seed=str(uuid.uuid4()), agents=agents, slots=slots)


def key(slot: SlotView) -> Key:
    return slot.resource_id, slot.resource_type, slot.slot


def _slots(
    connection: sa.Connection, limits: liveness.Limits, span: Span, limit: int, trust: bool
) -> list[sa.RowMapping]:
    """Slots without a holder, and those whose holder is dead; extras stay where an operator put them."""
    order = (table.c.resource_id, table.c.resource_type, table.c.slot)
    within = sa.and_(
        sa.true() if span.after is None else sa.tuple_(*order) > sa.tuple_(*span.after),
        sa.true() if span.until is None else sa.tuple_(*order) <= sa.tuple_(*span.until),
    )
    unbound = sa.select(table).where(table.c.state == binding.UNBOUND, within)
    # Only narrows down what model/liveness.py then judges: nobody heard of since then can be anything but dead.
    silent_since = base.before_now(connection, limits.dead_after)
    heard = sa.func.coalesce(agent_beat.c.sent_at, agent.c.created_at)
    silent = (
        sa.select(table)
        .join(agent, agent.c.id == table.c.agent_id)
        .outerjoin(agent_beat, agent_beat.c.agent_id == agent.c.id)
        .where(heard <= silent_since, table.c.state == binding.BOUND, table.c.extra.is_(False), within)
    )
    rows = [
        row
        for query in ((unbound, silent) if trust else (unbound,))
        for row in connection.execute(query.order_by(*order).limit(limit)).mappings()
    ]
    return sorted(rows, key=lambda row: (row["resource_id"], row["resource_type"], row["slot"]))[:limit]


def _agents(
    connection: sa.Connection, limits: liveness.Limits, types: Collection[str], now: Any
) -> tuple[AgentView, ...]:
    """All agents of these types, with their claims."""
    of_types = agent.c.agent_type.in_(sorted(types))
    claims: dict[str, list[Any]] = {}
    for row in connection.execute(
        sa.select(agent_claim).join(agent, agent.c.id == agent_claim.c.agent_id).where(of_types)
    ):
        claims.setdefault(row.agent_id, []).append(row)
    rows = connection.execute(
        sa.select(agent, agent_beat.c.sent_at, agent_beat.c.load)
        .outerjoin_from(agent, agent_beat, agent_beat.c.agent_id == agent.c.id)
        .where(of_types)
        .order_by(agent.c.id)
    )
    return tuple(
        AgentView(
            id=row.id,
            agent_type=row.agent_type,
            host=row.host,
            zone=row.zone,
            state=liveness.state(row.sent_at, row.created_at, now, limits),
            admin_state_up=row.admin_state_up,
            capacity={c.resource_class: c.capacity for c in claims.get(row.id, ()) if c.capacity < UNLIMITED},
            used={c.resource_class: c.used for c in claims.get(row.id, ()) if c.used},
            load=float((row.load or {}).get("busy", 0.0)),
            beat=beat_token(row.sent_at),
            mode=row.capabilities.get("mode", "active"),
            reaches=segment.reached(row.capabilities),
        )
        for row in rows
    )


def _neighbours(
    connection: sa.Connection, rows: list[sa.RowMapping]
) -> tuple[dict[tuple[str, str], list[tuple[int, str]]], dict[tuple[str, str], list[str]]]:
    """Who holds which slot of these resources, and who is barred from them."""
    types = sorted({row["resource_type"] for row in rows})
    ids = sorted({row["resource_id"] for row in rows})
    holders: dict[tuple[str, str], list[tuple[int, str]]] = {}
    held = (table.c.resource_type.in_(types), table.c.resource_id.in_(ids), table.c.agent_id.is_not(None))
    columns = (table.c.resource_type, table.c.resource_id, table.c.slot, table.c.agent_id)
    for row in connection.execute(sa.select(*columns).where(*held)):
        holders.setdefault((row.resource_type, row.resource_id), []).append((row.slot, row.agent_id))
    barred: dict[tuple[str, str], list[str]] = {}
    for row in connection.execute(sa.select(bar).where(bar.c.resource_type.in_(types), bar.c.resource_id.in_(ids))):
        barred.setdefault((row.resource_type, row.resource_id), []).append(row.agent_id)
    return holders, barred


def _slot_view(
    row: sa.RowMapping,
    holders: Mapping[tuple[str, str], list[tuple[int, str]]],
    barred: Mapping[tuple[str, str], list[str]],
) -> SlotView:
    resource = (row["resource_type"], row["resource_id"])
    return SlotView(
        resource_type=row["resource_type"],
        resource_id=row["resource_id"],
        slot=row["slot"],
        agent_type=row["agent_type"],
        agent_id=row["agent_id"],
        epoch=row["epoch"],
        demand=row["demand"],
        zone_hints=tuple(row["zone_hints"]),
        requires=tuple(row["requires"] or ()),
        hold_until=row["hold_until"],
        siblings=tuple(agent_id for slot, agent_id in sorted(holders.get(resource, ())) if slot != row["slot"]),
        barred=tuple(sorted(barred.get(resource, ()))),
        alternates=tuple(row["alternates"]),
    )
