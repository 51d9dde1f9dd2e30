"""What of security groups the L2 agent of each host needs: the groups of the ports there, and what their rules name.

A row counts why a host needs one scope. ``security_group/<id>``: once for each port there that is in the group.
``security_group_members/<id>`` and ``address_group/<id>``: once for each such port and each of its groups with a rule
that names it. So what follows from a port is known without looking at other ports, and what follows from a rule is how
often the hosts need its group. Epochs are as in presence.py.

A group's row for no host ("") counts how often its references changed. Whoever counts ports and whoever changes
references both write it first, which locks it; the former then see whether the references that they read still hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from netsched.db import base, query
from netsched.db.agent import agent
from netsched.db.transaction import Repeat, Transaction
from netsched.model import kinds, scope

group_presence = sa.Table(
    "group_presence",
    base.metadata,
    sa.Column("scope", sa.String(100), primary_key=True),
    sa.Column("host", sa.String(255), primary_key=True),
    sa.Column("uses", sa.Integer, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Index("ix_group_presence_host", "host"),
)

NO_HOST = ""
GROUP, MEMBERS, ADDRESSES = "security_group", "security_group_members", "address_group"
KIND = {GROUP: "security_group", MEMBERS: "security_group_member", ADDRESSES: "address_group"}
At = tuple[str, str]  # (scope, host)


class Presence(NamedTuple):
    """A port on a host's bridge: one more there, or one less."""

    host: str
    group_ids: tuple[str, ...]
    number: int


@dataclass(frozen=True)
class References:
    """What the rules of a group name, as scopes; and how often that has changed."""

    scopes: frozenset[str]
    generation: int


@dataclass
class Grants:
    """(agent id, scope, epoch) of what agents get and lose: rows of interest.grant."""

    held: list[tuple[str, str, int]]
    lost: list[tuple[str, str, int]]

    def add(self, other: Grants) -> None:
        self.held += other.held
        self.lost += other.lost


def count(tx: Transaction, ports: Iterable[Presence], known: Mapping[str, References]) -> Grants:
    """Ports came to hosts or left them. Two statements for up to 1,000 scopes on hosts, none without any.

    `known`: the references of all their groups, read in this transaction. Raises Repeat when they have changed since.
    """
    deltas: Counter[At] = Counter()
    for one in ports:
        for group_id in one.group_ids:
            deltas[scope.key(GROUP, group_id), one.host] += one.number
            for named in known[group_id].scopes:
                deltas[named, one.host] += one.number
    changed = {at: delta for at, delta in deltas.items() if delta}
    if not changed:
        return Grants([], [])
    groups = {at[0] for at in changed if scope.split(at[0])[0] == GROUP}
    expected = {key: known[scope.split(key)[1]].generation for key in groups}
    return _count(tx, changed, dict.fromkeys(expected, 0), expected)


def refer(tx: Transaction, gained: Mapping[str, Collection[str]], dropped: Mapping[str, Collection[str]]) -> Grants:
    """The rules of groups name more scopes, or fewer; by the group's id. Four statements, none without any.

    The groups' own rows are locked by the caller, so that only one at a time changes their references.
    """
    groups = {scope.key(GROUP, group_id) for some in (gained, dropped) for group_id in some if some[group_id]}
    if not groups:
        return Grants([], [])
    _upsert(tx, {(key, NO_HOST): 1 for key in groups})
    columns = (group_presence.c.scope, group_presence.c.host, group_presence.c.uses)
    where = (group_presence.c.scope.in_(sorted(groups)), group_presence.c.host != NO_HOST, group_presence.c.uses > 0)
    deltas: Counter[At] = Counter()
    for row in tx.execute(sa.select(*columns).where(*where)):
        group_id = scope.split(row.scope)[1]
        for some, sign in ((gained, 1), (dropped, -1)):
            for named in some.get(group_id, ()):
                deltas[named, row.host] += sign * row.uses
    changed = {at: delta for at, delta in deltas.items() if delta}
    return _count(tx, changed, {}, {}) if changed else Grants([], [])


def _count(tx: Transaction, deltas: dict[At, int], locks: Mapping[str, int], expected: Mapping[str, int]) -> Grants:
    rows = deltas | {(key, NO_HOST): number for key, number in locks.items()}
    _upsert(tx, rows)
    grants = Grants([], [])
    for batch in query.batches(sorted(rows)):
        for row in tx.execute(_with_agents(batch)):
            if row.host == NO_HOST:
                if row.uses != expected[row.scope]:
                    raise Repeat("somebody else has changed what the rules of a group refer to")
            elif row.agent_id is not None:
                entry = (row.agent_id, row.scope, row.epoch)
                if row.uses <= 0:
                    grants.lost.append(entry)
                elif row.uses <= deltas[row.scope, row.host]:
                    grants.held.append(entry)
    for held in dict.fromkeys(key for _, key, _ in grants.held):
        _announce(tx, held)
    return grants


def _announce(tx: Transaction, held: str) -> None:
    """Who holds a scope newly is told at once, not with the next heartbeat. Of members, none is named that exists."""
    scope_type, scope_id = scope.split(held)
    tx.log(KIND[scope_type], scope_id, "update", held)


def _upsert(tx: Transaction, deltas: Mapping[At, int]) -> None:
    """In one order, groups' own rows first, so that those who write the same ones wait instead of in a circle."""
    table = group_presence.c
    ordered = sorted(deltas, key=lambda at: (at[1] != NO_HOST, at))
    for batch in query.batches(ordered):
        rows = [{"scope": key, "host": host, "uses": deltas[key, host], "epoch": 1} for key, host in batch]
        returns = table.epoch + sa.case((table.uses <= 0, 1), else_=0)
        base.upsert(tx.connection, group_presence, rows, epoch=returns, uses=lambda new: table.uses + new.uses)


def _with_agents(pairs: Collection[At]) -> sa.Select[tuple[str, str, int, int, str]]:
    table = group_presence.c
    there = sa.and_(agent.c.host == table.host, agent.c.agent_type == kinds.L2_AGENT)
    columns = (table.scope, table.host, table.uses, table.epoch, agent.c.id.label("agent_id"))
    return (
        sa.select(*columns)
        .outerjoin_from(group_presence, agent, there)
        .where(
            table.scope.in_(sorted({key for key, _ in pairs})),  # what MariaDB can use its index for
            sa.tuple_(table.scope, table.host).in_(sorted(pairs)),
        )
    )


def on_hosts(tx: Transaction, hosts: Collection[str]) -> list[tuple[str, str, int]]:
    """(scope, host, epoch) of all that these hosts need, locked."""
    table = group_presence.c
    wanted = sa.select(table.scope, table.host, table.epoch).where(table.host.in_(sorted(hosts)), table.uses > 0)
    rows = tx.execute(wanted.order_by(table.scope, table.host).with_for_update())
    return [(row.scope, row.host, row.epoch) for row in rows]


def generation_of(group_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """For a join with the group's own row."""
    key = sa.literal(scope.key(GROUP, "")).concat(group_id)
    return sa.and_(group_presence.c.scope == key, group_presence.c.host == NO_HOST)
