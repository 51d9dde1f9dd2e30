"""What a port may use as its own address."""

from __future__ import annotations

from typing import Any

from netsched.agents.l2.guard import Guard, guard_of
from tests.fakes.content import uuid

MAC, OTHER = "fa:16:3e:00:00:01", "fa:16:3e:00:00:0f"
LINK_LOCAL, OTHERS_LINK_LOCAL = "fe80::f816:3eff:fe00:1/128", "fe80::f816:3eff:fe00:f/128"


def port(*addresses: str, pairs: tuple[tuple[str, str], ...] = (), **attributes: Any) -> dict[str, Any]:
    return {
        "id": uuid(1, 2),
        "mac_address": MAC.upper(),
        "device_owner": "compute:nova",
        "port_security_enabled": True,
        "fixed_ips": [{"subnet_id": "s", "ip_address": address} for address in addresses],
        "allowed_address_pairs": [{"mac_address": mac, "ip_address": address} for mac, address in pairs],
        **attributes,
    }


def test_own_addresses() -> None:
    assert guard_of(port("10.0.0.5", "fd00::5")) == Guard(
        tap="tap00000001-00",
        macs=frozenset({MAC}),
        ipv4=frozenset({(MAC, "10.0.0.5/32")}),
        ipv6=frozenset({(MAC, "fd00::5/128"), (MAC, LINK_LOCAL)}),
    )


def test_pairs_add_addresses_networks_and_macs_without_overlaps() -> None:
    pairs = ((MAC, "10.0.0.0/24"), (MAC, "10.0.0.9"), (MAC, "10.0.1.0/24"), (OTHER, "10.0.0.9"), (OTHER, "fd00::/64"))
    guard = guard_of(port("10.0.0.5", pairs=pairs))
    assert guard is not None and guard.macs == {MAC, OTHER}
    assert guard.ipv4 == {(MAC, "10.0.0.0/23"), (OTHER, "10.0.0.9/32")}
    assert guard.ipv6 == {(MAC, LINK_LOCAL), (OTHER, OTHERS_LINK_LOCAL), (OTHER, "fd00::/64")}


def test_a_port_without_addresses_may_still_speak_link_local() -> None:
    guard = guard_of(port())
    assert guard is not None and (guard.macs, guard.ipv4) == ({MAC}, set())
    assert guard.ipv6 == {(MAC, LINK_LOCAL)}


def test_who_is_not_guarded() -> None:
    assert guard_of(port(port_security_enabled=False)) is None
    for owner in ("network:dhcp", "network:router_interface", "network:router_gateway"):
        assert guard_of(port(device_owner=owner)) is None
    assert guard_of(port(device_owner="")) is not None
