"""dnsmasq's lease file: which leases there are and which of them must go. Pure.

A line of DHCPv4 is ``expiry mac address name client-id``; after the line ``duid SERVER-DUID`` a line of DHCPv6 is
``expiry iaid address name client-duid`` (an iaid with a leading T is of a temporary address).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Lease:
    address: str
    mac: str = ""  # DHCPv4
    client_id: str = ""  # "*": it sent none; for DHCPv6 its DUID
    iaid: str = ""  # DHCPv6
    server_id: str = ""  # DHCPv6: the server's DUID
    line: str = ""


def parse(text: str) -> list[Lease]:
    """Leases of a lease file; lines of another shape (a half-written one after a crash) are skipped."""
    found, server_id = [], ""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "duid":
            server_id = words[1]
        elif len(words) == 5 and ":" in words[2]:
            found.append(Lease(words[2], client_id=words[4], iaid=words[1], server_id=server_id, line=line))
        elif len(words) == 5:
            found.append(Lease(words[2], mac=words[1].lower(), client_id=words[4], line=line))
    return found


def stale(
    leases: Iterable[Lease], reserved: Iterable[tuple[str, str]], before: Iterable[tuple[str, str]]
) -> list[Lease]:
    """Leases whose port is gone, given (mac, address) as reserved now and as reserved before.

    A DHCPv6 lease names no hardware address: it goes when its address is free or changed hands in this step.
    """
    now_at = {address: mac for mac, address in reserved}
    before_at = {address: mac for mac, address in before}
    return [
        lease
        for lease in leases
        if lease.address not in now_at
        or (lease.mac and lease.mac != now_at[lease.address])
        or (not lease.mac and before_at.get(lease.address, now_at[lease.address]) != now_at[lease.address])
    ]


def without(text: str, gone: Iterable[Lease]) -> str:
    """The lease file without these leases."""
    lines = {lease.line for lease in gone}
    return "".join(f"{line}\n" for line in text.splitlines() if line not in lines)


def reservations(hosts_file: str) -> set[tuple[str, str]]:
    """(mac, address) back from a file that render.hosts wrote."""
    found = set()
    for line in hosts_file.splitlines():
        words = line.split(",")
        if len(words) >= 3:
            found.add((words[0], words[-1].strip("[]")))
    return found
