"""What DHCP for one network ought to look like on this host: content of its scope -> DhcpDesired. Pure.

IPv6: a subnet with ipv6_ra_mode gets its router advertisements from its router. As long as it has none, dnsmasq sends
them, with a router lifetime of 0: clients get their prefix, DNS and MTU, but no default route to a namespace that
forwards nothing. Both at once would have hosts believe in whatever they heard last.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netsched import errors
from netsched.agents.dhcp import render
from netsched.agents.kernel import plug as plug_
from netsched.agents.kernel.plug import Plug
from netsched.model import addressing, dns

Object = Mapping[str, Any]
Content = Mapping[str, Mapping[str, Object]]

DHCP_OWNER = "network:dhcp"
NAMESPACE_PREFIX = "qdhcp-"
_MAX_LEASES = 1 << 24
_RA_INTERVAL = 30  # s; only for clients that do not ask, those that do are answered at once


@dataclass(frozen=True)
class Settings:
    """What the operator decides. `lease_time` in seconds, -1 for endless; `dns_servers` are those to forward to."""

    dns_domain: str = "openstacklocal"
    dns_servers: tuple[str, ...] = ()
    lease_time: int = 86400


@dataclass(frozen=True)
class DhcpDesired:
    """Everything the driver needs. `files` by name; `arguments` of dnsmasq without those that name paths."""

    network_id: str
    plug: Plug
    arguments: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    reservations: frozenset[tuple[str, str]]  # (mac, address) of leases that may live
    problems: tuple[str, ...]  # for people: what could not be served as asked; all else is served


def namespace(network_id: str) -> str:
    return f"{NAMESPACE_PREFIX}{network_id}"


def bridge(network_id: str) -> str:
    return plug_.bridge(network_id)


def owner(network_id: str) -> str:
    """The mark on links that belong to this network's DHCP service."""
    return f"dhcp/{network_id}"


def desired(network_id: str, content: Content, host: str, settings: Settings) -> DhcpDesired | None:
    """None when this host has nothing to serve: network down or gone, no DHCP port here, no DHCP subnet.

    Raises Invalid for an id that could not be part of a path.
    """
    if not render.safe_id(network_id):
        raise errors.Invalid(reason=f"{network_id!r} is no network id")
    network = content.get("network", {}).get(network_id)
    ports = sorted(content.get("port", {}).values(), key=lambda p: p["id"])
    own = [p for p in ports if p["device_owner"] == DHCP_OWNER and p.get("binding:host_id") == host]
    port = min(own, key=lambda p: (p.get("device_id") or "", p["id"]), default=None)  # the lowest slot's
    if network is None or not network["admin_state_up"] or port is None or not render.safe_id(port["id"]):
        return None
    if not render.safe_mac(port["mac_address"].lower()):
        raise errors.Invalid(reason=f"port {port['id']} has the MAC {port['mac_address']!r}")
    subnets = sorted(content.get("subnet", {}).values(), key=lambda s: s["id"])
    served = [s for s in subnets if s["enable_dhcp"] and render.safe_id(s["id"]) and _addresses(port, s)]
    problems = [problem for problem in map(_unservable, served) if problem]
    served = [s for s in served if not _unservable(s)]
    if not served:
        if problems:
            raise errors.Invalid(reason="; ".join(problems))
        return None
    plug = _plug(network, port, served)
    texts = _texts(network, ports, port, subnets, served, settings)
    return DhcpDesired(
        network_id=network_id,
        plug=plug,
        arguments=_arguments(plug, served, ports, settings),
        files=tuple((name, text.content()) for name, text in texts.items()),
        reservations=frozenset(_reservations(ports, served)),
        problems=tuple(problems + [problem for text in texts.values() for problem in text.problems]),
    )


def _addresses(port: Object, subnet: Object) -> list[str]:
    return [ip["ip_address"] for ip in port["fixed_ips"] if ip["subnet_id"] == subnet["id"]]


def _unservable(subnet: Object) -> str | None:
    if subnet["ip_version"] == 4:
        return None
    length = ipaddress.ip_network(subnet["cidr"]).prefixlen
    if length < 64 or (length != 64 and (subnet.get("ipv6_ra_mode") or _mode(subnet) == "slaac")):
        return f"subnet {subnet['id']} ({subnet['cidr']}): IPv6 prefixes must have 64 bits, or more if there is no RA"
    return None


def _mode(subnet: Object) -> str:
    """How clients of an IPv6 subnet get addresses; with neither mode set, by DHCP like IPv4."""
    return subnet.get("ipv6_address_mode") or subnet.get("ipv6_ra_mode") or "dhcpv6-stateful"


def _has_reservations(subnet: Object) -> bool:
    return subnet["ip_version"] == 4 or _mode(subnet) == "dhcpv6-stateful"


def _plug(network: Object, port: Object, served: Sequence[Object]) -> Plug:
    addresses: set[str] = set()
    gateways: dict[int, str] = {}
    for subnet in served:
        length = subnet["cidr"].rpartition("/")[2]
        addresses |= {f"{ipaddress.ip_address(address)}/{length}" for address in _addresses(port, subnet)}
        if subnet.get("gateway_ip"):
            # For queries that are forwarded to the operator's name servers.
            gateways.setdefault(subnet["ip_version"], str(ipaddress.ip_address(subnet["gateway_ip"])))
    outside, inside = plug_.ends(port["id"])
    return Plug(
        namespace=namespace(network["id"]),
        bridge=bridge(network["id"]),
        outside=outside,
        inside=inside,
        mac=port["mac_address"].lower(),
        mtu=network["mtu"],
        addresses=frozenset(addresses),
        gateways=frozenset(gateways.values()),
        owner=owner(network["id"]),
    )


