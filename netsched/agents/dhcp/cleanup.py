"""What a DHCP agent left on a node: found by its marks, and removed. See agents/cleanup.py.

A dnsmasq is ours by the pid file in our directory, a veth by its alias; a namespace only by one of these.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

from netsched import clock
from netsched.agents.dhcp import compute, dnsmasq, render
from netsched.agents.kernel import bridging, netlink, netns, plugging

OWNER = "dhcp/"  # as the owners of our plugs begin


def networks(state_dir: pathlib.Path) -> list[str]:
    """Ids of networks of which something is left."""
    owned = {owner.removeprefix(OWNER) for owner in plugging.owners() if owner.startswith(OWNER)}
    return sorted(filter(render.safe_id, dnsmasq.networks(state_dir) | owned))


def found(state_dir: pathlib.Path, network_ids: Iterable[str]) -> list[str]:
    """What there is of these networks, as lines for people. Raises NetschedError."""
    lines = []
    for network_id in network_ids:
        server, namespace = _server(state_dir, network_id), compute.namespace(network_id)
        lines += [f"dnsmasq with pid {process.pid}" for process in server.processes()]
        with netlink.opened() as host:
            mark = f"{bridging.ALIAS}/{compute.owner(network_id)}"
            lines += [f"link {link.name}" for link in host.links().values() if link.alias == mark]
        if netns.identity(namespace) is not None:
            lines.append(f"namespace {namespace}")
        if server.exists():
            lines.append(f"directory {dnsmasq.home(state_dir) / network_id}")
    return lines


def remove(state_dir: pathlib.Path, network_ids: Iterable[str]) -> None:
    for network_id in network_ids:
        server = _server(state_dir, network_id)
        server.stop()
        plugging.unplug(compute.namespace(network_id), compute.owner(network_id))
        server.remove()


def _server(state_dir: pathlib.Path, network_id: str) -> dnsmasq.Dnsmasq:
    return dnsmasq.Dnsmasq(state_dir, network_id, compute.namespace(network_id), clock.SystemClock())
