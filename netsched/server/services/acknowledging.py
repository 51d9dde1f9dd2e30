"""What beats say that is in force, brought into the tables; and which beats still say anything.

Beats of one agent may reach two servers at once, and in another order than they were sent in. The one that was sent
first must not undo what the other has said: the agent counts both as heard, and would not say it again.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netsched.db import beat as beat_table
from netsched.db import holder
from netsched.db.transaction import Transaction
from netsched.model import checksum
from netsched.rpc import agent as rpc

EPOCH = datetime.datetime(1970, 1, 1)

Beats = Mapping[str, rpc.Beat]  # by agent id
Marks = dict[tuple[str, str], tuple[int, int]]  # (agent id, scope) -> (epoch, position)


@dataclass
class Acknowledged:
    """`counts`: (count, checksum) of each agent after this; `told`: those for whom they may have changed.

    `dropped`: scopes that agents have in force and that nobody gave them."""

    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    dropped: dict[str, list[str]] = field(default_factory=dict)


def overtaken(beat: rpc.Beat, sequence: int) -> bool:
    """Was it sent before the one with that number, in the same life of the agent?"""
    return 0 < sequence - beat.sequence < beat_table.SAME_LIFE


def in_order(beats: Beats, ground: beat_table.Ground) -> dict[str, rpc.Beat]:
    """Without those that newer ones have overtaken, and those of an earlier life: nothing of them is to be believed.

    Nobody waits for an answer to them; a newer one carried what they carry, as far as it is still true.
    """
    return {id_: beat for id_, beat in beats.items() if not _past(beat, ground.known.get((beat.agent_type, beat.host)))}


def _past(beat: rpc.Beat, known: beat_table.Known | None) -> bool:
    if known is None:
        return False
    if abs(known.sequence - beat.sequence) < beat_table.SAME_LIFE:
        return overtaken(beat, known.sequence)
    if beat.echo is None or known.sent_at is None:
        return False  # it opens a life, whatever the number: a clock may have been set back
    return beat.echo <= (known.sent_at - EPOCH).total_seconds()


def store(tx: Transaction, beats: Beats, ground: beat_table.Ground) -> Acknowledged:
    """Bring `applied` to what the beats say, and each agent's count and checksum along with it."""
    result = Acknowledged()
    known = {id_: ground.known.get((beat.agent_type, beat.host)) for id_, beat in beats.items()}
    result.counts = {id_: (one.count, one.checksum) if one else (0, 0) for id_, one in known.items()}
    speaking = {id_: beat for id_, beat in beats.items() if beat.applied or beat.complete}
    if not speaking:
        return result
    # From here on no other server stores a beat of these agents; what was read before may be past.
    for id_, held in beat_table.hold(tx.connection, beats).items():
        result.counts[id_] = (held.count, held.checksum)
        if overtaken(beats[id_], held.sequence):
            speaking.pop(id_, None)
    in_force, gone = _merge_all(tx, speaking, result)
    if in_force or gone:
        holder.acknowledge(tx.connection, in_force, gone, list(speaking))
    complete = [id_ for id_, beat in speaking.items() if beat.complete]
    if complete:
        holder.reconsider(tx.connection, complete)
    if in_force:
        for id_, scope in holder.without_interest(tx.connection, [(r["agent_id"], r["scope"]) for r in in_force]):
            result.dropped.setdefault(id_, []).append(scope)
    return result


def _merge_all(
    tx: Transaction, speaking: Beats, result: Acknowledged
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Rows to write, and (agent id, scope) of rows to delete."""
    in_force: list[dict[str, Any]] = []
    gone: list[tuple[str, str]] = []
    if not speaking:
        return in_force, gone
    whole = any(beat.complete for beat in speaking.values())
    named = None if whole else {a.scope for beat in speaking.values() for a in beat.applied}
    rows = holder.applied_by(tx.connection, speaking, named)
    old: Marks = {(row.agent_id, row.scope): (row.epoch, row.position) for row in rows}
    for id_, beat in speaking.items():
        result.counts[id_] = _merge(id_, beat, old, result.counts[id_], in_force, gone)
        result.told.append(id_)
    return in_force, gone


def _merge(
    id_: str,
    beat: rpc.Beat,
    old: Marks,
    start: tuple[int, int],
    in_force: list[dict[str, Any]],
    gone: list[tuple[str, str]],
) -> tuple[int, int]:
    """Sort one beat's acknowledgements into rows to write and rows to delete; the agent's new count and checksum."""
    count, total = (0, 0) if beat.complete else start
    said = {a.scope: a for a in beat.applied}
    before = {scope: value for (agent, scope), value in old.items() if agent == id_}
    for scope, one in said.items():
        if not beat.complete and scope in before:
            count, total = count - 1, total ^ checksum.element(scope, *before[scope])
        if one.position == holder.REMOVED:
            gone.append((id_, scope))
            continue
        count, total = count + 1, total ^ checksum.element(scope, one.epoch, one.position)
        in_force.append({"agent_id": id_, "scope": scope, "position": one.position, "epoch": one.epoch})
    if beat.complete:
        gone.extend((id_, scope) for scope in before if scope not in said)
    return count, total
