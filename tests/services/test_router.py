"""Routers: gateways, interfaces and routes, what they refuse, and who is told and asked to serve them."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from netsched import errors
from netsched.db.binding import binding
from netsched.db.session import Database
from netsched.model.query import Query
from tests.cloud import ADMIN, OTHER, SLAAC, TENANT, ips
from tests.land import Land

ZERO = "00000000-0000-0000-0000-000000000000"
BAD = errors.BadRequest
ROUTE = {"destination": "192.0.2.0/24", "nexthop": "10.0.0.9"}


@pytest.fixture
def land(database: Database) -> Land:
    return Land(database)


@pytest.fixture
def small(sqlite_database: Database) -> Land:
    """For rules in which the kind of database plays no part."""
    return Land(sqlite_database)


def slot(land: Land, router_id: str) -> tuple[str, list[str]] | None:
    """(state, requires) of a router's slot."""
    columns = (binding.c.state, binding.c.requires, binding.c.agent_type, binding.c.demand)
    rows = land.rows(sa.select(*columns).where(binding.c.resource_type == "router", binding.c.resource_id == router_id))
    assert all((row.agent_type, row.demand) == ("L3 agent", {"router": 1}) for row in rows)
    assert len(rows) <= 1
    return (rows[0].state, rows[0].requires) if rows else None


def told(land: Land, router_id: str) -> set[tuple[str, str, str]]:
    """(kind, id, operation) of everything logged in the router's scope."""
    return {(kind, id_, done) for scope, kind, id_, done in land.changes() if scope == f"router/{router_id}"}


def lead_to(land: Land, router_id: str, network_id: str | None, **more: Any) -> dict[str, Any]:
    info = {"network_id": network_id, **more} if network_id else None
    return land.routers.update(ADMIN, router_id, {"external_gateway_info": info}, None)


def test_a_router_has_all_attributes_and_reads_as_it_was_created(land: Land) -> None:
    body = {"name": "r", "description": "d", "admin_state_up": False, "availability_zone_hints": ["east"]}
    made = land.routers.create(TENANT, [body])[0]
    assert made == land.routers.get(TENANT, made["id"]) == land.routers.list(TENANT, Query())[0]
    assert {k: v for k, v in made.items() if k not in ("id", "created_at", "updated_at")} == {
        **body,
        "project_id": "blue",
        "tenant_id": "blue",
        "status": "ACTIVE",
        "external_gateway_info": None,
        "routes": [],
        "availability_zones": [],
        "revision_number": 0,
        "tags": [],
    }
    assert slot(land, made["id"]) is None
    changed = land.routers.update(TENANT, made["id"], {"name": "s", "admin_state_up": True}, 0)
    assert (changed["name"], changed["admin_state_up"], changed["revision_number"]) == ("s", True, 1)
    assert changed == land.routers.get(TENANT, made["id"])
    with pytest.raises(errors.RevisionNumberConstraintFailed):
        land.routers.update(TENANT, made["id"], {"name": "t"}, 0)
    with pytest.raises(errors.RevisionNumberConstraintFailed):
        land.routers.delete(TENANT, made["id"], 0)
    land.routers.delete(TENANT, made["id"], 1)
    assert land.routers.list(ADMIN, Query()) == []
    assert told(land, made["id"]) == {("router", made["id"], done) for done in ("create", "update", "delete")}


def test_others_do_not_see_it(small: Land) -> None:
    router_id = small.router(None)
    subnet = small.inside("10.0.0.0/24", OTHER)
    assert small.routers.list(OTHER, Query()) == []
    attempts = [
        lambda: small.routers.get(OTHER, router_id),
        lambda: small.routers.update(OTHER, router_id, {"name": "mine"}, None),
        lambda: small.routers.update(OTHER, router_id, {"routes": []}, None),
        lambda: small.routers.delete(OTHER, router_id, None),
        lambda: small.routers.add_interface(OTHER, router_id, None, subnet["id"]),
        lambda: small.routers.remove_interface(OTHER, router_id, None, subnet["id"]),
        lambda: small.routers.add_routes(OTHER, router_id, [ROUTE]),
        lambda: small.routers.get(ADMIN, ZERO),
        lambda: small.routers.add_interface(ADMIN, ZERO, None, subnet["id"]),
    ]
    for attempt in attempts:
        with pytest.raises(errors.RouterNotFound):
            attempt()
    assert small.routers.get(ADMIN, router_id)["revision_number"] == 0


