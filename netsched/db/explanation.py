"""Reads why a resource is where it is, or nowhere: its slots, each with its newest decision, and what led there."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched.db import base, binding
from netsched.db.agent import agent, agent_beat, judged
from netsched.db.binding import binding as table
from netsched.db.brake import brake
from netsched.db.decision import decision
from netsched.model.brake import Brake
from netsched.model.liveness import State

HISTORY = 100  # decisions; older ones are in the table until purged
ABOUT_AGENTS = "agent"
_HOLDER = (agent.c.host, agent.c.created_at, agent.c.forced_down, agent_beat.c.sent_at, agent_beat.c.lease)
_BRAKE = [brake.c[name] for name in ("zone", "agent_type", "engaged_at", "silent", "total", "released")]


def held_by(connection: sa.Connection, resource_type: str, agent_id: str) -> list[str]:
    """Ids of the resources of that type which the agent holds."""
    where = (table.c.agent_id == agent_id, table.c.resource_type == resource_type)
    return list(connection.execute(sa.select(table.c.resource_id).where(*where)).scalars())


def holders_of(connection: sa.Connection, resource_type: str, resource_id: str) -> list[str]:
    """Ids of the agents that hold the resource."""
    held = (binding.of(resource_type, resource_id), table.c.agent_id.is_not(None))
    return list(connection.execute(sa.select(table.c.agent_id).where(*held)).scalars())


def of(connection: sa.Connection, resource_type: str, resource_id: str) -> dict[str, Any]:
    """{"slots": [...], "history": [...]}, times as the REST API writes them.

    A slot: slot, state, extra, epoch, agent_id, host, since, hold_until, reason, error, error_since, failed_on (agents
    that it was moved away from: agent_id, host, message), and `decision`, the newest about it: action, at, reason,
    candidates, rejections, scores (of the agent chosen), seed, alternates, plan_id. Of many candidates and rejections
    only the first are kept; candidate_count and rejected_by ({filter: n}) count all.
    History, newest first: at, action, slot, epoch, agent_id, host, reason, user_id, project_id, request_id; what
    operators did to the agents that have or had it is in it.
    """
    brakes = [column.label(f"brake_{column.name}") for column in _BRAKE]
    slots = connection.execute(
        sa.select(table, *_HOLDER, *brakes, base.now().label("now"))
        .outerjoin_from(table, agent, agent.c.id == table.c.agent_id)
        .outerjoin(agent_beat, agent_beat.c.agent_id == agent.c.id)
        .outerjoin(brake, sa.and_(brake.c.zone == agent.c.zone, brake.c.agent_type == agent.c.agent_type))
        .where(binding.of(resource_type, resource_id))
        .order_by(table.c.slot)
    ).all()
    about = sa.and_(decision.c.resource_type == resource_type, decision.c.resource_id == resource_id)
    decisions = _newest(connection, about)
    # What was done to an agent is said also where it is the reason why the resource is no longer there.
    concerned = ({row.agent_id for row in slots} | {row["agent_id"] for row in decisions}) - {None}
    to_agents = sa.and_(decision.c.resource_type == ABOUT_AGENTS, decision.c.resource_id.in_(sorted(concerned)))
    both = [*decisions, *(_newest(connection, to_agents) if concerned else ())]
    history = sorted(both, key=lambda row: -row["id"])[:HISTORY]
    newest = {row["slot"]: row for row in reversed(decisions)}
    hosts = _hosts(connection, {agent_id for row in slots for agent_id in row.failed_on or ()})
    return {
        "slots": [_slot(row, newest.get(row.slot), hosts) for row in slots],
        "history": [_event(row) for row in history],
    }


def _newest(connection: sa.Connection, about: sa.ColumnElement[bool]) -> Sequence[sa.RowMapping]:
    query = sa.select(decision, agent.c.host).outerjoin_from(decision, agent, agent.c.id == decision.c.agent_id)
    return connection.execute(query.where(about).order_by(decision.c.id.desc()).limit(HISTORY)).mappings().all()


def _hosts(connection: sa.Connection, agent_ids: Collection[str]) -> dict[str, str]:
    """No statement without ids."""
    if not agent_ids:
        return {}
    of_ids = agent.c.id.in_(sorted(agent_ids))
    return {row.id: row.host for row in connection.execute(sa.select(agent.c.id, agent.c.host).where(of_ids))}


def _slot(row: sa.Row[Any], newest: sa.RowMapping | None, hosts: Mapping[str, str]) -> dict[str, Any]:
    failed_on = row.failed_on or {}
    return {
        "slot": row.slot,
        "state": row.state,
        "extra": row.extra,
        "epoch": row.epoch,
        "agent_id": row.agent_id,
        "host": row.host,
        "since": _time(row.bound_at),
        "hold_until": _time(row.hold_until),
        "reason": _held_by_brake(row) or row.reason,
        "error": row.error,
        "error_since": _time(row.error_since),
        "failed_on": [{"agent_id": id, "host": hosts.get(id), "message": said} for id, said in failed_on.items()],
        "decision": _decision(newest) if newest else None,
    }


def _held_by_brake(row: sa.Row[Any]) -> str | None:
    """Why it stays with an agent that is silent. Found when asked for: nothing is written while a brake is on."""
    found = Brake(**{column.name: getattr(row, f"brake_{column.name}") for column in _BRAKE})
    if not found.holds or row.forced_down is not None:
        return None
    return found.reason() if judged(row) in (State.SUSPECT, State.DEAD) else None


def _decision(row: sa.RowMapping) -> dict[str, Any]:
    record = row["record"]
    candidates: Sequence[dict[str, Any]] = record.get("candidates", ())
    chosen = next((one for one in candidates if one["agent_id"] == row["agent_id"]), {})
    return {
        "action": row["action"],
        "at": _time(row["at"]),
        "reason": record.get("reason"),
        "candidates": list(candidates),
        "candidate_count": record.get("candidate_count", len(candidates)),
        "rejections": record.get("rejections", []),
        "rejected_by": record.get("rejected_by", {}),
        "scores": chosen.get("scores", {}),
        "seed": record.get("seed"),
        "alternates": record.get("alternates", []),
        "plan_id": row["plan_id"],
    }


def _event(row: sa.RowMapping) -> dict[str, Any]:
    record = row["record"]
    who = {name: row[name] for name in ("user_id", "project_id", "request_id")}
    return {
        "at": _time(row["at"]),
        "action": row["action"],
        "slot": row["slot"],
        "epoch": row["epoch"],
        "agent_id": row["agent_id"],
        "host": record.get("host") or row["host"],  # as it was then: the agent may be gone
        "reason": record.get("reason"),
        **who,
    }


def _time(value: datetime.datetime | None) -> str | None:
    return base.timestamp(value) if value else None
