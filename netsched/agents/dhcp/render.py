"""The text of dnsmasq's files, pure. The one place where tenant text meets a file that a program believes.

Every word is proved to be what it must be (address, hardware address, option name, plain value); what does not fit is
left out and named in the returned problems, never quoted or repaired. dnsmasq reads lines of at most 1,024 bytes and
takes the rest for another line, so length is part of the proof.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netsched.model.dns import host_name

Object = Mapping[str, Any]

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_OPTION_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_OPTION_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
# Printable ASCII without what dnsmasq's reader of files gives a meaning: quotes, backslash escapes, comments (a hash
# after a space), spaces at the ends.
_OPTION_VALUE = re.compile(r"([!#-\[\]-~]+( +[!$-\[\]-~][!#-\[\]-~]*)*)?")
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_MAX_NAME = 255
_MAX_LINE = 1000
_MAX_OPTION_121 = 255  # bytes; dnsmasq does not split long options (RFC 3396)


@dataclass
class Text:
    """Lines under construction and what had to be left out of them."""

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, line: str, what: str) -> None:
        if len(line) > _MAX_LINE or not line.isprintable() or not line.isascii():
            self.problems.append(f"{what} is too long or has characters that dnsmasq would misread")
        else:
            self.lines.append(line)

    def content(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


def safe_id(value: str) -> bool:
    """Can this id be part of a path, a namespace's name and a tag?"""
    return bool(_ID.fullmatch(value))


def safe_mac(value: str) -> bool:
    return bool(_MAC.fullmatch(value))


def subnet_tag(subnet_id: str) -> str:
    return f"subnet-{subnet_id}"


def port_tag(port_id: str) -> str:
    return f"port-{port_id}"


def safe_name(value: str) -> bool:
    return len(value) <= _MAX_NAME and bool(_NAME.fullmatch(value))


def hosts(reservations: Iterable[tuple[str, str]], names: Mapping[str, str]) -> Text:
    """The --dhcp-hostsfile from (mac, address). No `set:` ever: it kills dnsmasq 2.90 at SIGHUP.

    `names`: of addresses that have one of their own, below the domain; clients are told what is no domain of its own.
    """
    text = Text()
    for mac, address in reservations:
        own = names.get(address, "")
        name = own if _LABEL.fullmatch(own) else host_name(address)
        if not safe_mac(mac) or not _is_address(address):
            text.problems.append(f"{mac!r} with {address!r} is no reservation")
        elif ":" in address:
            # The tag keeps the line from DHCPv4 requests, which would find a host without an address in it.
            text.add(f"{mac},tag:dhcpv6,{name},[{address}]", address)
        else:
            text.add(f"{mac},{name},{address}", address)
    return text


def addn_hosts(addresses: Iterable[str], names: Mapping[str, str], domain: str, of_network: str = "") -> Text:
    """The --addn-hosts file: every port's address under its name, with and without the domain.

    `of_network`: a domain in which names of ports' own stand as well.
    """
    text = Text()
    for address in addresses:
        if not _is_address(address):
            text.problems.append(f"{address!r} is no address")
            continue
        own = names.get(address, "")
        if own and not safe_name(own):
            text.problems.append(f"{address} has a name that is none")
            own = ""
        name = own or host_name(address)
        full = [f"{name}.{above}" for above in (domain, of_network if own else "") if above]
        text.add(" ".join([address, *full, name]), address)
    return text


def subnet_options(subnet: Object, resolvers: Sequence[str], others_on_link: Sequence[str], domain: str) -> Text:
    """Lines of the --dhcp-optsfile for one subnet.

    `resolvers`: who answers names if the subnet names no servers. `others_on_link`: CIDRs of the network's other
    subnets of the same version, reachable without a router.
    """
    text = Text()
    tag = f"tag:{subnet_tag(subnet['id'])}"
    what = f"subnet {subnet['id']}"
    named = [address for address in subnet.get("dns_nameservers") or [] if _is_address(address)]
    if subnet["ip_version"] == 6:
        servers = [address for address in named or resolvers if ":" in address]
        if servers:
            text.add(f"{tag},option6:dns-server,{','.join(f'[{address}]' for address in servers)}", what)
        if domain:
            text.add(f"{tag},option6:domain-search,{domain}", what)
        return text
    if named == ["0.0.0.0"]:  # the incumbent's way to say: no resolver at all
        text.add(f"{tag},option:dns-server", what)
    else:
        servers = [address for address in named or resolvers if ":" not in address]
        if servers:
            text.add(f"{tag},option:dns-server,{','.join(servers)}", what)
    _routes(text, subnet, others_on_link, tag)
    return text


def _routes(text: Text, subnet: Object, others_on_link: Sequence[str], tag: str) -> None:
    gateway = subnet.get("gateway_ip")
    routes = [
        (str(ipaddress.ip_network(route["destination"])), route["nexthop"])
        for route in subnet.get("host_routes") or []
        if _is_network(route["destination"], 4) and _is_address(route["nexthop"])
    ]
    if len(routes) != len(subnet.get("host_routes") or []):
        text.problems.append(f"subnet {subnet['id']} has host routes that are none")
    # A host route for 0.0.0.0/0 takes the gateway's place; otherwise the gateway is among the routes, because a client
    # that is given routes ignores the router option (RFC 3442).
    default = next((nexthop for destination, nexthop in routes if destination == "0.0.0.0/0"), gateway)
    routes = [(cidr, "0.0.0.0") for cidr in others_on_link] + [r for r in routes if r[0] != "0.0.0.0/0"]
    # An option without a value keeps dnsmasq from naming itself as the router.
    text.add(f"{tag},option:router,{default}" if default else f"{tag},option:router", f"subnet {subnet['id']}")
    if not routes:
        return
    if default:
        routes.append(("0.0.0.0/0", default))
    size = sum(5 + (int(destination.rpartition("/")[2]) + 7) // 8 for destination, _ in routes)
    if size > _MAX_OPTION_121:
        text.problems.append(f"subnet {subnet['id']} has more host routes than a DHCP answer can carry")
        return
    words = ",".join(f"{destination},{nexthop}" for destination, nexthop in routes)
    text.add(f"{tag},option:classless-static-route,{words}", f"subnet {subnet['id']}")
    text.add(f"{tag},249,{words}", f"subnet {subnet['id']}")  # the same for Windows


def port_options(port: Object) -> Text:
    """Lines of the --dhcp-optsfile for the extra_dhcp_opts of one port."""
    text = Text()
    for option in port.get("extra_dhcp_opts") or []:
        name, value = str(option.get("opt_name")), option.get("opt_value")
        value = "" if value is None else str(value)
        if not (_OPTION_NAME.fullmatch(name) or _OPTION_NUMBER.fullmatch(name)):
            text.problems.append(f"port {port['id']} has a DHCP option whose name cannot be used")
        elif not _OPTION_VALUE.fullmatch(value):
            text.problems.append(f"port {port['id']} has a DHCP option {name} whose value cannot be used")
        else:
            prefix = "option6:" if str(option.get("ip_version") or 4) == "6" else "option:"
            if prefix == "option:" and name.isdigit():
                prefix = ""
            line = f"tag:{port_tag(port['id'])},{prefix}{name}"
            text.add(f"{line},{value}" if value else line, f"DHCP option {name} of port {port['id']}")
    return text


def _is_address(text: Any) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return isinstance(text, str) and "%" not in text


def _is_network(text: Any, version: int) -> bool:
    try:
        return ipaddress.ip_network(text).version == version
    except ValueError:
        return False