def test_a_gateway_comes_changes_and_goes(land: Land) -> None:
    first, second = land.external("203.0.113.0/24"), land.external("198.51.100.0/24", "2001:db8::/64")
    made = land.routers.create(TENANT, [{"external_gateway_info": {"network_id": first}}])[0]
    subnet_id = land.networks.get(ADMIN, first)["subnets"][0]
    assert made["external_gateway_info"] == {
        "network_id": first,
        "enable_snat": True,
        "external_fixed_ips": [{"subnet_id": subnet_id, "ip_address": "203.0.113.2"}],
    }
    assert made == land.routers.get(TENANT, made["id"])
    (port,) = land.all_ports()
    assert (port["device_owner"], port["device_id"], port["project_id"]) == ("network:router_gateway", made["id"], "")
    assert land.ports.list(TENANT, Query()) == []
    assert slot(land, made["id"]) == ("unbound", ["vxlan"])
    added = {("router", made["id"], "create"), ("port", port["id"], "create"), ("network", first, "update")}
    assert told(land, made["id"]) == {*added, ("subnet", subnet_id, "update")}

    moved = lead_to(land, made["id"], second, enable_snat=False)["external_gateway_info"]
    assert (moved["network_id"], moved["enable_snat"]) == (second, False)
    assert [ip["ip_address"] for ip in moved["external_fixed_ips"]] == ["198.51.100.2", "2001:db8::2"]
    assert [port["network_id"] for port in land.all_ports()] == [second]
    assert {("port", port["id"], "delete"), ("network", second, "update")} <= told(land, made["id"])

    assert lead_to(land, made["id"], second)["external_gateway_info"]["enable_snat"] is True
    (same,) = land.all_ports()
    assert ips(same) == ["198.51.100.2", "2001:db8::2"]
    assert lead_to(land, made["id"], None)["external_gateway_info"] is None
    assert land.all_ports() == []
    assert slot(land, made["id"]) == ("idle", [])
    assert "203.0.113.2" in land.books(land.subnets.get(ADMIN, subnet_id))[0]
    lead_to(land, made["id"], first)
    assert slot(land, made["id"]) == ("unbound", ["vxlan"])
    land.routers.delete(TENANT, made["id"], None)
    assert land.all_ports() == [] and slot(land, made["id"]) is None


def test_what_an_agent_must_reach_follows_the_gateway(small: Land) -> None:
    router_id = small.router(small.external("203.0.113.0/24"))
    assert slot(small, router_id) == ("unbound", ["vxlan"])
    subnet = small.inside("10.0.0.0/24")
    small.routers.add_interface(TENANT, router_id, None, subnet["id"])
    assert slot(small, router_id) == ("unbound", ["vxlan"])
    lead_to(small, router_id, None)
    assert slot(small, router_id) == ("unbound", [])
    small.routers.remove_interface(TENANT, router_id, None, subnet["id"])
    assert slot(small, router_id) == ("idle", [])


def test_external_addresses_of_ones_choice(small: Land) -> None:
    outside = small.external("203.0.113.0/24", "198.51.100.0/24")
    first, second = (small.subnets.get(ADMIN, id) for id in small.networks.get(ADMIN, outside)["subnets"])
    chosen = [{"ip_address": "203.0.113.77"}, {"subnet_id": second["id"]}]
    body = {"external_gateway_info": {"network_id": outside, "external_fixed_ips": chosen}}
    made = small.routers.create(ADMIN, [body])[0]
    assert made["external_gateway_info"]["external_fixed_ips"] == [
        {"subnet_id": second["id"], "ip_address": "198.51.100.2"},
        {"subnet_id": first["id"], "ip_address": "203.0.113.77"},
    ]
    (port,) = small.all_ports()
    after = lead_to(small, made["id"], outside, external_fixed_ips=[{"ip_address": "203.0.113.78"}])
    assert [ip["ip_address"] for ip in after["external_gateway_info"]["external_fixed_ips"]] == ["203.0.113.78"]
    assert ips(small.read_port(port)) == ["203.0.113.78"]
    assert ("subnet", second["id"], "update") in told(small, made["id"])
    for wrong, refusal in (
        ([{"ip_address": "203.0.113.1"}], "External IP 203.0.113.1 is the same as the gateway IP"),
        ([{"ip_address": "192.0.2.1"}], "192.0.2.1 is not a valid IP for any of the subnets"),
        ([{"subnet_id": ZERO}], ZERO),
    ):
        with pytest.raises(errors.Invalid, match=refusal):
            lead_to(small, made["id"], outside, external_fixed_ips=wrong)
    small.port(outside, fixed_ips=[{"ip_address": "203.0.113.99"}])
    with pytest.raises(errors.IpAddressAlreadyAllocated):
        lead_to(small, made["id"], outside, external_fixed_ips=[{"ip_address": "203.0.113.99"}])