def _reservations(ports: Iterable[Object], served: Sequence[Object]) -> list[tuple[str, str]]:
    """(mac, address) of every port that may ask, in the order of ports."""
    reserved = {subnet["id"] for subnet in served if _has_reservations(subnet)}
    return [
        (port["mac_address"].lower(), ip["ip_address"])
        for port in ports
        if port["device_owner"] != DHCP_OWNER
        for ip in port["fixed_ips"]
        if ip["subnet_id"] in reserved
    ]


def _texts(
    network: Object,
    ports: Sequence[Object],
    own: Object,
    subnets: Sequence[Object],
    served: Sequence[Object],
    settings: Settings,
) -> dict[str, render.Text]:
    """hosts, opts and addn_hosts."""
    options = render.Text()
    for subnet in served:
        # This host's own DHCP port first, then those of other replicas: a client's resolver survives ours.
        replicas = [own, *(p for p in ports if p["device_owner"] == DHCP_OWNER and p["id"] != own["id"])]
        resolvers = [address for replica in replicas for address in _addresses(replica, subnet)]
        others = [s["cidr"] for s in subnets if s["id"] != subnet["id"] and s["ip_version"] == 4]
        _extend(options, render.subnet_options(subnet, resolvers, others, settings.dns_domain))
    for port in _with_options(ports):
        _extend(options, render.port_options(port))
    addresses = [ip["ip_address"] for port in ports for ip in port["fixed_ips"]]
    names = _names(ports, settings.dns_domain)
    above = _domain(network)
    return {
        "hosts": render.hosts(_reservations(ports, served), names),
        "opts": options,
        "addn_hosts": render.addn_hosts(addresses, names, settings.dns_domain, above),
    }


def _names(ports: Iterable[Object], domain: str) -> dict[str, str]:
    """The names of addresses whose ports have one of their own. Servers of before this release send none."""
    named = [(port, dns.relative(port.get("dns_name") or "", domain)) for port in ports]
    return {ip["ip_address"]: name for port, name in named if name for ip in port["fixed_ips"]}


def _domain(network: Object) -> str:
    """The network's own domain, without the dot at its end."""
    domain = str(network.get("dns_domain") or "").removesuffix(".")
    return domain if render.safe_name(domain) else ""


def _extend(text: render.Text, more: render.Text) -> None:
    text.lines += more.lines
    text.problems += more.problems


def _with_options(ports: Iterable[Object]) -> list[Object]:
    return [
        p
        for p in ports
        if p.get("extra_dhcp_opts")
        and p["device_owner"] != DHCP_OWNER
        and render.safe_id(p["id"])
        and render.safe_mac(p["mac_address"].lower())
    ]


def _arguments(plug: Plug, served: Sequence[Object], ports: Sequence[Object], settings: Settings) -> tuple[str, ...]:
    lease = "infinite" if settings.lease_time < 0 else f"{settings.lease_time}s"
    words = [
        "--conf-file=/dev/null",
        "--no-hosts",
        "--no-resolv",
        "--bind-dynamic",
        "--except-interface=lo",
        f"--interface={plug.inside}",
        # A server that took over knows no leases; being the authority, it lets clients renew what is reserved for them.
        "--dhcp-authoritative",
        f"--dhcp-lease-max={min(_MAX_LEASES, sum(_size(subnet) for subnet in served))}",
        # Forced, since clients seldom ask for it and a wrong MTU is hard to find.
        f"--dhcp-option-force=option:mtu,{plug.mtu}",
    ]
    if settings.dns_domain:
        words += [f"--domain={settings.dns_domain}", f"--local=/{settings.dns_domain}/"]
    words += [f"--server={server}" for server in settings.dns_servers]
    advertised = [s for s in served if s["ip_version"] == 6 and s.get("ipv6_ra_mode") and not _has_router(s, ports)]
    words += [f"--dhcp-range={text}" for subnet in served for text in _ranges(subnet, lease, subnet in advertised)]
    if advertised:
        words.append(f"--ra-param={plug.inside},mtu:{plug.mtu},{_RA_INTERVAL},0")
    if any(_mode(s) == "dhcpv6-stateful" for s in advertised):
        words.append("--enable-ra")
    # A port's tag comes from its hardware address, not from `set:` in the hosts file (see the package's notes).
    words += [f"--dhcp-mac=set:{render.port_tag(p['id'])},{p['mac_address'].lower()}" for p in _with_options(ports)]
    return tuple(words)


def _size(subnet: Object) -> int:
    return min(_MAX_LEASES, ipaddress.ip_network(subnet["cidr"]).num_addresses)


def _has_router(subnet: Object, ports: Iterable[Object]) -> bool:
    """Does a router of ours have an address in this subnet? Then it advertises there."""
    return any(
        _addresses(p, subnet)
        for p in ports
        if p["device_owner"] in addressing.ROUTER_OWNERS and p.get("admin_state_up", True)
    )


def _ranges(subnet: Object, lease: str, advertise: bool) -> list[str]:
    net = ipaddress.ip_network(subnet["cidr"])
    tag = f"set:{render.subnet_tag(subnet['id'])},{net.network_address}"
    if net.version == 4:
        return [f"{tag},static,{net.netmask},{lease}"]
    mode = _mode(subnet)
    if mode == "dhcpv6-stateful":
        return [f"{tag},static,{net.prefixlen},{lease}"]
    if mode == "dhcpv6-stateless":
        # Without RA of ours somebody else's tells clients to ask here; a static range answers them without addresses.
        return [f"{tag},ra-stateless,{net.prefixlen},{lease}" if advertise else f"{tag},static,{net.prefixlen},{lease}"]
    return [f"{tag},ra-only,{net.prefixlen},{lease}"] if advertise else []
