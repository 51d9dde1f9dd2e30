"""Sends one DHCP DISCOVER from an interface and prints how many offers come back: `dhcp_offers.py eth0`."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
import time

WAIT = 2.0  # s


def hardware_address(interface: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return fcntl.ioctl(sock.fileno(), 0x8927, struct.pack("256s", interface.encode()))[18:24]


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def discover(mac: bytes, transaction: bytes) -> bytes:
    options = b"\x35\x01\x01\x37\x03\x01\x03\x06\xff"
    client = bytes(4 + 16) + mac + bytes(10 + 192)
    bootp = b"\x01\x01\x06\x00" + transaction + client + b"\x63\x82\x53\x63" + options
    udp = struct.pack("!HHHH", 68, 67, 8 + len(bootp), 0) + bootp
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + bytes(4) + b"\xff" * 4
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return b"\xff" * 6 + mac + b"\x08\x00" + header + udp


def offers(interface: str) -> int:
    mac, transaction = hardware_address(interface), os.urandom(4)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as sock:
        sock.bind((interface, 0))
        sock.send(discover(mac, transaction))
        found, until = 0, time.monotonic() + WAIT
        while (left := until - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                frame, sender = sock.recvfrom(2048)
            except TimeoutError:
                break
            # A BOOTP answer (2) to this transaction, from the server's port, not our own frame going out.
            if sender[2] != socket.PACKET_OUTGOING and frame[34:36] == b"\x00\x43" and frame[46:50] == transaction:
                found += frame[42] == 2
        return found


if __name__ == "__main__":
    print(offers(sys.argv[1]))
