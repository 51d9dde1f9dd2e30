"""Security groups in force: keeps the tables of firewall_table.py to what the scopes want, one scope at a time.

No scope needs another one to be applied first: a network's ports lead to chains of their groups that let nothing pass
until the group's own scope fills them, and rules name sets that are empty until members are known. So after a restart
of the agent the kernel goes on with what it has, and each scope finds its own part as it is or changes that.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Sequence

from netsched import errors
from netsched.agents.base.driver import Content
from netsched.agents.kernel import conntrack, nft
from netsched.agents.l2 import firewall_table as table
from netsched.agents.l2.audit import Audit
from netsched.agents.l2.filtering import Filtered
from netsched.agents.l2.group import (
    ADDRESSES,
    MEMBERS,
    Addresses,
    Group,
    Network,
    addresses_of,
    checked,
    group_of,
    set_name,
)
from netsched.clock import Clock

LOG = logging.getLogger(__name__)

GROUP, GROUP_MEMBERS, ADDRESS_GROUP = "security_group", "security_group_members", "address_group"  # types of scope
_SETS = {GROUP_MEMBERS: (MEMBERS, "security_group_member"), ADDRESS_GROUP: (ADDRESSES, "address_group")}
_READ_PERIOD = 5.0  # s; what was read serves the checks of all scopes meanwhile
_READ_SHARE = 0.05  # of the time may go into reading: 1,000 ports and 5,000 members take 0.3 s
_LAST_ZONE = 0xFFFF
_ESTABLISHED = (f"meta mark {table.ESTABLISHED} accept", f"meta mark {table.INVALID} return")


class Firewall:
    """Thread-safe. Of the network namespace of the threads that call. `changed` hears the id of a network that is to
    be ensured again, since what is to be tracked has changed."""

    def __init__(self, clock: Clock, changed: Callable[[str], None] = lambda network_id: None) -> None:
        self._clock = clock
        self._changed = changed
        self._lock = threading.Lock()
        self._tables: table.Tables | None = None
        self._read_at = self._read_took = 0.0
        self._base: list[object] | None = None  # as nft showed it when it had just been set
        self._audit = Audit(clock, conntrack.cut_where)

    # Ports

    def ensure(self, network_id: str, bridge: str, ports: Sequence[Filtered]) -> list[str]:
        """Have these taps filtered, and no other changed; returns their names if there was anything to do."""
        with self._lock:
            if not ports:
                return []
            self._have_base()
            zone = self._zone(network_id, bridge)
            changed: list[str] = []

            def make(edit: table.Edit) -> None:
                changed[:] = [port.tap for port in ports if _seat(edit, network_id, port)]
                if edit.tables.zones.get(bridge) != (zone, network_id) or bridge not in edit.tables.bridges:
                    edit.zone(bridge, zone, network_id)
                edit.track(bridge, self._tracked(edit.tables, ports))

            narrowed = self._change(make)
            self._audit.network(network_id, zone, tuple(ports), narrowed)
            self._cut()
        return changed

    def forget(self, network_id: str, bridge: str, ports: Iterable[Filtered] = ()) -> None:
        """Let all taps of the network go but these."""
        kept = {port.tap for port in ports}

        def make(edit: table.Edit) -> None:
            for direction, seats in edit.tables.seats.items():
                for tap in [tap for tap, (_, id_) in seats.items() if id_ == network_id and tap not in kept]:
                    edit.seat(direction, tap, None, network_id)
            if not kept and edit.tables.zones.get(bridge, (0, ""))[1] == network_id:
                edit.zone(bridge, None, network_id)
                edit.track(bridge, frozenset())

        with self._lock:
            self._change(make)
            if not kept:
                self._audit.forget(network_id)

    def trouble(self, network_id: str, bridge: str, ports: Sequence[Filtered]) -> str | None:
        """How what is in force differs, as a sentence; None if it does not. Read at most _READ_PERIOD ago."""
        with self._lock:
            tables = self._current()
            if ports and tables.base != self._base:
                return "the rules of the firewall are not as they were set"
            for direction, seats in tables.seats.items():
                wanted = {port.tap: _combined(direction, port.groups) for port in ports}
                found = {tap: chain for tap, (chain, id_) in seats.items() if id_ == network_id}
                if found != wanted:
                    return f"not all ports are filtered as they are to be ({direction})"
                for port in ports:
                    if tables.chains.get(wanted[port.tap]) != table.digests(_rules_of(direction, port.groups)):
                        return f"the rules of {port.tap} are not those of its groups ({direction})"
            zone = tables.zones.get(bridge)
            if bool(ports) != (zone is not None and zone[1] == network_id and bridge in tables.bridges):
                return "its connections are not in a zone of their own"
            if ports and tables.tracked[bridge] != self._tracked(tables, ports):
                return "what is tracked is not what its groups ask for"
            self._cut()
        return None

    # Groups and sets

    def apply(self, scope_type: str, id_: str, wanted: Content | None) -> None:
        """Have this group, or these addresses, in force; None: nothing is left of it. Raises Invalid, Unavailable."""
        checked(id_)
        with self._lock:
            if scope_type == GROUP:
                self._apply_group(id_, _group(id_, wanted))
            elif scope_type in _SETS:
                self._apply_addresses(scope_type, id_, _addresses(scope_type, wanted))

    def check(self, scope_type: str, id_: str, wanted: Content | None) -> bool:
        """Is it in force, read at most _READ_PERIOD ago?"""
        with self._lock:
            tables = self._current()
            self._cut()
            if scope_type == GROUP:
                rules = _chains(_group(id_, wanted))
                names = {direction: name + id_ for direction, name in table.OF_GROUP.items()}
                return all(tables.chains.get(names[d], ()) == table.digests(rules[d]) for d in names)
            if scope_type in _SETS:
                addresses = _addresses(scope_type, wanted) or Addresses(frozenset())
                parts = _parts(scope_type, id_, addresses)
                return all(tables.sets.get(name, frozenset()) == part for name, part in parts.items())
            return True

    def found(self) -> set[tuple[str, str]]:
        """What there is in the kernel, whoever put it there, as types and ids of scopes."""
        with self._lock:
            tables = self._current()
        seats = [seat for seats in tables.seats.values() for seat in seats.values()]
        scopes = {("network", id_) for _, id_ in [*seats, *tables.zones.values()]}
        for prefix in table.OF_GROUP.values():
            named = (name for name, rules in tables.chains.items() if name.startswith(prefix) and rules)
            scopes |= {(GROUP, name.removeprefix(prefix)) for name in named}
        for scope_type, (prefix, _) in _SETS.items():
            named = (name for name, elements in tables.sets.items() if name.startswith(prefix) and elements)
            scopes |= {(scope_type, name.partition("-")[2]) for name in named}
        return scopes

    # With the lock held

    def _apply_group(self, id_: str, group: Group | None) -> None:
        rules = _chains(group)
        if group is not None:
            self._have_base()

        def make(edit: table.Edit) -> None:
            for direction, prefix in table.OF_GROUP.items():
                for rule in group.rules if group else ():
                    if isinstance(rule.remote, str):
                        edit.has_set(rule.remote)
                if group is not None or prefix + id_ in edit.tables.chains:
                    edit.chain(prefix + id_, rules[direction])

        before = _is_stateful(self._current(), id_)
        narrowed = self._change(make)
        if group is None:
            self._audit.view.groups.pop(id_, None)
        else:
            self._audit.view.groups[id_] = group
        if narrowed:
            self._audit.narrowed(lambda other: other == id_)
        self._cut()
        if before != _is_stateful(self._current(), id_):
            for network_id in self._audit.networks_of(id_):
                self._changed(network_id)
        if group is not None and group.problems:
            raise errors.Unavailable(reason="; ".join(group.problems))

    def _apply_addresses(self, scope_type: str, id_: str, addresses: Addresses | None) -> None:
        parts = _parts(scope_type, id_, addresses or Addresses(frozenset()))
        if addresses is not None:
            self._have_base()

        def make(edit: table.Edit) -> None:
            for name, networks in parts.items():
                edit.fill(name, networks)

        narrowed = self._change(make)
        for name, networks in parts.items():
            self._audit.view.addresses[name] = Addresses(networks)
            if addresses is None:
                del self._audit.view.addresses[name]
        if narrowed:
            self._audit.narrowed(self._names(set(parts)))
        self._cut()

    def _names(self, sets: set[str]) -> Callable[[str], bool]:
        """Does a group have rules with one of these sets?"""
        groups = self._audit.view.groups
        return lambda id_: id_ in groups and any(rule.remote in sets for rule in groups[id_].rules)

    def _cut(self) -> None:
        if count := self._audit.run():
            LOG.info("Cut %d connections that are allowed no more", count)

    def _tracked(self, tables: table.Tables, ports: Iterable[Filtered]) -> frozenset[str]:
        return frozenset(
            mac for port in ports if any(_is_stateful(tables, id_) for id_ in port.groups) for mac in port.macs
        )

    def _zone(self, network_id: str, bridge: str) -> int:
        """The network's zone for as long as it has ports here. Taken from its id, so that it most likely gets the same
        one again if somebody has removed the tables."""
        zones = self._current().zones
        if bridge in zones and zones[bridge][1] == network_id:
            return zones[bridge][0]
        taken = {zone for zone, _ in zones.values()}
        start = int.from_bytes(hashlib.sha256(network_id.encode()).digest()[:4], "big")
        for step in range(_LAST_ZONE):
            zone = (start + step) % _LAST_ZONE + 1
            if zone not in taken:
                return zone
        raise errors.Unavailable(reason="all zones for connections are taken")

    def _current(self) -> table.Tables:
        now = self._clock.monotonic()
        if self._tables is None or now - self._read_at > max(_READ_PERIOD, self._read_took / _READ_SHARE):
            self._tables = table.read()
            self._read_at = self._clock.monotonic()
            self._read_took = self._read_at - now
        return self._tables

    def _have_base(self) -> None:
        if self._base is None or self._current().base != self._base:
            table.set_base()
            self._tables = None
            self._base = self._current().base

    def _change(self, make: Callable[[table.Edit], None]) -> bool:
        """All in one transaction, which nft applies as a whole or refuses. Did something cease to be allowed?"""
        try:
            return self._transact(make)
        except errors.NetschedError:  # somebody else may have changed it since it was read
            return self._transact(make)

    def _transact(self, make: Callable[[table.Edit], None]) -> bool:
        edit = table.Edit(self._current())
        make(edit)
        edit.sweep()
        if edit.commands:
            try:
                nft.run("\n".join(edit.commands))
            except errors.NetschedError:
                self._tables = None  # it went ahead of the kernel
                raise
        return edit.narrowed


def _seat(edit: table.Edit, network_id: str, port: Filtered) -> bool:
    """Have this tap filtered by its groups, both ways; was there anything to do?"""
    before = len(edit.commands)
    for direction, prefix in table.OF_GROUP.items():
        for id_ in port.groups:
            edit.placeholder(prefix + id_)
        chain = _combined(direction, port.groups)
        edit.chain(chain, _rules_of(direction, port.groups))
        if edit.tables.seats[direction].get(port.tap) != (chain, network_id):
            edit.seat(direction, port.tap, chain, network_id)
    return len(edit.commands) > before


def _combined(direction: str, groups: Sequence[str]) -> str:
    return table.COMBINED[direction] + hashlib.sha256(" ".join(groups).encode()).hexdigest()[:16]


def _rules_of(direction: str, groups: Sequence[str]) -> list[str]:
    """What passes most is asked first: the first rule of a group lets established connections pass."""
    jumps = [f"jump {table.OF_GROUP[direction]}{id_}" for id_ in groups]
    return [*jumps, f"jump {table.PLATFORM[direction]}", "counter drop"]


def _group(id_: str, wanted: Content | None) -> Group | None:
    if wanted is None or id_ not in wanted.get("security_group", {}):
        return None
    return group_of(wanted["security_group"][id_], wanted.get("security_group_rule", {}).values())


def _chains(group: Group | None) -> dict[str, list[str]]:
    """The last rule shows that the group is known, however little it allows."""
    if group is None:
        return {direction: [] for direction in table.OF_GROUP}
    first = _ESTABLISHED if group.stateful else ()
    return {
        direction: [
            *first,
            *(f"{rule.words()} accept" for rule in group.rules if rule.direction == direction),
            "return",
        ]
        for direction in table.OF_GROUP
    }


def _is_stateful(tables: table.Tables, group_id: str) -> bool:
    """Most are: so is one that is not known."""
    rules = [tables.chains.get(prefix + group_id, ()) for prefix in table.OF_GROUP.values()]
    return not any(rules) or any(table.digest(_ESTABLISHED[0]) in one for one in rules)


def _addresses(scope_type: str, wanted: Content | None) -> Addresses | None:
    return None if wanted is None else addresses_of(wanted.get(_SETS[scope_type][1], {}).values())


def _parts(scope_type: str, id_: str, addresses: Addresses) -> dict[str, frozenset[Network]]:
    return {
        set_name(_SETS[scope_type][0], id_, version): frozenset(n for n in addresses.networks if n.version == version)
        for version in (4, 6)
    }
