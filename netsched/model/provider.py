"""What may carry networks here, as configured, and what the provider attributes of a wanted network mean under that.

Sentences are the incumbent's where it has one, since people search for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netsched import errors
from netsched.model.segment import FLAT, VLAN, VXLAN

Range = tuple[int, int]  # first and last, both belong to it

VNIS: Range = (1, 2**24 - 1)  # RFC 7348; 0 is in the tables what has no id
VLANS: Range = (1, 4094)  # IEEE 802.1Q
# Bytes that VXLAN takes of the underlay's MTU, by its IP version: IP 20 or 40, UDP 8, VXLAN 8, the inner Ethernet 14.
VXLAN_OVERHEAD = {4: 50, 6: 70}
ANY = "*"


@dataclass(frozen=True)
class Segment:
    """What carries one network: `physical_network` "" and `segmentation_id` 0 where the type has none."""

    network_type: str
    physical_network: str = ""
    segmentation_id: int = 0

    @property
    def pool(self) -> str:
        """The name of the pool of ids that it belongs to."""
        return f"{self.network_type}/{self.physical_network}" if self.physical_network else self.network_type

    def attributes(self) -> dict[str, Any]:
        """As the REST API has it."""
        return {
            "provider:network_type": self.network_type,
            "provider:physical_network": self.physical_network or None,
            "provider:segmentation_id": self.segmentation_id or None,
        }


@dataclass(frozen=True)
class Wish:
    """A segment that is wanted: `chosen`, or one with any id of the `choices`, (its pool, the pool's ranges)."""

    chosen: Segment | None = None
    choices: tuple[tuple[Segment, tuple[Range, ...]], ...] = ()


@dataclass(frozen=True)
class ProviderSettings:
    """`vlan_ranges`: of each physical network that may have VLAN networks; `flat_networks`: names, "*" for any.

    MTUs are in bytes; `overlay_ip_version` is that of the addresses between which tunnels run.
    """

    tenant_network_type: str = VXLAN
    vni_ranges: tuple[Range, ...] = ((1, 200_000),)
    vlan_ranges: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)
    flat_networks: tuple[str, ...] = (ANY,)
    underlay_mtu: int = 1500
    overlay_ip_version: int = 4

    def mtu(self, network_type: str) -> int:
        """The largest MTU of networks of a type."""
        return self.underlay_mtu - (VXLAN_OVERHEAD[self.overlay_ip_version] if network_type == VXLAN else 0)

    def chosen_mtu(self, network_type: str, wanted: int) -> int:
        """The MTU that a client wants, or the largest for 0. Raises InvalidInput for one that does not fit."""
        largest = self.mtu(network_type)
        if wanted > largest:
            raise errors.InvalidInput(reason=f"Requested MTU is too big, maximum is {largest}")
        return wanted or largest

    def pools(self) -> dict[str, tuple[Range, ...]]:
        """The ranges of every pool that has some, by its name."""
        return {segment.pool: ranges for kind in (VXLAN, VLAN) for segment, ranges in self._choices(kind)}

    def wish(self, network: Mapping[str, Any]) -> Wish:
        """What the provider attributes of a network in the REST API's format ask for; absent and null are one.

        Raises InvalidInput, which names the attribute.
        """
        names = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")
        network_type, physical_network, number = (network.get(name) for name in names)
        if network_type is None:
            if physical_network is not None or number is not None:
                raise errors.InvalidInput(reason="provider:network_type required")
            return Wish(choices=self._choices(self.tenant_network_type))
        if network_type == VXLAN:
            return self._vxlan(physical_network, number)
        if network_type == VLAN:
            return self._vlan(physical_network, number)
        if network_type == FLAT:
            return self._flat(physical_network, number)
        raise errors.InvalidInput(reason=f"provider:network_type value '{network_type}' not supported")

    def _choices(self, network_type: str) -> tuple[tuple[Segment, tuple[Range, ...]], ...]:
        if network_type == VXLAN:
            return ((Segment(VXLAN), self.vni_ranges),) if self.vni_ranges else ()
        return tuple((Segment(VLAN, name), ranges) for name, ranges in self.vlan_ranges.items() if ranges)

    def _vxlan(self, physical_network: str | None, number: int | None) -> Wish:
        if physical_network is not None:
            raise errors.InvalidInput(reason="provider:physical_network specified for vxlan network")
        if number is None:
            return Wish(choices=self._choices(VXLAN))
        _check_range(number, VNIS)
        return Wish(Segment(VXLAN, "", number))

    def _vlan(self, physical_network: str | None, number: int | None) -> Wish:
        if physical_network is None:
            if number is not None:
                reason = "provider:segmentation_id requires provider:physical_network for VLAN provider network"
                raise errors.InvalidInput(reason=reason)
            return Wish(choices=self._choices(VLAN))
        if physical_network not in self.vlan_ranges:
            reason = f"provider:physical_network '{physical_network}' unknown for VLAN provider network"
            raise errors.InvalidInput(reason=reason)
        if number is not None:
            _check_range(number, VLANS)
            return Wish(Segment(VLAN, physical_network, number))
        ranges = self.vlan_ranges[physical_network]
        if not ranges:
            reason = f"provider:segmentation_id required: '{physical_network}' has no VLAN ids to choose from"
            raise errors.InvalidInput(reason=reason)
        return Wish(choices=((Segment(VLAN, physical_network), ranges),))

    def _flat(self, physical_network: str | None, number: int | None) -> Wish:
        if number is not None:
            raise errors.InvalidInput(reason="provider:segmentation_id prohibited for flat provider network")
        if physical_network is None:
            raise errors.InvalidInput(reason="provider:physical_network required for flat provider network")
        if ANY not in self.flat_networks and physical_network not in self.flat_networks:
            reason = f"provider:physical_network '{physical_network}' unknown for flat provider network"
            raise errors.InvalidInput(reason=reason)
        return Wish(Segment(FLAT, physical_network))


