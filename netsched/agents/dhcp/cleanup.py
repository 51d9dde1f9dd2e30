"""Remove all that a DHCP agent left on a retired node, and nothing else.

Ours is what carries our mark: what is in the state directory, a dnsmasq with a pid file in it, a veth or a bridge
with our alias. A bridge with a port that is not ours stays, as does every namespace without such a mark.
"""

from __future__ import annotations

import pathlib
import shutil

from netsched import clock
from netsched.agents.dhcp import compute, dnsmasq, render
from netsched.agents.dhcp.main import WANTED
from netsched.agents.kernel import bridging, netlink, netns, plugging


def cleanup(state_dir: pathlib.Path, dry_run: bool) -> list[str]:
    """What was removed (or would be), as lines for people, in order. Stop the agent first. Raises NetschedError."""
    state_dir = state_dir.resolve()
    owned = {owner.partition("/")[2] for owner in plugging.owners() if owner.startswith("dhcp/")}
    network_ids = sorted(filter(render.safe_id, dnsmasq.networks(state_dir) | owned))
    lines = [line for network_id in network_ids for line in _remove_network(state_dir, network_id, dry_run)]
    lines += _remove_bridges(dry_run)
    return lines + _remove_directories(state_dir, network_ids, dry_run)


def _remove_network(state_dir: pathlib.Path, network_id: str, dry_run: bool) -> list[str]:
    server = dnsmasq.Dnsmasq(state_dir, network_id, compute.namespace(network_id), clock.SystemClock())
    lines = [f"dnsmasq with pid {found.pid}" for found in server.processes()]
    with netlink.opened() as host:
        mark = f"{bridging.ALIAS}/{compute.owner(network_id)}"
        lines += [f"link {link.name}" for link in host.links().values() if link.alias == mark]
    if netns.identity(compute.namespace(network_id)) is not None:
        lines.append(f"namespace {compute.namespace(network_id)}")
    if server.exists():
        lines.append(f"directory {dnsmasq.directory(state_dir) / network_id}")
    if not dry_run:
        server.stop()
        plugging.unplug(compute.namespace(network_id), compute.owner(network_id))
        server.remove()
    return lines


def _remove_bridges(dry_run: bool) -> list[str]:
    with netlink.opened() as host:
        # In a dry run our veths are still there; those that a removal would take away do not keep a bridge.
        idle = [bridge for bridge in bridging.own(host) if bridging.is_idle(host, bridge, "dhcp/")]
        if not dry_run:
            for bridge in idle:
                host.delete_link(bridge)
    return [f"bridge {bridge}" for bridge in idle]


def _remove_directories(state_dir: pathlib.Path, network_ids: list[str], dry_run: bool) -> list[str]:
    """The agent's copy of what is wanted, and the home of the networks' directories if nothing else lives there."""
    lines = []
    copy, home = state_dir / WANTED, dnsmasq.directory(state_dir)
    if copy.is_dir():
        lines.append(f"directory {copy}")
        if not dry_run:
            shutil.rmtree(copy)
    if home.is_dir() and all(entry.name in network_ids for entry in home.iterdir()):
        lines.append(f"directory {home}")
        if not dry_run:
            home.rmdir()
    return lines
