"""Heartbeats in, answers out. A beat decides nothing: it is queued, recorded in a batch, and answered.

The answer is the durable acknowledgement: it leaves after the batch's commit. A beat that was lost, or that found the
queue full, is simply not answered, and the next one carries the same things again.
"""

from __future__ import annotations

import datetime
import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from netsched import errors
from netsched.db import beat as beat_table
from netsched.db import holder, rebinding, registration
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model import kinds, liveness, segment
from netsched.model import scope as scopes
from netsched.rpc import agent as rpc
from netsched.server.services import acknowledging, returning, saying
from netsched.server.services import trust as trusts
from netsched.server.services.delivery import DeliveryService
from netsched.server.services.pace import Pace
from netsched.server.services.trust import Trust
from netsched.tally import Tally

LOG = logging.getLogger(__name__)
QUEUE_LIMIT = 20_000
BATCH = 500
SLOWEST = 50.0  # configured intervals: no agent goes by a longer one, whatever it says
IN_FLIGHT = 2.0  # s for which a pushed change is not yet named as lagging
EPOCH = datetime.datetime(1970, 1, 1)
# An agent's id follows from its type and host, so two servers that meet it at once write the same row.
AGENT_IDS = uuid.UUID("6f5b8f4e-6f0c-4a53-9b0a-5d6d2f6a9d11")


def agent_id(agent_type: str, host: str) -> str:
    return str(uuid.uuid5(AGENT_IDS, f"{agent_type}@{host}"))


class Answers(Protocol):
    def answers(self, address: str, answers: list[rpc.BeatAnswer]) -> None: ...


@dataclass(frozen=True)
class HeartbeatSettings:
    """`interval` in s; see pace.py for `max_beats`.

    `agree_on`: settings that agents must share with the server, as name -> our value.
    """

    interval: float = 10.0
    max_beats: float = 300.0
    new_agents_enabled: bool = True
    agree_on: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wake:
    """Nudges. `writer`: the next batch should not wait (an introduction, an acknowledgement, a long queue).
    `scheduler`: there may be reason to look (an agent is new, came to life, has a fault)."""

    writer: Callable[[], None] = lambda: None
    scheduler: Callable[[], None] = lambda: None


@dataclass
class _Batch:
    """One batch on its way through: the newest beat of each agent, and what storing it found out."""

    beats: dict[str, rpc.Beat]  # by agent id
    ground: beat_table.Ground
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)  # (count, checksum) after this batch
    dropped: dict[str, list[str]] = field(default_factory=dict)
    owed: list[holder.Behind] = field(default_factory=list)
    marked: list[str] = field(default_factory=list)  # agents with news for what is on their hosts
    current: set[str] = field(default_factory=set)  # agents that have started, with copies of all they acknowledged
    restored: bool = False  # the database was, and a new incarnation has begun

    def known(self, beat: rpc.Beat) -> beat_table.Known | None:
        return self.ground.known.get((beat.agent_type, beat.host))


