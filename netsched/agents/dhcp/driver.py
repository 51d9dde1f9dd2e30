"""Bring dnsmasq and its plumbing to what is wanted, and say whether they are there.

One sequence for first start, change, restart of the agent, reboot of the host and repair: plug, files, process, leases;
each step reads what is there and changes only the difference. Pauses between repairs are the framework's business.
"""

from __future__ import annotations

import logging
import pathlib
from dataclasses import dataclass

from netsched import errors
from netsched.agents.base.driver import Content, Driver
from netsched.agents.dhcp import compute, dnsmasq, render
from netsched.agents.kernel import directory, netns, plugging, process
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
    loaded_by: int | None = None  # pid of the dnsmasq known to have read the files as they are
    deep_checked_at: float = 0.0


class DhcpDriver(Driver):
    """The agents.base.driver.Driver of DHCP agents. Thread-safe as long as one scope is with one thread."""

    def __init__(self, host: str, state_dir: pathlib.Path, settings: compute.Settings, clock: Clock) -> None:
        """`host` as in the ports' binding:host_id. Raises Unavailable for a state directory that cannot work."""
        self._host = host
        self._state_dir = state_dir.resolve()
        self._settings = settings
        self._clock = clock
        self._services: dict[str, _Service] = {}
        directory.make_home(dnsmasq.home(self._state_dir), "dnsmasq")

    def apply(self, scope: str, wanted: Content | None) -> None:
        network_id = scopes.split(scope)[1]
        desired = compute.desired(network_id, wanted, self._host, self._settings) if wanted else None
        if desired is None:
            self._remove(network_id)
            return
        service = self._services.setdefault(network_id, _Service(desired))
        self._report(service.desired, desired)
        service.desired = desired
        server = self._server(network_id)
        before = server.reserved()
        if server.write(desired.files):
            service.loaded_by = None
        plugging.ensure(desired.plug)
        self._run(service, server, before)
        service.deep_checked_at = self._clock.monotonic()

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
        trouble = self._trouble(service, server, server.find())
        if trouble:
            raise errors.Unavailable(reason=trouble)
        now = self._clock.monotonic()
        if now - service.deep_checked_at < _DEEP_CHECK_PERIOD:
            return True
        service.deep_checked_at = now
        return plugging.read(service.desired.plug) == service.desired.plug and server.holds(service.desired.files)

    def _server(self, network_id: str) -> dnsmasq.Dnsmasq:
        if not render.safe_id(network_id):
            raise errors.Invalid(reason=f"{network_id!r} is no network id")
        return dnsmasq.Dnsmasq(self._state_dir, network_id, compute.namespace(network_id), self._clock)

    def _trouble(self, service: _Service, server: dnsmasq.Dnsmasq, found: process.Process | None) -> str | None:
        """What is wrong with the process, as a sentence; None when it is as wanted."""
        if found is None:
            return "dnsmasq does not run"
        if found.stopped:
            return "dnsmasq is stopped"
        if found.argv != server.argv(service.desired.arguments):
            return "dnsmasq runs with other arguments"
        if found.namespace != netns.identity(service.desired.plug.namespace):
            return "dnsmasq runs in another namespace"
        return None

    def _run(self, service: _Service, server: dnsmasq.Dnsmasq, before: set[tuple[str, str]]) -> None:
        """Have the right dnsmasq run with the files as they are; leases of ports that are gone go too."""
        desired, found = service.desired, server.find()
        trouble = self._trouble(service, server, found)
        if found and not trouble:
            if service.loaded_by != found.pid:
                # Also when taking over from an earlier life, which may have died between writing and reloading.
                server.reload(found)
                service.loaded_by = found.pid
            for lease in server.stale_leases(desired.reservations, before):
                server.release(desired.plug.inside, lease)
            return
        LOG.info("Network %s: %s, starting it", desired.network_id, trouble)
        server.stop()
        server.forget_leases(server.stale_leases(desired.reservations, before))
        server.start(desired.arguments)
        started = server.find()
        service.loaded_by = started.pid if started else None

    def _report(self, before: compute.DhcpDesired, now: compute.DhcpDesired) -> None:
        """Say once what cannot be served. Not an error: all else is, and stays supervised."""
        if now.problems and (now is before or now.problems != before.problems):
            LOG.warning("Network %s is served, except: %s", now.network_id, "; ".join(now.problems))

    def _remove(self, network_id: str) -> None:
        self._services.pop(network_id, None)
        server = self._server(network_id)
        server.stop()
        plugging.remove(compute.namespace(network_id), compute.bridge(network_id), compute.owner(network_id))
        server.remove()