def _check_range(number: int, allowed: Range) -> None:
    if not allowed[0] <= number <= allowed[1]:
        reason = f"provider:segmentation_id out of range ({allowed[0]} through {allowed[1]})"
        raise errors.InvalidInput(reason=reason)


def parse_vni_ranges(texts: Iterable[str]) -> tuple[Range, ...]:
    """["FIRST:LAST", ...] as ranges. Raises Invalid that names the option."""
    return _merged(_range(text, text, VNIS, "vni_ranges") for text in texts)


def parse_vlan_ranges(texts: Iterable[str]) -> dict[str, tuple[Range, ...]]:
    """["PHYSICAL_NETWORK:FIRST:LAST" or "PHYSICAL_NETWORK", ...] as ranges by name. Raises Invalid."""
    found: dict[str, list[Range]] = {}
    for text in texts:
        name, colon, numbers = text.partition(":")
        if not name:
            raise errors.Invalid(reason=f"[segment] network_vlan_ranges = {text}: it names no physical network")
        found.setdefault(name, []).extend([_range(numbers, text, VLANS, "network_vlan_ranges")] if colon else [])
    return {name: _merged(ranges) for name, ranges in found.items()}


def _range(numbers: str, text: str, allowed: Range, option: str) -> Range:
    first, colon, last = numbers.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal() and numbers.isascii()):
        raise errors.Invalid(reason=f"[segment] {option} = {text}: it is not FIRST:LAST")
    if not allowed[0] <= int(first) <= int(last) <= allowed[1]:
        reason = f"[segment] {option} = {text}: it is not a range within {allowed[0]}:{allowed[1]}"
        raise errors.Invalid(reason=reason)
    return int(first), int(last)


def _merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """In order, and without overlap: an id that is in two ranges is there once."""
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)
