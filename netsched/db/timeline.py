"""The database's own time: was it restored from an older dump, and who has what of the time that was undone?

A position that an agent has in force was once given by the log. If it lies beyond where the log, or the scope itself,
stands by now, then this is an older state of the database, and positions of two timelines mean different things. A new
incarnation makes all of them worthless at once.

Not every restore can be seen so: a log that has grown since, in every scope, beyond what agents have, looks like
itself. So `netsched-manage db new-incarnation` belongs to a restore; this is for those who forget it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping

import sqlalchemy as sa

from netsched.db import change
from netsched.db.change import log_state
from netsched.db.interest import HELD, applied, interest
from netsched.db.transaction import Transaction


def beyond(connection: sa.Connection, position: int, said: Mapping[str, int]) -> dict[str, int]:
    """Those of `said`, {scope: position}, that a log which stands at `position` has not given yet. One query."""
    at = change.positions(connection, said)
    return {scope: has for scope, has in said.items() if has > min(position, at.get(scope, position))}


def begin_anew(tx: Transaction, incarnation: str, said: Mapping[str, int]) -> str | None:
    """A new incarnation, if the database still has that one and `said` is beyond it; None if not.

    The update comes first. It serialises with whoever stamps, and on Galera, where this node may lag behind the one
    whose positions the agents have, certification refuses it: repeated, it finds nothing beyond.
    """
    fresh = str(uuid.uuid4())
    if not _set(tx, incarnation, fresh):
        return None
    if beyond(tx.connection, change.state(tx.connection).position, said):
        return fresh
    _set(tx, fresh, incarnation)
    return None


def _set(tx: Transaction, before: str, after: str) -> bool:
    state = sa.update(log_state).where(log_state.c.incarnation == before).values(incarnation=after)
    return tx.execute(state).rowcount == 1


def out_of_step(connection: sa.Connection, agent_ids: Collection[str]) -> set[str]:
    """Agents of which something acknowledged is not what they hold, and `behind_since` does not tell. One query.

    That happens when a beat of an earlier life was stored after newer ones, and when an agent died before it could take
    back what it should not have.
    """
    mine = sorted(agent_ids)
    same = (applied.c.agent_id == interest.c.agent_id, applied.c.scope == interest.c.scope)
    caught_up = sa.exists().where(
        *same, applied.c.position >= interest.c.position, applied.c.epoch == interest.c.epoch, interest.c.state == HELD
    )
    unnoticed = sa.select(interest.c.agent_id).where(
        interest.c.agent_id.in_(mine), interest.c.behind_since.is_(None), ~caught_up
    )
    stray = sa.select(applied.c.agent_id).where(applied.c.agent_id.in_(mine), ~sa.exists().where(*same))
    return set(connection.execute(sa.union(unnoticed, stray)).scalars())