def test_a_gateway_that_is_refused(small: Land) -> None:
    mine, theirs = small.network(TENANT), small.network(OTHER)
    for network_id, error in ((mine, BAD), (theirs, errors.NetworkNotFound), (ZERO, errors.NetworkNotFound)):
        with pytest.raises(error):
            small.routers.create(TENANT, [{}, {"external_gateway_info": {"network_id": network_id}}])
    assert small.routers.list(ADMIN, Query()) == []
    outside = small.external("10.0.0.0/16", "203.0.113.0/24")
    router_id = small.router(None, small.inside("10.0.5.0/24"))
    with pytest.raises(BAD, match=r"Cidr 10\.0\.0\.0/16 of subnet .* overlaps with cidr 10\.0\.5\.0/24 of subnet"):
        lead_to(small, router_id, outside)
    assert small.routers.get(TENANT, router_id)["external_gateway_info"] is None
    full = small.external("192.0.2.0/30")
    small.router(full)
    with pytest.raises(errors.IpAddressGenerationFailure):
        small.router(full)


def test_a_gateway_that_floating_ips_need(land: Land) -> None:
    outside, other = land.external("203.0.113.0/24"), land.external("198.51.100.0/24")
    subnet = land.inside("10.0.0.0/24")
    router_id = land.router(outside, subnet)
    port = land.port(subnet["network_id"], TENANT)
    floating = land.floating(outside, port_id=port["id"])
    for network_id in (None, other):
        with pytest.raises(errors.RouterExternalGatewayInUseByFloatingIp, match=f"to external network {outside}"):
            lead_to(land, router_id, network_id)
    lead_to(land, router_id, outside, external_fixed_ips=[{"ip_address": "203.0.113.99"}])
    for by in (
        {"subnet_id": subnet["id"], "port_id": None},
        {"subnet_id": None, "port_id": interface_of(land, router_id)},
    ):
        with pytest.raises(errors.RouterInterfaceInUseByFloatingIP):
            land.routers.remove_interface(TENANT, router_id, **by)
    land.floatingips.update(TENANT, floating["id"], {"port_id": None}, None)
    land.routers.remove_interface(TENANT, router_id, None, subnet["id"])
    lead_to(land, router_id, None)


def interface_of(land: Land, router_id: str) -> str:
    owned = (router_id, "network:router_interface")
    (found,) = (port["id"] for port in land.all_ports() if (port["device_id"], port["device_owner"]) == owned)
    return str(found)


def test_an_interface_by_subnet(land: Land) -> None:
    router_id, subnet = land.router(None), land.inside("10.0.0.0/24")
    added = land.routers.add_interface(TENANT, router_id, None, subnet["id"])
    port = land.ports.get(TENANT, added["port_id"])
    assert added == {
        "id": router_id,
        "project_id": "blue",
        "port_id": port["id"],
        "network_id": subnet["network_id"],
        "subnet_id": subnet["id"],
        "subnet_ids": [subnet["id"]],
    }
    assert (port["device_owner"], port["device_id"], port["project_id"]) == (
        "network:router_interface",
        router_id,
        "blue",
    )
    assert ips(port) == ["10.0.0.1"]
    assert slot(land, router_id) == ("unbound", [])
    came = {("network", subnet["network_id"], "update"), ("subnet", subnet["id"], "update")}
    assert came | {("port", port["id"], "create"), ("router", router_id, "update")} <= told(land, router_id)
    assert land.routers.get(TENANT, router_id)["revision_number"] == 1
    with pytest.raises(errors.RouterInUse, match=f"^Router {router_id} has ports still attached: {port['id']}$"):
        land.routers.delete(TENANT, router_id, None)
    with pytest.raises(errors.SubnetInUse):
        land.subnets.delete(TENANT, subnet["id"], None)
    before = len([row for row in land.changes() if row[0] == f"router/{router_id}"])
    assert land.routers.remove_interface(TENANT, router_id, None, subnet["id"]) == added
    gone = {row[1:] for row in [row for row in land.changes() if row[0] == f"router/{router_id}"][before:]}
    assert gone == came | {("port", port["id"], "delete"), ("router", router_id, "update")}
    assert land.all_ports() == [] and slot(land, router_id) == ("idle", [])
    land.routers.delete(TENANT, router_id, None)


