"""Takes the scheduler's Snapshot: what needs a decision, and what a decision may depend on.

Work is in proportion to what needs doing: slots are found by their state, by their agent's silence or by its failure to
apply them, and agents are read only when there is such a slot. With nothing to do it costs three statements. What a
brake holds is not read either: it may be much, and for long.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched.db import base, binding
from netsched.db import brake as brakes
from netsched.db.agent import UNLIMITED, agent, agent_beat, agent_claim, lease_of, unheard_of
from netsched.db.apply import beat_token
from netsched.db.binding import bar
from netsched.db.binding import binding as table
from netsched.db.brake import brake
from netsched.db.interest import applied
from netsched.model import scope, segment
from netsched.model.scheduling import AgentView, SlotView, Snapshot

Key = tuple[str, str, int]  # resource id, resource type, slot: ids are random, so servers can begin anywhere

LIMIT = 2000  # slots in one snapshot: bounds the memory of a round and the size of what is stored of it
ORDER = (table.c.resource_id, table.c.resource_type, table.c.slot)


@dataclass(frozen=True)
class Span:
    """Slots beyond `after`, up to and including `until`; None: no bound."""

    after: Key | None = None
    until: Key | None = None


@dataclass(frozen=True)
class Wanted:
    """What to look for. Without `trust` in what this server has heard, no agent's silence makes work; those that are
    forced down are dead all the same.

    `moves`: slots to be moved as well, not only those without a holder. `alone`: only such moves, and of them only
    those of resources that no other living agent holds. `failing_after`: seconds of error after which a slot is to be
    moved, 0 for never.
    """

    trust: bool = True
    moves: bool = True
    alone: bool = False
    failing_after: float = 0.0


def take(connection: sa.Connection, wanted: Wanted = Wanted(), span: Span = Span(), limit: int = LIMIT) -> Snapshot:
    """The first `limit` slots of the span that need work, and the agents that may take them.

    A round over everything repeats this from key(snapshot.slots[-1]) on until fewer than `limit` come back.
    """
    now = connection.execute(sa.select(base.now())).scalar_one()
    seed = str(uuid.uuid4())
    rows = _slots(connection, wanted, span, limit)
    if not rows:
        return Snapshot(now=now, seed=seed, agents=(), slots=(), trusted=wanted.trust)
    types = {row["agent_type"] for row in rows}
    agents = _agents(connection, types)
    siblings, barred = _neighbours(connection, rows)
    failed_on = _failed_on(connection, rows)
    slots = tuple(_slot_view(row, siblings, barred, failed_on) for row in rows)
    on = tuple(brakes.list_(connection, types)) if any(row["agent_id"] for row in rows) else ()
    return Snapshot(now=now, seed=seed, agents=agents, slots=slots, brakes=on, trusted=wanted.trust)


def key(slot: SlotView) -> Key:
    return slot.resource_id, slot.resource_type, slot.slot


def _slots(connection: sa.Connection, wanted: Wanted, span: Span, limit: int) -> list[sa.RowMapping]:
    """Slots without a holder, and those to be moved; extras stay where an operator put them."""
    within = sa.and_(
        sa.true() if span.after is None else sa.tuple_(*ORDER) > sa.tuple_(*span.after),
        sa.true() if span.until is None else sa.tuple_(*ORDER) <= sa.tuple_(*span.until),
    )
    queries = [] if wanted.alone else [sa.select(table).where(table.c.state == binding.UNBOUND, within)]
    if wanted.moves:
        queries.append(_to_move(connection, wanted, within))
    rows = [row for query in queries for row in connection.execute(query.order_by(*ORDER).limit(limit)).mappings()]
    return sorted(rows, key=lambda row: (row["resource_id"], row["resource_type"], row["slot"]))[:limit]


def _to_move(connection: sa.Connection, wanted: Wanted, within: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Only narrows down what model/liveness.py and scheduler/reconcile.py then judge.

    Two ways to the keys, so that each has its index: the few agents that are silent, the few slots in error.
    """
    held = (table.c.state == binding.BOUND, table.c.extra.is_(False), within)
    keys = sa.select(*ORDER)
    gone = keys.join(agent, agent.c.id == table.c.agent_id).outerjoin(agent_beat, agent_beat.c.agent_id == agent.c.id)
    ways = gone.where(_gone(connection, wanted.trust), *held)
    if wanted.failing_after:
        since = base.before_now(connection, wanted.failing_after)
        found = sa.union(ways, keys.where(table.c.error_since <= since, *held)).subquery("found")
    else:
        found = ways.subquery("found")
    query = sa.select(table).join(found, sa.and_(*(found.c[column.name] == column for column in ORDER)))
    return query.where(~_held_elsewhere(connection)) if wanted.alone else query


