"""Who holds a scope, who must move to a new position, who has acknowledged it: the upkeep of `interest` and `applied`.

Every function works on a whole batch of agents or scopes; the work is in proportion to what changed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched.db import base, query
from netsched.db.agent import agent
from netsched.db.interest import HELD, RELEASED, applied, interest

REMOVED = -1  # the position by which an agent acknowledges that it dropped a scope


# What of a scope a registered interest covers: {kind: {"operations": [...], "ids": [...]}}; an empty list means all.
Filter = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class Holder:
    agent_id: str
    agent_type: str
    host: str
    address: str
    scope: str
    epoch: int
    released: bool
    filter: Filter | None


@dataclass(frozen=True)
class Behind:
    """What an agent owes: scope, the epoch and position to get to. `fresh`: told so lately that it may be under way."""

    agent_id: str
    scope: str
    epoch: int
    position: int
    released: bool
    fresh: bool
    filtered: bool


def lets_through(wanted: Filter | None, kind: str, object_id: str, operation: str) -> bool:
    """Does a registered interest cover this change? No filter covers all."""
    if wanted is None:
        return True
    if kind not in wanted:
        return False
    operations, ids = wanted[kind]["operations"], wanted[kind]["ids"]
    return (not operations or operation in operations) and (not ids or object_id in ids)


def covers(wanted: Filter | None, kind: str, object_id: str) -> bool:
    """Is this object part of what the holder is given, whatever happened to it?"""
    return wanted is None or (kind in wanted and (not wanted[kind]["ids"] or object_id in wanted[kind]["ids"]))


def holders(connection: sa.Connection, scopes: Collection[str]) -> list[Holder]:
    """All who must hear of a change in any of `scopes`: one query, no guess."""
    rows = connection.execute(
        sa.select(interest, agent.c.agent_type, agent.c.host, agent.c.address)
        .join(agent, agent.c.id == interest.c.agent_id)
        .where(interest.c.scope.in_(sorted(scopes)))
    )
    return [_holder(row) for row in rows]


def held_by(connection: sa.Connection, agent_id: str, scopes: Collection[str]) -> dict[str, Holder]:
    """Those of `scopes` that the agent holds, released ones excepted."""
    rows = connection.execute(
        sa.select(interest, agent.c.agent_type, agent.c.host, agent.c.address)
        .join(agent, agent.c.id == interest.c.agent_id)
        .where(interest.c.agent_id == agent_id, interest.c.state == HELD, interest.c.scope.in_(sorted(scopes)))
    )
    return {row.scope: _holder(row) for row in rows}


def epochs(connection: sa.Connection, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Those of these (agent_id, scope) that are held, released ones excepted, each with its epoch."""
    found: dict[tuple[str, str], int] = {}
    for batch in query.batches(sorted(keys)):
        where = (
            interest.c.agent_id.in_(sorted({agent_id for agent_id, _ in batch})),  # what MariaDB can use its index for
            sa.tuple_(interest.c.agent_id, interest.c.scope).in_(batch),
            interest.c.state == HELD,
        )
        rows = connection.execute(sa.select(interest.c.agent_id, interest.c.scope, interest.c.epoch).where(*where))
        found.update({(row.agent_id, row.scope): row.epoch for row in rows})
    return found


def _holder(row: Any) -> Holder:
    return Holder(
        agent_id=row.agent_id,
        agent_type=row.agent_type,
        host=row.host,
        address=row.address,
        scope=row.scope,
        epoch=row.epoch,
        released=row.state == RELEASED,
        filter=row.filter,
    )


def move(connection: sa.Connection, position: int, changes: Mapping[str, list[tuple[str, str, str]]]) -> None:
    """All holders of the changed scopes must get to `position`. `changes`: [(kind, object_id, operation)] by scope."""
    values = {"position": position, "behind_since": sa.func.coalesce(interest.c.behind_since, base.now())}
    changed = interest.c.scope.in_(sorted(changes))
    connection.execute(sa.update(interest).where(changed, interest.c.filter.is_(None)).values(values))
    filtered = connection.execute(
        sa.select(interest.c.agent_id, interest.c.scope, interest.c.filter).where(
            changed, interest.c.filter.is_not(None)
        )
    ).all()
    concerned = [
        (row.agent_id, row.scope)
        for row in filtered
        if any(lets_through(row.filter, *change) for change in changes[row.scope])
    ]
    if concerned:
        keys = sa.tuple_(interest.c.agent_id, interest.c.scope)
        connection.execute(sa.update(interest).where(keys.in_(concerned)).values(values))


