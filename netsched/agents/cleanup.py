"""Remove all that agents of every kind left on a retired node, and nothing else.

Ours is what carries our mark: what is in the state directory, a process with a file of it on its command line, a link
with our alias, the table that only we make. A bridge with a port that is not ours stays, as does every namespace
without such a mark.
"""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Collection

from netsched.agents.dhcp import cleanup as dhcp
from netsched.agents.dhcp import dnsmasq
from netsched.agents.dhcp.main import WANTED as DHCP_WANTED
from netsched.agents.kernel import bridging, netlink
from netsched.agents.l2 import cleanup as l2
from netsched.agents.l2 import wiring
from netsched.agents.l2.compute import Settings
from netsched.agents.l2.main import WANTED as L2_WANTED
from netsched.agents.l3 import cleanup as l3
from netsched.agents.l3 import radvd
from netsched.agents.l3.main import WANTED as L3_WANTED


def cleanup(state_dir: pathlib.Path, settings: Settings, dry_run: bool) -> list[str]:
    """What was removed (or would be), as lines for people. Stop the agents first. Raises NetschedError.

    `settings`: those of the node's L2 agent, for the interfaces that it put into bridges.
    """
    state_dir = state_dir.resolve()
    served, routers, joined = dhcp.networks(state_dir), l3.routers(state_dir), l2.networks()
    bridges = _bridges(settings)
    directories = _directories(state_dir, {*served, *routers})
    lines = [*dhcp.found(state_dir, served), *l3.found(state_dir, routers), *l2.found(joined)]
    lines += [f"bridge {bridge}" for bridge in bridges] + [f"directory {directory}" for directory in directories]
    if not dry_run:
        dhcp.remove(state_dir, served)
        l3.remove(state_dir, routers)
        l2.remove(joined, settings)
        _remove_bridges(bridges)
        for directory in directories:
            shutil.rmtree(directory)
    return lines


def _bridges(settings: Settings) -> list[str]:
    """Ours, with no port but what goes with the agents; those of the L2 agent let go of what is others' too."""
    going = tuple(f"{bridging.ALIAS}/{owner}" for owner in (dhcp.OWNER, l3.OWNER, l2.OWNER))
    found = []
    with netlink.opened() as host:
        for bridge in (link for link in host.links().values() if bridging.is_own(link)):
            lent = bridge.alias.startswith(f"{bridging.ALIAS}/{l2.OWNER}")
            ports = [port for port in host.ports(bridge.name) if not port.alias.startswith(going)]
            if not ports or (lent and all(wiring.is_ours(port, settings) for port in ports)):
                found.append(bridge.name)
    return sorted(found)


def _remove_bridges(bridges: Collection[str]) -> None:
    """Those that went with the last of their ports are gone already, which is as good."""
    with netlink.opened() as host:
        for bridge in bridges:
            host.delete_link(bridge)


def _directories(state_dir: pathlib.Path, ids: Collection[str]) -> list[pathlib.Path]:
    """The agents' copies of what is wanted, and the homes of what they serve if nothing else lives there."""
    copies = [state_dir / name for name in (DHCP_WANTED, L3_WANTED, L2_WANTED)]
    homes = [dnsmasq.home(state_dir), radvd.home(state_dir)]
    empty = [home for home in homes if home.is_dir() and all(entry.name in ids for entry in home.iterdir())]
    return [copy for copy in copies if copy.is_dir()] + empty
