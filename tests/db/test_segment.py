"""Which segments networks get: never one twice, none lost, and at a cost that does not depend on how many there are."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netsched import errors
from netsched.db import network, segment
from netsched.db.change import log
from netsched.db.session import Database
from netsched.model import provider
from netsched.model.provider import ProviderSettings
from netsched.model.query import Query
from netsched.server.services.network import NetworkService
from tests.cloud import ADMIN
from tests.statements import counted

BOTH = pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)
WRITERS = 16
Object = dict[str, Any]


def vlan(number: int | None, physical_network: str | None = "physnet1") -> Object:
    return {
        "provider:network_type": "vlan",
        "provider:physical_network": physical_network,
        "provider:segmentation_id": number,
    }


def vxlan(number: int | None = None) -> Object:
    return {"provider:network_type": "vxlan", "provider:segmentation_id": number}


class Site:
    """Networks under some ranges."""

    def __init__(self, database: Database, *vni_ranges: tuple[int, int], **more: Any) -> None:
        self.database = database
        self.configure(*vni_ranges, **more)

    def configure(self, *vni_ranges: tuple[int, int], **more: Any) -> None:
        """As a server does that starts."""
        self.settings = ProviderSettings(vni_ranges=vni_ranges, **more)
        segment.configure(self.database, self.settings)
        self.networks = NetworkService(self.database, self.settings)

    def create(self, count: int = 1, **body: Any) -> list[int]:
        return [one["provider:segmentation_id"] for one in self.networks.create(ADMIN, [body] * count)]

    def one(self, body: Object) -> Object:
        (made,) = self.networks.create(ADMIN, [body])
        return made

    def used(self) -> list[tuple[str, int]]:
        """(pool, id) of all networks, each pool of which is named as in the books."""
        found = []
        for one in self.networks.list(ADMIN, Query()):
            physical_network = one["provider:physical_network"]
            kind = one["provider:network_type"]
            pool = f"{kind}/{physical_network}" if physical_network else kind
            found.append((pool, one["provider:segmentation_id"]))
        return found

    def free(self) -> list[tuple[str, int]]:
        with self.database.read() as connection:
            rows = connection.execute(sa.select(segment.free_segment)).all()
        return [(row.pool, number) for row in rows for number in range(row.first, row.last + 1)]

    def check(self) -> None:
        """Nothing twice, and what is free is the ranges without what is in use."""
        used, free = self.used(), self.free()
        assert len(set(used)) == len(used) and len(set(free)) == len(free)
        pools = self.settings.pools().items()
        all_ids = {(pool, n) for pool, ranges in pools for first, last in ranges for n in range(first, last + 1)}
        assert set(free) == all_ids - set(used)


def test_every_id_goes_to_one_network_and_then_there_is_none(database: Database) -> None:
    site = Site(database, (5, 8), (100, 199))
    got = site.create() + site.create(7) + [site.create()[0] for _ in range(20)] + site.create(76)
    assert sorted(got) == [*range(5, 9), *range(100, 200)]
    assert got != sorted(got)  # at random places
    site.check()
    with pytest.raises(errors.NoNetworkAvailable):
        site.create()
    assert len(site.used()) == 104


def test_too_many_at_once_take_nothing(database: Database) -> None:
    site = Site(database, (1, 10))
    with pytest.raises(errors.NoNetworkAvailable):
        site.create(11)
    site.check()
    assert site.used() == [] and len(site.create(10)) == 10


def test_a_deleted_network_returns_its_id(database: Database) -> None:
    site = Site(database, (1, 3), vlan_ranges={"physnet1": ((7, 7),)})
    made = site.networks.create(ADMIN, [{}, {}, {}, vlan(None), vlan(9), {"provider:network_type": "flat",
        "provider:physical_network": "physnet1"}])  # fmt: skip
    site.check()
    for one in made:
        site.networks.delete(ADMIN, one["id"], None)
    site.check()
    assert sorted(site.create(3)) == [1, 2, 3] and site.one(vlan(None))["provider:segmentation_id"] == 7


def test_chosen_ids_are_taken_out_of_the_ranges(database: Database) -> None:
    site = Site(database, (1, 6))
    for number in (1, 6, 3, 7, 2**24 - 1):  # both ends, the middle, and two outside
        assert site.one(vxlan(number))["provider:segmentation_id"] == number
        site.check()
    assert sorted(site.create(3)) == [2, 4, 5]
    for number in (3, 4, 7):  # chosen, drawn, outside
        with pytest.raises(errors.TunnelIdInUse, match=f" {number} is in use"):
            site.one(vxlan(number))
    site.check()


def test_chosen_and_drawn_ids_in_one_request(database: Database) -> None:
    site = Site(database, (1, 4))
    made = site.networks.create(ADMIN, [{}, vxlan(2), vxlan(4), {}])
    assert sorted(one["provider:segmentation_id"] for one in made) == [1, 2, 3, 4]
    with pytest.raises(errors.TunnelIdInUse):
        site.networks.create(ADMIN, [vxlan(9), vxlan(9)])
    assert len(site.used()) == 4


def test_vlan_ids_belong_to_their_physical_network(database: Database) -> None:
    site = Site(database, vlan_ranges={"physnet1": ((1, 2),), "physnet2": ((1, 1),), "physnet3": ()})
    site.one(vlan(1))
    with pytest.raises(errors.VlanIdInUse, match="VLAN 1 on physical network physnet1 is in use"):
        site.one(vlan(1))
    assert site.one(vlan(1, "physnet3"))["provider:physical_network"] == "physnet3"
    others = {(one["provider:physical_network"], one["provider:segmentation_id"])
              for one in site.networks.create(ADMIN, [vlan(None, None)] * 2)}  # fmt: skip
    assert others == {("physnet1", 2), ("physnet2", 1)}
    with pytest.raises(errors.NoNetworkAvailable):
        site.one(vlan(None, None))
    site.check()


def test_a_physical_network_carries_one_flat_network(database: Database) -> None:
    site = Site(database, (1, 9))
    flat = {"provider:network_type": "flat", "provider:physical_network": "physnet1"}
    first = site.one(flat)
    assert first["provider:segmentation_id"] is None and first["mtu"] == 1500
    with pytest.raises(errors.FlatNetworkInUse, match="physnet1 is in use"):
        site.one(flat)
    site.networks.delete(ADMIN, first["id"], None)
    site.one(flat)


# The cost


def _cost(site: Site, *bodies: Object) -> int:
    with counted(site.database) as sent:
        site.networks.create(ADMIN, list(bodies))
    return len(sent)


def test_200000_ids_cost_what_100_cost_and_the_last_no_more(database: Database) -> None:
    few, many = Site(database, (1, 100)), ProviderSettings(vni_ranges=((1, 200_000),))
    few.create()
    costs = {_cost(few, {}), _cost(few, {})}
    few.create(96)
    costs |= {_cost(few, {})}  # the last: an interval goes
    segment.configure(database, many)
    site = Site(database, (1, 200_000))
    costs |= {_cost(site, {}) for _ in range(3)}
    _occupy_all_but(site, 150)
    costs |= {_cost(site, {}) for _ in range(3)}
    bulk = _cost(site, *[{}] * 100)  # in as many intervals
    assert costs == {6} and bulk <= 9
    assert max(_cost(site, vxlan(2**20)), _cost(site, vxlan(site.free()[0][1]))) <= 9
    site.check()


def _occupy_all_but(site: Site, left: int) -> None:
    """As if 200,000 networks were there, all but some: the books hold single ids far from each other."""
    used = {number for _, number in site.used()}
    spared = random.Random(1).sample([number for number in range(1, 200_001) if number not in used], left)

    def work(tx: Any) -> None:
        tx.execute(sa.delete(segment.free_segment))
        rows = [{"pool": "vxlan", "first": number, "last": number} for number in spared]
        tx.execute(sa.insert(segment.free_segment).values(rows))
        tx.execute(sa.delete(segment.segment_range))
        kept = [{"pool": "vxlan", "first": number, "last": number} for number in sorted({*spared, *used})]
        tx.execute(sa.insert(segment.segment_range).values(kept))

    site.database.write(work)
    site.settings = ProviderSettings(vni_ranges=tuple((number, number) for number in sorted({*spared, *used})))
    site.networks = NetworkService(site.database, ProviderSettings(vni_ranges=((1, 200_000),)))


# Many at once


@BOTH
@pytest.mark.timeout(300)
def test_sixteen_writers_empty_a_pool_without_collision(database: Database) -> None:
    site = Site(database, (1, 640), vlan_ranges={"physnet1": ((1, 16),)})

    def work(writer: int) -> None:
        mine = random.Random(writer)
        for _ in range(10):
            made = site.networks.create(ADMIN, [{}] * 4)
            if mine.random() < 0.3:
                site.networks.delete(ADMIN, made[0]["id"], None)
                site.create()
        for number in range(1, 17):  # all want the same
            with contextlib.suppress(errors.VlanIdInUse):
                site.one(vlan(number))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(WRITERS)))
    site.check()
    assert len(site.used()) == 640 + 16
    with pytest.raises(errors.NoNetworkAvailable):
        site.create()


@BOTH
@pytest.mark.timeout(300)
def test_the_last_ids_go_to_those_who_were_first(database: Database) -> None:
    """Fewer ids than writers: each goes to one of them, and the others hear that there is none."""
    site = Site(database, (1, 5))

    def work(_: int) -> int:
        try:
            return site.create()[0]
        except errors.NoNetworkAvailable:
            return 0

    with ThreadPoolExecutor(WRITERS) as pool:
        got = list(pool.map(work, range(WRITERS)))
    assert sorted(got) == [0] * 11 + [1, 2, 3, 4, 5]


@BOTH
@pytest.mark.timeout(300)
def test_ranges_change_while_networks_come_and_go(database: Database) -> None:
    site = Site(database, (1, 300))

    def work(writer: int) -> None:
        mine = random.Random(writer)
        for number in range(15):
            body = vxlan(mine.choice([writer * 100 + number, None]))  # some chosen, in and out of the ranges
            try:
                made = site.one(body)
            except errors.TunnelIdInUse:
                continue
            if mine.random() < 0.5:
                site.networks.delete(ADMIN, made["id"], None)

    with ThreadPoolExecutor(9) as pool:
        works = [pool.submit(work, writer) for writer in range(1, 9)]
        for ranges in [((1, 600),), ((1, 300), (500, 900))] * 5:
            pool.submit(segment.configure, database, ProviderSettings(vni_ranges=ranges)).result()
        for done in works:
            done.result()
    site.configure((1, 300), (500, 900))
    used, free = site.used(), site.free()
    assert len(set(used)) == len(used) and len(set(free)) == len(free) and not set(used) & set(free)


@BOTH
def test_servers_that_start_together_fill_the_pools_once(database: Database) -> None:
    wanted = ProviderSettings(vlan_ranges={"physnet1": ((1, 100),)}, vni_ranges=((1, 1000),))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: segment.configure(database, wanted), range(8)))
    Site(database, (1, 1000), vlan_ranges={"physnet1": ((1, 100),)}).check()


# Starting


@BOTH
def test_a_server_that_starts_while_another_one_makes_the_first_pools(database: Database, database_url: str) -> None:
    other, wanted = Database(database_url), ProviderSettings()
    first_look: list[str] = []

    def faster(conn: Any, cursor: Any, text: str, parameters: Any, context: Any, executemany: bool) -> None:
        if "segment_pool" in text and not first_look:
            first_look.append(text)
            segment.configure(other, wanted)

    sa.event.listen(database.engines[0], "after_cursor_execute", faster)
    try:
        segment.configure(database, wanted)
    finally:
        sa.event.remove(database.engines[0], "after_cursor_execute", faster)
        other.dispose()
    assert first_look and Site(database, *wanted.vni_ranges).create()[0] >= 1


def test_nothing_is_written_when_nothing_changed(database: Database) -> None:
    site = Site(database, (1, 100), (200, 300), vlan_ranges={"b": ((1, 2),), "a": ((3, 4), (7, 9)), "c": ()})
    with counted(database) as sent:
        site.configure((1, 100), (200, 300), vlan_ranges={"a": ((3, 4), (7, 9)), "b": ((1, 2),), "c": ()})
    assert not [one for one in sent if one.split()[0] in ("INSERT", "UPDATE", "DELETE")]


def test_changed_ranges_keep_what_is_in_use(database: Database) -> None:
    site = Site(database, (1, 10), vlan_ranges={"physnet1": ((1, 5),)})
    made = site.networks.create(ADMIN, [{}] * 5 + [vlan(2), vxlan(12), vxlan(50)])
    site.configure((4, 20), vlan_ranges={"physnet2": ((1, 5),)})
    site.check()
    for one in made:
        site.networks.delete(ADMIN, one["id"], None)
    site.check()
    site.configure((1, 10), vlan_ranges={"physnet1": ((1, 5),)})
    site.check()


def _without_segments(database: Database, count: int) -> list[str]:
    rows = [{"id": f"{n:036}", "name": "old", "project_id": "p", "mtu": 1450} for n in range(count)]
    return [one["id"] for one in database.write(lambda tx: network.insert_many(tx, rows))]


def test_networks_of_an_older_release_get_a_segment_and_agents_hear_of_it(database: Database) -> None:
    ids = _without_segments(database, 230)
    site = Site(database, (1, 200_000))
    site.check()
    assert len(site.used()) == 230 and {pool for pool, _ in site.used()} == {"vxlan"}
    with database.read() as connection:
        told = connection.execute(sa.select(log.c.object_id).where(log.c.operation == "update")).scalars().all()
    assert sorted(told) == sorted(ids)


def test_too_few_ids_for_networks_of_an_older_release_are_an_error_in_the_log(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    _without_segments(database, 3)
    with caplog.at_level(logging.ERROR):
        site = Site(database, (1, 2))
    assert "no segment" in caplog.text and {pool for pool, _ in site.used()} == {None}
    site.configure((1, 9))
    site.check()


# Against a set

RANGES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(0, 5)), max_size=3, unique_by=lambda r: r[0]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("restart"), RANGES),
        st.tuples(st.just("draw"), st.integers(1, 4)),
        st.tuples(st.just("choose"), st.integers(1, 50)),
        st.tuples(st.just("delete"), st.integers(0, 30)),
    ),
    max_size=20,
)


class Naive:
    """A set of numbers, and the site that must do what it says."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.used: list[tuple[str, int]] = []
        self.restart([])

    def restart(self, ranges: list[tuple[int, int, int]]) -> None:
        found = [(10 * decade + first, 10 * decade + first + more) for decade, first, more in sorted(ranges)]
        self.all = {number for first, last in found for number in range(first, last + 1)}
        merged = provider.parse_vni_ranges(f"{first}:{last}" for first, last in found)
        self.site = Site(self.database, *merged)

    def draw(self, count: int) -> None:
        left = self.all - self.numbers()
        try:
            made = self.site.networks.create(ADMIN, [{}] * count)
        except errors.NoNetworkAvailable:
            assert len(left) < count
            return
        got = [(one["id"], one["provider:segmentation_id"]) for one in made]
        assert len({number for _, number in got}) == count and {number for _, number in got} <= left
        self.used += got

    def choose(self, number: int) -> None:
        try:
            made = self.site.one(vxlan(number))
        except errors.TunnelIdInUse:
            assert number in self.numbers()
            return
        assert number not in self.numbers()
        self.used.append((made["id"], number))

    def delete(self, place: int) -> None:
        if self.used:
            self.site.networks.delete(ADMIN, self.used.pop(place % len(self.used))[0], None)

    def numbers(self) -> set[int]:
        return {number for _, number in self.used}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_sequence_leaves_what_a_set_would(sqlite_database: Database, steps: list[tuple[str, Any]]) -> None:
    sqlite_database.write(lambda tx: tx.execute(sa.delete(network.network)))  # of the example before
    naive = Naive(sqlite_database)
    does: dict[str, Callable[[Any], None]] = {
        "restart": naive.restart,
        "draw": naive.draw,
        "choose": naive.choose,
        "delete": naive.delete,
    }
    for what, value in steps:
        does[what](value)
        free = [number for _, number in naive.site.free()]
        assert sorted(free) == sorted(naive.all - naive.numbers())
