"""Plug a namespace into a network's bridge, and find out whether it is.

One value, `Plug`, says how it ought to be; `read` gives the same kind of value for what is there, so "in force" is ==.
"""

from __future__ import annotations

import logging

from netsched import errors
from netsched.agents.kernel import bridging, netlink, netns
from netsched.agents.kernel.bridging import ALIAS
from netsched.agents.kernel.plug import INSIDE, Plug, outside

LOG = logging.getLogger(__name__)


def read(wanted: Plug) -> Plug | None:
    """The plug as it is now, None when an essential part is missing, down or elsewhere."""
    if netns.identity(wanted.namespace) is None:
        return None
    with netlink.opened() as host:
        bridge, tap = host.link(wanted.bridge), host.link(wanted.outside)
    if bridge is None or tap is None or not (bridge.up and tap.up) or tap.master != bridge.index:
        return None
    return netns.run_in(wanted.namespace, lambda: _read_inside(wanted, tap))


def _read_inside(wanted: Plug, tap: netlink.Link) -> Plug | None:
    with netlink.opened() as inner:
        links = inner.links()
        inside, loopback = links.get(wanted.inside), links.get("lo")
        strangers = [name for name in links if _is_ours(name) and name != wanted.inside]
        if inside is None or loopback is None or strangers or not (inside.up and loopback.up):
            return None
        return Plug(
            namespace=wanted.namespace,
            bridge=wanted.bridge,
            outside=wanted.outside,
            inside=wanted.inside,
            mac=inside.mac,
            mtu=min(inside.mtu, tap.mtu),
            addresses=frozenset(inner.addresses(wanted.inside)),
            gateways=frozenset(inner.gateways()),
            owner=tap.alias.removeprefix(f"{ALIAS}/"),
        )


def ensure(wanted: Plug) -> None:
    """Make it so, touching only what differs. Raises NetschedError."""
    if read(wanted) == wanted:
        return
    netns.create(wanted.namespace)
    with netlink.opened() as host:
        bridge = bridging.ensure(host, wanted.bridge, wanted.mtu)
        inside_is_there = netns.run_in(wanted.namespace, lambda: _drop_strangers(wanted))
        if host.link(wanted.outside) is None or not inside_is_there:
            host.delete_link(wanted.outside)
            host.add_veth(wanted.outside, wanted.inside, wanted.namespace, f"{ALIAS}/{wanted.owner}")
            LOG.info("Plugged %s into %s of namespace %s", wanted.bridge, wanted.inside, wanted.namespace)
        bridging.quiet(wanted.outside)
        host.change(wanted.outside, mtu=wanted.mtu, master=bridge.index, state="up")
        netns.run_in(wanted.namespace, lambda: _ensure_inside(wanted))


def remove(namespace: str, bridge: str, owner: str) -> None:
    """Take away the veths of this owner, the namespace, and the bridge if we made it and it has no other port."""
    unplug(namespace, owner)
    with netlink.opened() as host:
        bridging.remove_if_idle(host, bridge, owner)


def unplug(namespace: str, owner: str) -> None:
    """Take away the veths of this owner and the namespace."""
    with netlink.opened() as host:
        for name in _outsides(host, namespace, owner):
            host.delete_link(name)
            LOG.info("Removed %s", name)
    if netns.identity(namespace) is not None:
        LOG.info("Removed namespace %s", namespace)
    netns.delete(namespace)


def _outsides(host: netlink.Netlink, namespace: str, owner: str) -> list[str]:
    """The host's ends of an owner's plugs. Asks the small namespace; the host's links are many, and read only if
    there is no namespace to ask."""
    if netns.identity(namespace) is None:
        found = list(host.links().values())
    else:
        names = [outside(name) for name in netns.run_in(namespace, _link_names) if _is_ours(name)]
        found = [link for link in map(host.link, names) if link]
    return [link.name for link in found if link.alias == f"{ALIAS}/{owner}"]


def _link_names() -> list[str]:
    with netlink.opened() as inner:
        return list(inner.links())


def owners() -> set[str]:
    """Whose plugs there are on this host, whether or not somebody still knows of them."""
    with netlink.opened() as host:
        aliases = {link.alias for link in host.links().values()}
    return {alias.removeprefix(f"{ALIAS}/") for alias in aliases if alias.startswith(f"{ALIAS}/")}


def _is_ours(name: str) -> bool:
    return name.startswith(INSIDE)


def _drop_strangers(wanted: Plug) -> bool:
    """Remove plugs of an earlier port from the namespace; is the wanted one there?"""
    with netlink.opened() as inner:
        links = inner.links()
        for name in links:
            if _is_ours(name) and name != wanted.inside:
                inner.delete_link(name)
                LOG.info("Removed %s from namespace %s", name, wanted.namespace)
        return wanted.inside in links


def _ensure_inside(wanted: Plug) -> None:
    name = wanted.inside
    netns.set_sysctls(
        {
            "net/ipv4/ip_forward": "0",
            "net/ipv6/conf/all/forwarding": "0",
            f"net/ipv6/conf/{name}/accept_ra": "0",
            f"net/ipv6/conf/{name}/autoconf": "0",
            # The port's addresses are ours by the database; waiting 2 s for duplicates would only delay a fail-over.
            f"net/ipv6/conf/{name}/accept_dad": "0",
            f"net/ipv6/conf/{name}/dad_transmits": "0",
            # Announced when the link comes up, so that switches learn at once where the port now lives.
            f"net/ipv4/conf/{name}/arp_notify": "1",
            f"net/ipv6/conf/{name}/ndisc_notify": "1",
        }
    )
    with netlink.opened() as inner:
        inner.change("lo", state="up")
        link = inner.link(name)
        if link is None:
            raise errors.Unavailable(reason=f"link {name} vanished from namespace {wanted.namespace}")
        if link.mac != wanted.mac:
            inner.change(name, state="down", address=wanted.mac)
        inner.change(name, mtu=wanted.mtu)
        _ensure_addresses(inner, wanted)
        inner.change(name, state="up")
        for gateway in inner.gateways() - wanted.gateways:
            inner.delete_default_route(gateway)
        for gateway in wanted.gateways - inner.gateways():
            inner.add_default_route(gateway)


def _ensure_addresses(inner: netlink.Netlink, wanted: Plug) -> None:
    actual = inner.addresses(wanted.inside)
    for address in actual - wanted.addresses:
        inner.delete_address(wanted.inside, address)
    for address in wanted.addresses - actual:
        inner.add_address(wanted.inside, address)