def _gone(connection: sa.Connection, trust: bool) -> sa.ColumnElement[bool]:
    """Of an agent, joined with its beat. Nobody heard of for a lease can be anything but dead."""
    forced_down = agent.c.forced_down.is_not(None)
    if not trust:
        return forced_down
    holding = sa.exists().where(
        brake.c.zone == agent.c.zone,
        brake.c.agent_type == agent.c.agent_type,
        brake.c.engaged_at.is_not(None),
        brake.c.released.is_(None),
    )
    return sa.or_(forced_down, sa.and_(unheard_of(connection), ~holding))


def _held_elsewhere(connection: sa.Connection) -> sa.ColumnElement[bool]:
    other, holder, beat = table.alias("other"), agent.alias("holder"), agent_beat.alias("holders_beat")
    return sa.exists().where(
        other.c.resource_type == table.c.resource_type,
        other.c.resource_id == table.c.resource_id,
        other.c.slot != table.c.slot,
        holder.c.id == other.c.agent_id,
        beat.c.agent_id == holder.c.id,
        holder.c.forced_down.is_(None),
        beat.c.sent_at > base.before_now(connection, lease_of(beat)),
    )


def _agents(connection: sa.Connection, types: Collection[str]) -> tuple[AgentView, ...]:
    """All agents of these types, with their claims."""
    of_types = agent.c.agent_type.in_(sorted(types))
    claims: dict[str, list[Any]] = {}
    for row in connection.execute(
        sa.select(agent_claim).join(agent, agent.c.id == agent_claim.c.agent_id).where(of_types)
    ):
        claims.setdefault(row.agent_id, []).append(row)
    beat = [agent_beat.c[name] for name in ("sent_at", "load", "lease", "present_since")]
    rows = connection.execute(
        sa.select(agent, *beat, base.now().label("now"))
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
            capacity={c.resource_class: c.capacity for c in claims.get(row.id, ()) if c.capacity < UNLIMITED},
            used={c.resource_class: c.used for c in claims.get(row.id, ()) if c.used},
            load=float((row.load or {}).get("busy", 0.0)),
            beat=beat_token(row.sent_at),
            mode=row.capabilities.get("mode", "active"),
            reaches=segment.reached(row.capabilities),
            **brakes.seen(row),
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


def _failed_on(connection: sa.Connection, rows: list[sa.RowMapping]) -> dict[Key, dict[str, str]]:
    """Who failed before the holder. Forgotten once the holder has had it in force: then it worked. One statement where
    there is such a slot, else none."""
    told = [row for row in rows if row["failed_on"]]
    if not told:
        return {}
    scopes = {scope.key(row["resource_type"], row["resource_id"]) for row in told}
    columns = (applied.c.agent_id, applied.c.scope, applied.c.epoch)
    worked = (applied.c.scope.in_(sorted(scopes)), applied.c.position > 0)
    in_force = {tuple(row) for row in connection.execute(sa.select(*columns).where(*worked))}
    return {
        (row["resource_id"], row["resource_type"], row["slot"]): row["failed_on"]
        for row in told
        if (row["agent_id"], scope.key(row["resource_type"], row["resource_id"]), row["epoch"]) not in in_force
    }


def _slot_view(
    row: sa.RowMapping,
    holders: Mapping[tuple[str, str], list[tuple[int, str]]],
    barred: Mapping[tuple[str, str], list[str]],
    failed_on: Mapping[Key, Mapping[str, str]],
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
        error=row["error"],
        error_since=row["error_since"],
        failed_on=failed_on.get((row["resource_id"], row["resource_type"], row["slot"]), {}),
    )
