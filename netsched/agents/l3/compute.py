"""What one router ought to look like on this host: content of its scope -> RouterDesired. Pure."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netsched import errors
from netsched.agents.kernel import plug as plug_
from netsched.agents.kernel.plug import Plug, Route
from netsched.agents.l3 import radvd_conf
from netsched.model import addressing

Object = Mapping[str, Any]
Content = Mapping[str, Mapping[str, Object]]

NAMESPACE_PREFIX = "qrouter-"
INTERFACE, GATEWAY = "qr-", "qg-"  # begin the names of links in the namespace
ANY = {4: "0.0.0.0/0", 6: "::/0"}
ACTIVE, DOWN = "ACTIVE", "DOWN"


@dataclass(frozen=True)
class Leg:
    """One IPv4 address of a router's own in a tenant's subnet."""

    device: str
    same_link: tuple[str, ...]  # all the router's devices on that network, this one too
    cidr: str
    address: str
    is_gateway: bool  # hosts of the subnet send to this address what is for elsewhere


@dataclass(frozen=True)
class Nat:
    zone: int  # of conntrack, 1..65535
    gateway: str | None  # name of the link to the external network
    snat: str | None  # the address for all connections to outside that have none of their own; None: left as they are
    floating: tuple[tuple[str, str], ...]  # (floating, fixed), each floating address once
    legs: tuple[Leg, ...]
    unchanged: tuple[str, ...] = ()  # CIDRs that mean the same outside, being in its address scope: no SNAT
    apart: tuple[tuple[str, ...], ...] = ()  # links by IPv4 address scope, where they are of more than one
    apart6: tuple[tuple[str, ...], ...] = ()  # and by that of IPv6


@dataclass(frozen=True)
class RouterDesired:
    """Everything the driver needs. `problems`: for people, what could not be done as asked; all else is done."""

    router_id: str
    namespace: str
    plugs: tuple[Plug, ...]
    routes: frozenset[Route]
    nat: Nat
    radvd: str  # its configuration, "" for no router advertisements
    in_force: frozenset[str]  # ids of floating IPs
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _Port:
    """A port of the router that is plugged here, with what belongs to it."""

    port: Object
    network: Object
    subnets: Mapping[str, Object]
    plug: Plug
    is_gateway: bool

    def scope(self, version: int) -> str | None:
        """The address scope of its addresses. Servers of older releases know none."""
        scope: str | None = self.network.get(f"ipv{version}_address_scope")
        return scope

    def addresses(self, version: int) -> list[tuple[str, Object]]:
        """(address, its subnet), in the order of the port's fixed_ips."""
        pairs = [(ipaddress.ip_address(ip["ip_address"]), ip["subnet_id"]) for ip in self.port["fixed_ips"]]
        known = [(str(address), self.subnets[id_]) for address, id_ in pairs if id_ in self.subnets]
        return [(address, subnet) for address, subnet in known if subnet["ip_version"] == version]


def namespace(router_id: str) -> str:
    return f"{NAMESPACE_PREFIX}{router_id}"


def owner(router_id: str) -> str:
    """The mark on links that belong to this router."""
    return f"l3/{router_id}"


def zone(router_id: str) -> int:
    """The router's conntrack zone. Two routers may share one, since each has a conntrack table of its own anyway."""
    return zlib.crc32(router_id.encode()) % 65535 + 1


def desired(router_id: str, content: Content, host: str) -> RouterDesired | None:
    """None when there is nothing of the router on this host: it is down or gone, or all its ports are elsewhere.

    Raises Invalid for an id that could not be part of a path.
    """
    if not radvd_conf.safe_id(router_id):
        raise errors.Invalid(reason=f"{router_id!r} is no router id")
    router = content.get("router", {}).get(router_id)
    if router is None or not router["admin_state_up"]:
        return None
    problems: list[str] = []
    ports = _ports(router_id, content, host, problems)
    if not ports:
        return None
    floating = _floating(content, ports)
    plugs = tuple(_with_floating(p, [address for address, _ in floating.values()]) for p in ports)
    nat = Nat(
        zone=zone(router_id),
        gateway=next((p.plug.inside for p in ports if p.is_gateway), None),
        snat=_snat(router, ports),
        floating=tuple(sorted(dict(floating.values()).items())),
        legs=tuple(_legs(ports)),
        unchanged=tuple(_unchanged(ports)),
        apart=_apart(ports, 4),
        apart6=_apart(ports, 6),
    )
    return RouterDesired(
        router_id=router_id,
        namespace=namespace(router_id),
        plugs=plugs,
        routes=frozenset(_routes(router, ports, problems)),
        nat=nat,
        radvd="".join(_advertisement(p) for p in ports if not p.is_gateway),
        in_force=frozenset(floating),
        problems=tuple(problems),
    )


def states(router_id: str, content: Content, host: str) -> dict[tuple[str, str], str]:
    """What is to be said of the router's floating IPs, once it has been brought in force."""
    found = desired(router_id, content, host)
    in_force = found.in_force if found else frozenset()
    return {("floatingip", id_): ACTIVE if id_ in in_force else DOWN for id_ in content.get("floatingip", {})}


def _ports(router_id: str, content: Content, host: str, problems: list[str]) -> list[_Port]:
    """The router's ports that are to be plugged here, the gateway last, otherwise by id."""
    own = [
        port
        for port in content.get("port", {}).values()
        if port["device_owner"] in addressing.ROUTER_PORT_OWNERS
        and port["device_id"] == router_id
        and port.get("binding:host_id") == host
        and port["admin_state_up"]
    ]
    found = []
    for port in sorted(own, key=lambda p: (p["device_owner"] == addressing.GATEWAY_OWNER, p["id"])):
        network = content.get("network", {}).get(port["network_id"])
        if network is None or not radvd_conf.safe_id(port["id"]):
            problems.append(f"port {port['id']} cannot be plugged: its network or its id is missing")
        elif network["admin_state_up"]:
            found.append(_port(router_id, port, network, content.get("subnet", {})))
    return found


