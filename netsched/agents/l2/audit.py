"""Connections that today's rules would not let begin: found when something that was allowed ceases to be, and cut.

The rules let every packet of an established connection pass, so a rule or a member that goes would otherwise end
nothing that is under way. What another rule still allows is left alone. Pure, but for what `cut` is given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from netsched.agents.kernel.flow import Address, Flow
from netsched.agents.l2.filtering import Filtered
from netsched.agents.l2.group import EGRESS, INGRESS, Addresses, Group
from netsched.clock import Clock

PATIENCE = 30.0  # s for which groups of a port that are not known yet are waited for

Judge = Callable[[Flow], bool]
Cut = Callable[[Mapping[int, Judge]], int]


@dataclass
class View:
    """What this host knows of groups and of addresses in sets."""

    groups: dict[str, Group] = field(default_factory=dict)
    addresses: dict[str, Addresses] = field(default_factory=dict)

    def allows(self, port: Filtered, direction: str, flow: Flow) -> bool:
        """Of a port without a stateful group each packet is judged by the rules anyway."""
        groups = [self.groups[id_] for id_ in port.groups if id_ in self.groups]
        if port.groups and not any(group.stateful for group in groups):
            return True
        rules = (rule for group in groups for rule in group.rules if rule.direction == direction)
        return any(rule.allows(flow, self.addresses) for rule in rules)


def judge(ports: Iterable[Filtered], view: View) -> Judge:
    """Is this connection to be cut? Each end that is a port of this host has to allow it; where several have an
    address, one of them. Who may have any address at all (allowed_address_pairs with /0) is no end for that."""
    single: dict[Address, list[Filtered]] = defaultdict(list)
    others = []
    for port in ports:
        for network in port.addresses:
            if network.num_addresses == 1:
                single[network.network_address].append(port)
            elif network.prefixlen:
                others.append((network, port))

    def owners(address: Address) -> list[Filtered]:
        return single.get(address) or [port for network, port in others if address in network]

    def gone(flow: Flow) -> bool:
        for direction, address in ((EGRESS, flow.source), (INGRESS, flow.destination)):
            found = owners(address)
            if found and not any(view.allows(port, direction, flow) for port in found):
                return True
        return False

    return gone


class Audit:
    """Which networks are to be looked at, and when. Not thread-safe: the Firewall's lock is around it."""

    def __init__(self, clock: Clock, cut: Cut) -> None:
        self._clock = clock
        self._cut = cut
        self.view = View()
        self._networks: dict[str, tuple[int, tuple[Filtered, ...]]] = {}  # id -> zone, ports
        self._due: dict[str, tuple[float, bool]] = {}  # network id -> (at the latest, as soon as its groups are known)

    def network(self, network_id: str, zone: int, ports: tuple[Filtered, ...], narrowed: bool) -> None:
        """Its ports from now on. One that was not known before is looked at as well, some time: the agent may have
        been away when something changed."""
        if network_id not in self._networks or narrowed:
            self._ask(network_id, narrowed)
        self._networks[network_id] = (zone, ports)

    def forget(self, network_id: str) -> None:
        self._networks.pop(network_id, None)
        self._due.pop(network_id, None)

    def narrowed(self, concerns: Callable[[str], bool]) -> None:
        """Something ceased to be allowed in groups that this is true of."""
        for network_id, (_, ports) in self._networks.items():
            if any(concerns(id_) for port in ports for id_ in port.groups):
                self._ask(network_id, True)

    def networks_of(self, group_id: str) -> list[str]:
        return [id_ for id_, (_, ports) in self._networks.items() if any(group_id in port.groups for port in ports)]

    def run(self) -> int:
        """Cut what is to be cut by now, and say how many connections that were. Raises Unavailable: then again."""
        now = self._clock.monotonic()
        ready = [id_ for id_, (latest, soon) in self._due.items() if latest <= now or soon and self._is_known(id_)]
        count = self._cut({self._networks[id_][0]: judge(self._networks[id_][1], self.view) for id_ in ready})
        for network_id in ready:
            del self._due[network_id]
        return count

    def _ask(self, network_id: str, soon: bool) -> None:
        latest, before = self._due.get(network_id, (self._clock.monotonic() + PATIENCE, False))
        self._due[network_id] = (latest, soon or before)

    def _is_known(self, network_id: str) -> bool:
        return all(id_ in self.view.groups for port in self._networks[network_id][1] for id_ in port.groups)
