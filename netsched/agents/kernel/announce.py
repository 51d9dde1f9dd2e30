"""Tell a link where an address lives now: gratuitous ARP and unsolicited neighbour advertisements.

Hosts and routers keep the hardware address of a router that has moved for minutes, and switches the port; without this
a takeover would last as long. Frames are made by hand: no program to fork, and both kinds of ARP that are in use.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from netsched import errors

_ETH_ARP, _ETH_IPV6 = 0x0806, 0x86DD
_REQUEST, _REPLY = 1, 2
_ICMPV6, _ADVERTISEMENT = 58, 136
_ROUTER, _OVERRIDE = 0x80000000, 0x20000000
_ALL_NODES, _ALL_NODES_MAC = ipaddress.IPv6Address("ff02::1"), bytes.fromhex("333300000001")
_BROADCAST = b"\xff" * 6


@dataclass(frozen=True)
class News:
    """These addresses live on this link now, at this hardware address."""

    link: str
    mac: str
    addresses: tuple[str, ...]


def announce(news: Iterable[News]) -> None:
    """Say so on each link, in the namespace of the calling thread. Raises Unavailable, also when a link is down.

    All by one socket, since the kernel takes some 10 ms to close one.
    """
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            for each in news:
                mac = bytes.fromhex(each.mac.replace(":", ""))
                for address in each.addresses:
                    for frame in _frames(mac, ipaddress.ip_address(address)):
                        wire.sendto(frame, (each.link, 0))
    except OSError as exc:
        raise errors.Unavailable(reason=f"cannot announce addresses: {exc}") from exc


def _frames(mac: bytes, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[bytes]:
    if isinstance(address, ipaddress.IPv6Address):
        return [_advertisement(mac, address)]
    # Some learn from requests only, some from replies only (RFC 5227, section 3).
    return [_arp(mac, address, _REQUEST), _arp(mac, address, _REPLY)]


def _arp(mac: bytes, address: ipaddress.IPv4Address, operation: int) -> bytes:
    head = _BROADCAST + mac + struct.pack(">H", _ETH_ARP)
    target = _BROADCAST if operation == _REPLY else b"\0" * 6
    sizes = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
    return head + sizes + mac + address.packed + target + address.packed


def _advertisement(mac: bytes, address: ipaddress.IPv6Address) -> bytes:
    """RFC 4861, 4.4: from a router, not asked for, to replace what is known; with the target's hardware address."""
    body = struct.pack(">I", _ROUTER | _OVERRIDE) + address.packed + b"\x02\x01" + mac
    message = struct.pack(">BBH", _ADVERTISEMENT, 0, _checksum(address, body)) + body
    ip = struct.pack(">IHBB", 0x60000000, len(message), _ICMPV6, 255) + address.packed + _ALL_NODES.packed
    return _ALL_NODES_MAC + mac + struct.pack(">H", _ETH_IPV6) + ip + message


def _checksum(source: ipaddress.IPv6Address, body: bytes) -> int:
    message = struct.pack(">BBH", _ADVERTISEMENT, 0, 0) + body
    pseudo = source.packed + _ALL_NODES.packed + struct.pack(">II", len(message), _ICMPV6)
    total = sum(struct.unpack(f">{(len(pseudo) + len(message)) // 2}H", pseudo + message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
