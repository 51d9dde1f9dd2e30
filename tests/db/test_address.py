"""The books of free addresses: right under every order of operations and under concurrency, and found by index."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from netsched import errors
from netsched.db import address, port_change
from netsched.db.address import free_range
from netsched.db.session import Database
from netsched.model import addressing
from tests.cloud import ADMIN, ROUTER, SLAAC, Cloud, ips
from tests.conftest import _with_tables


@pytest.fixture
def cloud(database: Database) -> Cloud:
    return Cloud(database)


@pytest.fixture(scope="module")
def sqlite_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    path: Path = tmp_path_factory.mktemp("address") / "netsched.sqlite"
    database = _with_tables(f"sqlite:///{path}")
    yield Cloud(database)
    database.dispose()


ADDRESS = st.integers(1, 30).map(lambda last: f"10.0.0.{last}")
POOLS = st.lists(st.integers(2, 30), min_size=2, max_size=6, unique=True).map(
    lambda ends: [
        {"start": f"10.0.0.{first}", "end": f"10.0.0.{last}"}
        for first, last in zip(sorted(ends)[::2], sorted(ends)[1::2], strict=False)
    ]
)
OPERATION = st.one_of(
    st.tuples(st.just("take"), st.integers(1, 12)),
    st.tuples(st.just("choose"), st.lists(ADDRESS, min_size=1, max_size=4)),
    st.tuples(st.just("mix"), st.lists(st.one_of(st.none(), ADDRESS), min_size=1, max_size=6)),
    st.tuples(st.just("release"), st.integers(0, 100)),
    st.tuples(st.just("pools"), POOLS),
)


class Model:
    """What should be true, as two sets."""

    def __init__(self, pool: set[str]) -> None:
        self.pool = pool
        self.used: dict[str, str] = {}  # address -> port id

    @property
    def free(self) -> set[str]:
        return self.pool - set(self.used)

    def expect(self, wishes: list[str | None]) -> list[str] | type[errors.NetschedError]:
        """Chosen ones first, then the lowest for the others; or the error."""
        chosen = [wish for wish in wishes if wish]
        if len(set(chosen)) < len(chosen) or set(chosen) & set(self.used):
            return errors.IpAddressAlreadyAllocated
        left = sorted(self.free - set(chosen), key=addressing.number)
        if len(left) < wishes.count(None):
            return errors.IpAddressGenerationFailure
        lowest = iter(left)
        return [wish or next(lowest) for wish in wishes]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(OPERATION, max_size=15))
def test_books_agree_with_a_naive_set(sqlite_cloud: Cloud, operations: list[tuple[str, Any]]) -> None:
    cloud = sqlite_cloud
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/27", enable_dhcp=False)
    model = Model({f"10.0.0.{last}" for last in range(2, 31)})
    for kind, what in operations:
        if kind == "release":
            if model.used:
                ip = sorted(model.used)[what % len(model.used)]
                cloud.ports.delete(ADMIN, model.used.pop(ip), None)
        elif kind == "pools":
            cloud.subnets.update(ADMIN, subnet["id"], {"allocation_pools": what}, None)
            spans = [(int(pool["start"].split(".")[3]), int(pool["end"].split(".")[3])) for pool in what]
            model.pool = {f"10.0.0.{last}" for first, end in spans for last in range(first, end + 1)}
        else:
            wishes = [None] * what if kind == "take" else what
            _take(cloud, model, network_id, wishes)
        assert cloud.books(subnet) == (model.free, set(model.used))


def _take(cloud: Cloud, model: Model, network_id: str, wishes: list[str | None]) -> None:
    bodies = [{"network_id": network_id, **({"fixed_ips": [{"ip_address": wish}]} if wish else {})} for wish in wishes]
    expected = model.expect(wishes)
    if isinstance(expected, type):
        with pytest.raises(expected):
            cloud.ports.create(ADMIN, bodies)
        return
    made = cloud.ports.create(ADMIN, bodies)
    assert [ips(one) for one in made] == [[ip] for ip in expected]
    model.used |= {ip: one["id"] for ip, one in zip(expected, made, strict=True)}


def _race(workers: list[Any]) -> list[BaseException]:
    failures: list[BaseException] = []
    start = threading.Barrier(len(workers))

    def run(work: Any) -> None:
        try:
            start.wait()
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(work,)) for work in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_racing_clients_never_get_one_address_twice(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/24")

    def create_25() -> None:
        for _ in range(25):
            cloud.port(network_id)

    assert _race([create_25] * 8) == []
    free, used = cloud.books(subnet)
    assert len(used) == 200 and not free & used
    assert free | used == {f"10.0.0.{last}" for last in range(2, 255)}


def test_creating_and_deleting_at_once_keeps_the_books(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnets = [cloud.subnet(network_id, "10.0.0.0/26"), cloud.subnet(network_id, "fd00::/122", enable_dhcp=False)]

    def churn() -> None:
        for _ in range(5):
            made = cloud.ports.create(ADMIN, [{"network_id": network_id}] * 3)
            for one in made[1:]:
                cloud.ports.delete(ADMIN, one["id"], None)

    assert _race([churn] * 6) == []
    for subnet in subnets:
        free, used = cloud.books(subnet)
        assert len(used) == 30 and not free & used and len(free | used) in (61, 62)


def test_the_last_address_goes_to_one_of_the_racers(cloud: Cloud) -> None:
    network_id = cloud.network()
    cloud.subnet(network_id, "10.0.0.0/29")  # five addresses
    failures = _race([lambda: cloud.port(network_id)] * 8)
    assert [type(failure) for failure in failures] == [errors.IpAddressGenerationFailure] * 3
    assert len(cloud.all_ports()) == 5


def test_one_chosen_address_goes_to_one_of_the_racers(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/24", allocation_pools=[{"start": "10.0.0.100", "end": "10.0.0.110"}])
    for chosen in ("10.0.0.105", "10.0.0.5"):  # in the pool and outside it
        failures = _race([lambda ip=chosen: cloud.port(network_id, fixed_ips=[{"ip_address": ip}])] * 4)
        assert [type(failure) for failure in failures] == [errors.IpAddressAlreadyAllocated] * 3
        assert str(failures[0]) == f"IP address {chosen} already allocated in subnet {subnet['id']}"


def test_a_chosen_address_splits_the_interval(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/28")
    for last in (2, 14, 7, 8):
        cloud.port(network_id, fixed_ips=[{"ip_address": f"10.0.0.{last}"}])
    rows = cloud.rows(sa.select(free_range.c.first, free_range.c.last).order_by(free_range.c.last))
    assert [(int(row.first, 16) & 0xFF, int(row.last, 16) & 0xFF) for row in rows] == [(3, 6), (9, 13)]
    assert ips(cloud.port(network_id)) == ["10.0.0.3"]
    assert len(cloud.books(subnet)[0]) == 8


def test_an_address_outside_the_pools_is_not_returned_to_them(cloud: Cloud) -> None:
    network_id = cloud.network()
    pools = [{"start": "10.0.0.100", "end": "10.0.0.101"}]
    subnet = cloud.subnet(network_id, "10.0.0.0/24", allocation_pools=pools)
    outside = cloud.port(network_id, fixed_ips=[{"ip_address": "10.0.0.7"}])
    with pytest.raises(errors.IpAddressAlreadyAllocated):
        cloud.port(network_id, fixed_ips=[{"ip_address": "10.0.0.7"}])
    cloud.ports.delete(ADMIN, outside["id"], None)
    assert cloud.books(subnet) == ({"10.0.0.100", "10.0.0.101"}, set())
    assert ips(cloud.port(network_id, fixed_ips=[{"ip_address": "10.0.0.7"}])) == ["10.0.0.7"]


def test_a_full_pool_takes_from_the_next_subnet_and_then_fails(cloud: Cloud) -> None:
    network_id = cloud.network()
    cloud.subnet(network_id, "10.0.0.0/30")  # one address beside the gateway
    cloud.subnet(network_id, "10.0.1.0/29")  # five
    made = cloud.ports.create(ADMIN, [{"network_id": network_id}] * 4)
    assert [ips(one) for one in made] == [["10.0.0.2"], ["10.0.1.2"], ["10.0.1.3"], ["10.0.1.4"]]
    with pytest.raises(
        errors.IpAddressGenerationFailure, match=f"No more IP addresses available on network {network_id}"
    ):
        cloud.ports.create(ADMIN, [{"network_id": network_id}] * 3)
    assert len(cloud.all_ports()) == 4  # all or none


def test_automatic_addresses_are_outside_the_books(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "fd00::/64", **SLAAC)
    made = cloud.ports.create(ADMIN, [{"network_id": network_id}] * 3)
    router = cloud.port(network_id, device_owner=ROUTER, fixed_ips=[{"subnet_id": subnet["id"]}])
    assert ips(router) == ["fd00::2"]
    for one in [*made, router]:
        cloud.ports.delete(ADMIN, one["id"], None)
    rows = cloud.rows(sa.select(free_range.c.first, free_range.c.last).order_by(free_range.c.last))
    assert [int(row.first, 16) & 0xFF for row in rows] == [2, 3]


def test_wishes_of_a_vanished_subnet_are_done_again(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/24", enable_dhcp=False)
    seen: list[int] = []

    def work(tx: Any) -> None:
        seen.append(tx.attempt)
        if len(seen) == 1:
            address.lock(tx, [subnet["id"], "gone"])

    cloud.database.write(work)
    assert seen == [1, 2]


def _filled(cloud: Cloud) -> str:
    """A network whose subnet is large, full and in pieces, and whose neighbours are too: scans would show."""
    network_id = cloud.network()
    for number in range(2):
        other = network_id if number == 0 else cloud.network()
        subnet = cloud.subnet(other, "10.0.0.0/16", enable_dhcp=False)
        free = [(addressing.number("10.0.128.0") + 2 * n,) * 2 for n in range(2000)]
        made = cloud.database.write(
            lambda tx, n=other: port_change.insert_many(tx, [{"network_id": n, "project_id": "p"}] * 1500)
        )
        assert len(made) == 1500
        cloud.database.write(lambda tx, s=subnet, f=free: _pieces(tx, s["id"], f))
    with cloud.database.engines[1].connect() as connection:
        for table in ("free_range", "fixed_ip", "port", "subnet", "network"):
            command = {"postgresql": "ANALYZE {}", "sqlite": "ANALYZE {}"}.get(
                cloud.database.dialect, "ANALYZE TABLE {}"
            )
            connection.exec_driver_sql(command.format(table))
    return network_id


def _pieces(tx: Any, subnet_id: str, free: list[tuple[int, int]]) -> None:
    tx.execute(sa.delete(free_range).where(free_range.c.subnet_id == subnet_id))
    address.fill(tx, {subnet_id: free})


def _plan(connection: sa.Connection, text: str, parameters: Any = ()) -> str:
    explain = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN (FORMAT JSON) "}
    rows = connection.exec_driver_sql(explain.get(connection.dialect.name, "EXPLAIN ") + text, parameters)
    return json.dumps([dict(row) for row in rows.mappings()], default=str)


def _plans(database: Database, work: Any) -> list[tuple[str, str]]:
    """(statement, its plan as text) of what `work` sends to the tables that grow with the number of ports."""
    sent: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, text: str, parameters: Any, context: Any, executemany: bool) -> None:
        sent.append((text, parameters))

    event.listen(database.engines[0], "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(database.engines[0], "before_cursor_execute", note)
    grows = [(t, p) for t, p in sent if re.search("free_range|fixed_ip|FROM port|UPDATE port", t) and "INSERT" not in t]
    with database.read() as connection:
        return [(text, _plan(connection, text, parameters)) for text, parameters in grows]


def _scans(dialect: str, plan: str) -> bool:
    if dialect == "sqlite":
        return bool(re.search(r"SCAN (?!\(subquery|anon_|page|CONSTANT)", plan))
    if dialect == "postgresql":
        return bool(re.search(r'Seq Scan[^{}]*"Relation Name": "(free_range|fixed_ip|port)"', plan))
    return any(row["type"] in ("ALL", "index") and not str(row["table"]).startswith("<") for row in json.loads(plan))


def test_addresses_are_found_by_index_on_every_database(cloud: Cloud) -> None:
    network_id = _filled(cloud)
    made: list[Any] = []

    def work() -> None:
        made.append(cloud.port(network_id))
        made.append(cloud.port(network_id, fixed_ips=[{"ip_address": "10.0.130.0"}]))
        made.append(cloud.port(network_id, fixed_ips=[{"ip_address": "10.0.140.1"}]))  # not in the books
        for one in made:
            cloud.ports.delete(ADMIN, one["id"], None)

    plans = _plans(cloud.database, work)
    assert len(plans) > 8
    with cloud.database.read() as connection:  # what a scan looks like
        assert _scans(cloud.database.dialect, _plan(connection, "SELECT * FROM fixed_ip WHERE network_id = 'x'"))
    for text, plan in plans:
        assert not _scans(cloud.database.dialect, plan), f"{text}\n{plan}"
