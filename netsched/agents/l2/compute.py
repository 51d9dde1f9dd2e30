"""What one network ought to look like on this host: content of its scope -> L2Desired. Pure.

Which ports are whose is the server's word: a port of this host is bound to it with vif_type bridge; one of another host
says in binding:vif_details where its tunnel ends.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netsched import errors
from netsched.agents.kernel import plug
from netsched.agents.kernel.tunnel import BROADCAST, Forwarding
from netsched.agents.l2.filtering import Filtered, filtered_of
from netsched.agents.l2.guard import Guard, guard_of
from netsched.model import segment

Object = Mapping[str, Any]
Content = Mapping[str, Mapping[str, Object]]

LEAST_MTU = 68  # bytes: the kernel gives no link a smaller one; a network without subnets may be said to have one
BRIDGED = "bridge"  # the binding:vif_type of ports that are ours to wire
_ID = re.compile(r"[0-9a-fA-F][0-9A-Za-z-]{10,63}")  # the beginning becomes part of a link's name
_MAX_NAME = 15  # characters of a link's name
_HASH = 4  # characters that stand for an interface whose name is too long for a VLAN's


@dataclass(frozen=True)
class Settings:
    """What the operator decides. `interfaces`: physical network -> interface of this host."""

    host: str
    local_ip: str | None = None
    vxlan_port: int = 4789
    interfaces: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Uplink:
    """What joins the bridge to other hosts. `link` is in the bridge; `interface` is the physical one it stands on."""

    type: str  # a segment's type
    link: str
    interface: str = ""
    id: int = 0  # VNI or VLAN id


@dataclass(frozen=True)
class L2Desired:
    """`taps`: those to be in the bridge if they exist. `ports`: id -> tap of every port of this host."""

    network_id: str
    bridge: str
    mtu: int
    uplink: Uplink | None
    taps: frozenset[str]
    forwarding: Forwarding
    guards: tuple[Guard, ...]
    filtered: tuple[Filtered, ...]
    ports: Mapping[str, str]
    problem: str | None = None  # for people: why other hosts are not reached; all else is in force


def desired(network_id: str, content: Content, settings: Settings) -> L2Desired | None:
    """None when this host has nothing of the network: it is gone, or no port is bound here.

    Raises Invalid for an id that could not be part of a link's name.
    """
    network = content.get("network", {}).get(network_id)
    ports = sorted(content.get("port", {}).values(), key=lambda port: port["id"])
    mine = [port for port in ports if port.get("binding:host_id") == settings.host and _bridged(port)]
    if network is None or not mine:
        return None
    for id_ in (network_id, *(port["id"] for port in mine)):
        if not _ID.fullmatch(id_):
            raise errors.Invalid(reason=f"{id_!r} is no id")
    taps = {port["id"]: plug.tap(port["id"]) for port in mine}
    up = [port for port in mine if port["admin_state_up"] and network["admin_state_up"]]
    uplink, problem = _uplink(network, settings)
    tunnelled = uplink is not None and uplink.type == segment.VXLAN
    others = [port for port in ports if port.get("binding:host_id") != settings.host and _bridged(port)]
    return L2Desired(
        network_id=network_id,
        bridge=plug.bridge(network_id),
        mtu=max(network["mtu"], LEAST_MTU),
        uplink=uplink,
        taps=frozenset(taps[port["id"]] for port in up),
        forwarding=_forwarding(others, settings.local_ip) if tunnelled else Forwarding(),
        guards=tuple(guard for guard in map(guard_of, mine) if guard),
        filtered=tuple(filtered for filtered in map(filtered_of, mine) if filtered),
        ports=taps,
        problem=problem,
    )


def vlan_link(interface: str, vlan_id: int) -> str:
    """``eth1.100``; of an interface with a long name the beginning and a few characters of a hash."""
    name = f"{interface}.{vlan_id}"
    if len(name) <= _MAX_NAME:
        return name
    stamp = hashlib.sha256(interface.encode()).hexdigest()[:_HASH]
    return f"{interface[: _MAX_NAME - _HASH - len(str(vlan_id)) - 1]}{stamp}.{vlan_id}"


def _bridged(port: Object) -> bool:
    return port.get("binding:vif_type") == BRIDGED


def _uplink(network: Object, settings: Settings) -> tuple[Uplink | None, str | None]:
    """The uplink, or why there is none."""
    type_, id_ = network.get("provider:network_type"), int(network.get("provider:segmentation_id") or 0)
    if type_ is None:
        return None, "it has no segment"
    if type_ == segment.VXLAN:
        if not settings.local_ip:
            return None, "this host has no local_ip for VXLAN"
        return Uplink(type_, f"vxlan-{id_}", id=id_), None
    interface = settings.interfaces.get(network["provider:physical_network"])
    if interface is None:
        return None, f"this host has no interface in physical network {network['provider:physical_network']}"
    if type_ == segment.FLAT:
        return Uplink(type_, interface, interface), None
    return Uplink(type_, vlan_link(interface, id_), interface, id_), None


def _forwarding(others: Iterable[Object], local_ip: str | None) -> Forwarding:
    """Each port's address to its host, and what is for everybody to just the hosts that have ports here."""
    hosts: set[str] = set()
    remote: set[tuple[str, str]] = set()
    for port in others:
        told = (port.get("binding:vif_details") or {}).get("tunnel_ip")
        # An address of our own would send frames round in circles: a host that was renamed, bound ports left behind.
        if told and told != local_ip:
            host, mac = str(ipaddress.ip_address(told)), port["mac_address"].lower()
            hosts.add(host)
            if not int(mac[:2], 16) & 1:  # what is for a group is for everybody
                remote.add((mac, host))
    return Forwarding(
        remote=frozenset(remote | {(BROADCAST, host) for host in hosts}), static=frozenset(mac for mac, _ in remote)
    )
