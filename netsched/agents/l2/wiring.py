"""How a network on this host differs from what it ought to be, read from the kernel, each difference with its remedy.

`differences` is lazy: whoever repairs makes each before asking for the next, which is then found in what is there by
now; whoever only checks looks whether there is a first one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from netsched import errors
from netsched.agents.kernel import bridging, plug
from netsched.agents.kernel.netlink import Link, Netlink
from netsched.agents.kernel.tunnel import BROADCAST, Vlan, Vxlan
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


def differences(host: Netlink, wanted: L2Desired, settings: Settings) -> Iterator[Difference]:
    """Raises NetschedError for what cannot be read or is in the way."""
    yield from _bridge(host, wanted)
    bridge = host.existing(wanted.bridge)
    ports = {link.name: link for link in host.ports(wanted.bridge)}
    yield from _strangers(host, wanted, settings, ports)
    if wanted.uplink:
        yield from _uplink(host, wanted, wanted.uplink, settings, bridge)
    yield from _taps(host, wanted, bridge, ports)
    if wanted.uplink and wanted.uplink.type == segment.VXLAN:
        yield from _forwarding(host, wanted, wanted.uplink.link)


def wired(host: Netlink, wanted: L2Desired) -> set[str]:
    """The taps that are in the bridge and up."""
    bridge = host.link(wanted.bridge)
    ports = host.ports(wanted.bridge) if bridge else []
    return {link.name for link in ports if link.up and link.name in wanted.taps}


def remains(host: Netlink, network_id: str, settings: Settings) -> Iterator[Difference]:
    """What is left of a network that this host has nothing to do with any more. Lazy as well."""
    name = plug.bridge(network_id)
    bridge = host.link(name)
    if bridge is not None and bridge.alias == mark(network_id):
        ports = host.ports(name)
        for link in ports:
            if link.alias != mark(network_id) and is_ours(link, settings):
                yield _out(host, link.name, name)
    for link in host.links().values() if bridge is None or bridge.alias == mark(network_id) else ():
        if link.alias == mark(network_id) and link.kind != "bridge":
            yield Difference(f"{link.name} removed", lambda gone=link.name: host.delete_link(gone))  # type: ignore[misc]
    if bridge is not None and bridge.alias == mark(network_id):
        yield Difference(f"{name} given up", lambda: _give_up(host, name))


def owners(host: Netlink) -> set[str]:
    """Ids of the networks of which there is a link with our mark."""
    prefix = mark("")
    return {link.alias.removeprefix(prefix) for link in host.links().values() if link.alias.startswith(prefix)}


def _give_up(host: Netlink, bridge: str) -> None:
    """Whoever still has a port in it may keep it."""
    host.change(bridge, ifalias=bridging.ALIAS)
    bridging.remove_if_idle(host, bridge, "nobody")


def _bridge(host: Netlink, wanted: L2Desired) -> Iterator[Difference]:
    bridge = host.link(wanted.bridge)
    fine = bridge is not None and bridge.up and bridge.mtu == wanted.mtu and bridge.alias == mark(wanted.network_id)

    def make() -> None:
        bridging.ensure(host, wanted.bridge, wanted.mtu)
        host.change(wanted.bridge, ifalias=mark(wanted.network_id))

    if not fine:
        yield Difference(f"{wanted.bridge} made ready", make)


def is_ours(link: Link, settings: Settings) -> bool:
    """May we take this out of a bridge of ours? What an operator put there under another name stays."""
    return is_tap(link.name) or link.alias.startswith(mark("")) or link.name in settings.interfaces.values()


def _strangers(host: Netlink, wanted: L2Desired, settings: Settings, ports: Mapping[str, Link]) -> Iterator[Difference]:
    allowed = wanted.taps | ({wanted.uplink.link} if wanted.uplink else set())
    for name, link in sorted(ports.items()):
        if name in allowed or not is_ours(link, settings):
            continue
        if link.alias.startswith(mark("")):
            yield Difference(f"{name} removed", lambda gone=name: host.delete_link(gone))  # type: ignore[misc]
        else:
            yield _out(host, name, wanted.bridge)


def _out(host: Netlink, name: str, bridge: str) -> Difference:
    """Its carrier stays: a machine that may speak again resumes at once."""

    def make() -> None:
        try:
            host.change(name, master=0)
        except errors.NotFound:
            return

    return Difference(f"{name} taken out of {bridge}", make)


def _uplink(host: Netlink, wanted: L2Desired, uplink: Uplink, settings: Settings, bridge: Link) -> Iterator[Difference]:
    link = host.link(uplink.link)
    if uplink.type == segment.FLAT:
        if link is None:
            raise errors.Unavailable(reason=f"there is no interface {uplink.link} on this host")
        if link.master not in (0, bridge.index):
            other = host.link_at(link.master)
            if other is None or not bridging.is_own(other):
                raise errors.Unavailable(
                    reason=f"{uplink.link} is in {other.name if other else 'another link'} already"
                )
    else:
        yield from _tunnel(host, wanted, uplink, settings, link)
        link = host.existing(uplink.link)
    # The MTU of a physical interface is the operator's.
    mtu = {} if uplink.type == segment.FLAT or link.mtu == wanted.mtu else {"mtu": wanted.mtu}
    if not link.up or link.master != bridge.index or mtu:
        yield Difference(
            f"{uplink.link} put into {wanted.bridge}",
            lambda: _plug(host, uplink.link, bridge.index, wanted.mtu if mtu else None),
        )


def _tunnel(
    host: Netlink, wanted: L2Desired, uplink: Uplink, settings: Settings, link: Link | None
) -> Iterator[Difference]:
    """The link of a VXLAN or VLAN, made anew if it is another one than wanted."""
    if uplink.type == segment.VXLAN:
        vxlan = Vxlan(uplink.id, settings.local_ip or "", settings.vxlan_port)
        fine = link is not None and link.vxlan == vxlan

        def add() -> None:
            host.add_vxlan(uplink.link, vxlan, mark(wanted.network_id))
    else:
        parent = host.link(uplink.interface)
        if parent is None:
            raise errors.Unavailable(reason=f"there is no interface {uplink.interface} on this host")
        vlan = Vlan(parent.index, uplink.id)
        fine = link is not None and link.vlan == vlan

        def add() -> None:
            if not parent.up:
                host.change(parent.name, state="up")
            host.add_vlan(uplink.link, vlan, mark(wanted.network_id))

    def make() -> None:
        if link is not None:
            host.delete_link(uplink.link)
        add()

    if not fine:
        yield Difference(f"{uplink.link} made", make)


def _taps(host: Netlink, wanted: L2Desired, bridge: Link, ports: Mapping[str, Link]) -> Iterator[Difference]:
    for name in sorted(wanted.taps):
        link = ports.get(name) or host.link(name)
        if link is None or (link.up and link.master == bridge.index and link.mtu == wanted.mtu):
            continue
        yield Difference(
            f"{name} put into {wanted.bridge}",
            lambda tap=name: _plug(host, tap, bridge.index, wanted.mtu),  # type: ignore[misc]
            name,
        )


def _plug(host: Netlink, name: str, bridge_index: int, mtu: int | None) -> None:
    bridging.quiet(name)
    attributes = {} if mtu is None else {"mtu": mtu}
    host.change(name, master=bridge_index, state="up", **attributes)


def _forwarding(host: Netlink, wanted: L2Desired, name: str) -> Iterator[Difference]:
    actual = host.forwarding(name)
    stale, missing = actual.remote - wanted.forwarding.remote, wanted.forwarding.remote - actual.remote
    stale_static, missing_static = (
        actual.static - wanted.forwarding.static,
        wanted.forwarding.static - actual.static,
    )
    if not (stale or missing or stale_static or missing_static):
        return

    def make() -> None:
        replaced = {mac for mac, _ in missing}
        for mac, host_ip in sorted(missing):
            host.add_remote(name, mac, host_ip)
        for mac in sorted(missing_static):
            host.add_static(name, mac)
        for mac in sorted(stale_static):
            host.delete_static(name, mac)
        for mac, host_ip in sorted(stale):
            # An address that moved to another host has been replaced; of "everybody" there is one entry a host.
            if mac not in replaced or mac == BROADCAST:
                host.delete_remote(name, mac, host_ip)

    hosts = len({host_ip for _, host_ip in wanted.forwarding.remote})
    yield Difference(f"{name} forwards {len(wanted.forwarding.static)} addresses to {hosts} hosts", make)
