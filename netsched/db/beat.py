"""What a batch of heartbeats reads and writes: a handful of statements, however many agents are in it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched.db import base, query
from netsched.db.agent import UNLIMITED, agent, agent_beat, agent_claim, judged
from netsched.db.binding import binding
from netsched.db.change import log_state
from netsched.db.interest import applied, interest
from netsched.model.liveness import State

# Sequence numbers of one life of an agent follow on each other, those of two lives are further apart: they begin with
# its clock's milliseconds, times 1000. Two beats that could meet are never so many apart.
SAME_LIFE = 1000


@dataclass(frozen=True)
class Known:
    """An agent as stored, before this batch. `owes`: some interest of it is behind."""

    id: str
    address: str
    binary: str
    zone: str
    version: str
    boot_id: str
    admin_state_up: bool
    capabilities: dict[str, Any]
    configurations: dict[str, Any]
    settings_mismatch: dict[str, Any]
    sent_at: datetime.datetime | None
    lease: float
    present_since: datetime.datetime | None
    forced_down: bool
    state: State
    sequence: int
    count: int
    checksum: int
    owes: bool


@dataclass(frozen=True)
class Ground:
    """What a batch stands on: the database's time, the log's incarnation and position, and the agents already known."""

    now: datetime.datetime
    incarnation: str
    position: int
    known: dict[tuple[str, str], Known]


def ground(connection: sa.Connection, agents: Collection[str]) -> Ground:
    """One query for these agent ids. The state row is the left side, so that there is always an answer.

    Every table is narrowed by the ids and nothing is correlated: without statistics, as on a young PostgreSQL, the
    planner picks nested loops, and 5,000 agents took it 5 s. By (type, host) it also spent 50 ms planning a batch.
    """
    mine = sorted(agents)
    behind = sa.select(interest.c.agent_id).where(interest.c.agent_id.in_(mine), interest.c.behind_since.is_not(None))
    owes = agent.c.id.in_(behind)
    its_beat = sa.and_(agent_beat.c.agent_id == agent.c.id, agent_beat.c.agent_id.in_(mine))
    names = ("sent_at", "lease", "present_since", "sequence", "count", "checksum")
    beat_columns = [agent_beat.c[name] for name in names]
    rows = connection.execute(
        sa.select(base.now().label("now"), log_state.c.incarnation, log_state.c.position, agent, *beat_columns)
        .add_columns(sa.case((owes, 1), else_=0).label("owes"))
        .select_from(log_state.outerjoin(agent, agent.c.id.in_(mine)).outerjoin(agent_beat, its_beat))
    ).all()
    known = {(row.agent_type, row.host): _known(row) for row in rows if row.id is not None}
    return Ground(rows[0].now, rows[0].incarnation, rows[0].position, known)


def _known(row: Any) -> Known:
    return Known(
        id=row.id,
        address=row.address,
        binary=row.binary,
        zone=row.zone,
        version=row.version,
        boot_id=row.boot_id,
        admin_state_up=row.admin_state_up,
        capabilities=row.capabilities,
        configurations=row.configurations,
        settings_mismatch=row.settings_mismatch,
        sent_at=row.sent_at,
        lease=row.lease or 0.0,
        present_since=row.present_since,
        forced_down=row.forced_down is not None,
        state=judged(row),
        sequence=row.sequence or 0,
        count=row.count or 0,
        checksum=row.checksum or 0,
        owes=bool(row.owes),
    )


def introduce(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    """Agents that are new or say something new of themselves. admin_state_up and description stay the operator's."""
    told = ("binary", "address", "zone", "version", "boot_id", "started_at", "capabilities", "configurations")
    base.upsert(connection, agent, rows, *told, "settings_mismatch")


def offer(connection: sa.Connection, amounts: dict[str, dict[str, int]]) -> None:
    """Capacity per agent and resource class as reported; never touches what is used."""
    rows = [
        {"agent_id": agent_id, "resource_class": name, "capacity": min(amount, UNLIMITED), "used": 0}
        for agent_id, offered in sorted(amounts.items())
        for name, amount in sorted(offered.items())
    ]
    base.upsert(connection, agent_claim, rows, "capacity")


def hold(connection: sa.Connection, agents: Collection[str]) -> dict[str, Any]:
    """Rows (agent_id, sequence, count, checksum) of the newest beats by agent id, locked until the commit.

    Galera locks on one node only; there the later commit is refused, as both write these rows.
    """
    columns = [agent_beat.c[name] for name in ("agent_id", "sequence", "count", "checksum")]
    wanted = sa.select(*columns).where(agent_beat.c.agent_id.in_(sorted(agents))).order_by(agent_beat.c.agent_id)
    return {row.agent_id: row for row in connection.execute(wanted.with_for_update())}


