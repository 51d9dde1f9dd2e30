"""Address arithmetic of subnets, in whole numbers: what is usable, what a pool may be, what a MAC makes of a prefix."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from netsched import errors

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Range = tuple[int, int]  # first and last, both belong to it

AUTO_MODES = ("slaac", "dhcpv6-stateless")
ROUTER_OWNERS = (
    "network:router_interface",
    "network:ha_router_replicated_interface",
    "network:router_interface_distributed",
    "network:router_centralized_snat",
)

DHCP_OWNER = "network:dhcp"
GATEWAY_OWNER = "network:router_gateway"
FLOATINGIP_OWNER = "network:floatingip"
ROUTER_PORT_OWNERS = (*ROUTER_OWNERS, GATEWAY_OWNER)  # all ports whose device_id is a router's


def is_auto(subnet: Mapping[str, Any]) -> bool:
    """Do hosts on this subnet make their own addresses, from the router's prefix and their MAC?"""
    return subnet["ipv6_ra_mode"] in AUTO_MODES or subnet["ipv6_address_mode"] in AUTO_MODES


def address(value: int, version: int) -> str:
    """The canonical text of an address."""
    return str(ipaddress.IPv4Address(value) if version == 4 else ipaddress.IPv6Address(value))


def number(text: str) -> int:
    """An address as a number. Raises InvalidInput."""
    return int(parse(text))


def parse(text: str) -> Address:
    """An address from its text. Raises InvalidInput."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise errors.InvalidInput(reason=f"'{text}' is not a valid IP address") from None


def network(cidr: str, version: int) -> Network:
    """The network of a CIDR, host bits cleared. Raises InvalidInput."""
    try:
        parsed = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        raise errors.InvalidInput(reason=f"cidr '{cidr}' is not a valid IP subnet") from None
    if parsed.version != version:
        raise errors.InvalidInput(reason=f"cidr '{cidr}' does not match the ip_version '{version}'")
    if parsed.prefixlen == 0:
        raise errors.InvalidInput(reason="0 is not allowed as CIDR prefix length")
    return parsed


def usable(net: Network) -> Range:
    """Addresses that a port may have: not IPv4's network and broadcast address, not IPv6's subnet-router anycast."""
    first, last = int(net.network_address), int(net.broadcast_address)
    if net.num_addresses == 1 or (net.version == 4 and net.prefixlen == 31):
        return first, last
    return first + 1, last - 1 if net.version == 4 else last


def default_gateway(net: Network) -> str | None:
    """The first address; a subnet of one address has none to spare."""
    if net.num_addresses == 1:
        return None
    return address(int(net.network_address) + 1, net.version)


def minus(ranges: Iterable[Range], taken: Iterable[int]) -> list[Range]:
    """What is left of the ranges without the taken addresses, in order."""
    holes = sorted(set(taken))
    left: list[Range] = []
    at = 0
    for first, last in sorted(ranges):
        while at < len(holes) and holes[at] < first:
            at += 1
        while at < len(holes) and holes[at] <= last:
            if first < holes[at]:
                left.append((first, holes[at] - 1))
            first = holes[at] + 1
            at += 1
        if first <= last:
            left.append((first, last))
    return left


def default_pools(net: Network, gateway: str | None) -> list[Range]:
    """Everything usable, except the gateway."""
    taken = [number(gateway)] if gateway and parse(gateway) in net else []
    return minus([usable(net)], taken)


def check_gateway(net: Network, gateway: str) -> None:
    """A gateway outside the subnet is allowed (on-link routes); IPv4's network and broadcast addresses are not."""
    parsed = parse(gateway)
    if parsed.version != net.version:
        raise errors.InvalidInput(reason=f"gateway_ip '{gateway}' does not match the ip_version '{net.version}'")
    reserved = (net.network_address, net.broadcast_address)
    if net.version == 4 and net.prefixlen <= 30 and parsed in reserved:
        raise errors.InvalidInput(reason="Gateway is not valid on subnet")


def check_pools(net: Network, pools: Sequence[Mapping[str, str]], gateway: str | None) -> list[Range]:
    """The pools as ranges, in order, when each is a range inside the subnet without overlap and without the gateway."""
    lowest, highest = usable(net)
    ranges = []
    for pool in pools:
        name = f"{pool['start']}-{pool['end']}"
        start, end = parse(pool["start"]), parse(pool["end"])
        if start.version != net.version or end.version != net.version or int(start) > int(end):
            raise errors.InvalidAllocationPool(pool=name)
        if int(start) < lowest or int(end) > highest:
            raise errors.OutOfBoundsAllocationPool(pool=name, subnet_cidr=str(net))
        ranges.append((int(start), int(end)))
    ranges.sort()
    for one, two in zip(ranges, ranges[1:], strict=False):
        if two[0] <= one[1]:
            names = {"pool_1": _name(one, net.version), "pool_2": _name(two, net.version)}
            raise errors.OverlappingAllocationPools(**names, subnet_cidr=str(net))
    if gateway:
        for pool_range in ranges:
            if contains([pool_range], number(gateway)):
                name = _name(pool_range, net.version)
                raise errors.GatewayConflictWithAllocationPools(ip_address=gateway, pool=name)
    return ranges


def _name(pool: Range, version: int) -> str:
    return f"{address(pool[0], version)}-{address(pool[1], version)}"


def contains(ranges: Iterable[Range], value: int) -> bool:
    return any(first <= value <= last for first, last in ranges)


def pools_as_dicts(ranges: Iterable[Range], version: int) -> list[dict[str, str]]:
    return [{"start": address(first, version), "end": address(last, version)} for first, last in ranges]


def pools_as_ranges(pools: Iterable[Mapping[str, str]]) -> list[Range]:
    return [(number(pool["start"]), number(pool["end"])) for pool in pools]


def holds(cidr: str, ip_address: str) -> bool:
    """Is this an address that a port may have on the subnet?"""
    net, ip = ipaddress.ip_network(cidr), parse(ip_address)
    return ip.version == net.version and contains([usable(net)], int(ip))


def eui64(cidr: str, mac: str) -> str:
    """The address that a host with this MAC gives itself (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return address(int(ipaddress.IPv6Network(cidr).network_address) | int.from_bytes(identifier, "big"), 6)


def is_eui64(value: int) -> bool:
    return (value >> 24) & 0xFFFF == 0xFFFE
