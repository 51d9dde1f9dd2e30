"""Bring a network's bridge, uplink, taps and rules to what is wanted, and say whether they are there.

A tap may come and go at any time, since others make it (Nova, netsched-vif, the DHCP and L3 agents): that is no drift
but news, heard from the kernel's events and wired at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from netsched import errors
from netsched.agents.base.driver import Content, Driver, States
from netsched.agents.kernel import bridging, netlink, plug
from netsched.agents.kernel.watch import LinkEvent, LinkWatch
from netsched.agents.l2 import compute, wiring
from netsched.agents.l2.antispoof import Antispoof
from netsched.agents.l2.firewall import Firewall
from netsched.clock import Clock
from netsched.model import scope as scopes

LOG = logging.getLogger(__name__)

SCOPE_TYPE = "network"


@dataclass
class _Network:
    """What the driver has to know of a network beyond what can be read back."""

    desired: compute.L2Desired
    bridge_index: int = 0
    wired: frozenset[str] = field(default_factory=frozenset)  # taps, when last looked


class L2Driver(Driver):
    """The agents.base.driver.Driver of L2 agents. Thread-safe as long as one scope is with one thread."""

    def __init__(self, settings: compute.Settings, clock: Clock) -> None:
        self._settings = settings
        self._antispoof = Antispoof(clock)
        self._firewall = Firewall(clock, lambda network_id: self._changed(scopes.key(SCOPE_TYPE, network_id)))
        self._lock = threading.Lock()  # for what the watch's thread reads too
        self._networks: dict[str, _Network] = {}
        self._scope_of_tap: dict[str, str] = {}
        self._scope_of_bridge: dict[int, str] = {}
        self._changed: Callable[[str], None] = lambda scope: None
        self._watch: LinkWatch | None = None

    def apply(self, scope: str, wanted: Content | None) -> None:
        scope_type, network_id = scopes.split(scope)
        if scope_type != SCOPE_TYPE:
            self._firewall.apply(scope_type, network_id, wanted)
            return
        desired = compute.desired(network_id, wanted, self._settings) if wanted else None
        if desired is None:
            self._remove(scope, network_id)
            return
        network = self._remember(scope, desired)
        # Rules come before a tap is wired, and go after it is unplugged.
        if taps := self._antispoof.ensure(network_id, desired.guards):
            LOG.info("Network %s: guarding the addresses of %s", network_id, ", ".join(taps))
        if taps := self._firewall.ensure(network_id, desired.bridge, desired.filtered):
            LOG.info("Network %s: filtering %s by their security groups", network_id, ", ".join(taps))
        with netlink.opened() as host:
            survey = wiring.Survey(host, desired, self._settings)
            for difference in survey.differences():
                difference.make()
                LOG.info("Network %s: %s", network_id, difference.what)
            with self._lock:
                network.bridge_index = survey.bridge_index
                self._scope_of_bridge[network.bridge_index] = scope
        self._antispoof.forget(network_id, desired.guards)
        self._firewall.forget(network_id, desired.bridge, desired.filtered)
        if desired.filtered and not bridging.can_track():
            raise errors.Unavailable(reason="security groups let no answers pass: module br_netfilter is not loaded")
        if desired.problem:
            raise errors.Unavailable(reason=f"other hosts are not reached: {desired.problem}")

    def actual(self) -> set[str]:
        with netlink.opened() as host:
            network_ids = wiring.owners(host) | self._antispoof.networks()
        found = {(SCOPE_TYPE, network_id) for network_id in network_ids} | self._firewall.found()
        return {scopes.key(*one) for one in found}

    def check(self, scope: str, wanted: Content | None) -> bool:
        scope_type, network_id = scopes.split(scope)
        if scope_type != SCOPE_TYPE:
            return self._firewall.check(scope_type, network_id, wanted)
        desired = compute.desired(network_id, wanted, self._settings) if wanted else None
        trouble = self._antispoof.trouble(network_id, desired.guards if desired else ())
        trouble = trouble or self._firewall.trouble(
            network_id, plug.bridge(network_id), desired.filtered if desired else ()
        )
        network = self._networks.get(scope)
        with netlink.opened() as host:
            if desired is None:
                return trouble is None and not wiring.is_left(host, network_id)
            survey = wiring.Survey(host, desired, self._settings)
            if network is None:
                return trouble is None and next(survey.differences(), None) is None
            if trouble:
                raise errors.Unavailable(reason=trouble)
            return self._check(survey, scope, network)

    def _check(self, survey: wiring.Survey, scope: str, network: _Network) -> bool:
        for difference in survey.differences():
            if not difference.tap or difference.tap in network.wired:
                raise errors.Unavailable(
                    reason=f"somebody changed something, so this is to be done again: {difference.what}"
                )
            self._changed(scope)  # a tap that has just come; its event may be on its way
        with self._lock:
            network.wired = frozenset(survey.wired)
        return True

    def states(self, scope: str, wanted: Content) -> States:
        network = self._networks.get(scope)
        if network is None:
            return {}
        return {
            ("port", port_id): "ACTIVE" if tap in network.wired else "DOWN"
            for port_id, tap in network.desired.ports.items()
        }

    def watch(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        try:
            self._watch = LinkWatch(self._heard, self._missed)
        except OSError as exc:
            raise errors.Unavailable(reason=f"cannot watch links: {exc}") from exc

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def _remember(self, scope: str, desired: compute.L2Desired) -> _Network:
        with self._lock:
            network = self._networks.setdefault(scope, _Network(desired))
            for tap in network.desired.ports.values():
                self._scope_of_tap.pop(tap, None)
            for tap in desired.ports.values():
                self._scope_of_tap[tap] = scope
            network.desired = desired
            return network

    def _forget(self, scope: str) -> None:
        with self._lock:
            network = self._networks.pop(scope, None)
            if network is not None:
                self._scope_of_bridge.pop(network.bridge_index, None)
                for tap in network.desired.ports.values():
                    self._scope_of_tap.pop(tap, None)

    def _remove(self, scope: str, network_id: str) -> None:
        with netlink.opened() as host:
            for difference in wiring.remains(host, network_id, self._settings):
                difference.make()
                LOG.info("Network %s: %s", network_id, difference.what)
        self._antispoof.forget(network_id)
        self._firewall.forget(network_id, plug.bridge(network_id))
        self._forget(scope)

    # In the watch's thread

    def _heard(self, event: LinkEvent) -> None:
        with self._lock:
            scope = self._scope_of_tap.get(event.name) or self._scope_of_bridge.get(event.master)
            network = self._networks.get(scope or "")
            if scope is None or network is None or not self._matters(network, event):
                return
        self._changed(scope)

    @staticmethod
    def _matters(network: _Network, event: LinkEvent) -> bool:
        """Is this not how the link was left by the last apply?"""
        wanted = event.name in network.desired.taps
        in_force = event.up and not event.gone and event.master == network.bridge_index
        if wanted:
            return not in_force or event.name not in network.wired
        return wiring.is_tap(event.name) and event.master == network.bridge_index

    def _missed(self) -> None:
        LOG.warning("events of links were lost, looking at every network")
        for scope in list(self._networks):
            self._changed(scope)
