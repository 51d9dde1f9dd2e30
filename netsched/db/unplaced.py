"""Keeps why a slot has no place, on the slot and as a decision, written only when the reason has changed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from netsched.db import decision, placement
from netsched.db.binding import binding as table
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model.scheduling import Unplaced

CHUNK = 250
Record = Callable[[Unplaced], Mapping[str, Any]]  # what is stored as the explanation; asked only for what is new


def note(database: Database, unplaced: Sequence[Unplaced], record: Record) -> list[Unplaced]:
    """Store the reasons that are new and return those. One read per chunk where nothing has changed."""
    written: list[Unplaced] = []
    for start in range(0, len(unplaced), CHUNK):
        part = unplaced[start : start + CHUNK]
        with database.read() as connection:
            changed = _changed(connection, part, locked=False)
        if changed:
            written += database.write(functools.partial(_write, unplaced=changed, record=record))
    return written


def _changed(connection: sa.Connection, unplaced: Sequence[Unplaced], locked: bool) -> list[Unplaced]:
    slots = [one.request.slot for one in unplaced]
    stored = placement.slots(connection, {(slot.resource_type, slot.resource_id) for slot in slots}, locked)
    reasons = {
        (row["resource_type"], row["resource_id"], row["slot"], row["epoch"]): row["reason"]
        for rows in stored.values()
        for row in rows
    }
    keyed = [
        ((slot.resource_type, slot.resource_id, slot.slot, slot.epoch), one)
        for slot, one in zip(slots, unplaced, strict=True)
    ]
    return [one for key, one in keyed if key in reasons and reasons[key] != one.reason]


def _write(tx: Transaction, unplaced: Sequence[Unplaced], record: Record) -> list[Unplaced]:
    # Again inside the transaction: of several schedulers with the same news, the others find it written.
    news = _changed(tx.connection, unplaced, locked=True)
    by_reason: dict[str, list[Unplaced]] = {}
    for one in news:
        by_reason.setdefault(one.reason, []).append(one)
    for reason, concerned in by_reason.items():
        tx.execute(sa.update(table).where(_are(concerned)).values(reason=reason))
    decision.insert(tx, [_decision(one, record(one)) for one in news])
    return news


def _decision(one: Unplaced, record: Mapping[str, Any]) -> decision.Decision:
    slot = one.request.slot
    return decision.Decision(
        slot.resource_type, slot.resource_id, slot.slot, "unplaced", slot.epoch, None, None, record
    )


def _are(unplaced: Sequence[Unplaced]) -> sa.ColumnElement[bool]:
    slots = [one.request.slot for one in unplaced]
    return sa.and_(
        table.c.resource_type.in_({slot.resource_type for slot in slots}),
        table.c.resource_id.in_({slot.resource_id for slot in slots}),
        sa.tuple_(table.c.resource_id, table.c.slot, table.c.epoch).in_(
            [(slot.resource_id, slot.slot, slot.epoch) for slot in slots]
        ),
    )
