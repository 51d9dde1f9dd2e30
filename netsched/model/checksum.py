"""The checksum of an agent's whole set of scopes: order-free and incremental.

XOR of one hash per (scope, epoch, position): adding and removing an element is the same operation, so neither side
ever walks the whole set to keep its checksum current.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def element(scope: str, epoch: int, position: int) -> int:
    """A hash of 63 bits, so that it fits a signed BIGINT column."""
    digest = hashlib.blake2b(f"{scope}|{epoch}|{position}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def of(elements: Iterable[tuple[str, int, int]]) -> int:
    """The checksum of all (scope, epoch, position); 0 for an empty set."""
    total = 0
    for scope, epoch, position in elements:
        total ^= element(scope, epoch, position)
    return total
