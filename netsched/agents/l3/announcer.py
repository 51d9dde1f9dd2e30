"""Announces addresses that are new here, and again a few times.

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
from dataclasses import dataclass

from netsched import errors
from netsched.agents.base.duty import Duty
from netsched.agents.kernel import announce, netlink, netns
from netsched.clock import Clock

LOG = logging.getLogger(__name__)

AGAIN_AFTER = (0.5, 2.0, 5.0)  # s


@dataclass(frozen=True)
class News:
    """`addresses` live on this link of the namespace now."""

    namespace: str
    device: str
    mac: str
    addresses: tuple[str, ...]


class Announcer:
    """Thread-safe. `start` and `close` frame the time in which announcements are repeated."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._later: list[tuple[float, int, News]] = []
        self._count = itertools.count()
        self._duty = Duty("announcements", self._due, self._repeat, clock)

    def start(self) -> None:
        self._duty.start()

    def close(self) -> None:
        self._duty.stop()
        self._duty.join(1.0)

    def announce(self, news: Sequence[News]) -> None:
        """At once, and again later."""
        now = self._clock.monotonic()
        for each in news:
            _send(each)
            LOG.info("Announced %s on %s of %s", ", ".join(each.addresses), each.device, each.namespace)
        with self._lock:
            for each in news:
                for pause in AGAIN_AFTER:
                    heapq.heappush(self._later, (now + pause, next(self._count), each))
        self._duty.wake()

    def _due(self) -> float:
        with self._lock:
            return self._later[0][0] if self._later else float("inf")

    def _repeat(self) -> None:
        with self._lock:
            if not self._later or self._later[0][0] > self._clock.monotonic():
                return
            _, _, news = heapq.heappop(self._later)
        _send(news)


def _send(news: News) -> None:
    try:
        netns.run_in(news.namespace, lambda: _announce_what_is_here(news))
    except errors.NetschedError as error:  # gone again, or down: then there is nothing to announce
        LOG.debug("Not announced: %s", error)


def _announce_what_is_here(news: News) -> None:
    """An address that has left meanwhile may be another host's by now."""
    with netlink.opened() as inner:
        here = {address.partition("/")[0] for address in inner.addresses(news.device)}
    links_own = [address for address in news.addresses if ipaddress.ip_address(address).is_link_local]
    announce.announce(news.device, news.mac, [*(a for a in news.addresses if a in here), *links_own])
