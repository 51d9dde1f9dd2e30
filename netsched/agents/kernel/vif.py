"""Give a port to a namespace or to a tap device, as a compute service does for a machine: for tests and for people.

The end on the host is called after the port and put into no bridge; the L2 agent finds it and wires it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from netsched import errors
from netsched.agents.kernel import announce as announcing
from netsched.agents.kernel import netlink, netns
from netsched.agents.kernel.announce import News
from netsched.agents.kernel.bridging import ALIAS

# The alias of the tap says to which namespace it belongs, and whether that was made for it and goes with it.
_GIVEN, _MADE = f"{ALIAS}/vif/", f"{ALIAS}/vif+namespace/"


@dataclass(frozen=True)
class Vif:
    """`addresses`: "10.0.0.5/24"; `gateways`: a default route per IP version, at most one each."""

    tap: str
    mac: str
    mtu: int
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()


def plug_namespace(vif: Vif, namespace: str) -> str:
    """Make both, or what is missing of them, and return the name of the link inside. Raises NetschedError."""
    made = netns.identity(namespace) is None
    netns.create(namespace)
    with netlink.opened() as host:
        tap = host.link(vif.tap)
        if tap is not None and tap.alias not in (_GIVEN + namespace, _MADE + namespace):
            raise errors.Conflict(reason=f"{vif.tap} exists already and does not lead to namespace {namespace}")
        if tap is None:
            inside = netns.run_in(namespace, _free_name)
            host.add_veth(vif.tap, inside, namespace, (_MADE if made else _GIVEN) + namespace)
            netns.run_in(namespace, lambda: _set_mac(inside, vif.mac))
        host.change(vif.tap, mtu=vif.mtu)
    return netns.run_in(namespace, lambda: _set_up(vif))


def announce(vif: Vif, namespace: str, link: str) -> None:
    """Tell the network where its IPv4 addresses are now, as a DHCP client does: another machine may have had them.

    To be called when the port is wired, else nobody hears it.
    """
    addresses = tuple(one.partition("/")[0] for one in vif.addresses if ":" not in one)
    netns.run_in(namespace, lambda: announcing.announce([News(link, vif.mac, addresses)]))


def plug_tap(vif: Vif) -> None:
    """Make the tap device, for a virtual machine that sends with the port's MAC itself. Raises NetschedError."""
    with netlink.opened() as host:
        if host.link(vif.tap) is None:
            host.add_tap(vif.tap, ALIAS + "/vif")
        host.change(vif.tap, mtu=vif.mtu)


def unplug(tap: str) -> str | None:
    """Take it away, with the namespace if that was made for it; the namespace's name, None if there was nothing."""
    with netlink.opened() as host:
        link = host.link(tap)
        if link is None:
            return None
        host.delete_link(tap)
    namespace = link.alias.removeprefix(_MADE).removeprefix(_GIVEN)
    if link.alias.startswith(_MADE) and netns.identity(namespace) and netns.run_in(namespace, _is_empty):
        netns.delete(namespace)
    return namespace


def is_in_bridge(tap: str) -> bool:
    with netlink.opened() as host:
        link = host.link(tap)
    return link is not None and link.master != 0


def own_addresses() -> set[str]:
    """All addresses of this host."""
    with netlink.opened() as host:
        return set(host.own_addresses())


# Inside the namespace


def _free_name() -> str:
    with netlink.opened() as inner:
        links = inner.links()
    return next(name for name in (f"eth{number}" for number in itertools.count()) if name not in links)


def _is_empty() -> bool:
    with netlink.opened() as inner:
        return set(inner.links()) == {"lo"}


def _set_mac(name: str, mac: str) -> None:
    with netlink.opened() as inner:
        inner.change(name, address=mac)


def _set_up(vif: Vif) -> str:
    with netlink.opened() as inner:
        name = next((link.name for link in inner.links().values() if link.mac == vif.mac), None)
        if name is None:
            raise errors.Unavailable(reason=f"the inner end of {vif.tap} has another MAC than its port")
        if vif.addresses:
            # The addresses are the port's by the database: waiting 2 s for duplicates would only delay.
            netns.set_sysctls({f"net/ipv6/conf/{name}/accept_dad": "0", f"net/ipv6/conf/{name}/dad_transmits": "0"})
        inner.change("lo", state="up")
        inner.change(name, mtu=vif.mtu, state="up")
        for address in vif.addresses:
            inner.add_address(name, address)
        for gateway in vif.gateways:
            inner.add_default_route(gateway)
    return name
