"""Links, addresses and routes of one namespace, as few plain verbs on top of pyroute2.

Addresses travel as "10.0.0.2/24", hardware addresses in lower case, links by name.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from netsched import errors
from netsched.agents.kernel import netns

_IFF_UP = 1
_RT_SCOPE_LINK = 253
_GONE = (errno.ENODEV, errno.ENOENT, errno.EADDRNOTAVAIL, errno.ESRCH)


@dataclass(frozen=True)
class Link:
    name: str
    index: int
    kind: str  # "bridge", "veth", "" for what has none
    up: bool
    mtu: int
    mac: str
    master: int  # index of its bridge, 0 for none
    alias: str  # free text of whoever made it


class Netlink:
    """A netlink socket in the namespace of the thread that makes it; use it in that thread and close it."""

    def __init__(self) -> None:
        self._ip = IPRoute()

    def close(self) -> None:
        self._ip.close()

    def links(self) -> dict[str, Link]:
        with _explained("list links"):
            return {link.name: link for link in map(_link, self._ip.get_links())}

    def link(self, name: str) -> Link | None:
        """One link without a dump of all of them; None when there is none."""
        try:
            with _explained(f"read link {name}"):
                return _link(self._ip.link("get", ifname=name)[0])
        except errors.NotFound:
            return None

    def ports(self, bridge: str) -> list[Link]:
        """The links in this bridge; the kernel picks them out. Raises NotFound."""
        index = self.index(bridge)
        with _explained(f"list ports of {bridge}"):
            links = map(_link, self._ip.link("dump", master=index))
            return [link for link in links if link.master == index]

    def index(self, name: str) -> int:
        """Raises NotFound."""
        link = self.link(name)
        if link is None:
            raise errors.NotFound(resource="Link", id=name)
        return link.index

    def add_bridge(self, name: str, alias: str) -> None:
        """A bridge without spanning tree, whose ports forward at once."""
        with _explained(f"add bridge {name}"):
            self._ip.link("add", ifname=name, kind="bridge", br_stp_state=0, br_forward_delay=0)
            self._ip.link("set", index=self.index(name), ifalias=alias)

    def add_veth(self, name: str, peer: str, peer_namespace: str, alias: str) -> None:
        """A pair: `name` here and `peer` in the namespace."""
        with _explained(f"add veth {name}"):
            fd = os.open(netns.DIRECTORY / peer_namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._ip.link("add", ifname=name, kind="veth", peer={"ifname": peer, "net_ns_fd": fd})
            finally:
                os.close(fd)
            self._ip.link("set", index=self.index(name), ifalias=alias)

    def delete_link(self, name: str) -> None:
        link = self.link(name)
        if link is not None:
            with _explained(f"delete link {name}", *_GONE):
                self._ip.link("del", index=link.index)

    def change(self, name: str, **attributes: Any) -> None:
        """Attributes of pyroute2's link("set"): state, mtu, address, master."""
        with _explained(f"set {attributes} on link {name}"):
            self._ip.link("set", index=self.index(name), **attributes)

    def addresses(self, name: str) -> set[str]:
        """Those given to the link, without the kernel's own link-local ones."""
        with _explained(f"list addresses of {name}"):
            messages = self._ip.get_addr(index=self.index(name))
            return {
                f"{message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}"
                for message in messages
                if message["scope"] != _RT_SCOPE_LINK
            }

    def add_address(self, name: str, address: str) -> None:
        ip, _, prefix = address.partition("/")
        with _explained(f"add address {address} to {name}", errno.EEXIST):
            self._ip.addr("add", index=self.index(name), address=ip, prefixlen=int(prefix))

    def delete_address(self, name: str, address: str) -> None:
        ip, _, prefix = address.partition("/")
        with _explained(f"delete address {address} from {name}", *_GONE):
            self._ip.addr("del", index=self.index(name), address=ip, prefixlen=int(prefix))

    def gateways(self) -> set[str]:
        """The next hops of all default routes that somebody configured."""
        found = set()
        with _explained("list routes"):
            for family in (2, 10):
                for message in self._ip.get_default_routes(family=family):
                    gateway = message.get_attr("RTA_GATEWAY")
                    if gateway:
                        found.add(str(gateway))
        return found

    def add_default_route(self, gateway: str) -> None:
        with _explained(f"add the default route via {gateway}", errno.EEXIST):
            self._ip.route("add", dst="default", gateway=gateway, family=10 if ":" in gateway else 2)

    def delete_default_route(self, gateway: str) -> None:
        with _explained(f"delete the default route via {gateway}", *_GONE):
            self._ip.route("del", dst="default", gateway=gateway, family=10 if ":" in gateway else 2)


@contextlib.contextmanager
def opened() -> Iterator[Netlink]:
    """A Netlink for the length of a with block."""
    netlink = Netlink()
    try:
        yield netlink
    finally:
        netlink.close()


def _link(message: Any) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    return Link(
        name=message.get_attr("IFLA_IFNAME"),
        index=message["index"],
        kind=(info.get_attr("IFLA_INFO_KIND") if info else None) or "",
        up=bool(message["flags"] & _IFF_UP),
        mtu=message.get_attr("IFLA_MTU") or 0,
        mac=message.get_attr("IFLA_ADDRESS") or "",
        master=message.get_attr("IFLA_MASTER") or 0,
        alias=message.get_attr("IFLA_IFALIAS") or "",
    )


@contextlib.contextmanager
def _explained(what: str, *harmless: int) -> Iterator[None]:
    """Turn the kernel's refusals into our errors, except those numbers that mean that there is nothing to do."""
    try:
        yield
    except NetlinkError as exc:
        if exc.code in harmless:
            return
        reason = f"cannot {what}: {os.strerror(exc.code)}"
        if exc.code in _GONE:
            raise errors.NotFound(resource="Link or address,", id=reason) from exc
        raise errors.Unavailable(reason=reason) from exc
    except OSError as exc:
        raise errors.Unavailable(reason=f"cannot {what}: {exc}") from exc
