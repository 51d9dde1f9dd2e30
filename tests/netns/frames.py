"""Frames as bytes, whoever they claim to come from, and a listener that says which of them arrived.

Each carries a label as payload: br_netfilter, where it is on, checks IPv4 headers and cuts off what is behind a packet.
"""

from __future__ import annotations

import ipaddress
import os
import struct
import subprocess
import sys

from tests.netns.hosts import wait_for
from tests.netns.l2_hosts import Machine

EVERYBODY = "ff:ff:ff:ff:ff:ff"
ARP, IPV4, IPV6, RARP, VLAN, LLDP = 0x0806, 0x0800, 0x86DD, 0x8035, 0x8100, 0x88CC
UDP, ICMPV6 = 17, 58
ROUTER_SOLICIT, ROUTER_ADVERT, SOLICIT, ADVERT, REDIRECT = 133, 134, 135, 136, 137

_MARK, _LABEL = b"<mark>", 64  # what the label comes behind, and its room

_SEND = """
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
for frame in sys.argv[1:]:
    out.send(bytes.fromhex(frame))
"""
_LISTEN = """
import socket
heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
heard.bind(("eth0", 3))
print("listening", flush=True)
while True:
    _, mark, label = heard.recv(2048).rpartition(b"<mark>")
    if mark:
        print(label.rstrip(b"\\0").decode(), flush=True)
"""


def ethernet(source: str, kind: int, payload: bytes) -> bytes:
    return _mac(EVERYBODY) + _mac(source) + struct.pack("!H", kind) + payload


def arp(source: str, sender_mac: str, sender_ip: str, operation: int = 1) -> bytes:
    body = struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + _mac(sender_mac) + _ip(sender_ip)
    return ethernet(source, ARP, body + _mac("00:00:00:00:00:00") + _ip("10.0.0.99") + _room())


def ipv4(source: str, address: str, protocol: int = 253, payload: bytes = b"") -> bytes:
    payload += _room()
    words = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol)
    ends = _ip(address) + _ip("255.255.255.255")
    checksum = sum(struct.unpack("!9H", words + ends))
    checksum = ~((checksum & 0xFFFF) + (checksum >> 16)) & 0xFFFF
    return ethernet(source, IPV4, words + struct.pack("!H", checksum) + ends + payload)


def ipv6(source: str, address: str, protocol: int = 253, payload: bytes = b"") -> bytes:
    payload += _room()
    header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + _ip(address) + _ip("ff02::1")
    return ethernet(source, IPV6, header + payload)


def other(source: str, kind: int) -> bytes:
    """Of a protocol without further content."""
    return ethernet(source, kind, bytes(46) + _room())


def udp(sport: int, dport: int) -> bytes:
    return struct.pack("!HHHH", sport, dport, 8 + len(_room()), 0)


def icmpv6(kind: int, target: str = "::") -> bytes:
    return struct.pack("!BBHI", kind, 0, 0, 0) + _ip(target)


def arrived(sender: Machine, receiver: Machine, frames: dict[str, bytes], last: bytes) -> set[str]:
    """Which of the frames, by their names, came through. `last`: one that does, to know when to stop waiting."""
    command = ["ip", "netns", "exec", receiver.name, sys.executable, "-c", _LISTEN]
    log = receiver.node.directory / f"heard-by-{receiver.name}-{os.urandom(4).hex()}"
    with open(log, "w") as out:
        listener = receiver.node.popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: "listening" in log.read_text(), 10)
        marked = [frame.replace(_room(), _labelled(name)) for name, frame in {**frames, "(last)": last}.items()]
        sender.node.run(
            "ip", "netns", "exec", sender.name, sys.executable, "-c", _SEND, *(frame.hex() for frame in marked)
        )
        wait_for(lambda: "(last)" in log.read_text(), 10)
        return set(log.read_text().splitlines()) - {"listening", "(last)"}
    finally:
        listener.kill()
        listener.wait()


def _room() -> bytes:
    return _labelled("")


def _labelled(name: str) -> bytes:
    return _MARK + name.encode().ljust(_LABEL, b"\0")


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _ip(text: str) -> bytes:
    return ipaddress.ip_address(text).packed
