"""Which address of a subnet is free, and taking it: at the same cost for the first port as for the sixty-thousandth.

What is free is kept as intervals, not as one row per address. A transaction that takes or returns addresses first
counts up `allocations` on the subnets' rows. That locks them, on all three databases, so allocators of a subnet come
one after the other; it proves that the subnets still exist; and Galera's certification refuses the later of two nodes.

Intervals are keyed by their last address, since the lowest address is the usual one to go: then a row is changed in
place, where a key that moves would leave a dead index entry behind for every port, in front of all later searches.
Neighbours are never merged; a subnet that lived long is searched no slower for it.

Addresses that hosts make themselves (EUI-64 on slaac and dhcpv6-stateless subnets) are unique by their MACs; they are
not in these books, neither when taken nor when returned.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched import errors
from netsched.db import base, query
from netsched.db.transaction import Repeat, Transaction
from netsched.model import addressing
from netsched.model.addressing import Range

SEARCHES = 100  # intervals looked up in one statement
Key = sa.CHAR(32)  # an address of 128 bits in hexadecimal, so that text sorts as numbers do

free_range = sa.Table(
    "free_range",
    base.metadata,
    sa.Column("subnet_id", base.Id, sa.ForeignKey("subnet.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("last", Key, primary_key=True),
    sa.Column("first", Key, nullable=False),
)

fixed_ip = sa.Table(
    "fixed_ip",
    base.metadata,
    sa.Column("port_id", base.Id, sa.ForeignKey("port.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("subnet_id", base.Id, sa.ForeignKey("subnet.id"), primary_key=True),
    sa.Column("ip_address", sa.String(64), primary_key=True),
    sa.Column("network_id", base.Id, nullable=False),
    sa.UniqueConstraint("subnet_id", "ip_address"),  # the last guard; the only one outside the pools
    sa.Index("ix_fixed_ip_ip_address", "ip_address"),
)

# subnet.py imports this file; two of its columns are wanted here.
_subnet = sa.table("subnet", sa.column("id", sa.String), sa.column("allocations", sa.BigInteger))


@dataclass(frozen=True)
class Wish:
    """One address for a port: `chosen`, or the lowest free one of the first subnet that has one."""

    port_id: str
    network_id: str
    subnets: tuple[Mapping[str, Any], ...]  # REST objects; a chosen address names one
    chosen: str | None = None


@dataclass(frozen=True)
class Taken:
    port_id: str
    network_id: str
    subnet_id: str
    ip_address: str


def lock(tx: Transaction, subnet_ids: Iterable[str]) -> None:
    """Hold off other allocators of these subnets until the commit. Repeats the transaction when one is gone."""
    wanted = sorted(set(subnet_ids))
    if not wanted:
        return
    counted = sa.update(_subnet).where(_subnet.c.id.in_(wanted)).values(allocations=_subnet.c.allocations + 1)
    if tx.execute(counted).rowcount != len(wanted):
        raise Repeat("a subnet was deleted")


def fill(tx: Transaction, free: Mapping[str, Iterable[Range]]) -> None:
    """Enter intervals of each subnet as free."""
    rows = [
        {"subnet_id": subnet_id, "first": _key(first), "last": _key(last)}
        for subnet_id, ranges in free.items()
        for first, last in ranges
    ]
    for batch in query.batches(rows):
        tx.execute(sa.insert(free_range).values(batch))


def refill(tx: Transaction, subnet: Mapping[str, Any], pools: Iterable[Range]) -> None:
    """Make the books anew for new pools of a locked subnet: the pools without what is in use. Reads all of it."""
    used = tx.execute(sa.select(fixed_ip.c.ip_address).where(fixed_ip.c.subnet_id == subnet["id"])).scalars()
    taken = [value for value in map(addressing.number, used) if _booked(subnet, value)]
    tx.execute(sa.delete(free_range).where(free_range.c.subnet_id == subnet["id"]))
    fill(tx, {subnet["id"]: addressing.minus(pools, taken)})


def allocate(tx: Transaction, wishes: Sequence[Wish]) -> list[Taken]:
    """Take an address for each wish, all or none; at most eight statements, whatever their number (up to 100).

    The caller writes the rows of `fixed_ip`. Raises IpAddressAlreadyAllocated, IpAddressGenerationFailure.
    """
    if not wishes:
        return []
    lock(tx, {subnet["id"] for wish in wishes for subnet in wish.subnets})
    books = _Books(_search(tx, wishes))
    outside = []
    taken: dict[int, Taken] = {}
    for place, wish in enumerate(wishes):
        if wish.chosen is not None:
            subnet, value = wish.subnets[0], addressing.number(wish.chosen)
            taken[place] = _taken(wish, subnet, value)
            # What a host makes itself is tried first, and looked up when the unique key has refused it.
            if not books.take(subnet["id"], value) and (_booked(subnet, value) or tx.attempt > 1):
                outside.append(taken[place])
    _check_distinct(taken.values())
    _check_unused(tx, outside)
    for place, wish in enumerate(wishes):
        if wish.chosen is None:
            taken[place] = _lowest(books, wish)
    books.write(tx)
    return [taken[place] for place in range(len(wishes))]


def release(tx: Transaction, subnets: Mapping[str, Mapping[str, Any]], addresses: Iterable[tuple[str, str]]) -> None:
    """Return (subnet id, address)es that lie in a pool. The caller has locked the subnets, and read them after that."""
    pools = {key: addressing.pools_as_ranges(subnet["allocation_pools"]) for key, subnet in subnets.items()}
    rows = []
    for subnet_id, ip_address in addresses:
        value = addressing.number(ip_address)
        if _booked(subnets[subnet_id], value) and addressing.contains(pools[subnet_id], value):
            rows.append({"subnet_id": subnet_id, "first": _key(value), "last": _key(value)})
    for batch in query.batches(rows):
        tx.execute(sa.insert(free_range).values(batch))


def _key(value: int) -> str:
    return f"{value:032x}"


def _booked(subnet: Mapping[str, Any], value: int) -> bool:
    return not (addressing.is_auto(subnet) and addressing.is_eui64(value))


def _taken(wish: Wish, subnet: Mapping[str, Any], value: int) -> Taken:
    return Taken(wish.port_id, wish.network_id, subnet["id"], addressing.address(value, subnet["ip_version"]))


def _lowest(books: _Books, wish: Wish) -> Taken:
    for subnet in wish.subnets:
        value = books.take_lowest(subnet["id"])
        if value is not None:
            return _taken(wish, subnet, value)
    raise errors.IpAddressGenerationFailure(network_id=wish.network_id)


def _search(tx: Transaction, wishes: Sequence[Wish]) -> dict[tuple[str, int], int]:
    """The intervals that the wishes can touch: {(subnet, last): first}, each found by its key.

    As many of the lowest as there are wishes suffice, since each interval has at least one address.
    """
    counts = Counter(subnet["id"] for wish in wishes for subnet in wish.subnets)
    lowest = {subnet["id"] for wish in wishes if wish.chosen is None for subnet in wish.subnets}
    searches = [_select(subnet_id, counts[subnet_id]) for subnet_id in sorted(lowest)]
    for wish in wishes:
        subnet = wish.subnets[0]
        if wish.chosen is not None and _booked(subnet, addressing.number(wish.chosen)):
            searches.append(_select(subnet["id"], 1, addressing.number(wish.chosen)))
    found = {}
    for batch in query.batches(searches, SEARCHES):
        for row in tx.execute(sa.union_all(*batch) if len(batch) > 1 else batch[0]):
            found[row.subnet_id, int(row.last, 16)] = int(row.first, 16)
    return found


def _select(subnet_id: str, limit: int, containing: int | None = None) -> sa.Select[Any]:
    lowest = sa.select(free_range).where(free_range.c.subnet_id == subnet_id)
    if containing is not None:
        lowest = lowest.where(free_range.c.last >= _key(containing))
    # SQLite wants a LIMIT inside a UNION wrapped.
    return sa.select(lowest.order_by(free_range.c.last).limit(limit).subquery())


def _check_distinct(chosen: Iterable[Taken]) -> None:
    seen = set()
    for one in chosen:
        if (one.subnet_id, one.ip_address) in seen:
            raise errors.IpAddressAlreadyAllocated(ip_address=one.ip_address, subnet_id=one.subnet_id)
        seen.add((one.subnet_id, one.ip_address))


def _check_unused(tx: Transaction, outside: Sequence[Taken]) -> None:
    """Chosen addresses that are not free: outside the pools they may still be unused."""
    for batch in query.batches(outside):
        by_subnet = defaultdict(list)
        for one in batch:
            by_subnet[one.subnet_id].append(one.ip_address)
        ways = [
            sa.and_(fixed_ip.c.subnet_id == subnet_id, fixed_ip.c.ip_address.in_(addresses))
            for subnet_id, addresses in by_subnet.items()
        ]
        used = tx.execute(sa.select(fixed_ip.c.subnet_id, fixed_ip.c.ip_address).where(sa.or_(*ways)).limit(1)).first()
        if used is not None:
            raise errors.IpAddressAlreadyAllocated(ip_address=used.ip_address, subnet_id=used.subnet_id)


class _Books:
    """Some intervals of some locked subnets: taken from in memory, then written as the difference."""

    def __init__(self, found: Mapping[tuple[str, int], int]) -> None:
        self._found = found
        self._free: dict[str, list[Range]] = defaultdict(list)  # highest first: the lowest is the cheap one to pop
        for (subnet_id, last), first in sorted(found.items(), reverse=True):
            self._free[subnet_id].append((first, last))

    def take_lowest(self, subnet_id: str) -> int | None:
        ranges = self._free[subnet_id]
        if not ranges:
            return None
        first, last = ranges.pop()
        if first < last:
            ranges.append((first + 1, last))
        return first

    def take(self, subnet_id: str, value: int) -> bool:
        """False when the address is in none of the intervals."""
        ranges = self._free[subnet_id]
        for place, (first, last) in enumerate(ranges):
            if first <= value <= last:
                ranges[place : place + 1] = addressing.minus([(first, last)], [value])[::-1]
                return True
        return False

    def write(self, tx: Transaction) -> None:
        left = {(subnet_id, last): first for subnet_id, ranges in self._free.items() for first, last in ranges}
        moved = [key for key in left if key in self._found and left[key] != self._found[key]]
        for batch in query.batches(moved, SEARCHES):
            self._move(tx, batch, left)
        gone = [key for key in self._found if key not in left]
        for batch in query.batches(gone):
            tx.execute(sa.delete(free_range).where(_are(batch)))
        new = [
            {"subnet_id": subnet_id, "last": _key(last), "first": _key(first)}
            for (subnet_id, last), first in left.items()
            if (subnet_id, last) not in self._found
        ]
        for batch in query.batches(new):
            tx.execute(sa.insert(free_range).values(batch))

    def _move(self, tx: Transaction, keys: Sequence[tuple[str, int]], left: Mapping[tuple[str, int], int]) -> None:
        """Set `first` of several rows in one statement, each only if it is what was read: belt and braces."""
        ways, cases = [], []
        for key in keys:
            this = sa.and_(free_range.c.subnet_id == key[0], free_range.c.last == _key(key[1]))
            ways.append(sa.and_(this, free_range.c.first == _key(self._found[key])))
            cases.append((this, sa.literal(_key(left[key]), Key)))
        moved = sa.update(free_range).where(sa.or_(*ways)).values(first=sa.case(*cases))
        if tx.execute(moved).rowcount != len(keys):
            raise Repeat("free addresses changed in spite of the lock")


def _are(keys: Iterable[tuple[str, int]]) -> sa.ColumnElement[bool]:
    by_subnet = defaultdict(list)
    for subnet_id, last in keys:
        by_subnet[subnet_id].append(_key(last))
    return sa.or_(
        *[sa.and_(free_range.c.subnet_id == key, free_range.c.last.in_(lasts)) for key, lasts in by_subnet.items()]
    )
