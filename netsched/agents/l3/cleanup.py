"""What an L3 agent left on a node: found by its marks, and removed. See agents/cleanup.py.

A radvd is ours by the configuration in our directory, a veth by its alias; a namespace only by one of these. Rules and
connections are the namespace's, and go with it.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

from netsched.agents.kernel import bridging, netlink, netns, plugging
from netsched.agents.l3 import compute, namespace, radvd, radvd_conf

OWNER = "l3/"  # as the owners of our plugs begin


def routers(state_dir: pathlib.Path) -> list[str]:
    """Ids of routers of which something is left."""
    owned = {owner.removeprefix(OWNER) for owner in plugging.owners() if owner.startswith(OWNER)}
    return sorted(filter(radvd_conf.safe_id, radvd.routers(state_dir) | owned))


def found(state_dir: pathlib.Path, router_ids: Iterable[str]) -> list[str]:
    """What there is of these routers, as lines for people. Raises NetschedError."""
    lines = []
    for router_id in router_ids:
        advertiser = _advertiser(state_dir, router_id)
        lines += [f"radvd with pid {process.pid}" for process in advertiser.processes()]
        with netlink.opened() as host:
            mark = f"{bridging.ALIAS}/{compute.owner(router_id)}"
            lines += [f"link {link.name}" for link in host.links().values() if link.alias == mark]
        if netns.identity(compute.namespace(router_id)) is not None:
            lines.append(f"namespace {compute.namespace(router_id)}")
        if advertiser.exists():
            lines.append(f"directory {radvd.home(state_dir) / router_id}")
    return lines


def remove(state_dir: pathlib.Path, router_ids: Iterable[str]) -> None:
    for router_id in router_ids:
        advertiser = _advertiser(state_dir, router_id)
        namespace.remove(router_id)
        advertiser.stop()
        advertiser.remove()


def _advertiser(state_dir: pathlib.Path, router_id: str) -> radvd.Radvd:
    return radvd.Radvd(state_dir, router_id, compute.namespace(router_id))