def _port(router_id: str, port: Object, network: Object, subnets: Mapping[str, Object]) -> _Port:
    is_gateway = port["device_owner"] == addressing.GATEWAY_OWNER
    outside, inside = plug_.ends(port["id"], GATEWAY if is_gateway else INTERFACE)
    addresses = set()
    for ip in port["fixed_ips"]:
        if ip["subnet_id"] in subnets:
            length = ipaddress.ip_network(subnets[ip["subnet_id"]]["cidr"]).prefixlen
            addresses.add(f"{ipaddress.ip_address(ip['ip_address'])}/{length}")
    plug = Plug(
        namespace=namespace(router_id),
        bridge=plug_.bridge(network["id"]),
        outside=outside,
        inside=inside,
        mac=port["mac_address"].lower(),
        mtu=network["mtu"],
        addresses=frozenset(addresses),
        gateways=frozenset(),
        owner=owner(router_id),
    )
    return _Port(port, network, subnets, plug, is_gateway)


def _floating(content: Content, ports: Sequence[_Port]) -> dict[str, tuple[str, str]]:
    """Floating IPs that can be in force: id -> (floating address, fixed address).

    Those on the network of the gateway, whose fixed address is in a subnet on which the router has a leg here.
    """
    external = {p.network["id"] for p in ports if p.is_gateway and p.plug.addresses}
    legs = [ipaddress.ip_network(leg.cidr) for leg in _legs(ports)]
    found = {}
    for id_, item in sorted(content.get("floatingip", {}).items()):
        if item["port_id"] and item["fixed_ip_address"] and item["floating_network_id"] in external:
            fixed = ipaddress.ip_address(item["fixed_ip_address"])
            if fixed.version == 4 and any(fixed in leg for leg in legs):
                found[id_] = (str(ipaddress.IPv4Address(item["floating_ip_address"])), str(fixed))
    return found


def _with_floating(port: _Port, floating: Sequence[str]) -> Plug:
    """The gateway answers for floating addresses: without them on the link, nobody would answer ARP for them."""
    if not port.is_gateway:
        return port.plug
    addresses = port.plug.addresses | {f"{address}/32" for address in floating}
    return Plug(**{**vars(port.plug), "addresses": frozenset(addresses)})


def _snat(router: Object, ports: Sequence[_Port]) -> str | None:
    if not (router.get("external_gateway_info") or {}).get("enable_snat", True):
        return None
    return next((address for p in ports if p.is_gateway for address, _ in p.addresses(4)), None)


def _legs(ports: Sequence[_Port]) -> list[Leg]:
    inner = [p for p in ports if not p.is_gateway]
    return [
        Leg(
            device=p.plug.inside,
            same_link=tuple(other.plug.inside for other in inner if other.plug.bridge == p.plug.bridge),
            cidr=str(ipaddress.ip_network(subnet["cidr"])),
            address=address,
            is_gateway=address == subnet["gateway_ip"],
        )
        for p in inner
        for address, subnet in p.addresses(4)
    ]


def _unchanged(ports: Sequence[_Port]) -> list[str]:
    outside = {p.scope(4) for p in ports if p.is_gateway} - {None}
    inner = [p for p in ports if not p.is_gateway and p.scope(4) in outside]
    return sorted({str(ipaddress.ip_network(subnet["cidr"])) for p in inner for _, subnet in p.addresses(4)})


def _apart(ports: Sequence[_Port], version: int) -> tuple[tuple[str, ...], ...]:
    """Networks of no scope are as those of one more: among each other they are routed as ever."""
    by_scope: dict[str | None, list[str]] = {}
    for p in ports:
        if p.addresses(version):
            by_scope.setdefault(p.scope(version), []).append(p.plug.inside)
    return tuple(sorted(tuple(sorted(links)) for links in by_scope.values())) if len(by_scope) > 1 else ()


def _routes(router: Object, ports: Sequence[_Port], problems: list[str]) -> list[Route]:
    """The default routes of the external subnets and the router's own; of two to one place, the router's own."""
    found: dict[str, Route] = {}
    for p in (p for p in ports if p.is_gateway):
        for version, any_ in ANY.items():
            gateways = [subnet["gateway_ip"] for _, subnet in p.addresses(version) if subnet["gateway_ip"]]
            if gateways:
                found[any_] = Route(any_, str(ipaddress.ip_address(gateways[0])), p.plug.inside)
    for route in router.get("routes") or []:
        destination = str(ipaddress.ip_network(route["destination"]))
        nexthop = ipaddress.ip_address(route["nexthop"])
        device = next((p.plug.inside for p in ports if _on_link(p, nexthop)), None)
        if device is None:
            problems.append(f"no interface here is on a subnet with {nexthop}, the next hop to {destination}")
        else:
            found[destination] = Route(destination, str(nexthop), device)
    return list(found.values())


def _on_link(port: _Port, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(address in ipaddress.ip_network(s["cidr"]) for _, s in port.addresses(address.version))


def _advertisement(port: _Port) -> str:
    subnets = [subnet for _, subnet in port.addresses(6) if subnet["ipv6_ra_mode"]]
    return radvd_conf.interface(port.plug.inside, port.plug.mtu, subnets) if subnets else ""
