"""Connections that the kernel keeps track of: found by an address and cut, in the namespace of the calling thread.

Netlink by hand, since pyroute2 reads ICMP wrongly and the `conntrack` program cannot spare those that are to stay. A
connection is deleted by the very bytes that the kernel named it with, so its protocol does not matter. The kernel picks
out the entries, so the cost is in proportion to what is cut, not to all connections.

Numbers: linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from netsched import errors
from netsched.agents.kernel.flow import Address, Flow

_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x0101, 0x0102  # of subsystem 1, conntrack
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_NESTED, _KIND = 0x8000, 0x3FFF
_TUPLE_ORIG, _TUPLE_REPLY, _ID, _ZONE, _FILTER = 1, 2, 12, 18, 25
_TUPLE_IP, _IP_V4_SRC, _IP_V4_DST = 1, 1, 2
_TUPLE_PROTO, _NUMBER, _DESTINATION_PORT = 2, 1, 3
_ICMP_TYPES = ((5, 6), (8, 9))  # type and code of ICMP, and of ICMPv6
_FILTER_ORIG_FLAGS, _FILTER_REPLY_FLAGS, _BY_DESTINATION = 1, 2, 2
_FEW = 8  # addresses; each costs some 5 ms, all of 100,000 connections a second
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_NETFILTER_HEADER = struct.pack("=BBH", socket.AF_INET, 0, 0)
_ANY_FAMILY = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)


@dataclass(frozen=True)
class Connection:
    """IPv4 addresses as the first packet had them, and as answers to it have them."""

    source: str
    destination: str
    reply_source: str
    reply_destination: str


def cut(zone: int, addresses: Collection[str], keep: Callable[[Connection], bool]) -> int:
    """Forget the connections of this zone that were made to one of the addresses or left with it as their source, but
    for those to `keep`. How many were forgotten; packets of theirs that come later are as those of new connections.

    Raises Unavailable.
    """
    if not addresses:
        return 0
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
            gone = {
                name
                for asked in _questions(addresses)
                for name, found in _dump(netlink, zone, asked)
                if (found.destination in addresses or found.reply_destination in addresses) and not keep(found)
            }
            return sum(_delete(netlink, zone, name) for name in gone)
    except OSError as exc:
        raise errors.Unavailable(reason=f"cannot cut connections of {', '.join(addresses)}: {exc}") from exc


def cut_where(judges: Mapping[int, Callable[[Flow], bool]]) -> int:
    """Forget the connections of either IP version for which the judge of their zone says so. How many were forgotten.

    Reads all connections of one zone, or of the host if there are several zones. Raises Unavailable.
    """
    if not judges:
        return 0
    only = next(iter(judges)) if len(judges) == 1 else None
    asked = b"" if only is None else _attribute(_ZONE, struct.pack(">H", only))
    count = 0
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
            _send(netlink, _GET, _REQUEST | _DUMP, asked, _ANY_FAMILY)
            gone = []
            for payload in _answers(netlink):
                attributes = _attributes(payload[len(_NETFILTER_HEADER) :])
                (zone,) = struct.unpack(">H", attributes.get(_ZONE, b"\0\0"))
                if zone in judges and judges[zone](_flow(attributes[_TUPLE_ORIG])):
                    gone.append((zone, payload[: len(_NETFILTER_HEADER)], _name(attributes)))
            for zone, header, name in gone:
                count += _delete(netlink, zone, name, header)
    except OSError as exc:
        raise errors.Unavailable(reason=f"cannot cut connections: {exc}") from exc
    return count


def _flow(tuple_: bytes) -> Flow:
    parts = _attributes(tuple_)
    ip, protocol = _attributes(parts[_TUPLE_IP]), _attributes(parts[_TUPLE_PROTO])
    ends: list[Address] = [ipaddress.ip_address(ip[kind]) for kind in sorted(ip)]
    first = last = None
    if _DESTINATION_PORT in protocol:
        (first,) = (last,) = struct.unpack(">H", protocol[_DESTINATION_PORT])
    for type_, code in _ICMP_TYPES:
        if type_ in protocol:
            first, last = protocol[type_][0], protocol[code][0]
    return Flow(ends[0], ends[1], protocol[_NUMBER][0], first, last)


def _questions(addresses: Collection[str]) -> list[bytes]:
    """What to ask the kernel for. Each question has it look through its whole table, so many are one: for all."""
    if len(addresses) > _FEW:
        return [b""]
    asked = []
    for address in addresses:
        for tuple_, flags in ((_TUPLE_ORIG, _FILTER_ORIG_FLAGS), (_TUPLE_REPLY, _FILTER_REPLY_FLAGS)):
            by = _attribute(_FILTER | _NESTED, _attribute(flags, struct.pack("=I", _BY_DESTINATION)))
            asked.append(_attribute(tuple_ | _NESTED, _with_destination(address)) + by)
    return asked


def _with_destination(address: str) -> bytes:
    return _attribute(_TUPLE_IP | _NESTED, _attribute(_IP_V4_DST, socket.inet_aton(address)))


def _dump(netlink: socket.socket, zone: int, asked: bytes) -> Iterator[tuple[bytes, Connection]]:
    """Kernels before 5.8 know no filter and give all: so callers look again."""
    _send(netlink, _GET, _REQUEST | _DUMP, asked + _attribute(_ZONE, struct.pack(">H", zone)))
    for payload in _answers(netlink):
        attributes = _attributes(payload[len(_NETFILTER_HEADER) :])
        if attributes.get(_ZONE) == struct.pack(">H", zone):
            yield _name(attributes), Connection(*_ends(attributes[_TUPLE_ORIG]), *_ends(attributes[_TUPLE_REPLY]))


def _name(attributes: Mapping[int, bytes]) -> bytes:
    return _attribute(_TUPLE_ORIG | _NESTED, attributes[_TUPLE_ORIG]) + _attribute(_ID, attributes[_ID])


def _ends(tuple_: bytes) -> tuple[str, str]:
    ip = _attributes(_attributes(tuple_)[_TUPLE_IP])
    return socket.inet_ntoa(ip[_IP_V4_SRC]), socket.inet_ntoa(ip[_IP_V4_DST])


def _delete(netlink: socket.socket, zone: int, name: bytes, header: bytes = _NETFILTER_HEADER) -> bool:
    """False when it is gone already."""
    _send(netlink, _DELETE, _REQUEST | _ACK, name + _attribute(_ZONE, struct.pack(">H", zone)), header)
    try:
        list(_answers(netlink))
    except OSError as exc:
        if exc.errno != errno.ENOENT:
            raise
        return False
    return True


def _send(netlink: socket.socket, kind: int, flags: int, attributes: bytes, header: bytes = _NETFILTER_HEADER) -> None:
    payload = header + attributes
    netlink.send(_HEADER.pack(_HEADER.size + len(payload), kind, flags, 1, 0) + payload)


def _answers(netlink: socket.socket) -> Iterator[bytes]:
    """Payloads up to the end of the answer. Raises OSError for what the kernel refused."""
    while True:
        data = netlink.recv(1 << 16)
        while data:
            length, kind, _, _, _ = _HEADER.unpack_from(data)
            payload, data = data[_HEADER.size : length], data[_padded(length) :]
            if kind == _DONE:
                return
            if kind == _ERROR:
                (code,) = struct.unpack_from("=i", payload)
                if code:
                    raise OSError(-code, os.strerror(-code))
                return
            yield payload


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (_padded(len(value)) - len(value))


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & _KIND] = data[4:length]
        data = data[_padded(length) :]
    return found


def _padded(length: int) -> int:
    return (length + 3) & ~3
