"""A router's namespace and its links, addresses and routes: read back, and made as wanted.

Everything inside is done in one visit by one thread, and what is right is not touched: a router of three links costs
milliseconds, and traffic through it does not notice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from netsched import errors
from netsched.agents.kernel import bridging, netlink, netns
from netsched.agents.kernel.bridging import ALIAS
from netsched.agents.kernel.plug import Plug, Route, outside
from netsched.agents.l3 import compute

LOG = logging.getLogger(__name__)

_NOBODY = "-"  # owns no plug
_GROUP = 0x6E73  # of our links in a namespace, so that they can go together
_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    # With a floating IP on the same link the way in is the way out; a redirect would send hosts past the translation.
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    # What is reached through two providers answers by one of them.
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    # Nobody on an external network learns tenants' addresses by asking for them.
    "net/ipv4/conf/all/arp_ignore": "1",
    # The second address of a subnet stays when the first goes.
    "net/ipv4/conf/all/promote_secondaries": "1",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/autoconf": "0",
    # The router's addresses are its own by the database; waiting 2 s for duplicates would only delay a fail-over.
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/dad_transmits": "0",
}


@dataclass(frozen=True)
class Found:
    """What is there. `plugs`: those of ours by the name of their inside, as far as they are whole (bridge, both ends
    up); `strangers`: links of ours in the namespace that are not wanted."""

    exists: bool
    plugs: Mapping[str, Plug]
    links: frozenset[str] = frozenset()  # all of ours in the namespace, by name
    strangers: frozenset[str] = frozenset()
    routes: frozenset[Route] = frozenset()
    behaves: bool = False  # as a router: forwards, and so on
    outer: frozenset[str] = frozenset()  # IPv4 addresses of the links to external networks, without prefix


@dataclass(frozen=True)
class _Inside:
    links: dict[str, netlink.Link]
    addresses: dict[int, set[str]]
    routes: frozenset[Route]
    behaves: bool


def read(desired: compute.RouterDesired) -> Found:
    """Raises NetschedError."""
    if netns.identity(desired.namespace) is None:
        return Found(exists=False, plugs={})
    with netlink.opened() as host:
        taps = {plug.inside: _tap(host, plug) for plug in desired.plugs}
    inside = netns.run_in(desired.namespace, _read_inside)
    plugs = {}
    for plug in desired.plugs:
        link, tap = inside.links.get(plug.inside), taps[plug.inside]
        if link is not None and link.up and tap is not None:
            plugs[plug.inside] = Plug(
                namespace=plug.namespace,
                bridge=plug.bridge,
                outside=plug.outside,
                inside=plug.inside,
                mac=link.mac,
                mtu=min(link.mtu, tap.mtu),
                addresses=frozenset(inside.addresses.get(link.index, ())),
                gateways=frozenset(),
                owner=tap.alias.removeprefix(f"{ALIAS}/"),
            )
    ours = frozenset(name for name in inside.links if _is_ours(name))
    strangers = ours - {plug.inside for plug in desired.plugs}
    outer_ = {a for n, link in inside.links.items() if _is_outer(n) for a in inside.addresses.get(link.index, ())}
    return Found(True, plugs, ours, strangers, inside.routes, inside.behaves, _ipv4(outer_))


def difference(desired: compute.RouterDesired, found: Found) -> str | None:
    """What is not as wanted, in a few words; None when all is."""
    if not found.exists:
        return "there is no namespace"
    for plug in desired.plugs:
        if found.plugs.get(plug.inside) != plug:
            return f"{plug.inside} is not as it ought to be"
    if found.strangers:
        return f"there are other links: {', '.join(sorted(found.strangers))}"
    if found.routes != desired.routes:
        return "routes are not as they ought to be"
    return None if found.behaves else "the namespace is not set up as a router's"


def outer(desired: compute.RouterDesired) -> frozenset[str]:
    """As `Found.outer`, of what is wanted."""
    return _ipv4(address for plug in desired.plugs if _is_outer(plug.inside) for address in plug.addresses)


def _is_outer(name: str) -> bool:
    return name.startswith(compute.GATEWAY)


def _ipv4(addresses: Iterable[str]) -> frozenset[str]:
    return frozenset(address.partition("/")[0] for address in addresses if ":" not in address)


def ensure_outside(desired: compute.RouterDesired, found: Found) -> None:
    """Have the namespace, the bridges and both ends of each plug, the inner ones still down if they are new. Links of
    ours in the namespace that are not wanted go. Raises NetschedError."""
    netns.create(desired.namespace)
    if not found.behaves:
        netns.run_in(desired.namespace, _prepare)
    with netlink.opened() as host:
        for name in found.strangers:
            _remove_link(host, desired, name)
        for plug in desired.plugs:
            if found.plugs.get(plug.inside) != plug:
                _ensure_plug(host, plug, plug.inside in found.links)


def _prepare() -> None:
    """Before there are links, which take over what is set as the default."""
    netns.set_sysctls(_SYSCTLS)
    with netlink.opened() as inner:
        inner.change("lo", state="up")


def _ensure_plug(host: netlink.Netlink, plug: Plug, inside_is_there: bool) -> None:
    bridge = bridging.ensure(host, plug.bridge, plug.mtu)
    tap = host.link(plug.outside)
    anew = tap is None or not inside_is_there
    if anew:
        host.delete_link(plug.outside)
        host.add_veth(
            plug.outside,
            plug.inside,
            plug.namespace,
            f"{ALIAS}/{plug.owner}",
            address=plug.mac,
            mtu=plug.mtu,
            group=_GROUP,
        )
        LOG.info("Plugged %s into %s of namespace %s", plug.bridge, plug.inside, plug.namespace)
    bridging.quiet(plug.outside)
    if anew or tap is None or (tap.mtu, tap.master, tap.up) != (plug.mtu, bridge.index, True):
        host.change(plug.outside, mtu=plug.mtu, master=bridge.index, state="up")


def ensure_inside(desired: compute.RouterDesired) -> dict[Plug, list[str]]:
    """Have everything inside, in a thread that is there; returns the addresses that are new, by plug.

    Raises NetschedError.
    """
    new = {}
    with netlink.opened() as inner:
        links, addresses = inner.links(), inner.addresses_by_link()
        for plug in desired.plugs:
            link = links.get(plug.inside)
            if link is None:
                raise errors.Unavailable(reason=f"link {plug.inside} vanished from namespace {plug.namespace}")
            if fresh := _ensure_link(inner, plug, link, addresses.get(link.index, set())):
                new[plug] = fresh
        # Last, because they go with the addresses and links by which they are reached.
        routes = inner.routes()
        for route in routes - desired.routes:
            inner.delete_route(route)
            LOG.info("Removed the route to %s from namespace %s", route.destination, desired.namespace)
        for route in desired.routes - routes:
            inner.add_route(route)
    return new


def _ensure_link(inner: netlink.Netlink, plug: Plug, link: netlink.Link, actual: set[str]) -> list[str]:
    """The addresses that are new: all of them, on a link that was down."""
    if link.mac != plug.mac:
        inner.change(plug.inside, state="down", address=plug.mac)
    if link.mtu != plug.mtu:
        inner.change(plug.inside, mtu=plug.mtu)
    for address in actual - plug.addresses:
        inner.delete_address(plug.inside, address)
        LOG.info("Removed %s from %s of namespace %s", address, plug.inside, plug.namespace)
    for address in sorted(plug.addresses - actual):
        inner.add_address(plug.inside, address)
    if not link.up or link.mac != plug.mac:
        inner.change(plug.inside, state="up")
        return sorted(plug.addresses)
    return sorted(plug.addresses - actual)


def remove(router_id: str) -> None:
    """Take away the router's links, its namespace, and bridges that we made and that have no other port."""
    name = compute.namespace(router_id)
    exists = netns.identity(name) is not None
    mark = f"{ALIAS}/{compute.owner(router_id)}"
    with netlink.opened() as host:
        # The small namespace knows; the host's links are many, and read only if there is no namespace to ask.
        taps = _outsides(host, name) if exists else list(host.links().values())
        taps = [link for link in taps if link.alias == mark]
        if exists:
            netns.run_in(name, _delete_all_inside)
        for tap in taps:
            host.delete_link(tap.name)
        LOG.info("Removed %s", ", ".join(tap.name for tap in taps) or f"nothing of {name}")
        for index in {tap.master for tap in taps}:
            _leave(host, index)
    netns.delete(name)
    if exists:
        LOG.info("Removed namespace %s", name)