class HeartbeatService:
    def __init__(
        self,
        database: Database,
        delivery: DeliveryService,
        push: Answers,
        trust: Trust,
        pace: Pace,
        settings: HeartbeatSettings | None = None,
        wake: Wake | None = None,
    ) -> None:
        self._database = database
        self._delivery = delivery
        self._push = push
        self._trust = trust
        self._pace = pace
        self._settings = settings or HeartbeatSettings()
        self._wake = wake or Wake()
        self._queue: deque[rpc.Beat] = deque()
        self._lock = threading.Lock()
        self.beats = Tally()  # by "received", "dropped", "written"

    def receive(self, beat: rpc.Beat) -> None:
        """Append to the bounded queue and return."""
        self.beats.add("received")
        with self._lock:
            if len(self._queue) >= QUEUE_LIMIT:
                self.beats.add("dropped")
                self._trust.missed()
                return  # unanswered, so it comes again
            self._queue.append(beat)
            urgent = beat.echo is None or bool(beat.applied) or len(self._queue) >= BATCH
        if urgent:
            self._wake.writer()

    def write_batch(self) -> int:
        """Store and answer up to BATCH queued beats. Returns how many."""
        with self._lock:
            taken = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            more = bool(self._queue)
        if more:
            self._wake.writer()
        if not taken:
            self._trust.proved(trusts.WORK)
            return 0
        newest = _newest(taken)
        batch = self._write(newest)
        if batch.restored:
            returning.report(batch.ground.incarnation)
        self.beats.add("written", by=len(taken))
        if not more:
            self._trust.proved(trusts.WORK)
        self._answer(batch)
        if batch.marked or any(self._is_news(batch, beat) for beat in batch.beats.values()):
            self._wake.scheduler()
        return len(taken)

    # Recording

    def _write(self, newest: dict[str, rpc.Beat]) -> _Batch:
        stored = False
        try:
            batch = self._database.write(lambda tx: self._record(tx, newest))
            stored = True
        finally:
            if not stored:
                self._trust.missed()
        self._trust.proved(trusts.DATABASE)
        return batch

    def _record(self, tx: Transaction, newest: dict[str, rpc.Beat]) -> _Batch:
        ground = beat_table.ground(tx.connection, newest)
        anew = returning.restored(tx, newest, ground)
        ground = replace(ground, incarnation=anew or ground.incarnation)
        newest = acknowledging.in_order(returning.believable(newest, ground.incarnation), ground)
        batch = _Batch(newest, ground, restored=anew is not None)
        saying.store(tx, newest)  # first, since who writes a port locks it before anything of an agent
        self._introduce(tx, batch)
        said = acknowledging.store(tx, newest, ground)
        batch.counts, batch.dropped = said.counts, said.dropped
        rows = [self._row(batch, id_, beat) for id_, beat in sorted(newest.items())]
        beat_table.store(tx.connection, rows, said.told)
        beat_table.faults(tx.connection, [_fault(id_, fault) for id_, beat in newest.items() for fault in beat.faults])
        owing = [id_ for id_, beat in newest.items() if (known := batch.known(beat)) is None or known.owes]
        if owing:
            batch.owed = holder.behind(tx.connection, owing, IN_FLIGHT)
        batch.current = returning.current(tx, newest, ground)
        return batch

    def _introduce(self, tx: Transaction, batch: _Batch) -> None:
        rows, offers, interests = [], {}, {}
        for id_, beat in sorted(batch.beats.items()):
            known = batch.known(beat)
            row = self._agent_row(batch.ground.now, id_, beat, known)
            if known is None or any(row[name] != getattr(known, name) for name in _TOLD):
                rows.append(row)
            if self._concerns_ports(known, row) or _reaches_less(known, row):
                batch.marked.append(id_)
            if beat.capabilities is not None and (known is None or known.capabilities != row["capabilities"]):
                offers[id_] = beat.capabilities.resources
                if known is None or known.capabilities.get("interests") != row["capabilities"]["interests"]:
                    interests[id_] = _wishes(beat.capabilities)
        if rows:
            beat_table.introduce(tx.connection, rows)
        if batch.marked:
            rebinding.mark(tx.connection, batch.marked)
        if offers:
            beat_table.offer(tx.connection, offers)
        for id_, wanted in interests.items():
            if wanted or batch.known(batch.beats[id_]) is not None:
                registration.register(tx.connection, id_, wanted)

    @staticmethod
    def _concerns_ports(known: beat_table.Known | None, row: dict[str, Any]) -> bool:
        """Is it an L2 agent that is new, back from the dead, or saying something new of itself?"""
        if row["agent_type"] != kinds.L2_AGENT:
            return False
        if known is not None and known.forced_down:
            return False  # dead all the same; its ports are marked when it is no more
        if known is None or known.sent_at is None or known.state is liveness.State.DEAD:
            return True
        return any(row[name] != getattr(known, name) for name in ("capabilities", "configurations"))

    def _agent_row(
        self, now: datetime.datetime, id_: str, beat: rpc.Beat, known: beat_table.Known | None
    ) -> dict[str, Any]:
        capabilities = beat.capabilities.model_dump(mode="json") if beat.capabilities else None
        return {
            "id": id_,
            "agent_type": beat.agent_type,
            "host": beat.host,
            "binary": beat.binary,
            "address": beat.address,
            "zone": beat.zone,
            "version": beat.version,
            "boot_id": beat.boot_id,
            "admin_state_up": self._settings.new_agents_enabled,
            "description": None,
            "created_at": now,  # the database's: liveness counts from it
            "started_at": _time(beat.started_at),
            "capabilities": capabilities or (known.capabilities if known else rpc.Capabilities().model_dump()),
            "configurations": beat.configurations
            if beat.configurations is not None
            else (known.configurations if known else {}),
            "settings_mismatch": self._mismatch(beat),
        }

    def _mismatch(self, beat: rpc.Beat) -> dict[str, Any]:
        ours = self._settings.agree_on
        return {
            name: [ours[name], value] for name, value in beat.settings.items() if name in ours and ours[name] != value
        }

    def _lease_by(self, beat: rpc.Beat) -> float:
        """By the interval it says it goes by. All servers listen for the longest one after a gap, hence the bound."""
        bounded = min(beat.interval, SLOWEST * self._pace.configured)
        return liveness.Limits.for_interval(bounded).dead_after

    def _row(self, batch: _Batch, id_: str, beat: rpc.Beat) -> dict[str, Any]:
        known = batch.known(beat)
        sent_at = known.sent_at if known else None
        if beat.echo is not None:
            now = (batch.ground.now - EPOCH).total_seconds()
            judged = EPOCH + datetime.timedelta(seconds=min(max(beat.echo, 0.0), now))
            sent_at = judged if sent_at is None else max(sent_at, judged)
        count, total = batch.counts[id_]
        return {
            "agent_id": id_,
            "received_at": batch.ground.now,
            "sent_at": sent_at,
            "present_since": _present_since(known, sent_at),
            # Who still goes by a longer interval, not having heard of the shorter one, is not judged by that.
            "lease": max(self._pace.lease, self._lease_by(beat)),
            "sequence": beat.sequence,
            "load": beat.load,
            "count": count,
            "checksum": total,
        }

    # Answering

    def _answer(self, batch: _Batch) -> None:
        # What was on its way to an earlier life of an agent is not on its way to this one.
        owed = [replace(one, fresh=False) if one.agent_id in batch.current else one for one in batch.owed]
        lagging, notices = self._delivery.on_beats(owed)
        lost: dict[str, list[str]] = {}
        for one in batch.owed:
            if one.released:
                lost.setdefault(one.agent_id, []).append(one.scope)
        by_address: dict[str, list[rpc.BeatAnswer]] = {}
        interval, lease = self._pace.interval, self._pace.lease
        for id_, beat in batch.beats.items():
            known = batch.known(beat)
            dropped = sorted({*batch.dropped.get(id_, []), *lost.get(id_, [])})
            answer = rpc.BeatAnswer(
                agent_type=beat.agent_type,
                host=beat.host,
                sequence=beat.sequence,
                time=(batch.ground.now - EPOCH).total_seconds(),
                incarnation=batch.ground.incarnation,
                interval=interval,
                lease=lease,
                admin_state_up=known.admin_state_up if known else self._settings.new_agents_enabled,
                lagging=[one for one in lagging.get(id_, []) if one.scope not in dropped],
                dropped=dropped,
                notices=notices.get(id_, []),
                send_all=not beat.restoring and (beat.count, beat.checksum) != batch.counts[id_],
                current=id_ in batch.current,
                introduce=known is None and beat.capabilities is None,
            )
            by_address.setdefault(beat.address, []).append(answer)
        for address, answers in by_address.items():
            try:
                self._push.answers(address, answers)
            except errors.Unavailable as error:
                LOG.info("no answer to the beats from %s: %s", address, error)

    @staticmethod
    def _is_news(batch: _Batch, beat: rpc.Beat) -> bool:
        known = batch.known(beat)
        return known is None or known.sent_at is None or bool(beat.faults) or beat.capabilities is not None


