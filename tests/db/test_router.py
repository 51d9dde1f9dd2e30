"""Routers as rows: what is read of them, found by filters, and delivered to agents."""

from __future__ import annotations

from typing import Any

import pytest

from netsched import errors
from netsched.db import router
from netsched.db.session import Database
from netsched.model.query import Query
from netsched.server.readers import readers
from tests.cloud import ADMIN, OTHER, SLAAC, TENANT
from tests.land import Land


@pytest.fixture
def land(database: Database) -> Land:
    return Land(database)


def test_a_state_has_all_that_changes_depend_on(land: Land) -> None:
    outside = land.external("203.0.113.0/24", "198.51.100.0/24")
    subnet = land.inside("10.0.0.0/24")
    beside = land.subnet(subnet["network_id"], "10.0.1.0/24", TENANT)
    router_id = land.router(outside, subnet)
    land.port(subnet["network_id"], device_id=router_id)  # a server by that name, not the router
    found = land.database.write(lambda tx: router.state(tx, router_id))
    assert found == land.database.write(lambda tx: router.state(tx, router_id, "blue"))
    assert (found.project_id, found.routes, found.zone_hints, found.requires) == ("blue", (), (), ["vxlan"])
    assert len(found.legs) == 2 and found.gateway is not None
    (inside,) = found.interfaces
    assert (inside.network_id, inside.project_id) == (subnet["network_id"], "blue")
    assert inside.addresses == ((subnet["id"], "10.0.0.1"),)
    assert inside.cidrs == {subnet["id"]: "10.0.0.0/24", beside["id"]: "10.0.1.0/24"}
    assert inside.connected == {subnet["id"]: "10.0.0.0/24"}
    assert (found.gateway.network_id, found.gateway.project_id) == (outside, "")
    assert sorted(found.gateway.cidrs.values()) == ["198.51.100.0/24", "203.0.113.0/24"]
    with pytest.raises(errors.RouterNotFound):
        land.database.write(lambda tx: router.state(tx, router_id, "red"))


def test_a_gateway_on_a_network_without_subnets_has_no_address(land: Land) -> None:
    router_id = land.router(land.external())
    info = land.routers.get(TENANT, router_id)["external_gateway_info"]
    assert (info["enable_snat"], info["external_fixed_ips"]) == (True, [])
    assert land.database.write(lambda tx: router.state(tx, router_id)).legs[0].addresses == ()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "abc"),
        ({"name": ("a", "c")}, "ac"),
        ({"admin_state_up": (False,)}, "b"),
        ({"status": ("ACTIVE",)}, "abc"),
        ({"project_id": ("red",)}, "c"),
        ({"availability_zone_hints": ("east",)}, "a"),
        ({"availability_zones": ("east",)}, ""),
        ({"routes": ("192.0.2.0/24",)}, ""),
    ],
)
def test_filters(sqlite_database: Database, filters: dict[str, Any], expected: str) -> None:
    land = Land(sqlite_database)
    land.routers.create(TENANT, [{"name": "a", "availability_zone_hints": ["east", "west"]}])
    land.routers.create(TENANT, [{"name": "b", "admin_state_up": False}])
    land.routers.create(OTHER, [{"name": "c"}])
    assert "".join(sorted(one["name"] for one in land.routers.list(ADMIN, Query(filters=filters)))) == expected


def test_an_agent_gets_a_router_with_all_that_belongs_to_it(land: Land) -> None:
    outside, subnet = land.external("203.0.113.0/24"), land.inside("10.0.0.0/24")
    router_id = land.router(outside, subnet)
    land.router(outside, land.inside("10.9.0.0/24"))
    found = {
        kind: {one["id"]: one for one in whole.get(router_id, ())}
        for (scope_type, kind), whole in read(land, router_id).items()
        if scope_type == "router"
    }
    assert set(found["router"]) == {router_id}
    shown = land.routers.get(ADMIN, router_id)
    assert found["router"][router_id] == {
        name: value for name, value in shown.items() if name not in ("status", "availability_zones")
    }
    assert set(found["network"]) == {outside, subnet["network_id"]}
    assert {one["cidr"] for one in found["subnet"].values()} == {"203.0.113.0/24", "10.0.0.0/24"}
    assert {one["device_owner"] for one in found["port"].values()} == {
        "network:router_gateway",
        "network:router_interface",
    }


def read(land: Land, router_id: str) -> dict[tuple[str, str], dict[str, list[dict[str, Any]]]]:
    with land.database.read() as connection:
        return {key: reader.whole(connection, [router_id]) for key, reader in readers().items()}


def test_what_is_logged_of_a_router_brings_a_copy_up_to_date(land: Land) -> None:
    """The log's entries, read one by one, lead from one whole content to the next."""
    outside, first, second = land.external("203.0.113.0/24"), land.inside("10.0.0.0/24"), land.inside("10.0.1.0/24")
    router_id = land.router(None)
    copy, seen = content(land, router_id), len(land.changes())
    work = land.routers
    gateway = {"external_gateway_info": {"network_id": outside}}
    readdressed = {"network_id": outside, "external_fixed_ips": [{"ip_address": "203.0.113.99"}]}
    for step in (
        lambda: work.add_interface(TENANT, router_id, None, first["id"]),
        lambda: work.update(TENANT, router_id, {**gateway, "name": "r"}, None),
        lambda: work.add_interface(TENANT, router_id, None, second["id"]),
        lambda: land.subnets.update(TENANT, second["id"], {"name": "renamed"}, None),
        lambda: land.networks.update(TENANT, first["network_id"], {"admin_state_up": False}, None),
        lambda: work.update(ADMIN, router_id, {"external_gateway_info": readdressed}, None),
        lambda: land.subnet(outside, "2001:db8::/64", **SLAAC),
        lambda: land.subnets.delete(ADMIN, land.networks.get(ADMIN, outside)["subnets"][1], None),
        lambda: work.remove_interface(TENANT, router_id, None, first["id"]),
        lambda: work.update(TENANT, router_id, {"external_gateway_info": None}, None),
        lambda: work.remove_interface(TENANT, router_id, None, second["id"]),
    ):
        step()
        new, seen = land.changes()[seen:], len(land.changes())
        for kind, id_ in {(kind, id_) for scope, kind, id_, _ in new if scope == f"router/{router_id}"}:
            reader = readers()["router", kind]
            with land.database.read() as connection:
                now = reader.some(connection, {router_id: [id_]})[router_id]
            copy.pop((kind, id_), None)
            copy.update({(kind, id_): now[id_]} if id_ in now else {})
        assert copy == content(land, router_id)
    assert set(copy) == {("router", router_id)}


def content(land: Land, router_id: str) -> dict[tuple[str, str], dict[str, Any]]:
    whole = read(land, router_id)
    return {
        (kind, one["id"]): one
        for (scope_type, kind), found in whole.items()
        if scope_type == "router"
        for one in found.get(router_id, ())
    }