def _outsides(host: netlink.Netlink, namespace: str) -> list[netlink.Link]:
    """The host's ends of links in a namespace."""
    names = netns.run_in(namespace, lambda: list(_read_inside().links))
    return [link for link in (host.link(outside(name)) for name in names if _is_ours(name)) if link]


def _remove_link(host: netlink.Netlink, desired: compute.RouterDesired, name: str) -> None:
    """A link in the namespace that looks like one of ours: from the bridge, if that is where its other end is."""
    tap = host.link(outside(name))
    if tap is not None and tap.alias == f"{ALIAS}/{compute.owner(desired.router_id)}":
        host.delete_link(tap.name)
        LOG.info("Removed %s", tap.name)
        _leave(host, tap.master)
    netns.run_in(desired.namespace, lambda: _delete_inside(name))


def _delete_inside(name: str) -> None:
    with netlink.opened() as inner:
        inner.delete_link(name)


def _delete_all_inside() -> None:
    with netlink.opened() as inner:
        inner.delete_group(_GROUP)


def _leave(host: netlink.Netlink, index: int) -> None:
    """The bridge with this index has one port less. 0: it was in none, since the L2 agent had taken it out before."""
    bridge = host.link_at(index) if index else None
    if bridge is not None:
        bridging.remove_if_idle(host, bridge.name, _NOBODY)


def _tap(host: netlink.Netlink, plug: Plug) -> netlink.Link | None:
    """The plug's end on its bridge, if it is there and both are up."""
    bridge, tap = host.link(plug.bridge), host.link(plug.outside)
    if bridge is None or tap is None or not (bridge.up and tap.up) or tap.master != bridge.index:
        return None
    return tap


def _read_inside() -> _Inside:
    with netlink.opened() as inner:
        links = inner.links()
        return _Inside(
            links=links,
            addresses=inner.addresses_by_link(),
            routes=frozenset(inner.routes()),
            behaves=links["lo"].up and netns.has_sysctls(_SYSCTLS),
        )


def _is_ours(name: str) -> bool:
    return name.startswith((compute.INTERFACE, compute.GATEWAY))
