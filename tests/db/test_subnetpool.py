"""Servers that change one pool at the same moment: nothing is cut twice, no limit is passed, nothing is left over."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations
from typing import Any

import pytest
import sqlalchemy as sa

from netsched import errors
from netsched.db.session import Database
from netsched.db.subnet import subnet
from netsched.model.query import Query
from netsched.server.services.address_scope import AddressScopeService
from netsched.server.services.subnetpool import SubnetPoolService
from tests.cloud import ADMIN, TENANT, Cloud, Object
from tests.size import choose

WORKERS = choose(4, 8)
EACH = choose(4, 12)  # subnets of a worker
LENGTHS = (24, 26, 27)


class Server:
    def __init__(self, database: Database) -> None:
        self.cloud = Cloud(database)
        self.pools = SubnetPoolService(database)
        self.scopes = AddressScopeService(database)

    def pool(self, *prefixes: str, **more: Any) -> Object:
        return self.pools.create(ADMIN, [{"name": "p", "prefixes": list(prefixes), **more}])[0]

    def cut(self, network_id: str, pool_id: str, length: int = 26) -> Object:
        body = {"network_id": network_id, "ip_version": 4, "subnetpool_id": pool_id, "prefixlen": length}
        return self.cloud.subnets.create(TENANT, [body])[0]


@pytest.fixture
def servers(database: Database, database_url: str) -> Iterator[list[Server]]:
    """Two on one database; SQLite allows only one."""
    other = database if database.dialect == "sqlite" else Database(database_url)
    yield [Server(database), Server(other)]
    other.dispose()


def race(works: list[Callable[[], Any]]) -> list[Any]:
    """What each did, or the error it was refused with."""

    def outcome(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except errors.NetschedError as refused:
            return refused

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(outcome, works))


def kinds(outcomes: list[Any]) -> Counter[str]:
    return Counter(one.type if isinstance(one, errors.NetschedError) else "done" for one in outcomes)


def test_what_servers_cut_at_once_never_overlaps(servers: list[Server]) -> None:
    pool = servers[0].pool("10.0.0.0/19", shared=True)

    def work(number: int) -> None:
        server = servers[number % 2]
        for turn in range(EACH):
            network_id = server.cloud.network(TENANT)
            made = server.cut(network_id, pool["id"], LENGTHS[(number + turn) % len(LENGTHS)])
            if turn % 3 == 2:  # a gap that others fill
                server.cloud.subnets.delete(TENANT, made["id"], None)

    assert race([partial(work, number) for number in range(WORKERS)]) == [None] * WORKERS
    nets = [ipaddress.ip_network(row.cidr) for row in servers[0].cloud.rows(sa.select(subnet.c.cidr))]
    assert len(nets) == WORKERS * (EACH - EACH // 3)
    assert not [(str(a), str(b)) for a, b in combinations(nets, 2) if a.overlaps(b)]
    assert all(net.subnet_of(ipaddress.ip_network("10.0.0.0/19")) for net in nets)


def test_a_projects_share_is_not_exceeded(servers: list[Server]) -> None:
    pool = servers[0].pool("10.0.0.0/16", shared=True, default_quota=3 * 64)
    networks = [servers[0].cloud.network(TENANT) for _ in range(6)]
    works = [partial(servers[number % 2].cut, networks[number], pool["id"]) for number in range(6)]
    assert kinds(race(works)) == {"done": 3, "SubnetPoolQuotaExceeded": 3}


def test_one_of_several_becomes_the_default_pool(servers: list[Server]) -> None:
    works = [partial(server.pool, f"10.{at}.0.0/16", is_default=True) for at, server in enumerate(servers * 2)]
    assert kinds(race(works)) == {"done": 1, "InvalidInput": 3}
    assert [pool["is_default"] for pool in servers[0].pools.list(ADMIN, Query())] == [True]


def test_pools_that_overlap_do_not_get_into_one_scope(servers: list[Server]) -> None:
    scope = servers[0].scopes.create(ADMIN, [{"name": "s", "ip_version": 4}])[0]
    pools = [server.pool(f"10.0.{at}.0/22") for at, server in zip((0, 0, 0, 0), servers * 2, strict=True)]
    into = {"address_scope_id": scope["id"]}
    works = [partial(servers[at % 2].pools.update, ADMIN, pool["id"], into, None) for at, pool in enumerate(pools)]
    assert kinds(race(works)) == {"done": 1, "AddressScopePrefixConflict": 3}


def test_a_pool_that_is_deleted_leaves_no_subnet_without_it(servers: list[Server]) -> None:
    for _ in range(3):
        pool = servers[0].pool("10.0.0.0/16", shared=True)
        network_id = servers[0].cloud.network(TENANT)
        made, deleted = race(
            [
                partial(servers[0].cut, network_id, pool["id"]),
                partial(servers[1].pools.delete, ADMIN, pool["id"], None),
            ]
        )
        left = [one["id"] for one in servers[0].pools.list(ADMIN, Query()) if one["id"] == pool["id"]]
        if isinstance(made, errors.SubnetPoolNotFound):
            assert (deleted, left) == (None, [])
        else:
            assert isinstance(deleted, errors.SubnetPoolDeleteError)
            assert (made["subnetpool_id"], left) == (pool["id"], [pool["id"]])
