"""What floating IPs may cost the database: statements sent, begin and commit included, on all three."""

from __future__ import annotations

from typing import Any

import pytest

from netsched.conf.quotas import DEFAULTS
from netsched.db.session import Database
from netsched.model.query import Query
from tests.cloud import ADMIN, TENANT
from tests.land import Land
from tests.statements import counted


@pytest.fixture
def land(database: Database) -> Land:
    made = Land(database, dict.fromkeys(DEFAULTS, 1_000_000))
    made.floatingips.delete(TENANT, made.floating(made.external("192.0.2.0/24"))["id"], None)  # first use
    return made


def cost(land: Land, work: Any, *arguments: Any) -> int:
    with counted(land.database) as sent:
        work(*arguments)
    return len(sent)


def test_a_floating_ip_from_its_making_to_its_end(land: Land) -> None:
    outside, inside = land.external("203.0.113.0/24"), land.inside("10.0.0.0/24")
    for _ in range(3):  # more routers cost no more
        land.router(outside, inside, beside=True)
    body = {"floating_network_id": outside}
    assert cost(land, land.floatingips.create, TENANT, [body]) <= 14
    free = land.floatingips.list(TENANT, Query())[0]
    port = land.port(inside["network_id"], TENANT)
    given = {"port_id": port["id"]}
    assert cost(land, land.floatingips.update, TENANT, free["id"], given, None) <= 10  # one tells of the port
    assert cost(land, land.floatingips.update, TENANT, free["id"], {"port_id": None}, None) <= 6
    assert cost(land, land.floatingips.update, TENANT, free["id"], {"description": "d"}, None) <= 4
    assert cost(land, land.floatingips.create, TENANT, [body | {"port_id": port["id"]}]) <= 18
    assert cost(land, land.floatingips.get, TENANT, free["id"]) <= 1
    assert cost(land, land.floatingips.delete, TENANT, free["id"], None) <= 12


def test_a_hundred_in_one_request(land: Land) -> None:
    outside, inside = land.external("203.0.113.0/24"), land.inside("10.0.0.0/24")
    land.router(outside, inside)
    ports = land.ports.create(TENANT, [{"network_id": inside["network_id"]}] * 100)
    bodies = [{"floating_network_id": outside, "port_id": port["id"]} for port in ports]
    assert cost(land, land.floatingips.create, TENANT, bodies) <= 20
    assert cost(land, land.floatingips.list, TENANT, Query(limit=100)) <= 1


def test_a_port_that_goes_pays_for_its_floating_ip_only(land: Land) -> None:
    outside, inside = land.external("203.0.113.0/24"), land.inside("10.0.0.0/24")
    land.router(outside, inside)
    plain, reached = (land.port(inside["network_id"], TENANT) for _ in range(2))
    land.floating(outside, port_id=reached["id"])
    assert cost(land, land.ports.delete, ADMIN, plain["id"], None) <= 10
    assert cost(land, land.ports.delete, ADMIN, reached["id"], None) <= 11
