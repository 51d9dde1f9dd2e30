"""Links, addresses and routes of one namespace, as few plain verbs on top of pyroute2.

Addresses travel as "10.0.0.2/24", hardware addresses in lower case, links by name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from netsched import errors
from netsched.agents.kernel import netns
from netsched.agents.kernel.plug import Route
from netsched.agents.kernel.tunnel import BROADCAST, Forwarding, Vlan, Vxlan

_IFF_UP = 1
_RT_SCOPE_LINK = 253
_RT_TABLE_MAIN = 254
_RTPROT_KERNEL, _RTPROT_STATIC = 2, 4
_RTNH_F_ONLINK = 4
_NTF_SELF, _NTF_MASTER = 2, 4  # a forwarding entry of the device itself, or of the bridge it is in
_NUD_NOARP, _NUD_PERMANENT = 0x40, 0x80  # does not age; in a bridge's table NOARP alone means static, PERMANENT local
_IN_IP = ("IFLA_BR_NF_CALL_IPTABLES", "IFLA_BR_NF_CALL_IP6TABLES")
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
    vxlan: Vxlan | None = None
    vlan: Vlan | None = None
    in_ip: bool = False  # of a bridge: the rules of the IP families see its packets


class Netlink:
    """A netlink socket in the namespace of the thread that makes it; use it in that thread and close it."""

    def __init__(self, ip: Any = None) -> None:
        """`ip`: an IPRoute to use, that of a simulated kernel for example."""
        self._ip = ip or IPRoute()
        self._strict: Any = None

    def close(self) -> None:
        self._ip.close()
        if self._strict is not None:
            self._strict.close()

    def links(self) -> dict[str, Link]:
        with _explained("list links"):
            return {link.name: link for link in map(_link, self._ip.get_links())}

    def link(self, name: str) -> Link | None:
        """One link without a dump of all of them; None when there is none."""
        try:
            with _explained(f"read link {name}"):
                return next(map(_link, self._ip.link("get", ifname=name)), None)
        except errors.NotFound:
            return None

    def ports(self, bridge: str) -> list[Link]:
        """The links in this bridge; the kernel picks them out. Raises NotFound."""
        return self.ports_of(self.index(bridge))

    def ports_of(self, index: int) -> list[Link]:
        """The same by the bridge's index."""
        with _explained(f"list ports of link {index}"):
            # Without a filter of its own pyroute2 leaves the choice to the kernel, instead of reading all links.
            links = map(_link, self._ip.link("dump", master=index, dump_filter=None))
            return [link for link in links if link.master == index]

    def link_at(self, index: int) -> Link | None:
        """One link by its index."""
        try:
            with _explained(f"read link {index}"):
                return next(map(_link, self._ip.link("get", index=index)), None)
        except errors.NotFound:
            return None

    def existing(self, name: str) -> Link:
        """Raises NotFound."""
        link = self.link(name)
        if link is None:
            raise errors.NotFound(resource="Link", id=name)
        return link

    def index(self, name: str) -> int:
        """Raises NotFound."""
        return self.existing(name).index

    def add_bridge(self, name: str, alias: str) -> None:
        """A bridge without spanning tree, whose ports forward at once, and multicast to all ports.

        Nothing to do if somebody has made it this very moment: several agents and their workers do. It gets its name
        last, so that whoever finds it finds the alias too, and nobody's alias is overwritten.
        """
        passing = f"new{secrets.token_hex(6)}"
        with _explained(f"add bridge {name}", errno.EEXIST):
            self._ip.link("add", ifname=passing, kind="bridge", br_stp_state=0, br_forward_delay=0, br_mcast_snooping=0)
            self._ip.link("set", ifname=passing, ifalias=alias)
            self._ip.link("set", index=self.index(passing), ifname=name)
            return
        self.delete_link(passing)

    def add_tap(self, name: str, alias: str) -> None:
        """A tap device that stays when the program that uses it ends."""
        with _explained(f"add tap device {name}"):
            self._ip.link("add", ifname=name, kind="tuntap", mode="tap")
            self._ip.link("set", ifname=name, ifalias=alias)

    def add_vxlan(self, name: str, vxlan: Vxlan, alias: str) -> None:
        with _explained(f"add VXLAN device {name} with id {vxlan.vni} on {vxlan.local_ip}"):
            version = "vxlan_local6" if ":" in vxlan.local_ip else "vxlan_local"
            self._ip.link(
                "add", ifname=name, kind="vxlan", vxlan_id=vxlan.vni, vxlan_port=vxlan.port,
                vxlan_learning=int(vxlan.learning), **{version: vxlan.local_ip},
            )  # fmt: skip
            self._ip.link("set", ifname=name, ifalias=alias)

    def add_vlan(self, name: str, vlan: Vlan, alias: str) -> None:
        """Tagged frames of an interface as a link of its own. Raises Unavailable where the kernel has no 8021q."""
        with _explained(f"add VLAN {vlan.id} as {name}"):
            self._ip.link("add", ifname=name, kind="vlan", link=vlan.parent, vlan_id=vlan.id)
            self._ip.link("set", ifname=name, ifalias=alias)

    def forwarding(self, index: int) -> Forwarding:
        """What is configured for the tunnel with this index, in its own table and its bridge's; nothing learned."""
        remote, static = set(), set()
        with _explained(f"list forwarding entries of link {index}"):
            if self._strict is None:
                self._strict = IPRoute(strict_check=True)  # else the kernel lists the entries of all devices
            for message in self._strict.fdb("dump", ifindex=index, dump_filter=None):
                mac, host = message.get_attr("NDA_LLADDR"), message.get_attr("NDA_DST")
                if message["flags"] & _NTF_SELF and host:
                    remote.add((mac, host))
                elif message["state"] == _NUD_NOARP and message.get_attr("NDA_MASTER"):
                    static.add(mac)
        return Forwarding(frozenset(remote), frozenset(static))

    def change_forwarding(self, name: str, add: Forwarding, remove: Forwarding) -> None:
        """Additions first: of an address that moves to another host they replace the entry, of BROADCAST there are
        many. A static address the bridge sends into the tunnel from now on, and forgets where it saw it."""
        index, moved = self.index(name), {mac for mac, _ in add.remote if mac != BROADCAST}

        def change(how: str, mac: str, **attributes: Any) -> None:
            with _explained(f"{how} the forwarding of {mac} on {name}", errno.EEXIST, *_GONE):
                self._ip.fdb(how, ifindex=index, lladdr=mac, **attributes)

        for mac, host in sorted(add.remote):
            how = "append" if mac == BROADCAST else "replace"
            change(how, mac, dst=host, flags=_NTF_SELF, state=_NUD_NOARP | _NUD_PERMANENT)
        for mac in sorted(add.static):
            change("replace", mac, flags=_NTF_MASTER, state=_NUD_NOARP)
        for mac in sorted(remove.static):
            change("del", mac, flags=_NTF_MASTER)
        for mac, host in sorted(remove.remote):
            if mac not in moved:
                change("del", mac, dst=host, flags=_NTF_SELF)

    def add_veth(self, name: str, peer: str, peer_namespace: str, alias: str, **of_peer: Any) -> None:
        """A pair: `name` here and `peer` in the namespace. `of_peer`: its attributes, as for `change`."""
        with _explained(f"add veth {name}"):
            fd = os.open(netns.DIRECTORY / peer_namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._ip.link("add", ifname=name, kind="veth", peer={"ifname": peer, "net_ns_fd": fd, **of_peer})
            finally:
                os.close(fd)
            self._ip.link("set", ifname=name, ifalias=alias)

    def delete_link(self, name: str) -> None:
        link = self.link(name)
        if link is not None:
            with _explained(f"delete link {name}", *_GONE):
                self._ip.link("del", index=link.index)

    def delete_group(self, group: int) -> None:
        """All links of this group at once: the kernel waits once for everybody to have let go of them."""
        with _explained(f"delete links of group {group}", *_GONE):
            self._ip.link("del", group=group)

    def change(self, name: str, **attributes: Any) -> None:
        """Attributes of pyroute2's link("set"): state, mtu, address, master."""
        with _explained(f"set {attributes} on link {name}"):
            self._ip.link("set", ifname=name, **attributes)

    def change_bridge(self, name: str, in_ip: bool) -> None:
        """Have the rules of the IP families see the bridge's packets, connection tracking among them, or not."""
        with _explained(f"change bridge {name}"):
            flags = {"br_nf_call_iptables": int(in_ip), "br_nf_call_ip6tables": int(in_ip)}
            self._ip.link("set", ifname=name, kind="bridge", **flags)

    def addresses(self, name: str) -> set[str]:
        """Those given to the link, without the kernel's own link-local ones."""
        with _explained(f"list addresses of {name}"):
            messages = self._ip.get_addr(index=self.index(name))
            return {
                f"{message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}"
                for message in messages
                if message["scope"] != _RT_SCOPE_LINK
            }

    def addresses_by_link(self) -> dict[int, set[str]]:
        """As `addresses`, for all links by index: one dump where there are many."""
        found: dict[int, set[str]] = {}
        with _explained("list addresses"):
            for message in self._ip.get_addr():
                if message["scope"] != _RT_SCOPE_LINK:
                    address = f"{message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}"
                    found.setdefault(message["index"], set()).add(address)
        return found

    def own_addresses(self) -> dict[str, int]:
        """All addresses of this host, without their prefix lengths, and the index of the link that has each."""
        with _explained("list addresses"):
            return {str(message.get_attr("IFA_ADDRESS")): message["index"] for message in self._ip.get_addr()}

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

    def routes(self) -> set[Route]:
        """Everything in the main table but what follows from the links' own addresses."""
        found = set()
        with _explained("list routes"):
            names = {message["index"]: message.get_attr("IFLA_IFNAME") for message in self._ip.get_links()}
            for family, everything in ((2, "0.0.0.0"), (10, "::")):
                for message in self._ip.get_routes(family=family, table=_RT_TABLE_MAIN):
                    if message["proto"] != _RTPROT_KERNEL:
                        destination = f"{message.get_attr('RTA_DST') or everything}/{message['dst_len']}"
                        device = names.get(message.get_attr("RTA_OIF"), "")
                        found.add(Route(destination, message.get_attr("RTA_GATEWAY") or "", device))
        return found

    def add_route(self, route: Route) -> None:
        """Takes the place of another route to the same destination. The next hop is believed to be on the link."""
        with _explained(f"add a route to {route.destination} via {route.nexthop}"):
            self._ip.route("replace", flags=_RTNH_F_ONLINK, proto=_RTPROT_STATIC, **self._route(route))

    def delete_route(self, route: Route) -> None:
        with _explained(f"delete the route to {route.destination} via {route.nexthop}", *_GONE):
            self._ip.route("del", **self._route(route))

    def _route(self, route: Route) -> dict[str, Any]:
        attributes: dict[str, Any] = {"dst": route.destination, "family": 10 if ":" in route.destination else 2}
        if route.nexthop:
            attributes["gateway"] = route.nexthop
        if route.device:
            attributes["oif"] = self.index(route.device)
        return attributes

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
    kind = (info.get_attr("IFLA_INFO_KIND") if info else None) or ""
    data = info.get_attr("IFLA_INFO_DATA") if kind in ("vxlan", "vlan", "bridge") else None
    return Link(
        name=message.get_attr("IFLA_IFNAME"),
        index=message["index"],
        kind=kind,
        up=bool(message["flags"] & _IFF_UP),
        mtu=message.get_attr("IFLA_MTU") or 0,
        mac=message.get_attr("IFLA_ADDRESS") or "",
        master=message.get_attr("IFLA_MASTER") or 0,
        alias=message.get_attr("IFLA_IFALIAS") or "",
        vxlan=_vxlan(data) if data and kind == "vxlan" else None,
        vlan=_vlan(message, data) if data and kind == "vlan" else None,
        in_ip=bool(data and all(data.get_attr(name) for name in _IN_IP)),
    )


def _vlan(message: Any, data: Any) -> Vlan:
    return Vlan(parent=message.get_attr("IFLA_LINK") or 0, id=data.get_attr("IFLA_VLAN_ID"))


def _vxlan(data: Any) -> Vxlan:
    return Vxlan(
        vni=data.get_attr("IFLA_VXLAN_ID"),
        local_ip=data.get_attr("IFLA_VXLAN_LOCAL") or data.get_attr("IFLA_VXLAN_LOCAL6") or "",
        port=data.get_attr("IFLA_VXLAN_PORT"),
        learning=bool(data.get_attr("IFLA_VXLAN_LEARNING")),
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
