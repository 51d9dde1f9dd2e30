"""From content to what a router ought to be: pure, so every odd case is a few lines."""

from __future__ import annotations

from typing import Any

import pytest

from netsched import errors
from netsched.agents.kernel.plug import Route
from netsched.agents.l3 import compute
from netsched.agents.l3.compute import RouterDesired
from netsched.agents.l3.main import noop_states
from tests.fakes.router_content import EXTERNAL, RouterContent, two_networks


def desired(router: RouterContent, host: str = "node1") -> RouterDesired:
    found = compute.desired(router.id, router.content, host)
    assert found is not None
    return found


def port(router: RouterContent, address: str) -> dict[str, Any]:
    return next(p for p in router.content["port"].values() if p["fixed_ips"][0]["ip_address"] == address)


def test_links_are_named_after_ports_and_bridges_after_networks() -> None:
    router = two_networks()
    (first, _, gateway) = desired(router).plugs
    own = port(router, "10.0.0.1")
    assert first.inside == f"qr-{own['id'][:11]}" and first.outside == f"tap{own['id'][:11]}"
    assert first.bridge == f"brq{own['network_id'][:11]}" and first.namespace == f"qrouter-{router.id}"
    assert first.mac == own["mac_address"] and first.mtu == 1450 and first.addresses == {"10.0.0.1/24"}
    assert gateway.inside == f"qg-{port(router, '203.0.113.10')['id'][:11]}"


@pytest.mark.parametrize("what", ["router", "all ports", "all networks"])
def test_nothing_of_a_router_that_is_down(what: str) -> None:
    router = two_networks()
    kind = {"router": "router", "all ports": "port", "all networks": "network"}[what]
    for item in router.content[kind].values():
        item["admin_state_up"] = False
    assert compute.desired(router.id, router.content, "node1") is None


def test_nothing_of_a_router_that_is_elsewhere_or_gone() -> None:
    router = two_networks()
    assert compute.desired(router.id, router.content, "node2") is None
    assert compute.desired(router.id, {}, "node1") is None


def test_only_what_is_up_and_here() -> None:
    router = two_networks()
    port(router, "10.0.0.1")["admin_state_up"] = False
    port(router, "10.0.1.1")["binding:host_id"] = "node2"
    assert [plug.inside[:3] for plug in desired(router).plugs] == ["qg-"]


def test_another_routers_ports_on_its_networks_are_not_its_own() -> None:
    router = two_networks()
    router.interface(7, 1, "10.0.0.9", device_id="another")
    router.interface(8, 1, "10.0.0.8", device_owner="compute:nova")
    assert len(desired(router).plugs) == 3


def test_default_route_and_own_routes() -> None:
    router = two_networks()
    router.router["routes"] = [
        {"destination": "10.9.0.0/16", "nexthop": "10.0.1.9"},
        {"destination": "10.8.0.0/16", "nexthop": "172.16.0.1"},
    ]
    found = desired(router)
    gateway, second = found.plugs[-1].inside, f"qr-{port(router, '10.0.1.1')['id'][:11]}"
    assert found.routes == {
        Route("0.0.0.0/0", "203.0.113.1", gateway),
        Route("10.9.0.0/16", "10.0.1.9", second),
    }
    assert "172.16.0.1" in found.problems[0]


def test_an_own_default_route_takes_the_place_of_the_gateways() -> None:
    router = two_networks()
    router.router["routes"] = [{"destination": "0.0.0.0/0", "nexthop": "10.0.0.77"}]
    (route,) = desired(router).routes
    assert route.nexthop == "10.0.0.77"


def test_default_routes_of_both_versions() -> None:
    router = two_networks()
    router.subnet(19, EXTERNAL, "fd00:e::/64", gateway="fe80::1")
    external = port(router, "203.0.113.10")
    external["fixed_ips"] = [
        *external["fixed_ips"],
        {"subnet_id": list(router.content["subnet"])[-1], "ip_address": "fd00:e::10"},
    ]
    assert {(route.destination, route.nexthop) for route in desired(router).routes} == {
        ("0.0.0.0/0", "203.0.113.1"),
        ("::/0", "fe80::1"),
    }


def test_floating_ips_are_addresses_of_the_gateway_and_pairs_for_the_rules() -> None:
    router = two_networks()
    first = router.floating(1, "203.0.113.20", "10.0.0.5")
    found = desired(router)
    assert found.plugs[-1].addresses == {"203.0.113.10/24", "203.0.113.20/32"}
    assert found.nat.floating == (("203.0.113.20", "10.0.0.5"),)
    assert found.in_force == {first["id"]}


@pytest.mark.parametrize("case", ["no port", "another network", "no leg", "no gateway", "router down", "leg down"])
def test_a_floating_ip_that_cannot_be_is_down(case: str) -> None:
    router = two_networks()
    floating = router.floating(1, "203.0.113.20", "10.0.0.5")
    good = router.floating(2, "203.0.113.21", "10.0.1.5")
    if case == "no port":
        floating["port_id"] = None
    elif case == "another network":
        floating["floating_network_id"] = "another"
    elif case == "no leg":
        floating["fixed_ip_address"] = "10.7.0.5"
    elif case == "no gateway":
        port(router, "203.0.113.10")["admin_state_up"] = False
    elif case == "leg down":
        port(router, "10.0.0.1")["admin_state_up"] = False
    else:
        router.router["admin_state_up"] = False
    said = compute.states(router.id, router.content, "node1")
    assert said["floatingip", floating["id"]] == "DOWN"
    assert said["floatingip", good["id"]] == ("DOWN" if case in ("no gateway", "router down") else "ACTIVE")


def test_snat_is_the_gateways_address_unless_switched_off() -> None:
    router = two_networks()
    assert desired(router).nat.snat == "203.0.113.10"
    router.router["external_gateway_info"]["enable_snat"] = False
    assert desired(router).nat.snat is None


def test_zone_is_of_the_router_and_fits() -> None:
    zones = {compute.zone(RouterContent(number).id) for number in range(1, 200)}
    assert len(zones) > 190 and min(zones) >= 1 and max(zones) <= 65535
    assert compute.zone("a") == compute.zone("a")


@pytest.mark.parametrize("bad", ["../../etc", "a b", "", "x" * 65, "a\n"])
def test_an_id_that_would_be_another_path_is_refused(bad: str) -> None:
    with pytest.raises(errors.Invalid):
        compute.desired(bad, {"router": {bad: {"id": bad, "admin_state_up": True}}}, "node1")


def test_advertisements_for_interfaces_with_a_mode_only() -> None:
    router = two_networks()
    router.subnet(3, 1, "fd00:1::/64", ipv6_ra_mode="slaac")
    router.subnet(4, 2, "fd00:2::/64")
    router.interface(3, 1, "fd00:1::1")
    router.interface(4, 2, "fd00:2::1")
    config = desired(router).radvd
    assert config.count("interface ") == 1 and "prefix fd00:1::/64" in config
    assert f"interface qr-{port(router, 'fd00:1::1')['id'][:11]} " in config


def test_the_driver_that_does_nothing_calls_all_floating_ips_active_while_the_router_is_up() -> None:
    router = two_networks()
    floating = router.floating(1, "203.0.113.20", "10.0.0.5")
    assert noop_states(router.content) == {("floatingip", floating["id"]): "ACTIVE"}
    router.router["admin_state_up"] = False
    assert noop_states(router.content) == {("floatingip", floating["id"]): "DOWN"}
