"""What provider attributes mean, what is refused and in which words, and what is left of the underlay's MTU."""

from __future__ import annotations

from typing import Any

import pytest

from netsched import errors
from netsched.model.provider import ProviderSettings, Segment, Wish, parse_vlan_ranges, parse_vni_ranges

SETTINGS = ProviderSettings(
    vni_ranges=((1, 100),),
    vlan_ranges={"physnet1": ((10, 19),), "physnet2": ()},
    flat_networks=("physnet1",),
)
VXLAN = Wish(choices=((Segment("vxlan"), ((1, 100),)),))
VLAN = Wish(choices=((Segment("vlan", "physnet1"), ((10, 19),)),))


def asked(network_type: Any = None, physical_network: Any = None, segmentation_id: Any = None) -> dict[str, Any]:
    return {
        "provider:network_type": network_type,
        "provider:physical_network": physical_network,
        "provider:segmentation_id": segmentation_id,
    }


@pytest.mark.parametrize(
    ("network", "wish"),
    [
        ({}, VXLAN),
        (asked(), VXLAN),
        (asked("vxlan"), VXLAN),
        (asked("vxlan", None, 1), Wish(Segment("vxlan", "", 1))),
        (asked("vxlan", None, 2**24 - 1), Wish(Segment("vxlan", "", 2**24 - 1))),
        (asked("vlan"), VLAN),
        (asked("vlan", "physnet1"), VLAN),
        (asked("vlan", "physnet1", 4094), Wish(Segment("vlan", "physnet1", 4094))),
        (asked("vlan", "physnet2", 1), Wish(Segment("vlan", "physnet2", 1))),
        (asked("flat", "physnet1"), Wish(Segment("flat", "physnet1"))),
    ],
)
def test_what_is_asked_for(network: dict[str, Any], wish: Wish) -> None:
    assert SETTINGS.wish(network) == wish


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (asked(None, "physnet1"), "provider:network_type required"),
        (asked(None, None, 5), "provider:network_type required"),
        (asked("gre"), "provider:network_type value 'gre' not supported"),
        (asked("vxlan", "physnet1"), "provider:physical_network specified for vxlan network"),
        (asked("vxlan", None, 0), "provider:segmentation_id out of range (1 through 16777215)"),
        (asked("vxlan", None, 2**24), "provider:segmentation_id out of range (1 through 16777215)"),
        (asked("vxlan", None, -(10**30)), "provider:segmentation_id out of range (1 through 16777215)"),
        (
            asked("vlan", None, 5),
            "provider:segmentation_id requires provider:physical_network for VLAN provider network",
        ),
        (asked("vlan", "physnet3", 5), "provider:physical_network 'physnet3' unknown for VLAN provider network"),
        (asked("vlan", "physnet2"), "provider:segmentation_id required: 'physnet2' has no VLAN ids to choose from"),
        (asked("vlan", "physnet1", 0), "provider:segmentation_id out of range (1 through 4094)"),
        (asked("vlan", "physnet1", 4095), "provider:segmentation_id out of range (1 through 4094)"),
        (asked("flat"), "provider:physical_network required for flat provider network"),
        (asked("flat", "physnet2"), "provider:physical_network 'physnet2' unknown for flat provider network"),
        (asked("flat", "physnet1", 5), "provider:segmentation_id prohibited for flat provider network"),
    ],
)
def test_what_is_refused(network: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.InvalidInput) as refused:
        SETTINGS.wish(network)
    assert str(refused.value) == f"Invalid input for operation: {words}."


def test_a_star_is_any_physical_network_for_flat_ones() -> None:
    assert ProviderSettings().wish(asked("flat", "anything")).chosen == Segment("flat", "anything")


def test_tenants_may_get_vlans() -> None:
    settings = ProviderSettings(tenant_network_type="vlan", vlan_ranges=SETTINGS.vlan_ranges)
    assert settings.wish({}) == VLAN


@pytest.mark.parametrize(("version", "vxlan"), [(4, 1450), (6, 1430)])
def test_what_is_left_of_the_mtu(version: int, vxlan: int) -> None:
    settings = ProviderSettings(underlay_mtu=1500, overlay_ip_version=version)
    assert [settings.mtu(kind) for kind in ("vxlan", "vlan", "flat")] == [vxlan, 1500, 1500]


def test_pools_are_those_with_ranges() -> None:
    assert SETTINGS.pools() == {"vxlan": ((1, 100),), "vlan/physnet1": ((10, 19),)}


def test_ranges_are_put_in_order_and_together() -> None:
    assert parse_vni_ranges(["20:30", "1:5", "6:9", "25:40"]) == ((1, 9), (20, 40))
    assert parse_vni_ranges([]) == ()
    assert parse_vlan_ranges(["a:1:2", "b", "a:3:4", "b:7:7"]) == {"a": ((1, 4),), "b": ((7, 7),)}