def store(connection: sa.Connection, rows: list[dict[str, Any]], counted: Collection[str] = ()) -> None:
    """The beats themselves: one statement for the batch. `counted`: agents of which `hold` gave count and checksum; of
    those that are known by now, the others' stay as they are.

    A server that was slow over its batch knows an older beat than another server has stored meanwhile: what the agent
    is judged by stays that of the newer one, or an agent that is heard of would seem to fall silent.
    """
    judged_by = {name: _newer(name) for name in ("lease", "present_since", "sent_at")}  # MariaDB sets them in order
    counts = {name: _counted(name, sorted(counted)) for name in ("count", "checksum")} if counted else {}
    base.upsert(connection, agent_beat, rows, "received_at", "load", **judged_by, **counts, sequence=_later)


def _later(new: Any) -> sa.ColumnElement[int]:
    stored = agent_beat.c.sequence
    overtaken = sa.and_(stored > new.sequence, stored < new.sequence + SAME_LIFE)
    return sa.case((overtaken, stored), else_=new.sequence)


def _counted(name: str, agents: list[str]) -> Callable[[Any], sa.ColumnElement[Any]]:
    counted = sa.or_(*(agent_beat.c.agent_id == agent_id for agent_id in agents))  # IN does not go with many rows
    return lambda new: sa.case((counted, new[name]), else_=agent_beat.c[name])


def _newer(name: str) -> Callable[[Any], sa.ColumnElement[Any]]:
    """Of the column of that name, the value that goes with the newer beat."""

    def made(new: Any) -> sa.ColumnElement[Any]:
        stored = agent_beat.c.sent_at
        keep = sa.and_(stored.is_not(None), sa.or_(new.sent_at.is_(None), stored > new.sent_at))
        return sa.case((keep, agent_beat.c[name]), else_=new[name])

    return made


def faults(connection: sa.Connection, told: list[tuple[str, str, str, int, str | None]]) -> None:
    """[(agent_id, resource_type, resource_id, epoch, message)]: the binding's error, if it is still that epoch's.

    `error_since` is when it began. Who failed before is forgotten where the holder says that it works (message None),
    or had it in force until now. Four statements at most for each thousand of faults. An agent's last error goes when
    none of its bindings has one any more.
    """
    if not told:
        return
    for part in query.batches([one for one in told if one[-1] is not None]):
        said = [
            (sa.and_(binding.c.agent_id == agent_id, binding.c.resource_id == resource_id), _text(message))
            for agent_id, _, resource_id, _, message in part
        ]
        worked = sa.and_(binding.c.error.is_(None), _in_force())
        # None reads what an earlier one has set: MariaDB evaluates them one after the other.
        values = (
            (binding.c.failed_on, sa.case((worked, None), else_=binding.c.failed_on)),
            (binding.c.error_since, sa.func.coalesce(binding.c.error_since, base.now())),
            (binding.c.error, sa.case(*said, else_=binding.c.error)),
        )
        connection.execute(sa.update(binding).where(_are(part)).ordered_values(*values))
    for part in query.batches([one for one in told if one[-1] is None]):
        fine: dict[str, Any] = dict.fromkeys(("error", "error_since", "failed_on"))
        connection.execute(sa.update(binding).where(_are(part)).values(fine))
    broken = {agent_id: _text(message) for agent_id, *_, message in told if message is not None}
    if broken:
        newest = sa.case(broken, value=agent_beat.c.agent_id, else_=agent_beat.c.last_error)
        connection.execute(
            sa.update(agent_beat).where(agent_beat.c.agent_id.in_(sorted(broken))).values(last_error=newest)
        )
    healed = sorted({agent_id for agent_id, *_ in told} - set(broken))
    if healed:
        still = sa.exists().where(binding.c.agent_id == agent_beat.c.agent_id, binding.c.error.is_not(None))
        connection.execute(
            sa.update(agent_beat).where(agent_beat.c.agent_id.in_(healed), ~still).values(last_error=None)
        )


def _are(told: list[tuple[str, str, str, int, str | None]]) -> sa.ColumnElement[bool]:
    keys = sa.tuple_(binding.c.agent_id, binding.c.resource_type, binding.c.resource_id, binding.c.epoch)
    return keys.in_([key for *key, _ in told])


def _in_force() -> sa.ColumnElement[bool]:
    """The binding's holder has it in force, as it last acknowledged."""
    scope = binding.c.resource_type + "/" + binding.c.resource_id
    of_holder = (applied.c.agent_id == binding.c.agent_id, applied.c.epoch == binding.c.epoch)
    return sa.exists().where(*of_holder, applied.c.scope == scope, applied.c.position > 0)


def _text(message: str | None) -> sa.ColumnElement[str | None]:
    return sa.literal(message, base.Text)
