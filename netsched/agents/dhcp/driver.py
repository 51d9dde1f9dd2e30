"""Bring dnsmasq and its plumbing to what is wanted, and say whether they are there.

One sequence for first start, change, restart of the agent, reboot of the host and repair: plug, files, process, leases;
each step reads what is there and changes only the difference.
"""

from __future__ import annotations

import logging
import pathlib
import threading
from dataclasses import dataclass, field

from netsched import errors
from netsched.agents.base.driver import Content
from netsched.agents.dhcp import compute, dnsmasq, render
from netsched.agents.dhcp.backoff import Backoff
from netsched.agents.kernel import netns, plugging
from netsched.clock import Clock
from netsched.model import scope as scopes

LOG = logging.getLogger(__name__)

SCOPE_TYPE = "network"
# Reading back namespace and addresses costs milliseconds a network; a process is read in microseconds, at each check.
_DEEP_CHECK_PERIOD = 30.0


@dataclass
class _Service:
    """What the driver has to know of one network beyond what can be read back."""

    desired: compute.DhcpDesired
    backoff: Backoff = field(default_factory=Backoff)
    loaded_by: int | None = None  # pid of the dnsmasq known to have read the files as they are
    deep_checked_at: float = 0.0


class DhcpDriver:
    """The agents.base.driver.Driver of DHCP agents. Thread-safe as long as one scope is with one thread."""

    def __init__(self, host: str, state_dir: pathlib.Path, settings: compute.Settings, clock: Clock) -> None:
        """`host` as in the ports' binding:host_id. Raises Unavailable for a state directory that cannot work."""
        self._host = host
        self._state_dir = state_dir.resolve()
        self._settings = settings
        self._clock = clock
        self._services: dict[str, _Service] = {}
        self._bridges = threading.Lock()  # removal looks at ports of a bridge, then deletes it
        dnsmasq.directory(self._state_dir).mkdir(mode=0o755, parents=True, exist_ok=True)
        dnsmasq.check_readable(dnsmasq.directory(self._state_dir))

    def apply(self, scope: str, wanted: Content | None) -> None:
        network_id = scopes.split(scope)[1]
        desired = compute.desired(network_id, wanted, self._host, self._settings) if wanted else None
        if desired is None:
            self._remove(network_id)
            return
        service = self._services.setdefault(network_id, _Service(desired))
        service.desired = desired
        server = self._server(network_id)
        before = server.reserved()
        changed = server.write(desired.files)
        with self._bridges:
            plugging.ensure(desired.plug)
        if changed:
            service.loaded_by = None
        self._run(service, server, before)
        service.deep_checked_at = self._clock.monotonic()
        if desired.problems:
            raise errors.Invalid(reason="served, except: " + "; ".join(desired.problems))

    def actual(self) -> set[str]:
        owned = {owner.partition("/")[2] for owner in plugging.owners() if owner.startswith("dhcp/")}
        return {scopes.key(SCOPE_TYPE, network_id) for network_id in dnsmasq.networks(self._state_dir) | owned}

    def check(self, scope: str, wanted: Content | None) -> bool:
        network_id = scopes.split(scope)[1]
        service = self._services.get(network_id)
        server = self._server(network_id)
        if wanted is None or service is None:
            # Never applied in this life: only "nothing wanted, nothing there" can be told without comparing all.
            nothing_wanted = not wanted or compute.desired(network_id, wanted, self._host, self._settings) is None
            return nothing_wanted and not server.exists()
        if not self._process_is_right(service, server):
            return False
        now = self._clock.monotonic()
        if now - service.deep_checked_at < _DEEP_CHECK_PERIOD:
            return True
        service.deep_checked_at = now
        return plugging.read(service.desired.plug) == service.desired.plug and server.holds(service.desired.files)

    def _server(self, network_id: str) -> dnsmasq.Dnsmasq:
        if not render.safe_id(network_id):
            raise errors.Invalid(reason=f"{network_id!r} is no network id")
        return dnsmasq.Dnsmasq(self._state_dir, network_id, compute.namespace(network_id))

    def _process_is_right(self, service: _Service, server: dnsmasq.Dnsmasq) -> bool:
        found = server.find()
        return (
            found is not None
            and not found.stopped
            and found.argv == server.argv(service.desired.arguments)
            and found.namespace == netns.identity(service.desired.plug.namespace)
        )

    def _run(self, service: _Service, server: dnsmasq.Dnsmasq, before: set[tuple[str, str]]) -> None:
        """Have the right dnsmasq run with the files as they are; leases of ports that are gone go too."""
        now = self._clock.monotonic()
        found = server.find()
        if found and self._process_is_right(service, server):
            if service.loaded_by != found.pid:
                server.reload(found)
                service.loaded_by = found.pid
            for lease in server.stale_leases(service.desired.reservations, before):
                server.release(service.desired.plug.inside, lease)
            return
        if found is None or found.stopped:
            service.backoff.died(now)
        pause = service.backoff.pause(now)
        if pause:
            raise errors.Unavailable(
                reason=f"dnsmasq of network {service.desired.network_id} died {service.backoff.deaths} times in a row; "
                f"next start in {pause:.0f} s"
            )
        server.stop()
        server.forget_leases(server.stale_leases(service.desired.reservations, before))
        service.backoff.started(now)
        server.start(service.desired.arguments)
        running = server.find()
        service.loaded_by = running.pid if running else None

    def _remove(self, network_id: str) -> None:
        self._services.pop(network_id, None)
        server = self._server(network_id)
        server.stop()
        with self._bridges:
            plugging.remove(compute.namespace(network_id), compute.bridge(network_id), compute.owner(network_id))
        server.remove()
