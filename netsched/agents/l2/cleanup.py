"""What an L2 agent left on a node: found by its marks, and removed. See agents/cleanup.py.

Tunnels and VLANs are ours by their alias, rules by the name of their table. Taps and physical interfaces are only taken
out of our bridges: they are others'.
"""

from __future__ import annotations

from collections.abc import Iterable

from netsched.agents.kernel import netlink, nft
from netsched.agents.l2 import antispoof, firewall_table, wiring
from netsched.agents.l2.compute import Settings

OWNER = "l2/"  # as the owners of our links begin


def networks() -> list[str]:
    """Ids of networks of which something is left."""
    with netlink.opened() as host:
        return sorted(wiring.owners(host))


def found(network_ids: Iterable[str]) -> list[str]:
    """What there is of these networks, and the rules, as lines for people. Raises NetschedError."""
    marks = {wiring.mark(network_id) for network_id in network_ids}
    with netlink.opened() as host:
        links = [link.name for link in host.links().values() if link.alias in marks and link.kind != "bridge"]
    return [f"link {name}" for name in sorted(links)] + [f"nf_tables table {name}" for name in _tables()]


def remove(network_ids: Iterable[str], settings: Settings) -> None:
    with netlink.opened() as host:
        for network_id in network_ids:
            for difference in wiring.remains(host, network_id, settings):
                difference.make()
    if tables := _tables():
        nft.run("\n".join(f"delete table {name}" for name in tables))


def _tables() -> list[str]:
    """A host without the library has had no L2 agent of ours."""
    if not nft.available():
        return []
    names = (antispoof.TABLE, firewall_table.BRIDGE, firewall_table.INET)
    return [name for name in names if nft.listing(f"list table {name}")]
