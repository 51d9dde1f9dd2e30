"""Which addresses a port is to have, by what its client asked and which subnets there are. Decides, sends no SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netsched import errors
from netsched.db.address import Wish
from netsched.db.subnet import Surroundings
from netsched.model import addressing
from netsched.model import subnet as rules

FixedIp = Mapping[str, str]


@dataclass(frozen=True)
class Owner:
    """The port as far as its addresses depend on it."""

    port_id: str
    mac_address: str
    device_owner: str

    @property
    def is_router(self) -> bool:
        """Routers choose their addresses where hosts make their own."""
        return self.device_owner in addressing.ROUTER_OWNERS

    @property
    def versions(self) -> tuple[int, ...]:
        """Of the addresses that it gets by default. A floating IP is one IPv4 address."""
        return (4,) if self.device_owner == addressing.FLOATINGIP_OWNER else (4, 6)


@dataclass(frozen=True)
class Change:
    kept: tuple[FixedIp, ...]
    wishes: tuple[Wish, ...]
    dropped: tuple[FixedIp, ...]


def for_new(owner: Owner, wanted: Sequence[FixedIp] | None, network: Surroundings) -> list[Wish]:
    """Wishes of a new port. `wanted` None: one IPv4 and one IPv6 address, as far as there are subnets for them.

    On subnets where hosts make their own address the port gets that one, asked or not. Subnets that are for others'
    ports count as not there; raises IpAddressGenerationFailureNoMatchingSubnet when all of them are.
    """
    network = _for_owner(owner, network, needed=wanted is None or bool(wanted))
    if wanted is None:
        wishes = []
        for version in owner.versions:
            booked = tuple(s for s in network.subnets if s["ip_version"] == version and not addressing.is_auto(s))
            wishes += [Wish(owner.port_id, network.id, booked)] if booked else []
    else:
        wishes = _given(owner, wanted, network)
    return wishes + _automatic(owner, network, ())


def for_change(
    owner: Owner, before: Sequence[FixedIp], wanted: Sequence[FixedIp] | None, network: Surroundings, new_mac: bool
) -> Change:
    """What to keep, take and return, so that the port has `wanted` (None: what it has). `owner` is the new state.

    An address that is wanted by its subnet alone is any that the port already has there. The port's own automatic
    addresses stay, listed or not, and follow its MAC.
    """
    auto_ids = set() if owner.is_router else {s["id"] for s in network.subnets if addressing.is_auto(s)}
    automatic = [ip for ip in before if ip["subnet_id"] in auto_ids]
    left = [ip for ip in before if ip["subnet_id"] not in auto_ids]
    listed = [*left] if wanted is None else [*wanted]
    listed = [ip for ip in listed if not _names(ip, automatic)]
    for ip in listed:
        _subnet_of(ip, network)  # raises what is wrong with it, also where something that is there would match
    kept, new = _matched(listed, left)
    stay = () if new_mac else tuple(automatic)
    open_to_it = _for_owner(owner, network, needed=bool(new))
    wishes = _given(owner, new, open_to_it)
    wishes += _automatic(owner, open_to_it, [ip["subnet_id"] for ip in stay])
    return Change((*kept, *stay), tuple(wishes), (*left, *(automatic if new_mac else ())))


def differs(before: Sequence[FixedIp], wanted: Sequence[FixedIp]) -> bool:
    """Would a port that has `before` get or lose an address by `wanted`?"""
    left = [*before]
    _, new = _matched(wanted, left)
    return bool(left or new)


def _for_owner(owner: Owner, network: Surroundings, needed: bool) -> Surroundings:
    """The network with no more than the subnets that serve ports of this owner."""
    if not any(one["service_types"] for one in network.subnets):
        return network
    there = [one for one in network.subnets if one["ip_version"] in owner.versions]
    if needed and there and not rules.serving(there, owner.device_owner):
        raise errors.IpAddressGenerationFailureNoMatchingSubnet(network_id=network.id, service_type=owner.device_owner)
    return replace(network, subnets=rules.serving(network.subnets, owner.device_owner))


def _names(ip: FixedIp, automatic: Sequence[FixedIp]) -> bool:
    return "ip_address" in ip and any(
        addressing.parse(ip["ip_address"]) == addressing.parse(own["ip_address"]) for own in automatic
    )


def _matched(listed: Sequence[FixedIp], left: list[FixedIp]) -> tuple[list[FixedIp], list[FixedIp]]:
    """(those of `left` that are listed, those listed that are not there); takes the former out of `left`.

    Addresses come first: what is wanted by its subnet alone takes none of those.
    """
    found, missing = [], []
    for ip in sorted(listed, key=lambda ip: "ip_address" not in ip):
        sought = {**ip}
        if "ip_address" in ip:
            sought["ip_address"] = str(addressing.parse(ip["ip_address"]))
        match = next((own for own in left if sought.items() <= {**own}.items()), None)
        if match is None:
            missing.append(ip)
        else:
            left.remove(match)
            found.append(match)
    return found, missing


def _given(owner: Owner, wanted: Sequence[FixedIp], network: Surroundings) -> list[Wish]:
    wishes = []
    for ip in wanted:
        subnet = _subnet_of(ip, network)
        chosen = str(addressing.parse(ip["ip_address"])) if "ip_address" in ip else None
        if addressing.is_auto(subnet) and not owner.is_router:
            if chosen is not None:
                reason = (
                    f"IPv6 address {chosen} can not be directly assigned to a port on subnet {subnet['id']} "
                    "since the subnet is configured for automatic addresses"
                )
                raise errors.InvalidInput(reason=reason)
            continue  # it gets its automatic address there anyway
        wishes.append(Wish(owner.port_id, network.id, (subnet,), chosen))
    return wishes


def _subnet_of(ip: FixedIp, network: Surroundings) -> Mapping[str, Any]:
    if not network.subnets:
        raise errors.InvalidInput(reason="IP allocation requires subnets for network")
    if "subnet_id" in ip:
        for subnet in network.subnets:
            if subnet["id"] == ip["subnet_id"]:
                if "ip_address" in ip and not addressing.holds(subnet["cidr"], ip["ip_address"]):
                    raise errors.InvalidIpForSubnet(ip_address=ip["ip_address"])
                return subnet
        reason = f"Failed to create port on network {network.id}, because fixed_ips included invalid subnet "
        raise errors.InvalidInput(reason=reason + ip["subnet_id"])
    if "ip_address" not in ip:
        raise errors.InvalidInput(reason="IP allocation requires subnet_id or ip_address")
    for subnet in network.subnets:
        if addressing.holds(subnet["cidr"], ip["ip_address"]):
            return subnet
    raise errors.InvalidIpForNetwork(ip_address=ip["ip_address"])


def _automatic(owner: Owner, network: Surroundings, except_on: Sequence[str]) -> list[Wish]:
    if owner.is_router or 6 not in owner.versions:
        return []
    return [
        Wish(owner.port_id, network.id, (subnet,), addressing.eui64(subnet["cidr"], owner.mac_address))
        for subnet in network.subnets
        if addressing.is_auto(subnet) and subnet["id"] not in except_on
    ]
