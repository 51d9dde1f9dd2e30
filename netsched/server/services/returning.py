"""Agents that come back: to a server that knows all they have, or to a database that is older than they are.

What a beat says of positions counts only in the incarnation by which the agent goes. If what it says lies beyond the
log, the database was restored from an older dump: a new incarnation begins, and every agent forgets its positions and
fetches everything anew, while what is in force stays so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from netsched.db import timeline
from netsched.db.beat import Ground, Known
from netsched.db.session import Database
from netsched.db.transaction import Repeat, Transaction
from netsched.rpc import agent as rpc

LOG = logging.getLogger(__name__)
Beats = Mapping[str, rpc.Beat]  # by agent id


def believable(beats: Beats, incarnation: str) -> dict[str, rpc.Beat]:
    """The beats, without what they say by another incarnation than the database's."""
    nothing = {"applied": [], "complete": False, "faults": [], "states": [], "restoring": True, "copies": None}
    return {
        id_: beat if beat.incarnation in ("", incarnation) else beat.model_copy(update=nothing)
        for id_, beat in beats.items()
    }


def restored(tx: Transaction, beats: Beats, ground: Ground) -> str | None:
    """The new incarnation, if one of the beats proves that the database is older than its agent.

    A position above the log's own costs nothing to see. Where agents say all they have, a scope's own position is
    looked at as well: by then the log may have grown beyond what they have. Raises Repeat if another server was faster.
    """
    meant = [beat for beat in beats.values() if beat.incarnation == ground.incarnation]
    said = {a.scope: a.position for beat in meant for a in beat.applied if a.position > ground.position}
    if not said:
        whole: dict[str, int] = {}
        for beat in meant:
            for a in beat.applied if beat.complete else ():
                whole[a.scope] = max(a.position, whole.get(a.scope, 0))
        said = timeline.beyond(tx.connection, ground.position, whole) if whole else {}
    if not said:
        return None
    fresh = timeline.begin_anew(tx, ground.incarnation, said)
    if fresh is None:
        raise Repeat("the incarnation or the log moved meanwhile")
    return fresh


def restored_before(database: Database, request: rpc.PullRequest, position: int) -> bool:
    """Does a pull prove it? Then a new incarnation has begun."""
    said = {item.scope: item.position for item in request.items}
    with database.read() as connection:
        said = timeline.beyond(connection, position, said)
    fresh = database.write(lambda tx: timeline.begin_anew(tx, request.incarnation, said)) if said else None
    if fresh is not None:
        report(fresh)
    return fresh is not None


def report(incarnation: str) -> None:
    LOG.error(
        "agents are ahead of the database: it was restored from an older dump. A new incarnation begins (%s), and all "
        "agents fetch everything anew. See 'Restoring the database from a dump' in the documentation",
        incarnation,
    )


def current(tx: Transaction, beats: Beats, ground: Ground) -> set[str]:
    """Agents that have just started with copies of exactly what they had acknowledged. One query if there are any.

    What they owe beyond that is named by the answer, as to every agent.
    """
    brought = {id_ for id_, beat in beats.items() if _same(beat, ground.known.get((beat.agent_type, beat.host)))}
    return brought - timeline.out_of_step(tx.connection, brought) if brought else set()


def _same(beat: rpc.Beat, known: Known | None) -> bool:
    if not beat.incarnation or beat.copies is None or known is None:
        return False
    return (beat.copies.count, beat.copies.checksum) == (known.count, known.checksum)