def test_an_interface_by_port(land: Land) -> None:
    router_id, subnet = land.router(None), land.inside("10.0.0.0/24")
    port = land.port(subnet["network_id"], TENANT, fixed_ips=[{"ip_address": "10.0.0.77"}])
    added = land.routers.add_interface(TENANT, router_id, port["id"], None)
    assert (added["port_id"], added["subnet_ids"]) == (port["id"], [subnet["id"]])
    after = land.read_port(port)
    assert (after["device_owner"], after["device_id"]) == ("network:router_interface", router_id)
    assert ("port", port["id"], "update") in told(land, router_id)
    for other in (router_id, land.router(None)):
        with pytest.raises(errors.PortInUse, match=f"already has an attached device {router_id}"):
            land.routers.add_interface(TENANT, other, port["id"], None)
    second = land.inside("10.0.1.0/24")
    with pytest.raises(errors.SubnetMismatchForPort):
        land.routers.remove_interface(TENANT, router_id, port["id"], second["id"])
    with pytest.raises(errors.RouterInterfaceNotFound):
        land.routers.remove_interface(TENANT, router_id, ZERO, None)
    with pytest.raises(errors.RouterInterfaceNotFoundForSubnet):
        land.routers.remove_interface(TENANT, router_id, None, second["id"])
    assert land.routers.remove_interface(TENANT, router_id, port["id"], subnet["id"]) == added
    assert land.all_ports() == []


def test_interfaces_that_are_refused(small: Land) -> None:
    outside, subnet = small.external("203.0.113.0/24"), small.inside("10.0.0.0/24")
    router_id = small.router(outside, subnet)
    theirs = small.inside("10.1.0.0/24", OTHER)
    shared = small.subnet(small.network(shared=True), "10.2.0.0/24")
    none = small.inside("10.3.0.0/24", gateway_ip=None)
    taken = small.inside("10.4.0.0/24")
    small.port(taken["network_id"], TENANT, fixed_ips=[{"ip_address": "10.4.0.1"}])
    heard = small.inside("fd00::/64", ipv6_address_mode="slaac")
    for wanted, error, text in (
        (subnet["id"], BAD, f"Router already has a port on subnet {subnet['id']}"),
        (small.inside("10.0.0.0/25")["id"], BAD, f"overlaps with cidr 10.0.0.0/24 of subnet {subnet['id']}"),
        (small.inside("203.0.113.0/26")["id"], BAD, "overlaps with cidr 203.0.113.0/24"),
        (none["id"], BAD, "Subnet for router interface must have a gateway IP"),
        (heard["id"], BAD, "configured to receive RAs from an external router"),
        (shared["id"], BAD, "is not owned by project making the request"),
        (theirs["id"], errors.SubnetNotFound, theirs["id"]),
        (ZERO, errors.SubnetNotFound, ZERO),
        (taken["id"], errors.IpAddressAlreadyAllocated, "10.4.0.1"),
    ):
        with pytest.raises(error, match=text):
            small.routers.add_interface(TENANT, router_id, None, wanted)
    bare = small.port(small.network(TENANT), TENANT)
    used = small.port(taken["network_id"], TENANT, device_id="vm")
    again = small.port(subnet["network_id"], TENANT)
    small.subnet(taken["network_id"], "10.5.0.0/24")
    two = small.port(taken["network_id"], TENANT, fixed_ips=[{"ip_address": "10.4.0.8"}, {"ip_address": "10.5.0.8"}])
    for port, error, text in (
        (bare["id"], BAD, "at least one fixed IP"),
        (used["id"], errors.PortInUse, "vm"),
        (again["id"], BAD, "already has a port on subnet"),
        (two["id"], BAD, "Cannot have multiple IPv4 subnets on router port"),
        (small.port(theirs["network_id"], OTHER)["id"], errors.PortNotFound, "could not be found"),
        (ZERO, errors.PortNotFound, ZERO),
    ):
        with pytest.raises(error, match=text):
            small.routers.add_interface(TENANT, router_id, port, None)
    assert len(small.rows(sa.select(binding.c.slot).where(binding.c.resource_id == router_id))) == 1
    assert {leg["device_id"] for leg in small.all_ports() if leg["device_owner"].startswith("network:router")} == {
        router_id
    }
    assert small.routers.get(TENANT, router_id)["revision_number"] == 1


