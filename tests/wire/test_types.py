"""What each type accepts, what it becomes, and that its JSON schema does not promise more."""

from __future__ import annotations

from typing import Any

import pytest

from netsched.wire import types

ACCEPTED = [
    (types.boolean, "True", True),
    (types.boolean, "0", False),
    (types.boolean, 1, True),
    (types.boolean, " Yes ", True),
    (types.boolean, "off", False),
    (types.integer, "1500", 1500),
    (types.integer, "-3", -3),
    (types.line, "Büro ✓", "Büro ✓"),
    (types.prose, "two\nlines\tand a tab", "two\nlines\tand a tab"),
    (types.uuid_, "C0FFEE00-0000-4000-8000-000000000000", "c0ffee00-0000-4000-8000-000000000000"),
    (types.ip, "2001:DB8:0::0001", "2001:db8::1"),
    (types.ip, "192.0.2.1", "192.0.2.1"),
    (types.cidr, "2001:DB8::/64", "2001:db8::/64"),
    (types.cidr, "192.0.2.0/24", "192.0.2.0/24"),
    (types.mac, "FA-16-3E-00-00-01", "fa:16:3e:00:00:01"),
    (types.mac, "fa16.3e00.0001", "fa:16:3e:00:00:01"),
    (types.ip_version, "6", 6),
    (types.profile, None, {}),
]

REFUSED: list[tuple[Any, Any]] = [
    (types.boolean, 2),
    (types.boolean, None),
    (types.boolean, []),
    (types.boolean, 1.0),
    (types.integer, True),
    (types.integer, 1.5),
    (types.integer, "x"),
    (types.integer, "9" * 40),
    (types.line, None),
    (types.line, "x" * 256),
    (types.line, "a\nb"),
    (types.line, "a\u2028b"),
    (types.line, "a\x7fb"),
    (types.line, "a\x85b"),
    (types.prose, "a\rb"),
    (types.prose, "\x1b[2J"),
    (types.uuid_, "{c0ffee00-0000-4000-8000-000000000000}"),
    (types.uuid_, 1),
    (types.ip, "fe80::1%eth0\nserver=/x/"),
    (types.ip, "192.0.2.01"),
    (types.ip, 1),
    (types.route_cidr, "192.0.2.1/24"),
    (types.cidr, "192.0.2.0/255.255.255.0"),
    (types.cidr, "192.0.2.0/33"),
    (types.cidr, "192.0.2.0"),
    (types.mac, "00:00:00:00:00:00"),
    (types.mac, "fa:16:3e:00:00"),
    (types.mac, "fa:16:3e:00:00:01,tag:x"),
    (types.ip_version, 5),
    (types.ip_version, True),
    (types.profile, []),
    (types.profile, {"x": "y" * 5000}),
]


@pytest.mark.parametrize(("check", "given", "expected"), ACCEPTED)
def test_accepted_values_become_canonical(check: Any, given: Any, expected: Any) -> None:
    assert check(given) == expected
    assert check(check(given)) == expected


@pytest.mark.parametrize(("check", "given"), REFUSED)
def test_refused_values_are_explained_on_one_line(check: Any, given: Any) -> None:
    with pytest.raises(ValueError, match=".") as refused:
        check(given)
    assert len(str(refused.value)) < 250
    assert str(refused.value).isprintable()


def test_long_values_are_quoted_short() -> None:
    assert len(types.shown("x" * 1000)) == 80
