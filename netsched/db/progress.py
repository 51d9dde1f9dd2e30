"""Is it in force? What still stands between committed changes of some scopes and the machines that they are for.

Three things may: a slot that has no agent, or whose own ports are not made yet; a change that no relay has sent; an
agent that has not acknowledged. They are read in this order, each from its own small set (open slots, unsent rows,
interests behind), so that what is done meanwhile is never missed: who does the first leaves a row of the next.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from netsched.db import base, query
from netsched.db.agent import agent, agent_beat, judged
from netsched.db.binding import UNBOUND, binding
from netsched.db.change import log
from netsched.db.interest import RELEASED, applied, interest
from netsched.model import scope as scopes
from netsched.model.liveness import State

BATCH = 500  # scopes in one statement
STUCK = 3.0  # s after which a row that is not sent is no longer just on its way
MANY = 1000  # entries of one answer at most


@dataclass(frozen=True)
class Late:
    """Who or what is late with a scope. `agent_id` None: there is no agent for it yet, or nobody was told yet.

    `since`: in the database's time, None when not known. `reason` is for administrators, `plain` names no hosts.
    `dead_end`: a dead agent that has lost the scope. It cannot be told, so nobody should wait for it, but what it left
    behind may still be working there.
    """

    scope: str
    reason: str
    plain: str
    since: datetime.datetime | None = None
    age: float | None = None  # s
    agent_id: str | None = None
    host: str | None = None
    agent_type: str | None = None
    position: int | None = None  # where the agent's copy must get to
    applied: int | None = None  # what it last acknowledged; None: nothing
    dead_end: bool = False


@dataclass(frozen=True)
class Progress:
    """`open_slots`: the scheduler has work with these. `unstamped`: lowest and highest id of log rows without a
    position, None when there are none; what is written later has a higher one."""

    late: tuple[Late, ...]
    open_slots: bool
    unstamped: tuple[int, int] | None


def of(connection: sa.Connection, wanted: Collection[str], targets: Mapping[str, int] | None = None) -> Progress:
    """How these scopes are: three statements for each 500 of them.

    `targets` {scope: position}: who has acknowledged that much is not late, whatever came after. None: everything.
    """
    late: dict[tuple[str, str | None, str], Late] = {}
    open_slots, first, last = False, None, 0
    for batch in query.batches(sorted(wanted), BATCH):
        slots = _slots(connection, batch)
        open_slots = open_slots or any(not one.failing for one in slots)
        unsent = _unsent(connection, batch)
        stuck = _stuck(unsent)
        faults = {(one.late.scope, one.late.agent_id): one.late for one in slots if one.failing}
        for one in slots:
            late[one.late.scope, one.late.agent_id, one.late.reason] = one.late
        for row in unsent:
            if row.first is not None and targets is None:
                first, last = min(first or row.first, row.first), max(last, row.last)
                late[row.scope, None, "unsent"] = _not_sent(row, row.scope in stuck)
        behind = _behind(interest.c.scope.in_(batch), targets)
        for row in connection.execute(behind.order_by(interest.c.scope, interest.c.agent_id).limit(MANY)):
            fault = faults.get((row.scope, row.agent_id))
            if fault is not None:
                late.pop((row.scope, row.agent_id, fault.reason), None)
            late[row.scope, row.agent_id, "interest"] = _late(row, fault, row.scope in stuck)
    return Progress(tuple(late.values()), open_slots, None if first is None else (first, last))


def of_agent(connection: sa.Connection, agent_id: str) -> list[Late]:
    """What the agent is behind with, the longest wait first, `MANY` at most. Three statements."""
    behind = _behind(interest.c.agent_id == agent_id, None)
    rows = connection.execute(behind.order_by(interest.c.behind_since, interest.c.scope).limit(MANY)).all()
    failing = sa.and_(binding.c.agent_id == agent_id, binding.c.error.is_not(None))
    faults = {one.late.scope: one.late for one in _slots_where(connection, failing)}
    stuck = _stuck(_unsent(connection, [row.scope for row in rows]))
    late = {row.scope: _late(row, faults.get(row.scope), row.scope in stuck) for row in rows}
    return [*late.values(), *(fault for scope, fault in faults.items() if scope not in late)]


# Slots


@dataclass(frozen=True)
class _Slot:
    """`failing`: it is where it should be, and its agent cannot apply it; otherwise the scheduler has work with it."""

    failing: bool
    late: Late


def _slots(connection: sa.Connection, batch: Iterable[str]) -> list[_Slot]:
    by_type: dict[str, list[str]] = {}
    for one in batch:
        scope_type, id_ = scopes.split(one)
        by_type.setdefault(scope_type, []).append(id_)
    these = [
        sa.and_(binding.c.resource_type == scope_type, binding.c.resource_id.in_(ids))
        for scope_type, ids in sorted(by_type.items())
    ]
    open_ = (binding.c.state == UNBOUND, binding.c.ports_due_at.is_not(None), binding.c.error.is_not(None))
    return _slots_where(connection, sa.and_(sa.or_(*these), sa.or_(*open_)))


def _slots_where(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[_Slot]:
    names = ("resource_type", "resource_id", "slot", "agent_type", "agent_id", "state", "reason", "error")
    columns = [binding.c[name] for name in (*names, "error_since", "ports_due_at")]
    rows = connection.execute(
        sa.select(*columns, agent.c.host, base.now().label("now"))
        .outerjoin_from(binding, agent, agent.c.id == binding.c.agent_id)
        .where(where)
        .order_by(binding.c.resource_type, binding.c.resource_id, binding.c.slot)
        .limit(MANY)
    )
    return [_slot(row) for row in rows]


def _slot(row: Any) -> _Slot:
    late = Late(
        scope=scopes.key(row.resource_type, row.resource_id),
        reason="the ports that go with it are not ready" + (f": {row.reason}" if row.reason else ""),
        plain="the ports that go with it are not ready",
        agent_id=row.agent_id,
        host=row.host,
        agent_type=row.agent_type,
    )
    if row.state == UNBOUND:
        why = row.reason or "the scheduler has not got to it"
        late = replace(late, reason=f"no agent: {why}", plain="no agent yet")
    failing = row.ports_due_at is None and row.state != UNBOUND
    if failing:
        age = _seconds(row.now, row.error_since)
        late = replace(late, reason=f"fails: {row.error}", plain="fails", since=row.error_since, age=age)
    return _Slot(failing, late)


# Rows of the log


def _unsent(connection: sa.Connection, batch: Iterable[str]) -> list[Any]:
    """(scope, first, last, since, now) of scopes with rows that are not sent; `first`, `last`: ids without position."""
    new = sa.case((log.c.position.is_(None), log.c.id))
    return list(
        connection.execute(
            sa.select(log.c.scope, sa.func.min(new).label("first"), sa.func.max(new).label("last"))
            .add_columns(sa.func.min(log.c.created_at).label("since"), base.now().label("now"))
            .where(log.c.sent.is_(sa.false()), log.c.scope.in_(sorted(batch)))
            .group_by(log.c.scope)
        )
    )


def _stuck(rows: Iterable[Any]) -> set[str]:
    return {row.scope for row in rows if (_seconds(row.now, row.since) or 0.0) > STUCK}


def _not_sent(row: Any, stuck: bool) -> Late:
    reason = "not yet sent: no server has taken it up; see `netsched status`" if stuck else "not yet sent"
    return Late(row.scope, reason, "not yet sent", row.since, _seconds(row.now, row.since))


# Agents


def _behind(where: sa.ColumnElement[bool], targets: Mapping[str, int] | None) -> sa.Select[Any]:
    columns = [interest.c[name] for name in ("agent_id", "scope", "epoch", "state", "position", "behind_since")]
    acknowledged = sa.and_(applied.c.agent_id == interest.c.agent_id, applied.c.scope == interest.c.scope)
    wanted = (
        sa.select(*columns, applied.c.position.label("applied"), agent.c.host, agent.c.agent_type)
        .add_columns(agent.c.created_at, agent.c.forced_down, agent_beat.c.sent_at, agent_beat.c.lease)
        .add_columns(agent_beat.c.last_error, base.now().label("now"))
        .select_from(interest)
        .join(agent, agent.c.id == interest.c.agent_id)
        .outerjoin(agent_beat, agent_beat.c.agent_id == interest.c.agent_id)
        .outerjoin(applied, acknowledged)
        .where(where, interest.c.behind_since.is_not(None))
    )
    if targets is None:
        return wanted
    known = dict(targets) or {"": 0}
    target = sa.case(known, value=interest.c.scope, else_=interest.c.position)
    far_enough = sa.and_(applied.c.epoch == interest.c.epoch, applied.c.position >= target)
    unacknowledged = sa.or_(applied.c.agent_id.is_(None), sa.not_(far_enough))
    return wanted.where(sa.or_(interest.c.state == RELEASED, unacknowledged))


def _late(row: Any, fault: Late | None, stuck: bool) -> Late:
    released, state = row.state == RELEASED, judged(row)
    reason, plain = _reason(row, state, fault, stuck)
    if released:
        reason, plain = f"has not yet removed it: {reason}", "has not yet removed it"
    return Late(
        scope=row.scope,
        reason=reason,
        plain=plain,
        since=row.behind_since,
        age=_seconds(row.now, row.behind_since),
        agent_id=row.agent_id,
        host=row.host,
        agent_type=row.agent_type,
        position=row.position,
        applied=row.applied,
        dead_end=released and state is State.DEAD,
    )


def _reason(row: Any, state: State, fault: Late | None, stuck: bool) -> tuple[str, str]:
    """For administrators, and for others."""
    if row.forced_down is not None:
        return f"the agent is forced down since {row.forced_down.get('at', 'some time')}", "its agent is down"
    if state in (State.DEAD, State.SUSPECT):
        since = base.timestamp(row.sent_at or row.created_at)
        return f"the agent is {state.value}, unheard of since {since}", "its agent is silent"
    if fault is not None:
        return fault.reason, fault.plain
    if stuck:
        return "not yet sent: the relay waits for the message broker", "not yet sent"
    if row.last_error:
        return f"on its way; the agent's last error: {row.last_error}", "on its way"
    return "on its way", "on its way"


def _seconds(now: datetime.datetime, since: datetime.datetime | None) -> float | None:
    return max(0.0, round((now - since).total_seconds(), 1)) if since else None