def test_a_port_of_ones_own_on_a_shared_network(small: Land) -> None:
    shared = small.subnet(small.network(shared=True), "10.2.0.0/24")
    router_id = small.router(None)
    port = small.port(shared["network_id"], TENANT)
    assert small.routers.add_interface(TENANT, router_id, port["id"], None)["subnet_id"] == shared["id"]
    own = small.inside("10.3.0.0/24")
    strange = small.port(own["network_id"], project_id="red")  # the owner of the network sees it
    with pytest.raises(BAD, match="is not owned by project making the request"):
        small.routers.add_interface(TENANT, router_id, strange["id"], None)


def test_ipv6_subnets_of_a_network_share_a_port(land: Land) -> None:
    network_id = land.network(TENANT)
    four = land.subnet(network_id, "10.0.0.0/24", TENANT)
    first, second = (land.subnet(network_id, cidr, TENANT, **SLAAC) for cidr in ("fd01::/64", "fd02::/64"))
    router_id = land.router(None, four, first)
    added = land.routers.add_interface(TENANT, router_id, None, second["id"])
    assert added["subnet_ids"] == [second["id"]]
    port = land.ports.get(TENANT, added["port_id"])
    assert ips(port) == ["fd01::1", "fd02::1"]
    assert len(land.all_ports()) == 2
    assert ("subnet", second["id"], "update") in told(land, router_id)
    third = land.subnet(network_id, "fd03::/64", TENANT)
    other = land.port(network_id, TENANT, fixed_ips=[{"subnet_id": third["id"]}])
    with pytest.raises(BAD, match=f"Router already contains IPv6 port {port['id']}"):
        land.routers.add_interface(TENANT, router_id, other["id"], None)
    removed = land.routers.remove_interface(TENANT, router_id, None, first["id"])
    assert (removed["port_id"], removed["subnet_ids"]) == (port["id"], [first["id"]])
    assert ips(land.read_port(port)) == ["fd02::1"]
    land.routers.remove_interface(TENANT, router_id, port["id"], None)
    assert slot(land, router_id) == ("unbound", [])
    land.routers.remove_interface(TENANT, router_id, None, four["id"])
    assert slot(land, router_id) == ("idle", [])


def test_routes(land: Land) -> None:
    subnet = land.inside("10.0.0.0/24")
    router_id = land.router(land.external("203.0.113.0/24"), subnet)
    second = {"destination": "198.51.100.0/24", "nexthop": "10.0.0.10"}
    assert land.routers.update(TENANT, router_id, {"routes": [ROUTE]}, None)["routes"] == [ROUTE]
    assert land.routers.add_routes(TENANT, router_id, [second, ROUTE])["routes"] == [ROUTE, second]
    assert land.routers.get(TENANT, router_id)["routes"] == [ROUTE, second]
    with pytest.raises(errors.RouterInterfaceInUseByRoute):
        land.routers.remove_interface(TENANT, router_id, None, subnet["id"])
    assert land.routers.remove_routes(TENANT, router_id, [ROUTE])["routes"] == [second]
    for routes in ([{**ROUTE, "nexthop": "10.0.0.1"}], [{**ROUTE, "nexthop": "10.9.0.1"}]):
        with pytest.raises(errors.InvalidRoutes):
            land.routers.update(TENANT, router_id, {"routes": routes}, None)
        with pytest.raises(errors.InvalidRoutes):
            land.routers.add_routes(TENANT, router_id, routes)
    many = [{"destination": f"192.0.2.{n}/32", "nexthop": "10.0.0.9"} for n in range(30)]
    with pytest.raises(errors.RoutesExhausted):
        land.routers.add_routes(TENANT, router_id, many)
    assert land.routers.get(TENANT, router_id)["routes"] == [second]
    out = {"destination": "192.0.2.0/24", "nexthop": "203.0.113.200"}
    land.routers.add_routes(TENANT, router_id, [out])
    with pytest.raises(errors.InvalidRoutes, match="not connected"):
        lead_to(land, router_id, None)
    changes = {"external_gateway_info": None, "routes": [second]}
    after = land.routers.update(TENANT, router_id, changes, None)
    assert (after["external_gateway_info"], after["routes"]) == (None, [second])


