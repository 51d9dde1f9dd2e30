"""The rules of a router's subnets and routes."""

from __future__ import annotations

from typing import Any

import pytest

from netsched import errors
from netsched.model import router
from netsched.model.router import Leg, State

INSIDE = Leg("p1", "blue", "n1", False, (("s1", "10.0.0.1"),), {"s1": "10.0.0.0/24", "s2": "10.0.1.0/24"}, "vxlan")
OUTSIDE = Leg(
    "p2", "", "x", True, (("e1", "203.0.113.5"),), {"e1": "203.0.113.0/24", "e2": "198.51.100.0/24"}, "flat:a"
)
STATE = State("r", "blue", (), (), (INSIDE, OUTSIDE))


def test_a_state_knows_its_parts() -> None:
    assert STATE.gateway is OUTSIDE and STATE.interfaces == [INSIDE]
    assert STATE.leg_on("s1") is INSIDE and STATE.leg_on("s2") is None and STATE.leg_on("e1") is None
    assert STATE.requires == ["flat:a"]
    assert State("r", "blue", (), (), (INSIDE,)).requires == []
    assert not INSIDE.has_ipv6


@pytest.mark.parametrize(
    ("id", "cidr", "reason"),
    [
        ("s1", "10.0.0.0/24", "Router already has a port on subnet s1"),
        ("s9", "10.0.0.128/25", "Cidr 10.0.0.128/25 of subnet s9 overlaps with cidr 10.0.0.0/24 of subnet s1"),
        ("s9", "10.0.0.0/8", "overlaps with cidr 10.0.0.0/24 of subnet s1"),
        ("s9", "203.0.113.64/26", "of subnet e1"),
        ("s9", "198.51.100.0/25", "of subnet e2"),  # floating IPs may come from there
        ("s9", "10.0.1.0/24", None),  # on the network of an interface, which has no address there
        ("s9", "10.0.2.0/24", None),
        ("s9", "fd00::/64", None),
    ],
)
def test_overlap(id: str, cidr: str, reason: str | None) -> None:
    new: list[dict[str, Any]] = [{"id": "ok", "cidr": "172.16.0.0/24"}, {"id": id, "cidr": cidr}]
    if reason is None:
        router.check_overlap(STATE, new)
        return
    with pytest.raises(errors.BadRequest, match=reason):
        router.check_overlap(STATE, new)


def route(destination: str, nexthop: str) -> dict[str, str]:
    return {"destination": destination, "nexthop": nexthop}


@pytest.mark.parametrize(
    ("destination", "nexthop", "reason"),
    [
        ("10.9.0.0/16", "10.0.0.9", None),
        ("0.0.0.0/0", "203.0.113.1", None),
        ("10.9.0.0/16", "10.0.1.9", "not connected"),
        ("10.9.0.0/16", "198.51.100.1", "not connected"),
        ("10.9.0.0/16", "10.0.0.1", "used by router"),
        ("10.9.0.0/16", "203.0.113.5", "used by router"),
        ("fd00::/64", "10.0.0.9", "IP version"),
    ],
)
def test_routes(destination: str, nexthop: str, reason: str | None) -> None:
    routes = [route("10.8.0.0/16", "10.0.0.8"), route(destination, nexthop)]
    if reason is None:
        router.check_routes(STATE, routes)
        return
    with pytest.raises(errors.InvalidRoutes, match=reason):
        router.check_routes(STATE, routes)


def test_thirty_routes_are_enough() -> None:
    routes = [route(f"10.9.{n}.0/24", "10.0.0.9") for n in range(31)]
    router.check_routes(STATE, routes[:30])
    with pytest.raises(errors.RoutesExhausted, match="for r. The number of routes exceeds the maximum 30"):
        router.check_routes(STATE, routes)


def test_adding_and_removing_routes() -> None:
    a, b, c = (route("10.9.0.0/16", f"10.0.0.{n}") for n in (1, 2, 3))
    assert router.with_routes([a, b], [b, c]) == [a, b, c]
    assert router.without_routes([a, b], [b, c]) == [a]
    assert router.uses([a], "10.0.0.0/24") and not router.uses([a], "10.0.1.0/24") and not router.uses([a], "fd00::/64")
