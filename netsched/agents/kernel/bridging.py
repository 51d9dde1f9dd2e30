"""The bridge that is a network on this host, whichever agent comes first: DHCP, router or L2.

Its alias says whose it is: ALIAS alone, that an agent of ours made it and whoever leaves it idle removes it; ALIAS/ and
an owner, that this owner uses it and removes it in the end.
"""

from __future__ import annotations

import logging
import pathlib

from netsched.agents.kernel import netlink, netns

LOG = logging.getLogger(__name__)

ALIAS = "netsched"  # marks the links that we made: a name alone proves nothing


def ensure(host: netlink.Netlink, name: str, mtu: int) -> netlink.Link:
    """Have it, up and with this MTU (bytes)."""
    bridge = host.link(name)
    if bridge is None:
        host.add_bridge(name, ALIAS)
        LOG.info("Made bridge %s", name)
    quiet(name)
    if bridge is None or not bridge.up or bridge.mtu != mtu:
        host.change(name, mtu=mtu, state="up")
    return bridge or host.existing(name)


def remove_if_idle(host: netlink.Netlink, name: str, but_for: str) -> None:
    """If nobody's name is on it any more, and it has no port except plugs whose owner starts with `but_for`."""
    bridge = host.link(name)
    if bridge is not None and bridge.kind == "bridge" and bridge.alias == ALIAS and is_idle(host, name, but_for):
        host.delete_link(name)
        LOG.info("Removed bridge %s", name)


def own(host: netlink.Netlink) -> list[str]:
    """The bridges that we made."""
    return [link.name for link in host.links().values() if is_own(link)]


def is_own(link: netlink.Link) -> bool:
    return link.kind == "bridge" and (link.alias == ALIAS or link.alias.startswith(f"{ALIAS}/"))


def is_idle(host: netlink.Netlink, bridge: str, but_for: str) -> bool:
    """Has this bridge no port, except plugs whose owner starts with `but_for`?"""
    return all(link.alias.startswith(f"{ALIAS}/{but_for}") for link in host.ports(bridge))


def can_track() -> bool:
    """Can bridges of this host hand their packets to the rules of the IP families (`Netlink.change_bridge`)?

    Not without the kernel's module br_netfilter, though the bridges say so then, too."""
    return pathlib.Path("/proc/sys/net/bridge").is_dir()


def quiet(link: str) -> None:
    """Keep the host itself off the tenant's network: no address of its own there, no router believed."""
    netns.set_sysctls({f"net/ipv6/conf/{link}/disable_ipv6": "1"})
