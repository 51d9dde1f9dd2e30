"""Hear of links as they come, change and go, instead of asking for them again and again.

Events are a hint that it is time to look, nothing more: the kernel drops them when nobody reads fast enough.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink.rtnl.marshal import MarshalRtnl

LOG = logging.getLogger(__name__)

_RTMGRP_LINK = 1
_AF_BRIDGE = 7  # events of a bridge about its ports, which come beside those of the links
_IFF_UP = 1
_BUFFER = 1 << 20  # bytes for events that nobody has read yet


@dataclass(frozen=True)
class LinkEvent:
    """A link as it is since just now; `gone`: it is not there any more, or moved to another namespace."""

    name: str
    up: bool
    master: int  # index of its bridge, 0 for none
    mtu: int
    gone: bool


class LinkWatch:
    """Calls `heard` for each event in a thread of its own, from construction until `close`.

    `missed` instead when events were dropped: anything may have changed. For the namespace of the thread that makes it.
    Raises OSError where there is no netlink.
    """

    def __init__(self, heard: Callable[[LinkEvent], None], missed: Callable[[], None]) -> None:
        self._heard = heard
        self._missed = missed
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((0, _RTMGRP_LINK))
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="link watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread. Not to be called from it."""
        if not self._thread.is_alive():
            return
        os.write(self._wake_write, b"x")
        self._thread.join()
        self._socket.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _run(self) -> None:
        marshal = MarshalRtnl()
        while True:
            ready, _, _ = select.select([self._socket.fileno(), self._wake_read], [], [])
            if self._wake_read in ready:
                return
            try:
                data = self._socket.recv(1 << 16)
            except OSError as exc:
                if exc.errno != errno.ENOBUFS:
                    LOG.error("no more events of links: %s", exc)
                    return
                self._missed()
                continue
            for message in marshal.parse(data):
                if message["event"] in ("RTM_NEWLINK", "RTM_DELLINK") and message["family"] != _AF_BRIDGE:
                    self._heard(_event(message))


def _event(message: Any) -> LinkEvent:
    get = message.get_attr
    return LinkEvent(
        name=get("IFLA_IFNAME"),
        up=bool(message["flags"] & _IFF_UP),
        master=get("IFLA_MASTER") or 0,
        mtu=get("IFLA_MTU") or 0,
        gone=message["event"] == "RTM_DELLINK",
    )