_TOLD = ("binary", "address", "zone", "version", "boot_id", "capabilities", "configurations", "settings_mismatch")


def _newest(taken: list[rpc.Beat]) -> dict[str, rpc.Beat]:
    """By agent id. The last one of an agent carries all that is unanswered; it lived when the latest was sent."""
    newest: dict[str, rpc.Beat] = {}
    for beat in taken:
        id_ = agent_id(beat.agent_type, beat.host)
        before = newest.get(id_)
        if before is not None:
            if acknowledging.overtaken(beat, before.sequence):
                before, beat = beat, before
            if before.echo is not None and before.echo > (beat.echo or 0.0):
                beat = beat.model_copy(update={"echo": before.echo})
        newest[id_] = beat
    return newest


def _present_since(known: beat_table.Known | None, sent_at: datetime.datetime | None) -> datetime.datetime | None:
    """Since when it has been heard of without a gap of two dead limits, if it is heard of at `sent_at`."""
    if sent_at is None or known is None or known.sent_at is None or known.present_since is None:
        return sent_at
    gap = (sent_at - known.sent_at).total_seconds()
    return sent_at if gap > 2 * known.lease else known.present_since


def _reaches_less(known: beat_table.Known | None, row: dict[str, Any]) -> bool:
    before = segment.reached(known.capabilities) if known else ()
    return bool(segment.missing(before, segment.reached(row["capabilities"])))


def _fault(id_: str, fault: rpc.Fault) -> tuple[str, str, str, int, str | None]:
    scope_type, scope_id = scopes.split(fault.scope)
    return id_, scope_type, scope_id, fault.epoch, fault.message


def _wishes(capabilities: rpc.Capabilities) -> list[registration.Wish]:
    return [registration.Wish(w.type, w.id, w.network, tuple(w.operations)) for w in capabilities.interests]


def _time(text: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=None) if text else None
    except ValueError:
        return None
