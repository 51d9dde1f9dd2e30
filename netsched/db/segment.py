"""Segments of networks: which VXLAN and VLAN ids are free, and taking one, at the same cost for 100 ids as for 200,000.

What is free is kept as intervals (as address.py does), in pools: "vxlan", "vlan/physnet1". A pool begins as many
intervals, and allocators begin at a random place, so that they seldom meet. Nobody waits for the pool: an interval is
shortened or removed by a statement that only works while it is as it was read, and who loses that tries again.

An id that an administrator chose locks the pool first, as does whoever changes the pool's ranges: so what is free is
always the ranges without what is in use. The unique index of the network table is the last guard, the only one for
ids outside the ranges and for flat networks.
"""

from __future__ import annotations

import logging
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query
from netsched.db.network import network
from netsched.db.session import Database
from netsched.db.transaction import Repeat, Transaction
from netsched.model import addressing, scope
from netsched.model.provider import ProviderSettings, Range, Segment, Wish
from netsched.model.segment import FLAT, VXLAN

LOG = logging.getLogger(__name__)
SPLIT = 64  # intervals of a fresh pool
SEARCHES = 100  # intervals looked up or changed in one statement

segment_pool = sa.Table(
    "segment_pool",
    base.metadata,
    sa.Column("pool", sa.String(100), primary_key=True),
    # Counted up by who chooses an id, and by who changes the ranges: that locks the row.
    sa.Column("changes", sa.BigInteger, nullable=False, default=0),
)


