"""dnsmasq's lease file, as it really looks."""

from __future__ import annotations

from netsched.agents.dhcp import leases

FILE = """1795260000 fa:16:3e:00:00:05 10.0.0.50 host-10-0-0-50 01:fa:16:3e:00:00:05
1795260001 fa:16:3e:00:00:06 10.0.0.60 * *
duid 00:01:00:01:2e:d0:c4:01:fa:16:3e:00:00:02
1795260002 1048581 fd00:1::51 host-fd00-1--51 00:03:00:01:fa:16:3e:00:00:05
17952
"""
V4, V4_BARE, V6 = leases.parse(FILE)
KEPT = {("fa:16:3e:00:00:05", "10.0.0.50"), ("fa:16:3e:00:00:06", "10.0.0.60"), ("fa:16:3e:00:00:05", "fd00:1::51")}


def test_parse() -> None:
    assert (V4.address, V4.mac, V4.client_id) == ("10.0.0.50", "fa:16:3e:00:00:05", "01:fa:16:3e:00:00:05")
    assert V4_BARE.client_id == "*"
    assert (V6.address, V6.iaid, V6.mac) == ("fd00:1::51", "1048581", "")
    assert V6.server_id == "00:01:00:01:2e:d0:c4:01:fa:16:3e:00:00:02"
    assert V6.client_id == "00:03:00:01:fa:16:3e:00:00:05"


def test_leases_of_ports_that_stay_stay() -> None:
    assert leases.stale([V4, V4_BARE, V6], KEPT, KEPT) == []
    assert leases.stale([V4, V4_BARE, V6], KEPT, set()) == [], "nothing known from before is no reason to release"


def test_leases_of_ports_that_are_gone_go() -> None:
    assert leases.stale([V4, V4_BARE, V6], set(), KEPT) == [V4, V4_BARE, V6]


def test_an_address_that_changed_hands() -> None:
    now = {("fa:16:3e:00:00:07", address) for _, address in KEPT}
    assert leases.stale([V4, V6], now, KEPT) == [V4, V6]


def test_without() -> None:
    assert leases.without(FILE, [V4, V6]) == (
        "1795260001 fa:16:3e:00:00:06 10.0.0.60 * *\nduid 00:01:00:01:2e:d0:c4:01:fa:16:3e:00:00:02\n17952\n"
    )