def applied_by(connection: sa.Connection, agent_ids: Collection[str], scopes: Collection[str] | None) -> list[Any]:
    """Rows (agent_id, scope, position, epoch) as last acknowledged; `scopes` None: all of these agents."""
    statement = sa.select(applied).where(applied.c.agent_id.in_(sorted(agent_ids)))
    if scopes is not None:
        statement = statement.where(applied.c.scope.in_(sorted(scopes)))
    return list(connection.execute(statement).all())


def acknowledge(
    connection: sa.Connection, in_force: list[dict[str, Any]], gone: list[tuple[str, str]], agent_ids: Collection[str]
) -> None:
    """Store what agents have in force and what they dropped, and strike off what they owe by it.

    `in_force`: rows of `applied`; `gone`: [(agent_id, scope)]; `agent_ids`: whose acknowledgements these are.
    """
    base.upsert(connection, applied, in_force, "position", "epoch")
    if gone:
        keys = sa.tuple_(applied.c.agent_id, applied.c.scope)
        connection.execute(sa.delete(applied).where(keys.in_(gone)))
        connection.execute(
            sa.delete(interest).where(
                sa.tuple_(interest.c.agent_id, interest.c.scope).in_(gone), interest.c.state == RELEASED
            )
        )
    if in_force:
        connection.execute(
            sa.update(interest)
            .where(
                interest.c.agent_id.in_(sorted(agent_ids)),
                interest.c.behind_since.is_not(None),
                interest.c.state == HELD,
                _caught_up(),
            )
            .values(behind_since=None)
        )


def _caught_up() -> sa.ColumnElement[bool]:
    return sa.exists().where(
        applied.c.agent_id == interest.c.agent_id,
        applied.c.scope == interest.c.scope,
        applied.c.position >= interest.c.position,
        applied.c.epoch == interest.c.epoch,
    )


def reconsider(connection: sa.Connection, agent_ids: Collection[str]) -> None:
    """These agents have just told all they have: what they lack of theirs is owed, what they lost is acknowledged."""
    of_these = interest.c.agent_id.in_(sorted(agent_ids))
    has = sa.exists().where(applied.c.agent_id == interest.c.agent_id, applied.c.scope == interest.c.scope)
    connection.execute(sa.delete(interest).where(of_these, interest.c.state == RELEASED, ~has))
    connection.execute(
        sa.update(interest)
        .where(of_these, interest.c.behind_since.is_(None), ~_caught_up())
        .values(behind_since=base.now())
    )


def behind(connection: sa.Connection, agent_ids: Collection[str], fresh_for: float) -> list[Behind]:
    """What these agents owe; told less than `fresh_for` seconds ago counts as fresh."""
    fresh = sa.case((interest.c.behind_since > base.before_now(connection, fresh_for), 1), else_=0)
    rows = connection.execute(
        sa.select(interest.c.agent_id, interest.c.scope, interest.c.epoch, interest.c.position, interest.c.state)
        .add_columns(interest.c.filter.is_not(None).label("filtered"), fresh.label("fresh"))
        .where(interest.c.agent_id.in_(sorted(agent_ids)), interest.c.behind_since.is_not(None))
    )
    return [
        Behind(r.agent_id, r.scope, r.epoch, r.position, r.state == RELEASED, bool(r.fresh), bool(r.filtered))
        for r in rows
    ]


def without_interest(connection: sa.Connection, keys: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those (agent_id, scope) for which there is no interest at all: the agent has something that nobody gave it."""
    if not keys:
        return []
    rows = connection.execute(
        sa.select(interest.c.agent_id, interest.c.scope).where(
            sa.tuple_(interest.c.agent_id, interest.c.scope).in_(sorted(keys))
        )
    )
    known = {(row.agent_id, row.scope) for row in rows}
    return [key for key in keys if key not in known]
