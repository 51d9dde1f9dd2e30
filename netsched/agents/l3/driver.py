"""Bring a router to what is wanted, and say whether it is there.

One sequence for first start, change, restart of the agent, reboot of the host and repair: links, rules, connections,
addresses, routes, radvd; each step reads what is there and changes only the difference. Traffic that has nothing to do
with the difference does not notice.
"""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from netsched import errors
from netsched.agents.base.driver import Content, Driver, States
from netsched.agents.kernel import announce, conntrack, directory, netns, nft, plugging
from netsched.agents.kernel.announce import News
from netsched.agents.kernel.plug import Plug
from netsched.agents.l3 import compute, namespace, radvd_conf, rules
from netsched.agents.l3.announcer import Announcer
from netsched.agents.l3.radvd import Radvd, home, routers
from netsched.clock import Clock
from netsched.model import addressing
from netsched.model import scope as scopes

LOG = logging.getLogger(__name__)

SCOPE_TYPE = "router"
# Reading links, rules and routes back costs some 10 ms a router; a process is read in microseconds, at each check.
DEEP_CHECK_PERIOD = 10.0  # s


@dataclass
class _Service:
    """What the driver has to know of one router beyond what can be read back."""

    desired: compute.RouterDesired
    loaded_by: int | None = None  # pid of the radvd known to have read its configuration as it is
    connections_fit: bool = False  # every connection by a floating address goes where that address now leads
    deep_checked_at: float = -float("inf")


