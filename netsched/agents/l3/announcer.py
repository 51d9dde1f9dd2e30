"""Announces addresses that are new here a few times more.

Once is not enough: frames get lost, and a bridge may be joined to the other hosts a moment after we plugged into it. A
duty of its own repeats them, so no apply waits for that.
"""

from __future__ import annotations

import heapq
import ipaddress
import itertools
import logging
import threading
from collections.abc import Sequence

from netsched import errors
from netsched.agents.base.duty import Duty
from netsched.agents.kernel import announce, netlink, netns
from netsched.agents.kernel.announce import News
from netsched.clock import Clock

LOG = logging.getLogger(__name__)

AGAIN_AFTER = (0.5, 2.0, 5.0)  # s


class Announcer:
    """Thread-safe. `start` and `close` frame the time in which announcements are repeated."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._later: list[tuple[float, int, str, Sequence[News]]] = []
        self._count = itertools.count()
        self._duty = Duty("announcements", self._due, self._repeat, clock)

    def start(self) -> None:
        self._duty.start()

    def close(self) -> None:
        self._duty.stop()
        self._duty.join(1.0)

    def again(self, namespace: str, news: Sequence[News]) -> None:
        """Repeat what has just been announced in that namespace."""
        now = self._clock.monotonic()
        with self._lock:
            for pause in AGAIN_AFTER:
                heapq.heappush(self._later, (now + pause, next(self._count), namespace, news))
        self._duty.wake()

    def _due(self) -> float:
        with self._lock:
            return self._later[0][0] if self._later else float("inf")

    def _repeat(self) -> None:
        with self._lock:
            if not self._later or self._later[0][0] > self._clock.monotonic():
                return
            _, _, namespace, news = heapq.heappop(self._later)
        try:
            netns.run_in(namespace, lambda: announce.announce(_still_true(news)))
        except errors.NetschedError as error:  # gone again, or down: then there is nothing to announce
            LOG.debug("Not announced: %s", error)


def _still_true(news: Sequence[News]) -> list[News]:
    """Without addresses that have left meanwhile: they may be another host's by now."""
    with netlink.opened() as inner:
        links, addresses = inner.links(), inner.addresses_by_link()
    found = []
    for each in (each for each in news if each.link in links):
        here = {address.partition("/")[0] for address in addresses.get(links[each.link].index, ())}
        kept = tuple(a for a in each.addresses if a in here or ipaddress.ip_address(a).is_link_local)
        found.append(News(each.link, each.mac, kept))
    return found
