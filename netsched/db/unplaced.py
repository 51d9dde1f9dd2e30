"""Keeps why a slot has no place, on the slot and as a decision, written only when the reason has changed."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from netsched.db import decision, placement
from netsched.db.binding import binding as table
from netsched.model.scheduling import SlotView

if TYPE_CHECKING:
    from netsched.db.session import Database, Transaction

# (the slot as it was in the snapshot, its record with at least {"reason": str})
Open = tuple[SlotView, Mapping[str, Any]]
CHUNK = 250


def note(database: Database, slots: Sequence[Open]) -> list[Open]:
    """Store the reasons that are new and return those. One read per chunk where nothing has changed."""
    written: list[Open] = []
    for start in range(0, len(slots), CHUNK):
        part = slots[start : start + CHUNK]
        with database.read() as connection:
            changed = _changed(connection, part)
        if changed:
            written += database.write(functools.partial(_write, slots=changed))
    return written


def _changed(connection: sa.Connection, slots: Sequence[Open]) -> list[Open]:
    stored = placement.slots(connection, {(slot.resource_type, slot.resource_id) for slot, _ in slots})
    reasons = {
        (row["resource_type"], row["resource_id"], row["slot"], row["epoch"]): row["reason"]
        for rows in stored.values()
        for row in rows
    }
    gone = object()
    found = []
    for slot, record in slots:
        key = (slot.resource_type, slot.resource_id, slot.slot, slot.epoch)
        if reasons.get(key, gone) not in (gone, record["reason"]):
            found.append((slot, record))
    return found


def _write(tx: Transaction, slots: Sequence[Open]) -> list[Open]:
    # Again inside the transaction: of several schedulers with the same news, the others find it written.
    tx.execute(sa.update(table).where(_are(slots)).values(slot=table.c.slot))
    news = _changed(tx.connection, slots)
    by_reason: dict[str, list[Open]] = {}
    for slot, record in news:
        by_reason.setdefault(record["reason"], []).append((slot, record))
    for reason, concerned in by_reason.items():
        tx.execute(sa.update(table).where(_are(concerned)).values(reason=reason))
    decisions = [
        decision.Decision(slot.resource_type, slot.resource_id, slot.slot, "unplaced", slot.epoch, None, None, record)
        for slot, record in news
    ]
    decision.insert(tx, decisions)
    return news


def _are(slots: Sequence[Open]) -> sa.ColumnElement[bool]:
    keys = [(slot.resource_id, slot.slot, slot.epoch) for slot, _ in slots]
    return sa.and_(
        table.c.resource_type.in_({slot.resource_type for slot, _ in slots}),
        table.c.resource_id.in_({slot.resource_id for slot, _ in slots}),
        sa.tuple_(table.c.resource_id, table.c.slot, table.c.epoch).in_(keys),
    )