def _intervals(name: str) -> sa.Table:
    return sa.Table(
        name,
        base.metadata,
        sa.Column("pool", sa.String(100), sa.ForeignKey("segment_pool.pool", ondelete="CASCADE"), primary_key=True),
        sa.Column("last", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("first", sa.Integer, nullable=False),
    )


segment_range = _intervals("segment_range")  # as configured when the books were made
free_segment = _intervals("free_segment")

Key = tuple[str, int]  # pool, last


def allocate(tx: Transaction, wishes: Sequence[Wish]) -> list[Segment]:
    """Take a segment for each wish, all or none: two statements, four to five if some are chosen (up to 100).

    The caller writes the networks. Raises NoNetworkAvailable, VlanIdInUse, TunnelIdInUse, FlatNetworkInUse.
    """
    chosen = [wish.chosen for wish in wishes if wish.chosen is not None]
    _lock(tx, {segment.pool for segment in chosen if segment.segmentation_id})
    places = {choice.pool: _anywhere(ranges) for wish in wishes for choice, ranges in wish.choices}
    books = _Books(_search(tx, wishes, places), places)
    # What is not free in the books is outside the ranges or in use; and all of it once the index has refused some.
    doubtful = [segment for segment in chosen if not books.take(segment) or tx.attempt > 1]
    _check_unused(tx, doubtful)
    taken = [wish.chosen or books.draw(wish) for wish in wishes]
    books.write(tx)
    return taken


def release(tx: Transaction, segment: Segment) -> None:
    """Return what a deleted network had, if it is in the ranges; one statement."""
    number = segment.segmentation_id
    if number:
        around = (segment_range.c.pool == segment.pool, segment_range.c.first <= number, segment_range.c.last >= number)
        back = sa.select(segment_range.c.pool, sa.literal(number), sa.literal(number)).where(*around)
        query.guarded(tx, sa.insert(free_segment).from_select(["pool", "last", "first"], back))


def configure(database: Database, settings: ProviderSettings) -> None:
    """Bring the pools to the configured ranges, and give a segment to networks from before there were any.

    To be called when a server starts; writes nothing when nothing changed. Raises Unavailable.
    """
    database.write(lambda tx: _set_ranges(tx, settings.pools()))
    try:
        while database.write(lambda tx: _equip(tx, settings)):
            pass
    except errors.NoNetworkAvailable:
        LOG.error("some networks have no segment, and none is free: widen the ranges of [segment], then start again")


def _lock(tx: Transaction, pools: Iterable[str]) -> None:
    """Hold off others who choose an id of these pools, and changes of the ranges, until the commit."""
    locked = sorted(pools)
    if locked:
        tx.execute(
            sa.update(segment_pool).where(segment_pool.c.pool.in_(locked)).values(changes=segment_pool.c.changes + 1)
        )


def _anywhere(ranges: Sequence[Range]) -> int:
    """A random id of the ranges."""
    place = random.randrange(sum(last - first + 1 for first, last in ranges))
    for first, last in ranges:
        if place <= last - first:
            return first + place
        place -= last - first + 1
    raise AssertionError("beyond the ranges")


def _search(tx: Transaction, wishes: Iterable[Wish], places: Mapping[str, int]) -> dict[Key, int]:
    """The intervals that the wishes can touch: {(pool, last): first}, each found by its key.

    As many as there are wishes suffice, since each interval has at least one id: from the random place on, and from
    the pool's beginning if there are not so many behind it.
    """
    chosen = [wish.chosen for wish in wishes if wish.chosen is not None and wish.chosen.segmentation_id]
    counts = Counter(choice.pool for wish in wishes for choice, _ in wish.choices)
    counts.update(segment.pool for segment in chosen)
    searches = [_select(segment.pool, segment.segmentation_id, 1) for segment in chosen]
    for pool, place in sorted(places.items()):
        searches += [_select(pool, place, counts[pool]), _select(pool, 0, counts[pool])]
    found = {}
    for batch in query.batches(searches, SEARCHES):
        for row in tx.execute(sa.union_all(*batch) if len(batch) > 1 else batch[0]):
            found[row.pool, row.last] = row.first
    return found


def _select(pool: str, place: int, limit: int) -> sa.Select[tuple[str, int, int]]:
    behind = sa.select(free_segment).where(free_segment.c.pool == pool, free_segment.c.last >= place)
    # SQLite wants a LIMIT inside a UNION wrapped.
    return sa.select(behind.order_by(free_segment.c.last).limit(limit).subquery())


def _is(segment: Segment) -> sa.ColumnElement[bool]:
    return sa.and_(
        network.c.network_type == segment.network_type,
        network.c.physical_network == segment.physical_network,
        network.c.segmentation_id == segment.segmentation_id,
    )


def _check_unused(tx: Transaction, segments: Sequence[Segment]) -> None:
    for segment, count in Counter(segments).items():
        if count > 1:
            raise _in_use(segment)
    columns = (network.c.network_type, network.c.physical_network, network.c.segmentation_id)
    for batch in query.batches(segments, SEARCHES):
        used = tx.execute(sa.select(*columns).where(sa.or_(*map(_is, batch))).limit(1)).first()
        if used is not None:
            raise _in_use(Segment(*used))


def _in_use(segment: Segment) -> errors.NetschedError:
    if segment.network_type == FLAT:
        return errors.FlatNetworkInUse(physical_network=segment.physical_network)
    if segment.network_type == VXLAN:
        return errors.TunnelIdInUse(segmentation_id=segment.segmentation_id)
    return errors.VlanIdInUse(segmentation_id=segment.segmentation_id, physical_network=segment.physical_network)


class _Books:
    """Some intervals of some pools: taken from in memory, then written as the difference."""

    def __init__(self, found: Mapping[Key, int], places: Mapping[str, int]) -> None:
        self._found = found
        self._free: dict[str, list[Range]] = defaultdict(list)  # the next to draw from comes first
        for pool, last in sorted(found, key=lambda key: (key[1] < places.get(key[0], 0), key)):
            self._free[pool].append((found[pool, last], last))

    def take(self, segment: Segment) -> bool:
        """False when the id is in none of the intervals."""
        ranges = self._free[segment.pool]
        for place, (first, last) in enumerate(ranges):
            if first <= segment.segmentation_id <= last:
                ranges[place : place + 1] = addressing.minus([(first, last)], [segment.segmentation_id])
                return True
        return False

    def draw(self, wish: Wish) -> Segment:
        """The first id of an interval, so that no interval is ever cut in two. Raises NoNetworkAvailable."""
        for choice, _ in random.sample(wish.choices, len(wish.choices)):
            ranges = self._free[choice.pool]
            if ranges:
                first, last = ranges[0]
                ranges[:1] = [(first + 1, last)] if first < last else []
                return Segment(choice.network_type, choice.physical_network, first)
        raise errors.NoNetworkAvailable()

    def write(self, tx: Transaction) -> None:
        left = {(pool, last): first for pool, ranges in self._free.items() for first, last in ranges}
        moved = [key for key in left if key in self._found and left[key] != self._found[key]]
        for batch in query.batches(moved, SEARCHES):
            cases = [(self._unchanged(key), sa.literal(left[key], sa.Integer)) for key in batch]
            shorter = sa.update(free_segment).values(first=sa.case(*cases))
            self._change(tx, shorter.where(sa.or_(*map(self._unchanged, batch))), len(batch))
        gone = [key for key in self._found if key not in left]
        for batch in query.batches(gone, SEARCHES):
            self._change(tx, sa.delete(free_segment).where(sa.or_(*map(self._unchanged, batch))), len(batch))
        new = [
            {"pool": key[0], "first": first, "last": key[1]} for key, first in left.items() if key not in self._found
        ]
        for batch in query.batches(new):
            query.guarded(tx, sa.insert(free_segment).values(batch))

    def _unchanged(self, key: Key) -> sa.ColumnElement[bool]:
        this = (free_segment.c.pool == key[0], free_segment.c.last == key[1])
        return sa.and_(*this, free_segment.c.first == self._found[key])

    @staticmethod
    def _change(tx: Transaction, statement: sa.Update | sa.Delete, count: int) -> None:
        if tx.execute(statement).rowcount != count:
            raise Repeat("another network took these segments")


def _set_ranges(tx: Transaction, pools: Mapping[str, Sequence[Range]]) -> None:
    # FOR UPDATE holds off releases too, whose foreign key looks at the pool's row; nobody else is held off by it.
    known: dict[str, list[Range]] = {
        pool: [] for pool in tx.execute(sa.select(segment_pool.c.pool).with_for_update()).scalars()
    }
    for row in tx.execute(sa.select(segment_range).order_by(segment_range.c.last)):
        if row.pool not in known:
            raise Repeat("another server has made this pool meanwhile")
        known[row.pool].append((row.first, row.last))
    unknown = [{"pool": pool, "changes": 0} for pool in pools if pool not in known]
    if unknown:
        query.guarded(tx, sa.insert(segment_pool).values(unknown))
    for pool, ranges in pools.items():
        if known.get(pool) != list(ranges):
            LOG.info("segments of %s are now from %s", pool, ", ".join(f"{first} to {last}" for first, last in ranges))
            _lock(tx, [pool])
            _refill(tx, pool, ranges)
    gone = sorted(set(known) - set(pools))
    if gone:
        LOG.info("no more segments are taken from %s", ", ".join(gone))
        tx.execute(sa.delete(segment_pool).where(segment_pool.c.pool.in_(gone)))


def _refill(tx: Transaction, pool: str, ranges: Sequence[Range]) -> None:
    """Make the books of a locked pool anew: the ranges without what is in use. Reads all of it.

    What is free is deleted first: that waits for those who are just taking some of it, whose networks are seen then.
    """
    for table in (free_segment, segment_range):
        tx.execute(sa.delete(table).where(table.c.pool == pool))
    network_type, _, physical_network = pool.partition("/")
    same = (network.c.network_type == network_type, network.c.physical_network == physical_network)
    used = tx.execute(sa.select(network.c.segmentation_id).where(*same)).scalars()
    for table, intervals in ((segment_range, ranges), (free_segment, _split(addressing.minus(ranges, used)))):
        for batch in query.batches({"pool": pool, "first": first, "last": last} for first, last in intervals):
            query.guarded(tx, sa.insert(table).values(batch))


def _split(ranges: Sequence[Range]) -> list[Range]:
    size = sum(last - first + 1 for first, last in ranges) // SPLIT + 1
    return [(at, min(at + size - 1, last)) for first, last in ranges for at in range(first, last + 1, size)]


def _equip(tx: Transaction, settings: ProviderSettings) -> int:
    """Give some networks that have none a segment as tenants get them, and return how many."""
    without = network.c.network_type.is_(None)
    ids = tx.execute(sa.select(network.c.id).where(without).limit(SEARCHES)).scalars().all()
    if not ids:
        return 0
    segments = allocate(tx, [settings.wish({})] * len(ids))
    values = {
        name: sa.case(
            *[
                (network.c.id == key, sa.literal(getattr(one, name), network.c[name].type))
                for key, one in zip(ids, segments, strict=True)
            ]
        )
        for name in ("network_type", "physical_network", "segmentation_id")
    }
    if query.guarded(tx, sa.update(network).where(without, network.c.id.in_(ids)).values(values)).rowcount != len(ids):
        raise Repeat("another server gave these networks segments")
    for key in ids:
        tx.log("network", key, "update", scope.key("network", key))
    return len(ids)
