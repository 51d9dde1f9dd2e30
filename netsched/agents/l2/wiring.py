"""How a network on this host differs from what it ought to be, read from the kernel, each difference with its remedy.

`Survey.differences` is lazy: whoever repairs makes each before asking for the next, which is then found in what is
there by now; whoever only checks looks whether there is a first one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from netsched import errors
from netsched.agents.kernel import bridging, plug
from netsched.agents.kernel.netlink import Link, Netlink
from netsched.agents.kernel.tunnel import Forwarding, Vlan, Vxlan
from netsched.agents.l2.compute import L2Desired, Settings, Uplink
from netsched.model import segment

TAP_LENGTH = len(plug.tap("0" * 36))


@dataclass(frozen=True)
class Difference:
    """`what`: for people, as a deed: "tap1 put into brq1". `tap`: the one that it brings into the bridge, else ""."""

    what: str
    make: Callable[[], None]
    tap: str = ""


def mark(network_id: str) -> str:
    """The alias of links that we made for a network, and of its bridge while we use it."""
    return f"{bridging.ALIAS}/l2/{network_id}"


def is_tap(name: str) -> bool:
    return name.startswith(plug.OUTSIDE) and len(name) == TAP_LENGTH


class Survey:
    """One look at one network, in as few questions to the kernel as it takes."""

    def __init__(self, host: Netlink, wanted: L2Desired, settings: Settings) -> None:
        self._host = host
        self._wanted = wanted
        self._settings = settings
        self.bridge_index = 0
        self.wired: set[str] = set()  # taps that were found in force

    def differences(self) -> Iterator[Difference]:
        """Raises NetschedError for what cannot be read or is in the way."""
        host, wanted = self._host, self._wanted
        bridge = host.link(wanted.bridge)
        if bridge is None or not _is_ready(bridge, wanted):
            yield Difference(f"{wanted.bridge} made ready", self._make_bridge)
            bridge = host.existing(wanted.bridge)
        self.bridge_index = bridge.index
        if bridge.in_ip != bool(wanted.filtered):
            yield self._in_ip(bool(wanted.filtered))
        ports = {link.name: link for link in host.ports_of(bridge.index)}
        yield from self._strangers(ports)
        if wanted.uplink:
            yield from self._uplink(wanted.uplink, ports)
        yield from self._taps(ports)

    def _make_bridge(self) -> None:
        wanted = self._wanted
        bridging.ensure(self._host, wanted.bridge, wanted.mtu)
        self._host.change(wanted.bridge, ifalias=mark(wanted.network_id))

    def _in_ip(self, in_ip: bool) -> Difference:
        what = f"connections in {self._wanted.bridge} {'tracked' if in_ip else 'no longer tracked'}"
        return Difference(what, lambda: self._host.change_bridge(self._wanted.bridge, in_ip))

    def _strangers(self, ports: Mapping[str, Link]) -> Iterator[Difference]:
        allowed = self._wanted.taps | ({self._wanted.uplink.link} if self._wanted.uplink else set())
        for name, link in sorted(ports.items()):
            if name not in allowed and is_ours(link, self._settings):
                yield _gone(self._host, link, self._wanted.bridge)

    def _uplink(self, uplink: Uplink, ports: Mapping[str, Link]) -> Iterator[Difference]:
        host, wanted = self._host, self._wanted
        link = ports.get(uplink.link) or host.link(uplink.link)
        if uplink.type == segment.FLAT:
            _check_free(host, uplink.link, link, self.bridge_index)
        else:
            found = link
            for difference in self._tunnel(uplink, found):
                yield difference
                link = None
        link = link or host.existing(uplink.link)
        # The MTU of a physical interface is the operator's.
        mtu = None if uplink.type == segment.FLAT else wanted.mtu
        if not link.up or link.master != self.bridge_index or mtu not in (None, link.mtu):
            yield self._plugged(uplink.link, mtu)
        if uplink.type == segment.VXLAN:
            yield from self._forwarding(link)

    def _tunnel(self, uplink: Uplink, link: Link | None) -> Iterator[Difference]:
        """The link of a VXLAN or VLAN, made anew if it is another one than wanted."""
        host, mark_ = self._host, mark(self._wanted.network_id)
        vxlan, vlan = None, None
        if uplink.type == segment.VXLAN:
            vxlan = Vxlan(uplink.id, self._settings.local_ip or "", self._settings.vxlan_port)
        else:
            parent = host.link(uplink.interface)
            if parent is None:
                raise errors.Unavailable(reason=f"there is no interface {uplink.interface} on this host")
            vlan = Vlan(parent.index, uplink.id)

        def make() -> None:
            host.delete_link(uplink.link)
            if vxlan:
                host.add_vxlan(uplink.link, vxlan, mark_)
            elif vlan:
                host.change(uplink.interface, state="up")
                host.add_vlan(uplink.link, vlan, mark_)

        if link is None or (link.vxlan, link.vlan) != (vxlan, vlan):
            yield Difference(f"{uplink.link} made", make)

    def _taps(self, ports: Mapping[str, Link]) -> Iterator[Difference]:
        for name in sorted(self._wanted.taps):
            link = ports.get(name) or self._host.link(name)
            if link is None:
                continue
            if link.up and link.master == self.bridge_index and link.mtu == self._wanted.mtu:
                self.wired.add(name)
            else:
                yield self._plugged(name, self._wanted.mtu)

    def _plugged(self, name: str, mtu: int | None) -> Difference:
        def make() -> None:
            bridging.quiet(name)
            attributes = {} if mtu is None else {"mtu": mtu}
            self._host.change(name, master=self.bridge_index, state="up", **attributes)

        return Difference(f"{name} put into {self._wanted.bridge}", make, name if is_tap(name) else "")

    def _forwarding(self, link: Link) -> Iterator[Difference]:
        actual, wanted = self._host.forwarding(link.index), self._wanted.forwarding
        add = Forwarding(wanted.remote - actual.remote, wanted.static - actual.static)
        remove = Forwarding(actual.remote - wanted.remote, actual.static - wanted.static)
        if add != Forwarding() or remove != Forwarding():
            hosts = len({host_ip for _, host_ip in wanted.remote})
            yield Difference(
                f"{link.name} forwards (addresses: {len(wanted.static)}, hosts: {hosts})",
                lambda: self._host.change_forwarding(link.name, add, remove),
            )


def _is_ready(bridge: Link, wanted: L2Desired) -> bool:
    return bridge.up and bridge.mtu == wanted.mtu and bridge.alias == mark(wanted.network_id)


def _check_free(host: Netlink, name: str, link: Link | None, bridge_index: int) -> None:
    """A physical interface in somebody else's bridge is left there. Raises Unavailable."""
    if link is None:
        raise errors.Unavailable(reason=f"there is no interface {name} on this host")
    if link.master not in (0, bridge_index):
        other = host.link_at(link.master)
        if other is None or not bridging.is_own(other):
            raise errors.Unavailable(reason=f"{name} is in {other.name if other else 'another link'} already")