def test_many_at_once_are_all_or_none(small: Land) -> None:
    outside = small.external("203.0.113.0/29")
    gateway = {"external_gateway_info": {"network_id": outside}}
    made = small.routers.create(TENANT, [{"name": "a"}, gateway, {**gateway, "name": "c"}])
    assert [bool(one["external_gateway_info"]) for one in made] == [False, True, True]
    assert {one["id"]: one for one in small.routers.list(TENANT, Query())} == {one["id"]: one for one in made}
    with pytest.raises(errors.IpAddressGenerationFailure):
        small.routers.create(TENANT, [{}, *[gateway] * 5])
    assert len(small.routers.list(ADMIN, Query())) == 3 and len(small.all_ports()) == 2


def test_the_port_api_leaves_ports_of_routers_alone(small: Land) -> None:
    outside, subnet = small.external("203.0.113.0/24"), small.inside("10.0.0.0/24")
    small.router(outside, subnet)
    small.floating(outside)
    owned = [port for port in small.all_ports() if port["device_owner"].startswith("network:")]
    assert len(owned) == 3
    for port in owned:
        message = (
            f"^Port {port['id']} cannot be deleted directly via the port API: has device owner {port['device_owner']}$"
        )
        with pytest.raises(errors.L3PortInUse, match=message) as refused:
            small.ports.delete(ADMIN, port["id"], None)
        assert refused.value.type == "ServicePortInUse"
        for change in (
            {"fixed_ips": []},
            {"device_id": ""},
            {"device_owner": ""},
            {"mac_address": "fa:16:3e:00:00:01"},
        ):
            with pytest.raises(errors.L3PortUnchangeable, match=next(iter(change))):
                small.ports.update(ADMIN, port["id"], change, None)
        same = {name: port[name] for name in ("fixed_ips", "device_id", "device_owner", "mac_address")}
        its_subnets = [{"subnet_id": ip["subnet_id"]} for ip in port["fixed_ips"]]
        kept = small.ports.update(ADMIN, port["id"], {"fixed_ips": its_subnets}, None)
        assert kept["fixed_ips"] == port["fixed_ips"]
        with pytest.raises(errors.L3PortUnchangeable, match="fixed_ips"):
            small.ports.update(ADMIN, port["id"], {"fixed_ips": [*its_subnets, *its_subnets]}, None)
        assert small.ports.update(ADMIN, port["id"], {**same, "name": "renamed"}, None)["name"] == "renamed"
    (router_id,) = (port["device_id"] for port in owned if port["device_owner"] == "network:router_gateway")
    stray = small.port(subnet["network_id"])
    for owner in ("network:router_interface", "network:router_gateway"):  # nor can it give a router one
        device = {"device_owner": owner, "device_id": router_id}
        with pytest.raises(BAD, match=f"device_owner {owner} with device_id {router_id} is for ports that the service"):
            small.ports.update(ADMIN, stray["id"], device, None)
        with pytest.raises(BAD, match="device_owner"):
            small.ports.create(ADMIN, [{**more, "network_id": subnet["network_id"]} for more in ({}, device)])
    small.ports.update(ADMIN, stray["id"], {"device_owner": "network:router_interface"}, None)
    with pytest.raises(BAD, match="device_owner"):
        small.ports.update(ADMIN, stray["id"], {"device_id": router_id}, None)
    left_over = small.port(subnet["network_id"], device_owner="network:router_interface", device_id=ZERO)
    small.ports.update(ADMIN, left_over["id"], {"fixed_ips": []}, None)
    small.ports.delete(ADMIN, left_over["id"], None)
