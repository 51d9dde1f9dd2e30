"""Floating IPs: where the address comes from, which fixed address is reached through which router, how it ends."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from netsched import errors
from netsched.db.session import Database
from netsched.model.query import Query
from tests.cloud import ADMIN, DHCP, OTHER, SLAAC, TENANT, ips
from tests.land import Land
from tests.services.test_port import race

ZERO = "00000000-0000-0000-0000-000000000000"
BAD = errors.BadRequest


@pytest.fixture
def land(database: Database) -> Land:
    return Land(database)


@pytest.fixture
def small(sqlite_database: Database) -> Land:
    """For rules in which the kind of database plays no part."""
    return Land(sqlite_database)


def told(land: Land, floatingip: dict[str, Any]) -> list[tuple[str, str]]:
    """(scope, operation) of what was logged of a floating IP."""
    return [
        (scope, done) for scope, kind, id_, done in land.changes() if (kind, id_) == ("floatingip", floatingip["id"])
    ]


def test_an_address_from_the_pools_held_by_a_port_of_nobody(land: Land) -> None:
    outside = land.external("203.0.113.0/24", "2001:db8::/64")
    made = land.floating(outside, description="for the web")
    assert made == land.floatingips.get(TENANT, made["id"]) == land.floatingips.list(TENANT, Query())[0]
    assert {k: v for k, v in made.items() if k not in ("id", "created_at", "updated_at")} == {
        "description": "for the web",
        "project_id": "blue",
        "tenant_id": "blue",
        "floating_network_id": outside,
        "floating_ip_address": "203.0.113.2",
        "fixed_ip_address": None,
        "port_id": None,
        "router_id": None,
        "status": "DOWN",
        "revision_number": 0,
        "tags": [],
        "dns_name": "",
        "dns_domain": "",
        "port_details": None,
    }
    port = land.all_ports()[0]
    assert (port["device_owner"], port["device_id"], port["project_id"]) == ("network:floatingip", made["id"], "")
    assert ips(port) == ["203.0.113.2"]
    assert land.ports.list(TENANT, Query()) == []
    assert told(land, made) == []
    land.floatingips.delete(TENANT, made["id"], None)
    assert land.all_ports() == []
    assert land.floating(outside)["floating_ip_address"] == "203.0.113.2"


def test_a_chosen_address_and_a_chosen_subnet(small: Land) -> None:
    outside = small.external("203.0.113.0/24")
    other = small.subnet(outside, "198.51.100.0/24")
    six = small.subnet(outside, "2001:db8::/64", **SLAAC)
    assert small.floating(outside, subnet_id=other["id"])["floating_ip_address"] == "198.51.100.2"
    assert small.floating(outside, floating_ip_address="198.51.100.77")["floating_ip_address"] == "198.51.100.77"
    with pytest.raises(errors.IpAddressAlreadyAllocated):
        small.floating(outside, floating_ip_address="198.51.100.77")
    with pytest.raises(errors.InvalidIpForNetwork):
        small.floating(outside, floating_ip_address="192.0.2.1")
    with pytest.raises(errors.InvalidIpForSubnet):
        small.floating(outside, floating_ip_address="203.0.113.9", subnet_id=other["id"])
    for wrong in (six["id"], ZERO):
        with pytest.raises(BAD, match=f"subnet_id {wrong} is not an IPv4 subnet"):
            small.floating(outside, subnet_id=wrong)
    with pytest.raises(BAD, match="not an IPv4 address"):
        small.floating(outside, floating_ip_address="2001:db8::7")
    later = small.subnet(outside, "2001:db8:1::/64", **SLAAC)
    holders = [port for port in small.all_ports() if port["device_owner"] == "network:floatingip"]
    assert [len(port["fixed_ips"]) for port in holders] == [1, 1]
    small.subnets.delete(ADMIN, later["id"], None)


def test_the_second_subnet_when_the_first_is_full(small: Land) -> None:
    outside = small.external("203.0.113.0/30", "198.51.100.0/30")
    assert [small.floating(outside)["floating_ip_address"] for _ in range(2)] == ["203.0.113.2", "198.51.100.2"]
    with pytest.raises(errors.IpAddressGenerationFailure):
        small.floating(outside)


def test_only_external_networks_with_ipv4(small: Land) -> None:
    for network_id, why in (
        (ZERO, "is not a valid external network"),
        (small.inside("10.0.0.0/24")["network_id"], "is not a valid external network"),
        (small.external("2001:db8::/64"), "does not contain any IPv4 subnet"),
    ):
        with pytest.raises(BAD, match=f"Bad floatingip request: Network {network_id} {why}."):
            small.floating(network_id)
    assert small.all_ports() == []


def test_given_to_a_port_and_taken_from_it(land: Land) -> None:
    outside, inside = land.external("203.0.113.0/24"), land.inside("10.0.0.0/24")
    router_id = land.router(outside, inside)
    port = land.port(inside["network_id"], TENANT)
    made = land.floating(outside, port_id=port["id"])
    reached = {"port_id": port["id"], "fixed_ip_address": ips(port)[0], "router_id": router_id, "status": "DOWN"}
    assert {name: made[name] for name in reached} == reached
    assert land.floatingips.get(TENANT, made["id"]) == made
    scope = f"router/{router_id}"
    assert told(land, made) == [(scope, "create")]
    free = land.floatingips.update(TENANT, made["id"], {"port_id": None}, 0)
    assert [free[name] for name in reached] == [None, None, None, "DOWN"]
    assert free["revision_number"] == 1
    assert free == land.floatingips.get(TENANT, made["id"])
    assert told(land, made) == [(scope, "create"), (scope, "update")]
    again = land.floatingips.update(TENANT, made["id"], {"port_id": port["id"], "description": "d"}, None)
    assert {name: again[name] for name in reached} == reached and again["description"] == "d"
    assert again == land.floatingips.get(TENANT, made["id"])
    assert land.floatingips.update(TENANT, made["id"], {"description": ""}, None)["port_id"] == port["id"]
    assert land.floatingips.update(TENANT, made["id"], {}, None)["port_id"] is None  # as clients once did it
    land.floatingips.delete(TENANT, made["id"], 4)
    assert [done for _, done in told(land, made)] == ["create", "update", "update", "update", "update"]
    assert {scope for scope, _ in told(land, made)} == {scope}


def test_moved_from_router_to_router_it_is_told_to_both(small: Land) -> None:
    outside = small.external("203.0.113.0/24")
    one, two = small.inside("10.0.0.0/24"), small.inside("10.0.0.0/24")
    routers = [small.router(outside, one), small.router(outside, two)]
    ports = [small.port(subnet["network_id"], TENANT) for subnet in (one, two)]
    made = small.floating(outside, port_id=ports[0]["id"])
    moved = small.floatingips.update(TENANT, made["id"], {"port_id": ports[1]["id"]}, None)
    assert moved["router_id"] == routers[1]
    assert told(small, made)[1:] == [(f"router/{router_id}", "update") for router_id in routers]


def test_which_fixed_address(small: Land) -> None:
    outside, inside = small.external("203.0.113.0/24"), small.inside("10.0.0.0/24")
    small.subnet(inside["network_id"], "fd00::/64", TENANT)
    small.router(outside, inside)
    two = [{"ip_address": "10.0.0.50"}, {"ip_address": "10.0.0.60"}]
    port = small.port(inside["network_id"], TENANT, fixed_ips=[*two, {"ip_address": "fd00::9"}])
    with pytest.raises(BAD, match=f"Port {port['id']} has multiple fixed IPv4 addresses.*fixed_ip_address"):
        small.floating(outside, port_id=port["id"])
    made = small.floating(outside, port_id=port["id"], fixed_ip_address="10.0.0.60")
    assert made["fixed_ip_address"] == "10.0.0.60"
    with pytest.raises(BAD, match="does not have fixed ip 10.0.0.70"):
        small.floating(outside, port_id=port["id"], fixed_ip_address="10.0.0.70")
    with pytest.raises(BAD, match="not an IPv4 address"):
        small.floating(outside, port_id=port["id"], fixed_ip_address="fd00::9")
    with pytest.raises(BAD, match="fixed_ip_address cannot be specified without a port_id"):
        small.floating(outside, fixed_ip_address="10.0.0.60")
    with pytest.raises(BAD, match="fixed_ip_address cannot be specified without a port_id"):
        small.floatingips.update(TENANT, made["id"], {"fixed_ip_address": "10.0.0.50"}, None)
    assert small.floating(outside, port_id=port["id"], fixed_ip_address="10.0.0.50")["router_id"] == made["router_id"]
    six = small.port(inside["network_id"], TENANT, fixed_ips=[{"ip_address": "fd00::8"}])
    with pytest.raises(BAD, match="has no fixed IPv4 addresses"):
        small.floating(outside, port_id=six["id"])
    assert len(small.floatingips.list(TENANT, Query())) == 2  # and nothing is left of what was refused
    assert len([port for port in small.all_ports() if port["device_owner"] == "network:floatingip"]) == 2


def test_only_ports_of_ones_own(small: Land) -> None:
    outside, inside = small.external("203.0.113.0/24"), small.inside("10.0.0.0/24")
    router_id = small.router(outside, inside)
    theirs = small.port(inside["network_id"], project_id="red")
    with pytest.raises(BAD, match="owned by a different project"):
        small.floating(outside, port_id=theirs["id"])
    mine = small.port(inside["network_id"], TENANT)
    for port_id in (mine["id"], ZERO):
        with pytest.raises(errors.PortNotFound):
            small.floating(outside, OTHER, port_id=port_id)
    assert small.floating(outside, ADMIN, port_id=theirs["id"], project_id="red")["router_id"] == router_id
    gateway = next(port for port in small.all_ports() if port["device_owner"] == "network:router_gateway")
    served = small.port(inside["network_id"], device_owner=DHCP)
    for service in (gateway, served):
        with pytest.raises(BAD, match=f"is a port of {service['device_owner']}"):
            small.floating(outside, ADMIN, port_id=service["id"])


def test_a_routers_interface_is_reached_by_that_router(small: Land) -> None:
    outside, inside = small.external("203.0.113.0/24"), small.inside("10.0.0.0/24")
    small.router(outside, inside)
    beside = small.router(outside, inside, beside=True)
    interface = next(
        one for one in small.all_ports() if (one["device_id"], one["network_id"]) == (beside, inside["network_id"])
    )
    made = small.floating(outside, port_id=interface["id"])
    assert (made["router_id"], made["fixed_ip_address"]) == (beside, ips(interface)[0])
    with pytest.raises(errors.RouterInterfaceInUseByFloatingIP):
        small.routers.remove_interface(TENANT, beside, interface["id"], None)
    small.floatingips.update(TENANT, made["id"], {"port_id": None}, None)
    small.routers.remove_interface(TENANT, beside, interface["id"], None)


def test_unreachable(small: Land) -> None:
    outside, inside = small.external("203.0.113.0/24"), small.inside("10.0.0.0/24")
    port = small.port(inside["network_id"], TENANT)
    small.router(small.external("198.51.100.0/24"), inside)
    small.router(outside)
    small.router(None, inside, beside=True)
    message = f"External network {outside} is not reachable from subnet {inside['id']}. Therefore, cannot associate"
    with pytest.raises(errors.ExternalGatewayForFloatingIPNotFound, match=message):
        small.floating(outside, port_id=port["id"])
    made = small.floating(outside)
    with pytest.raises(errors.ExternalGatewayForFloatingIPNotFound):
        small.floatingips.update(TENANT, made["id"], {"port_id": port["id"], "description": "d"}, None)
    assert small.floatingips.get(TENANT, made["id"]) == made


def test_of_several_routers_the_gateway_of_the_subnet_then_the_oldest(small: Land) -> None:
    outside, inside = small.external("203.0.113.0/24"), small.inside("10.0.0.0/24")
    oldest = small.router(outside, inside, beside=True)
    small.router(outside, inside, beside=True)
    ports = [small.port(inside["network_id"], TENANT) for _ in range(2)]
    assert small.floating(outside, port_id=ports[0]["id"])["router_id"] == oldest
    gateway = small.router(outside, inside)
    assert small.floating(outside, port_id=ports[1]["id"])["router_id"] == gateway


def test_one_per_fixed_address_and_external_network(land: Land) -> None:
    outside, other, inside = (
        land.external("203.0.113.0/24"),
        land.external("198.51.100.0/24"),
        land.inside("10.0.0.0/24"),
    )
    land.router(outside, inside)
    land.router(other, inside, beside=True)
    port = land.port(inside["network_id"], TENANT)
    first = land.floating(outside, port_id=port["id"])
    free = land.floating(outside)
    message = rf"Cannot associate floating IP {free['floating_ip_address']} \({free['id']}\) with port {port['id']}"
    with pytest.raises(errors.FloatingIPPortAlreadyAssociated, match=message):
        land.floatingips.update(TENANT, free["id"], {"port_id": port["id"]}, None)
    twice = [{"floating_network_id": outside, "port_id": land.port(inside["network_id"], TENANT)["id"]}] * 2
    with pytest.raises(errors.FloatingIPPortAlreadyAssociated):
        land.floatingips.create(TENANT, twice)
    assert land.floating(other, port_id=port["id"])["fixed_ip_address"] == first["fixed_ip_address"]
    same = land.floatingips.update(TENANT, first["id"], {"port_id": port["id"]}, None)
    assert same["router_id"] == first["router_id"]


def test_of_several_at_once_one_gets_the_fixed_address(land: Land) -> None:
    outside, inside = land.external("203.0.113.0/24"), land.inside("10.0.0.0/24")
    land.router(outside, inside)
    port = land.port(inside["network_id"], TENANT)
    free = [land.floating(outside)["id"] for _ in range(4)]
    take = [functools.partial(land.floatingips.update, TENANT, id_, {"port_id": port["id"]}, None) for id_ in free]
    assert sorted(race(*take)) == ["FloatingIPPortAlreadyAssociated"] * 3 + ["done"]


def test_a_port_that_goes_while_it_is_being_associated(land: Land) -> None:
    outside, inside = land.external("203.0.113.0/24"), land.inside("10.0.0.0/24")
    land.router(outside, inside)
    for _ in range(5):
        port, free = land.port(inside["network_id"], TENANT), land.floating(outside)
        take = functools.partial(land.floatingips.update, TENANT, free["id"], {"port_id": port["id"]}, None)
        drop = functools.partial(land.ports.delete, TENANT, port["id"], None)
        taken, dropped = race(take, drop)
        assert (taken in ("done", "PortNotFound"), dropped) == (True, "done")
        assert land.floatingips.get(TENANT, free["id"])["router_id"] is None


def test_a_router_that_loses_its_gateway_or_interface_while_it_is_needed(land: Land) -> None:
    outside, inside = land.external("203.0.113.0/24"), land.inside("10.0.0.0/24")
    router_id = land.router(outside, inside)
    free, port = land.floating(outside), land.port(inside["network_id"], TENANT)
    take = functools.partial(land.floatingips.update, TENANT, free["id"], {"port_id": port["id"]}, None)
    close = functools.partial(land.routers.update, TENANT, router_id, {"external_gateway_info": None}, None)
    unplug = functools.partial(land.routers.remove_interface, TENANT, router_id, None, inside["id"])
    lost = "ExternalGatewayForFloatingIPNotFound"
    for change, refused in (
        (close, "RouterExternalGatewayInUseByFloatingIp"),
        (unplug, "RouterInterfaceInUseByFloatingIP"),
    ):
        for _ in range(3):
            seen = race(take, change)
            assert tuple(seen) in ((lost, "done"), ("done", refused)), seen
            land.floatingips.update(TENANT, free["id"], {"port_id": None}, None)
            if seen[1] == "done" and change is close:
                land.routers.update(TENANT, router_id, {"external_gateway_info": {"network_id": outside}}, None)
            elif seen[1] == "done":
                land.routers.add_interface(TENANT, router_id, None, inside["id"])
    assert take()["router_id"] == router_id
    with pytest.raises(errors.RouterExternalGatewayInUseByFloatingIp):
        close()
    with pytest.raises(errors.RouterInterfaceInUseByFloatingIP):
        unplug()
    with pytest.raises(errors.RouterInUse):
        land.routers.delete(TENANT, router_id, None)


def test_a_deleted_port_leaves_its_floating_ips_free(land: Land) -> None:
    outside, inside = land.external("203.0.113.0/24"), land.inside("10.0.0.0/24")
    router_id = land.router(outside, inside)
    port = land.port(inside["network_id"], TENANT)
    made = land.floating(outside, port_id=port["id"])
    land.ports.delete(TENANT, port["id"], None)
    left = land.floatingips.get(TENANT, made["id"])
    assert [left[name] for name in ("port_id", "fixed_ip_address", "router_id", "status")] == [None, None, None, "DOWN"]
    assert left["revision_number"] == 1
    assert told(land, made) == [(f"router/{router_id}", "create"), (f"router/{router_id}", "update")]


def test_an_address_that_leaves_its_port_leaves_its_floating_ip(land: Land) -> None:
    outside, inside = land.external("203.0.113.0/24"), land.inside("10.0.0.0/24")
    land.router(outside, inside)
    two = [{"ip_address": "10.0.0.50"}, {"ip_address": "10.0.0.60"}]
    port = land.port(inside["network_id"], TENANT, fixed_ips=two)
    made = [land.floating(outside, port_id=port["id"], fixed_ip_address=ip["ip_address"]) for ip in two]
    land.ports.update(TENANT, port["id"], {"fixed_ips": [two[0], {"ip_address": "10.0.0.70"}]}, None)
    stays, went = (land.floatingips.get(TENANT, one["id"]) for one in made)
    assert stays == made[0]
    assert (went["port_id"], went["router_id"], went["revision_number"]) == (None, None, 1)


def test_a_network_takes_floating_ips_along_that_stand_for_nothing(land: Land) -> None:
    outside, inside = land.external("203.0.113.0/24"), land.inside("10.0.0.0/24")
    router_id = land.router(outside, inside)
    port = land.port(inside["network_id"], TENANT)
    loose = [land.floating(outside)["id"] for _ in range(2)]
    used = land.floating(outside, port_id=port["id"])
    with pytest.raises(errors.NetworkInUse, match="1 of network:floatingip, 1 of network:router_gateway"):
        land.networks.delete(ADMIN, outside, None)
    assert {one["id"] for one in land.floatingips.list(TENANT, Query())} == {used["id"], *loose}
    land.floatingips.update(TENANT, used["id"], {"port_id": None}, None)
    land.routers.update(TENANT, router_id, {"external_gateway_info": None}, None)
    land.networks.delete(ADMIN, outside, None)
    assert land.floatingips.list(TENANT, Query()) == []
    assert [one for one in land.all_ports() if one["network_id"] == outside] == []


def test_what_others_have(small: Land) -> None:
    made = small.floating(small.external("203.0.113.0/24"))
    assert small.floatingips.list(OTHER, Query()) == []
    for asked in (
        lambda: small.floatingips.get(OTHER, made["id"]),
        lambda: small.floatingips.update(OTHER, made["id"], {"description": "mine"}, None),
        lambda: small.floatingips.delete(OTHER, made["id"], None),
    ):
        with pytest.raises(errors.FloatingIPNotFound):
            asked()
    with pytest.raises(errors.RevisionNumberConstraintFailed):
        small.floatingips.update(TENANT, made["id"], {}, 7)
    with pytest.raises(errors.RevisionNumberConstraintFailed):
        small.floatingips.delete(TENANT, made["id"], 7)
    assert small.floatingips.get(ADMIN, made["id"]) == made
