"""Two changes at once of a router and of what it stands on: one after the other, the later one sees the earlier."""

from __future__ import annotations

from functools import partial

import pytest

from netsched.db.session import Database
from tests.cloud import ADMIN, TENANT, ips
from tests.land import Land
from tests.services.test_port import race

pytestmark = pytest.mark.three

ROUNDS = 5


@pytest.fixture
def land(database: Database) -> Land:
    return Land(database)


def test_of_overlapping_subnets_one_is_added(land: Land) -> None:
    for _ in range(ROUNDS):
        add = partial(land.routers.add_interface, TENANT, land.router(None), None)
        subnets = [land.inside(cidr) for cidr in ("10.0.0.0/24", "10.0.0.0/25", "10.0.0.0/16")]
        assert sorted(race(*[partial(add, subnet["id"]) for subnet in subnets])) == ["BadRequest", "BadRequest", "done"]


def test_a_port_goes_to_one_of_two_routers(land: Land) -> None:
    subnet = land.inside("10.0.0.0/24")
    for _ in range(ROUNDS):
        routers, port = [land.router(None), land.router(None)], land.port(subnet["network_id"], TENANT)
        outcome = race(*[partial(land.routers.add_interface, TENANT, id, port["id"], None) for id in routers])
        assert sorted(outcome) == ["PortInUse", "done"]
        assert land.read_port(port)["device_id"] == routers[outcome.index("done")]


def test_a_router_is_deleted_or_gets_an_interface(land: Land) -> None:
    for _ in range(ROUNDS):
        router_id, subnet = land.router(None), land.inside("10.0.0.0/24")
        outcome = race(
            partial(land.routers.add_interface, TENANT, router_id, None, subnet["id"]),
            partial(land.routers.delete, TENANT, router_id, None),
        )
        assert outcome in (["done", "RouterInUse"], ["RouterNotFound", "done"])
        assert len([port for port in land.all_ports() if port["device_id"] == router_id]) == (outcome[0] == "done")


def test_an_interface_has_the_gateway_address_that_the_subnet_has(land: Land) -> None:
    change = {"gateway_ip": "10.0.0.254", "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"}]}
    for _ in range(ROUNDS):
        router_id, subnet = land.router(None), land.inside("10.0.0.0/24")
        outcome = race(
            partial(land.routers.add_interface, TENANT, router_id, None, subnet["id"]),
            partial(land.subnets.update, TENANT, subnet["id"], change, None),
        )
        assert outcome in (["done", "done"], ["done", "GatewayIpInUse"])
        port = next(port for port in land.all_ports() if port["device_id"] == router_id)
        assert ips(port) == [land.subnets.get(ADMIN, subnet["id"])["gateway_ip"]]


def test_a_network_is_not_made_internal_under_a_gateway(land: Land) -> None:
    for _ in range(ROUNDS):
        outside = land.external("203.0.113.0/24")
        outcome = race(
            partial(land.router, outside),
            partial(land.networks.update, ADMIN, outside, {"router:external": False}, None),
        )
        assert outcome in (["done", "ExternalNetworkInUse"], ["NetworkNotFound", "done"])


def test_a_port_that_becomes_an_interface_is_not_changed_any_more(land: Land) -> None:
    subnet = land.inside("10.0.0.0/24")
    for _ in range(ROUNDS):
        router_id, port = land.router(None), land.port(subnet["network_id"], TENANT)
        outcome = race(
            partial(land.routers.add_interface, TENANT, router_id, port["id"], None),
            partial(land.ports.update, TENANT, port["id"], {"device_id": "vm"}, None),
        )
        assert outcome in (["done", "L3PortUnchangeable"], ["PortInUse", "done"])
        assert land.read_port(port)["device_id"] == (router_id if outcome[0] == "done" else "vm")
