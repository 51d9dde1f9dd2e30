"""What makes a subnet valid, as the incumbent judges it; needs nothing but the subnet and its neighbours."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

from netsched import errors
from netsched.model import addressing
from netsched.model.addressing import Network

Object = dict[str, Any]

MIN_MTU = {4: 68, 6: 1280}  # bytes, by IP version: RFC 791, RFC 8200
MODES = ("ipv6_ra_mode", "ipv6_address_mode")
SERVICE = re.compile(r"[^:]+:.*")  # how device owners begin
_DEFAULTS: Object = {
    "enable_dhcp": True, "dns_nameservers": [], "host_routes": [], "subnetpool_id": None, "service_types": [],
}  # fmt: skip


def completed(wanted: Mapping[str, Any]) -> Object:
    """A subnet with all attributes that it will have, CIDR normalised; gateway and pools by default if absent.

    `wanted` has at least network_id, ip_version and cidr. Raises InvalidInput, InvalidAllocationPool,
    OutOfBoundsAllocationPool, OverlappingAllocationPools, GatewayConflictWithAllocationPools.
    """
    version = wanted["ip_version"]
    net = addressing.network(wanted["cidr"], version)
    subnet: Object = {**_DEFAULTS, **dict.fromkeys(MODES), **wanted}
    subnet["cidr"] = str(net)
    _check_modes(subnet, net)
    if subnet["enable_dhcp"]:
        _check_dhcp(net)
    gateway = wanted["gateway_ip"] if "gateway_ip" in wanted else addressing.default_gateway(net)
    subnet["gateway_ip"] = _gateway(net, gateway)
    _complete_pools(subnet, net, wanted.get("allocation_pools"))
    _complete_lists(subnet, version)
    return subnet


def changed(before: Mapping[str, Any], changes: Mapping[str, Any]) -> Object:
    """The changes of a subnet, checked against what it is. Raises as `completed` does."""
    net = addressing.network(before["cidr"], before["ip_version"])
    after: Object = {**before, **changes}
    if "enable_dhcp" in changes and not changes["enable_dhcp"] and any(before[mode] for mode in MODES):
        raise errors.InvalidInput(reason="Cannot disable enable_dhcp with ipv6 attributes set")
    if after["enable_dhcp"] and not before["enable_dhcp"]:
        _check_dhcp(net)
    if "gateway_ip" in changes or "allocation_pools" in changes:
        after["gateway_ip"] = _gateway(net, after["gateway_ip"])
        _complete_pools(after, net, after["allocation_pools"])
    _complete_lists(after, before["ip_version"])
    return {name: after[name] for name in changes}


def serving(subnets: Iterable[Mapping[str, Any]], device_owner: str) -> tuple[Mapping[str, Any], ...]:
    """The subnets on which a port of this owner may have addresses; those that are meant for its kind come first.

    The DHCP service's own ports are on every subnet that it serves.
    """
    found = []
    for one in subnets:
        types = one["service_types"]
        if not types or device_owner in types or (device_owner == addressing.DHCP_OWNER and one["enable_dhcp"]):
            found.append(one)
    return tuple(sorted(found, key=lambda one: not one["service_types"]))


def check_overlap(subnet: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> None:
    """Raises InvalidInput when the subnet shares addresses with one of the others; does not say which, nor whose."""
    net = ipaddress.ip_network(subnet["cidr"])
    for other in others:
        there = ipaddress.ip_network(other["cidr"])
        if net.version == there.version and net.overlaps(there):
            where = f"cidr: {net} for network: {subnet['network_id']}"
            raise errors.InvalidInput(reason=f"Requested subnet with {where} overlaps with another subnet")


def check_mtu(network_id: str, mtu: int, subnets: Iterable[Mapping[str, Any]]) -> None:
    """Raises NetworkMTUSubnetConflict when packets that these subnets' protocols must get through do not fit."""
    least = max((MIN_MTU[one["ip_version"]] for one in subnets), default=0)
    if mtu < least:
        raise errors.NetworkMTUSubnetConflict(net_id=network_id, mtu=least)


def _gateway(net: Network, gateway: str | None) -> str | None:
    if gateway is None:
        return None
    addressing.check_gateway(net, gateway)
    return str(addressing.parse(gateway))


def _complete_pools(subnet: Object, net: Network, pools: list[dict[str, str]] | None) -> None:
    if pools is None:
        ranges = addressing.default_pools(net, subnet["gateway_ip"])
    else:
        ranges = addressing.check_pools(net, pools, subnet["gateway_ip"])
    subnet["allocation_pools"] = addressing.pools_as_dicts(ranges, net.version)


def _check_modes(subnet: Mapping[str, Any], net: Network) -> None:
    modes = [name for name in MODES if subnet[name] is not None]
    if not modes:
        return
    if net.version == 4:
        raise errors.InvalidInput(reason=f"{modes[0]} is not valid when ip_version is 4")
    if not subnet["enable_dhcp"]:
        reason = "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False"
        raise errors.InvalidInput(reason=reason)
    if len(modes) == 2 and subnet["ipv6_ra_mode"] != subnet["ipv6_address_mode"]:
        reason = (
            f"ipv6_ra_mode set to '{subnet['ipv6_ra_mode']}' with ipv6_address_mode set to "
            f"'{subnet['ipv6_address_mode']}' is not valid. If both attributes are set, they must be the same value"
        )
        raise errors.InvalidInput(reason=reason)
    if addressing.is_auto(subnet) and net.prefixlen != 64:
        reason = (
            f"Invalid CIDR {net} for IPv6 address mode. "
            "OpenStack uses the EUI-64 address format, which requires the prefix to be /64"
        )
        raise errors.InvalidInput(reason=reason)


def _check_dhcp(net: Network) -> None:
    if net.max_prefixlen - net.prefixlen < 2:
        reason = "Subnet has a prefix length that is incompatible with DHCP service enabled"
    elif net.is_multicast:
        reason = "Multicast IP subnet is not supported if enable_dhcp is True"
    elif net.is_loopback:
        reason = "Loopback IP subnet is not supported if enable_dhcp is True"
    elif net.version == 4 and int(net.network_address) == 0:
        reason = "First IP '0.0.0.0' of network is not supported if enable_dhcp is True."
    else:
        return
    raise errors.InvalidInput(reason=reason)


def _complete_lists(subnet: Object, version: int) -> None:
    """Name servers and routes in canonical form, of the subnet's IP version."""
    servers = [addressing.parse(text) for text in subnet["dns_nameservers"] or []]
    for server in servers:
        _check_version("dns_nameserver", str(server), server.version, version)
    routes = []
    for route in subnet["host_routes"] or []:
        try:
            destination = ipaddress.ip_network(route["destination"], strict=False)
        except ValueError:
            raise errors.InvalidInput(reason=f"Invalid route: {route['destination']}") from None
        nexthop = addressing.parse(route["nexthop"])
        _check_version("destination", str(destination), destination.version, version)
        _check_version("nexthop", str(nexthop), nexthop.version, version)
        routes.append({"destination": str(destination), "nexthop": str(nexthop)})
    for service in subnet["service_types"]:
        if not SERVICE.fullmatch(service):
            raise errors.InvalidSubnetServiceType(service_type=service)
    subnet["service_types"] = list(subnet["service_types"])
    subnet["dns_nameservers"] = [str(server) for server in servers]
    subnet["host_routes"] = routes


def _check_version(name: str, text: str, given: int, wanted: int) -> None:
    if given != wanted:
        raise errors.InvalidInput(reason=f"{name} '{text}' does not match the ip_version '{wanted}'")
