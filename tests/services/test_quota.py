"""A project gets as many objects as it may have, however many ask at once, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from netsched import errors
from netsched.db.session import Database
from netsched.model.query import Query
from netsched.server.services.network import NetworkService
from netsched.server.services.quota import Quotas, QuotaService
from tests.cloud import ADMIN, OTHER, TENANT, Cloud
from tests.land import Land
from tests.statements import counted

LIMIT = 10


def outcomes(work: Callable[[], Any], times: int) -> list[str]:
    def once(_: int) -> str:
        try:
            work()
        except errors.OverQuota as refused:
            return str(refused)
        return "made"

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(once, range(times)))


@pytest.mark.three
def test_twenty_at_once_at_a_limit_of_ten_are_ten(database: Database) -> None:
    cloud = Cloud(database, {"network": LIMIT})
    found = outcomes(lambda: cloud.networks.create(TENANT, [{}]), 20)
    assert found.count("made") == LIMIT
    assert found.count("Quota exceeded for resources: ['network'].") == 20 - LIMIT
    assert len(cloud.networks.list(ADMIN, Query())) == LIMIT


@pytest.mark.three
def test_many_in_one_request_are_all_or_nothing_at_once_too(database: Database) -> None:
    cloud = Cloud(database, {"network": -1, "port": LIMIT})
    network_id = cloud.network(TENANT)
    bodies = [{"network_id": network_id}] * 3
    found = outcomes(lambda: cloud.ports.create(TENANT, bodies), 8)
    assert found.count("made") == LIMIT // 3
    assert len(cloud.all_ports()) == 9
    with pytest.raises(errors.OverQuota):
        cloud.ports.create(TENANT, bodies[:2])
    cloud.ports.create(TENANT, bodies[:1])
    with pytest.raises(errors.OverQuota):
        cloud.ports.create(ADMIN, [{**bodies[0], "project_id": OTHER.project_id}, {**bodies[0], "project_id": "blue"}])
    assert len(cloud.all_ports()) == LIMIT


def test_every_kind_is_limited(sqlite_database: Database) -> None:
    land = Land(sqlite_database, dict.fromkeys(("network", "subnet", "port", "router", "floatingip"), 1))
    outside = land.external("203.0.113.0/24")
    network_id = land.network(TENANT)
    subnet = land.subnet(network_id, "10.0.0.0/24", TENANT)
    port = land.port(network_id, TENANT)
    router = land.routers.create(TENANT, [{"external_gateway_info": {"network_id": outside}}])[0]
    land.floating(outside)
    again: dict[str, Callable[[], Any]] = {
        "network": lambda: land.network(TENANT),
        "subnet": lambda: land.subnet(network_id, "10.1.0.0/24", TENANT),
        "port": lambda: land.port(network_id, TENANT),
        "router": lambda: land.routers.create(TENANT, [{}]),
        "floatingip": lambda: land.floating(outside),
    }
    for name, create in again.items():
        with pytest.raises(errors.OverQuota, match=f"'{name}'"):
            create()
    assert land.network(OTHER) and subnet and router
    land.ports.delete(TENANT, port["id"], None)
    assert land.port(network_id, TENANT)


def test_a_groups_first_rules_count(sqlite_database: Database) -> None:
    land = Land(sqlite_database, {"security_group": 10, "security_group_rule": 6})
    land.groups.create(TENANT, [{}])  # with the default group's four
    with pytest.raises(errors.OverQuota, match="'security_group_rule'"):
        land.groups.create(TENANT, [{}])


def test_what_belongs_to_nobody_is_not_limited(sqlite_database: Database) -> None:
    cloud = Cloud(sqlite_database, {"network": 0})
    with counted(sqlite_database) as sent:
        assert cloud.networks.create(ADMIN, [{"project_id": ""}] * 3)
    assert not any("quota" in text for text in sent)


def test_a_projects_own_limit_counts_before_the_default(database: Database) -> None:
    quotas = Quotas({"network": 1, "port": -1})
    service = QuotaService(database, quotas)
    cloud = Cloud(database, quotas.defaults)
    cloud.network(TENANT)
    assert service.update("blue", {"network": 3}, check=True) == {"network": 3, "port": -1}
    cloud.network(TENANT), cloud.network(TENANT)
    with pytest.raises(errors.OverQuota):
        cloud.network(TENANT)
    with pytest.raises(errors.HTTPBadRequest, match="greater than or equal to already used 3"):
        service.update("blue", {"network": 2}, check=True)
    assert service.get("blue")["network"] == 3, "a refused change changes nothing"
    assert service.update("blue", {"network": -1, "port": 0}, check=False)["network"] == -1
    network_id = cloud.network(TENANT)
    with pytest.raises(errors.OverQuota):
        cloud.port(network_id, TENANT)
    assert service.details("blue")["network"] == {"limit": -1, "used": 4, "reserved": 0}
    service.delete("blue")
    with pytest.raises(errors.QuotaNotFound):
        service.delete("blue")
    assert cloud.port(network_id, TENANT) and service.default() == service.get("blue")


def test_a_claim_costs_two_statements_and_one_where_nothing_limits(database: Database) -> None:
    cloud = Cloud(database, {"network": 100, "port": -1})
    plain = NetworkService(database, cloud.networks._provider)
    cost = {}
    for name, create in {
        "free": lambda: plain.create(TENANT, [{}]),
        "limited": lambda: cloud.networks.create(TENANT, [{}]),
    }.items():
        create()
        with counted(database) as sent:
            create()
        cost[name] = len(sent)
    assert cost["limited"] == cost["free"] + 2
    network_id = cloud.network(TENANT)
    cloud.port(network_id, TENANT)
    with counted(database) as sent:
        cloud.port(network_id, TENANT)
    assert sum("quota" in text for text in sent) == 1