class L3Driver(Driver):
    """The agents.base.driver.Driver of L3 agents. Thread-safe as long as one scope is with one thread."""

    def __init__(
        self, host: str, state_dir: pathlib.Path, clock: Clock, deep_check_period: float = DEEP_CHECK_PERIOD
    ) -> None:
        """`host` as in the ports' binding:host_id. Raises Unavailable or OSError for what cannot work."""
        if not nft.available():
            raise errors.Unavailable(reason=nft.MISSING)
        self._host = host
        self._state_dir = state_dir.resolve()
        self._clock = clock
        self._deep_check_period = deep_check_period
        self._announcer = Announcer(clock)
        self._services: dict[str, _Service] = {}
        directory.make_home(home(self._state_dir), "radvd")

    def watch(self, changed: Callable[[str], None]) -> None:
        self._announcer.start()

    def close(self) -> None:
        self._announcer.close()

    def apply(self, scope: str, wanted: Content | None) -> None:
        router_id = scopes.split(scope)[1]
        desired = compute.desired(router_id, wanted, self._host) if wanted else None
        if desired is None:
            self._remove(router_id)
            return
        service = self._services.setdefault(router_id, _Service(desired))
        self._report(service.desired, desired)
        service.desired = desired
        service.deep_checked_at = -float("inf")  # whatever becomes of this, what is in force is read back
        radvd = self._radvd(router_id)
        if radvd.write(desired.radvd):
            service.loaded_by = None
        found = namespace.read(desired)
        if trouble := namespace.difference(desired, found):
            LOG.info("Router %s: %s, setting it up", router_id, trouble)
        namespace.ensure_outside(desired, found)
        if new := netns.run_in(desired.namespace, lambda: self._inside(service, found)):
            LOG.info("Announced %s of router %s", ", ".join(a for n in new for a in n.addresses), router_id)
            self._announcer.again(desired.namespace, new)
        self._run(service, radvd)

    def actual(self) -> set[str]:
        owned = {owner.partition("/")[2] for owner in plugging.owners() if owner.startswith("l3/")}
        return {scopes.key(SCOPE_TYPE, router_id) for router_id in routers(self._state_dir) | owned}

    def check(self, scope: str, wanted: Content | None) -> bool:
        router_id = scopes.split(scope)[1]
        service = self._services.get(router_id)
        radvd = self._radvd(router_id)
        if wanted is None or service is None:
            # Never applied in this life: only "nothing wanted, nothing there" can be told without comparing all.
            nothing_wanted = not wanted or compute.desired(router_id, wanted, self._host) is None
            return nothing_wanted and not radvd.exists()
        if trouble := self._trouble(service.desired, radvd) or self._deep_trouble(service, radvd):
            raise errors.Unavailable(reason=trouble)
        return True

    def states(self, scope: str, wanted: Content) -> States:
        return compute.states(scopes.split(scope)[1], wanted, self._host)

    def _inside(self, service: _Service, found: namespace.Found) -> list[News]:
        """In a thread that is in the namespace: rules before addresses, so that the router itself answers nothing that
        is for a machine behind it. Returns what has been announced: the addresses that are new here."""
        desired = service.desired
        listed = rules.read(nft.listing(rules.LIST))
        if text := rules.change(desired.nat, listed):
            nft.run(text)
            LOG.info("Router %s: changed rules (floating IPs: %d)", desired.router_id, len(desired.nat.floating))
        self._cut(service, found, listed)
        news = [_news(plug, addresses) for plug, addresses in namespace.ensure_inside(desired).items()]
        if news:
            announce.announce(news)
        return news

    def _cut(self, service: _Service, found: namespace.Found, listed: rules.Listed) -> None:
        """Forget connections by addresses that have left or lead elsewhere now. Others stay as they are, also when all
        rules had been lost."""
        nat, leads = service.desired.nat, dict(service.desired.nat.floating)
        changed = rules.changed_addresses(nat, listed)
        if not service.connections_fit:  # after our own restart: an earlier life may have ended just before this
            changed |= leads.keys()
        # Nobody was connected by an address that was neither here nor in the rules.
        suspects = (changed & (found.outer | rules.led(listed))) | (found.outer - namespace.outer(service.desired))

        def keep(connection: conntrack.Connection) -> bool:
            inward, outward = connection.destination, connection.reply_destination
            return (inward not in suspects or leads.get(inward) == connection.reply_source) and (
                outward not in suspects or leads.get(outward) == connection.source
            )

        service.connections_fit = False
        if cut := conntrack.cut(nat.zone, suspects, keep):
            LOG.info("Router %s: cut %d connections of %s", service.desired.router_id, cut, ", ".join(sorted(suspects)))
        service.connections_fit = True

    def _radvd(self, router_id: str) -> Radvd:
        if not radvd_conf.safe_id(router_id):
            raise errors.Invalid(reason=f"{router_id!r} is no router id")
        return Radvd(self._state_dir, router_id, compute.namespace(router_id))

    def _trouble(self, desired: compute.RouterDesired, radvd: Radvd) -> str | None:
        """What is wrong with namespace or process, as a sentence; None when they are as wanted."""
        there = netns.identity(desired.namespace)
        if there is None:
            return "the namespace is gone"
        found = radvd.find()
        if not desired.radvd:
            return "radvd runs, with nothing to advertise" if found else None
        if found is None:
            return "radvd does not run"
        if found.stopped:
            return "radvd is stopped"
        return "radvd runs in another namespace" if found.namespace != there else None

    def _deep_trouble(self, service: _Service, radvd: Radvd) -> str | None:
        """What is wrong with links, addresses, routes and rules. Not at each check."""
        now, desired = self._clock.monotonic(), service.desired
        if now - service.deep_checked_at < self._deep_check_period:
            return None
        if trouble := namespace.difference(desired, namespace.read(desired)):
            return trouble
        if rules.change(desired.nat, rules.read(netns.run_in(desired.namespace, lambda: nft.listing(rules.LIST)))):
            return "rules are not as they ought to be"
        if not radvd.holds(desired.radvd):
            return "the configuration of radvd is not as it ought to be"
        service.deep_checked_at = now
        return None

    def _run(self, service: _Service, radvd: Radvd) -> None:
        """Have the right radvd run with its configuration as it is."""
        trouble, found = self._trouble(service.desired, radvd), radvd.find()
        if trouble:
            LOG.info("Router %s: %s", service.desired.router_id, trouble)
            radvd.stop()
            if service.desired.radvd:
                radvd.start()
        elif found and service.loaded_by != found.pid:
            radvd.reload(found)
        found = radvd.find()
        service.loaded_by = found.pid if found else None

    def _report(self, before: compute.RouterDesired, now: compute.RouterDesired) -> None:
        """Say once what cannot be done. Not an error: all else is in force."""
        if now.problems and (now is before or now.problems != before.problems):
            LOG.warning("Router %s is in force, except: %s", now.router_id, "; ".join(now.problems))

    def _remove(self, router_id: str) -> None:
        self._services.pop(router_id, None)
        radvd = self._radvd(router_id)
        # Links first: the last thing a radvd says is that it is no router any more, by an address that has moved.
        namespace.remove(router_id)
        radvd.stop()
        radvd.remove()


def _news(plug: Plug, addresses: list[str]) -> News:
    plain = [address.partition("/")[0] for address in addresses]
    if any(":" in address for address in plain):
        plain.append(addressing.eui64("fe80::/64", plug.mac))  # by which hosts that heard an advertisement know it
    return News(plug.inside, plug.mac, tuple(plain))
