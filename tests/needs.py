"""What the L2 agent of each host needs, said once more and from nothing but what the API shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Object = Mapping[str, Any]


def of_hosts(ports: Iterable[Object], rules: Iterable[Object]) -> dict[str, set[str]]:
    """Scopes by host: the networks of ports on bridges there, their groups, and what rules of these name."""
    named: dict[str, set[str]] = defaultdict(set)
    for rule in rules:
        if rule["remote_group_id"]:
            named[rule["security_group_id"]].add(f"security_group_members/{rule['remote_group_id']}")
        if rule["remote_address_group_id"]:
            named[rule["security_group_id"]].add(f"address_group/{rule['remote_address_group_id']}")
    needs: dict[str, set[str]] = defaultdict(set)
    for port in ports:
        if port["binding:vif_type"] == "bridge":
            here = needs[port["binding:host_id"]]
            here.add(f"network/{port['network_id']}")
            for group_id in port["security_groups"]:
                here |= {f"security_group/{group_id}", *named[group_id]}
    return dict(needs)