def is_ours(link: Link, settings: Settings) -> bool:
    """May we take this out of a bridge of ours? What an operator put there under another name stays."""
    return is_tap(link.name) or link.alias.startswith(mark("")) or link.name in settings.interfaces.values()


def _gone(host: Netlink, link: Link, bridge: str) -> Difference:
    """Out of the bridge; what we made ceases to exist. A tap keeps its carrier: a machine that may speak again
    resumes at once."""
    if link.alias.startswith(mark("")):
        return Difference(f"{link.name} removed", lambda: host.delete_link(link.name))

    def make() -> None:
        with contextlib.suppress(errors.NotFound):
            host.change(link.name, master=0)

    return Difference(f"{link.name} taken out of {bridge}", make)


def is_left(host: Netlink, network_id: str) -> bool:
    """Is there a bridge that we use for this network?"""
    bridge = host.link(plug.bridge(network_id))
    return bridge is not None and bridge.alias == mark(network_id)


def remains(host: Netlink, network_id: str, settings: Settings) -> Iterator[Difference]:
    """What is left of a network that this host has nothing to do with any more. Lazy as well."""
    name = plug.bridge(network_id)
    used = is_left(host, network_id)
    # Without a bridge there may still be its tunnel: only then all links of the host are read.
    for link in host.ports(name) if used else host.links().values():
        if link.alias == mark(network_id) and link.kind != "bridge" or used and is_ours(link, settings):
            yield _gone(host, link, name)
    if used:
        yield Difference(f"{name} given up", lambda: _give_up(host, name))


def owners(host: Netlink) -> set[str]:
    """Ids of the networks of which there is a link with our mark."""
    prefix = mark("")
    return {link.alias.removeprefix(prefix) for link in host.links().values() if link.alias.startswith(prefix)}


def _give_up(host: Netlink, bridge: str) -> None:
    """Whoever still has a port in it may keep it."""
    host.change(bridge, ifalias=bridging.ALIAS)
    host.change_bridge(bridge, in_ip=False)
    bridging.remove_if_idle(host, bridge, "nobody")
