"""Address arithmetic against plain sets and the standards' examples."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsched import errors
from netsched.model import addressing

RANGES = st.lists(st.integers(0, 60), max_size=8, unique=True).map(
    lambda ends: list(zip(sorted(ends)[::2], sorted(ends)[1::2], strict=False))
)


@given(RANGES, st.sets(st.integers(0, 60)))
def test_minus_is_a_difference_of_sets_in_order(ranges: list[tuple[int, int]], taken: set[int]) -> None:
    left = addressing.minus(ranges, taken)
    assert left == sorted(left) and all(first <= last for first, last in left)
    values = [value for first, last in left for value in range(first, last + 1)]
    assert len(values) == len(set(values))
    assert set(values) == {value for first, last in ranges for value in range(first, last + 1)} - taken


def test_the_address_of_a_mac() -> None:
    # RFC 4291, appendix A, and the fifteen bits that must not spill over into the prefix.
    assert addressing.eui64("2001:db8::/64", "34:56:78:9a:bc:de") == "2001:db8::3656:78ff:fe9a:bcde"
    assert addressing.eui64("2001:db8:0:1::/64", "ff:ff:ff:ff:ff:ff") == "2001:db8:0:1:fdff:ffff:feff:ffff"
    assert addressing.is_eui64(addressing.number("2001:db8::3656:78ff:fe9a:bcde"))
    assert not addressing.is_eui64(addressing.number("2001:db8::2"))


@pytest.mark.parametrize(
    ("cidr", "first", "last"),
    [
        ("10.0.0.0/24", "10.0.0.1", "10.0.0.254"),
        ("10.0.0.0/30", "10.0.0.1", "10.0.0.2"),
        ("10.0.0.0/31", "10.0.0.0", "10.0.0.1"),
        ("10.0.0.9/32", "10.0.0.9", "10.0.0.9"),
        ("fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:ffff"),
        ("fd00::/127", "fd00::1", "fd00::1"),
        ("fd00::9/128", "fd00::9", "fd00::9"),
    ],
)
def test_what_ports_may_have(cidr: str, first: str, last: str) -> None:
    net = ipaddress.ip_network(cidr)
    assert addressing.usable(net) == (addressing.number(first), addressing.number(last))
    assert addressing.holds(cidr, first) and addressing.holds(cidr, last)
    assert not addressing.holds(cidr, "192.0.2.1") and not addressing.holds(cidr, "2001:db8::1")


def test_what_is_no_address_is_named() -> None:
    for text in ("10.0.0", "10.0.0.256", "fd00::g", "", "10.0.0.1/24", "10.0.0.1\n"):
        with pytest.raises(errors.InvalidInput):
            addressing.parse(text)
