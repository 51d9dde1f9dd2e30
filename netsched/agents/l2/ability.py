"""Which segments this host can serve: what it is configured for, if the kernel and the interfaces allow it.

Found out once, at the start: the server binds no port of a network here that would then not work.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import partial

from netsched import errors
from netsched.agents.kernel import netlink, netns
from netsched.agents.kernel.tunnel import Vlan, Vxlan
from netsched.agents.l2.compute import Settings
from netsched.model import segment


def problems(settings: Settings) -> dict[str, str | None]:
    """By the words of model/segment.py, each that it is configured for: why it cannot be served, None if it can.

    Raises Unavailable if the kernel cannot be asked at all.
    """
    found = {segment.VXLAN: _problem(lambda: _try_vxlan(settings))}
    no_vlan = _problem(_try_vlan)
    for name, interface in sorted(settings.interfaces.items()):
        found[segment.word(segment.FLAT, name)] = _problem(partial(_look_at_flat, interface))
        found[segment.word(segment.VLAN, name)] = no_vlan or _problem(partial(_look_at, interface))
    return found


def _problem(attempt: Callable[[], object]) -> str | None:
    try:
        attempt()
    except errors.NetschedError as error:
        return str(error)
    return None


def _try_vxlan(settings: Settings) -> None:
    if not settings.local_ip:
        raise errors.Unavailable(reason="[linux_bridge] local_ip is not set")
    try:
        local_ip = str(ipaddress.ip_address(settings.local_ip))
    except ValueError:
        raise errors.Unavailable(reason=f"local_ip {settings.local_ip} is no address") from None
    with netlink.opened() as host:
        if local_ip not in host.own_addresses():
            raise errors.Unavailable(reason=f"local_ip {local_ip} is no address of this host")

    def attempt() -> None:
        with netlink.opened() as apart:
            apart.add_vxlan("try", Vxlan(1, local_ip, settings.vxlan_port), "")

    netns.run_apart(attempt)


def _try_vlan() -> None:
    def attempt() -> None:
        with netlink.opened() as apart:
            apart.add_bridge("below", "")
            apart.add_vlan("try", Vlan(apart.index("below"), 1), "")

    try:
        netns.run_apart(attempt)
    except errors.NetschedError as error:
        raise errors.Unavailable(reason=f"the kernel has no VLANs (8021q): {error}") from error


def _look_at(interface: str) -> netlink.Link:
    with netlink.opened() as host:
        link = host.link(interface)
    if link is None:
        raise errors.Unavailable(reason=f"there is no interface {interface} on this host")
    return link


def _look_at_flat(interface: str) -> None:
    """In a bridge an interface hears nothing of what is for its own addresses: the host would be cut off."""
    link = _look_at(interface)
    with netlink.opened() as host:
        addresses = sorted(host.addresses(interface))
    if addresses and not link.master:
        raise errors.Unavailable(
            reason=f"interface {interface} has the address {addresses[0]}, which would not be reached any more once "
            "it is in a bridge: give flat networks an interface without addresses"
        )
