"""What makes a router's interfaces, gateway and routes valid, as the incumbent judges it; needs nothing but the router.

Addresses behind one router must not overlap, or it would not know where to send a packet.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netsched import errors

Route = Mapping[str, str]  # {"destination", "nexthop"}

MAX_ROUTES = 30  # the incumbent's default


@dataclass(frozen=True)
class Leg:
    """A port of a router and its network."""

    port_id: str
    project_id: str
    network_id: str
    is_gateway: bool
    addresses: tuple[tuple[str, str], ...]  # (subnet id, address)
    cidrs: Mapping[str, str]  # of all subnets of the network, by id
    reach: str | None  # the network's segment, as agents say that they reach it

    def on(self, subnet_id: str) -> bool:
        return any(subnet_id == own for own, _ in self.addresses)

    @property
    def has_ipv6(self) -> bool:
        return any(":" in address for _, address in self.addresses)

    @property
    def connected(self) -> dict[str, str]:
        """CIDRs by subnet of those in which it has an address."""
        return {subnet_id: self.cidrs[subnet_id] for subnet_id, _ in self.addresses}


@dataclass(frozen=True)
class State:
    """A router as far as its changes depend on it."""

    id: str
    project_id: str
    zone_hints: tuple[str, ...]
    routes: tuple[Route, ...]
    legs: tuple[Leg, ...]

    @property
    def gateway(self) -> Leg | None:
        return next((leg for leg in self.legs if leg.is_gateway), None)

    @property
    def interfaces(self) -> list[Leg]:
        return [leg for leg in self.legs if not leg.is_gateway]

    def leg_on(self, subnet_id: str) -> Leg | None:
        """The interface with an address on the subnet."""
        return next((leg for leg in self.interfaces if leg.on(subnet_id)), None)

    @property
    def requires(self) -> list[str]:
        """What the agent must reach that holds the router."""
        return [leg.reach for leg in self.legs if leg.is_gateway and leg.reach is not None]


def check_overlap(state: State, new: Iterable[Mapping[str, Any]]) -> None:
    """`new`: subnets in which the router is to have an address, or which its new gateway leads to. Raises BadRequest.

    Of an external network every subnet counts: floating IPs may come from any of them.
    """
    for subnet in new:
        net = ipaddress.ip_network(subnet["cidr"])
        for leg in state.legs:
            if leg.on(subnet["id"]):
                raise errors.BadRequest(resource="router", reason=f"Router already has a port on subnet {subnet['id']}")
            for other_id, cidr in (leg.cidrs if leg.is_gateway else leg.connected).items():
                there = ipaddress.ip_network(cidr)
                if net.version == there.version and net.overlaps(there):
                    what = f"Cidr {net} of subnet {subnet['id']} overlaps with cidr {there} of subnet {other_id}"
                    raise errors.BadRequest(resource="router", reason=what)


def check_routes(state: State, routes: Sequence[Route], most: int = MAX_ROUTES) -> None:
    """`most`: how many there may be, -1 for any number.

    Raises RoutesExhausted; InvalidRoutes for next hops that are on no subnet of the router, or are the router.
    """
    if 0 <= most < len(routes):
        raise errors.RoutesExhausted(id=state.id, quota=most)
    nets = [ipaddress.ip_network(cidr) for leg in state.legs for cidr in leg.connected.values()]
    own = {ipaddress.ip_address(address) for leg in state.legs for _, address in leg.addresses}
    for route in routes:
        hop, destination = ipaddress.ip_address(route["nexthop"]), ipaddress.ip_network(route["destination"])
        if hop.version != destination.version:
            _refuse(route, "the nexthop is of another IP version than the destination")
        if not any(hop in net for net in nets):
            _refuse(route, "the nexthop is not connected with router")
        if hop in own:
            _refuse(route, "the nexthop is used by router")


def _refuse(route: Route, reason: str) -> None:
    raise errors.InvalidRoutes(routes=[dict(route)], reason=reason)


def uses(routes: Iterable[Route], cidr: str) -> bool:
    """Does one of the routes lead through the subnet?"""
    net = ipaddress.ip_network(cidr)
    return any(ipaddress.ip_address(route["nexthop"]) in net for route in routes)


def with_routes(routes: Sequence[Route], more: Sequence[Route]) -> list[Route]:
    """Those that are there stay in their order; several next hops of one destination are welcome."""
    return [*routes, *(route for route in more if route not in routes)]


def without_routes(routes: Sequence[Route], gone: Sequence[Route]) -> list[Route]:
    """To remove what is not there is no error: what counts is the end."""
    return [route for route in routes if route not in gone]
