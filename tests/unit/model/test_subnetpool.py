"""What a pool may be, and which CIDR it gives: in the smallest gap with room, the lowest."""

from __future__ import annotations

import ipaddress
import random
from typing import Any

import pytest

from netsched import errors
from netsched.model import subnetpool
from netsched.model.subnetpool import Allocation


def pool(*prefixes: str, **more: Any) -> dict[str, Any]:
    return subnetpool.completed({"prefixes": list(prefixes), **more})


def used(*cidrs: str, by: str = "blue") -> list[Allocation]:
    return [Allocation(cidr, by) for cidr in cidrs]


def test_prefixes_are_merged_and_lengths_follow_the_version() -> None:
    assert pool("10.0.1.0/24", "10.0.0.0/24", "10.0.0.128/25") == {
        "prefixes": ["10.0.0.0/23"],
        "ip_version": 4,
        "min_prefixlen": 8,
        "max_prefixlen": 32,
        "default_prefixlen": 8,
        "default_quota": None,
        "address_scope_id": None,
        "is_default": False,
    }
    lengths = {name: value for name, value in pool("fd00::/48").items() if name.endswith("prefixlen")}
    assert lengths == {"min_prefixlen": 64, "max_prefixlen": 128, "default_prefixlen": 64}


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ({"prefixes": []}, errors.EmptySubnetPoolPrefixList, "Empty subnet pool prefix list."),
        ({"prefixes": ["10.0.0.0/8", "fd00::/48"]}, errors.PrefixVersionMismatch, "Cannot mix IPv4 and IPv6"),
        ({"min_prefixlen": 25, "max_prefixlen": 24}, errors.IllegalSubnetPoolPrefixBounds, "min_prefixlen=25, max"),
        ({"max_prefixlen": 33}, errors.IllegalSubnetPoolPrefixBounds, "max_prefixlen=33, ip_version_max=32"),
        ({"default_prefixlen": 7}, errors.IllegalSubnetPoolPrefixBounds, "default_prefixlen=7, min_prefixlen=8"),
        (
            {"default_prefixlen": 26, "max_prefixlen": 25},
            errors.IllegalSubnetPoolPrefixBounds,
            "default_prefixlen=26, max_prefixlen=25",
        ),
    ],
)
def test_what_no_pool_may_be(wanted: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        subnetpool.completed({"prefixes": ["10.0.0.0/8"], **wanted})


def test_prefixes_only_grow() -> None:
    before = pool("10.0.0.0/16") | {"min_prefixlen": "8", "max_prefixlen": "32", "default_prefixlen": "24"}
    assert subnetpool.changed(before, {"prefixes": ["10.0.0.0/15"]})["prefixes"] == ["10.0.0.0/15"]
    assert subnetpool.changed(before, {"name": "x"})["default_prefixlen"] == 24
    for fewer in (["10.0.0.0/17"], ["10.1.0.0/16"], ["fd00::/48"]):
        with pytest.raises(errors.IllegalSubnetPoolPrefixUpdate):
            subnetpool.changed(before, {"prefixes": fewer})


def test_the_smallest_gap_with_room_and_the_lowest_of_them() -> None:
    space = pool("10.0.0.0/16")
    assert subnetpool.choose(space, 24, []) == "10.0.0.0/24"
    taken = used("10.0.0.0/24", "10.0.1.0/26")
    assert subnetpool.choose(space, 26, taken) == "10.0.1.64/26"
    assert subnetpool.choose(space, 25, taken) == "10.0.1.128/25"
    assert subnetpool.choose(space, 24, taken) == "10.0.2.0/24"
    with pytest.raises(errors.SubnetAllocationError, match="Insufficient prefix space to allocate subnet size /16"):
        subnetpool.choose(space, 16, taken)


def test_a_given_cidr_must_be_free_and_in_the_pool() -> None:
    space = pool("10.0.0.0/24", "10.0.2.0/24")
    subnetpool.check_free(space, "10.0.0.128/25", used("10.0.0.0/25"))
    for cidr in ("10.0.0.0/24", "10.0.0.64/26", "10.0.1.0/24", "10.0.0.0/22", "fd00::/64"):
        with pytest.raises(errors.SubnetAllocationError):
            subnetpool.check_free(space, cidr, used("10.0.0.0/25"))


def test_a_quota_counts_a_projects_addresses_or_64s() -> None:
    four = pool("10.0.0.0/16", default_quota=512)
    subnetpool.check_quota(four, 24, "blue", used("10.0.0.0/24") + used("10.0.1.0/24", by="red"))
    with pytest.raises(errors.SubnetPoolQuotaExceeded):
        subnetpool.check_quota(four, 24, "blue", used("10.0.0.0/24", "10.0.1.0/30"))
    six = pool("fd00::/48", default_quota=1)
    subnetpool.check_quota(six, 65, "blue", used("fd00::/65"))
    with pytest.raises(errors.SubnetPoolQuotaExceeded):
        subnetpool.check_quota(six, 128, "blue", used("fd00::/64"))
    subnetpool.check_quota(four | {"default_quota": 0}, 16, "blue", [])  # none, as with the incumbent


def test_until_it_is_full_a_pool_gives_what_overlaps_nothing() -> None:
    chance = random.Random(5)
    space, taken = pool("10.0.0.0/22", "10.0.5.0/24"), used()
    refused = 0
    while refused < 20:
        try:
            taken += used(subnetpool.choose(space, chance.choice((24, 26, 27, 28)), taken))
        except errors.SubnetAllocationError:
            refused += 1
        if taken and chance.random() < 0.2:
            taken.pop(chance.randrange(len(taken)))
    nets = [ipaddress.ip_network(one.cidr) for one in taken]
    assert not any(a.overlaps(b) for at, a in enumerate(nets) for b in nets[:at])
    whole = [ipaddress.ip_network(prefix) for prefix in space["prefixes"]]
    assert all(any(net.subnet_of(prefix) for prefix in whole) for net in nets)
    left = sum(ipaddress.ip_network(free).num_addresses for free in subnetpool.minus(space["prefixes"], map(str, nets)))
    assert left + sum(net.num_addresses for net in nets) == 1024 + 256


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (["10.0.0.0/24"], ["10.0.0.128/25"], True),
        (["10.0.0.0/24"], ["10.0.1.0/24", "9.0.0.0/8"], False),
        (["10.0.0.0/8"], ["1.0.0.0/8", "10.9.0.0/16"], True),
        (["fd00::/64", "fd01::/64"], ["fd01::/32"], True),
        ([], ["fd01::/32"], False),
    ],
)
def test_overlapping(left: list[str], right: list[str], expected: bool) -> None:
    assert subnetpool.overlapping(left, right) is subnetpool.overlapping(right, left) is expected
