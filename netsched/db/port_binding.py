"""Ports on hosts: how each is plugged there (decided by model/port_binding.py), and the L2 agents' interest in it.

All of it happens in the transaction that gives the port its host, moves or deletes it. A port counts as present on a
host (presence.py) from when it is bound to a bridge there; one whose binding failed is nobody's until it is tried again
(rebinding.py), so hosts without an L2 agent cost next to nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from netsched.db import base, group_presence, presence, query, security_group_use
from netsched.db.agent import DUE, agent, agent_beat, judged
from netsched.db.group_presence import Presence, References
from netsched.db.network import network
from netsched.db.port import note, port
from netsched.db.transaction import Repeat, Transaction
from netsched.model import kinds, liveness, segment
from netsched.model import port_binding as model
from netsched.model.port_binding import L2Agent, Plug

UNWIRED: dict[str, Any] = {"wired": False, "status": "DOWN"}


def prepare(tx: Transaction, rows: Iterable[dict[str, Any]], reaches: Mapping[str, str | None]) -> None:
    """Decide how new rows of `port` that have a host are plugged, before they are written; one statement, if any has,
    and one more where an L2 agent is dead.

    `reaches`: the segment of each network, in the words of model/segment.py.
    """
    placed = [row for row in rows if row["binding_host_id"]]
    agents = l2_agents(tx.connection, {row["binding_host_id"] for row in placed})
    for row in placed:
        host = row["binding_host_id"]
        plug = model.decide(host, row["binding_vnic_type"], reaches[row["network_id"]], agents.get(host))
        row |= {"binding_vif_type": plug.vif_type, "binding_vif_details": plug.details}
    _look_again(tx, agents, {row["binding_host_id"] for row in placed if row["binding_vif_type"] == model.FAILED})


def arrive(tx: Transaction, rows: Iterable[Mapping[str, Any]], references: Mapping[str, References]) -> None:
    """Rows of `port` have been written: those on a bridge are there from now on. Five statements, if there are any.

    `references`: of all their security groups.
    """
    _count(tx, [(row, 1) for row in rows], references)


def depart(tx: Transaction, ports: Iterable[Mapping[str, Any]]) -> None:
    """Ports in the REST format, locked by the caller, are deleted in this transaction. It costs one more than `arrive`
    does."""
    _count(tx, [(_as_row(item), -1) for item in ports])


def change(
    tx: Transaction, before: Mapping[str, Any], changes: Mapping[str, Any], groups: Sequence[str] | None
) -> dict[str, Any]:
    """What a change of one port, locked by the caller, changes on hosts: the columns to write.

    `before` is the port in the REST API's format; `groups` its security groups from now on, None for the same.
    """
    old = _as_row(before)
    grouped = old if groups is None else old | {"security_groups": groups}
    if "binding:host_id" in changes or "binding:vnic_type" in changes:
        wanted = {name: changes.get(name, before[name]) for name in ("binding:host_id", "binding:vnic_type")}
        return _replug(tx, before, grouped, *wanted.values())
    _count(tx, [(old, -1), (grouped, 1)])
    return {}


def _replug(
    tx: Transaction, before: Mapping[str, Any], grouped: Mapping[str, Any], host: str, vnic_type: str
) -> dict[str, Any]:
    """Decide for one port that gets this host and VNIC type. What is on the host counts at once."""
    reach = _reaches(tx, [before["network_id"]])[before["network_id"]]
    old = _as_row(before)
    agents = l2_agents(tx.connection, [host] if host else [])
    plug = model.decide(host, vnic_type, reach, agents.get(host), _there(old, host))
    _look_again(tx, agents, [host] if plug.vif_type == model.FAILED else [])
    placed = {"binding_host_id": host, "binding_vnic_type": vnic_type, **_columns(plug)}
    new = old | placed
    _count(tx, [(old, -1), ({**grouped, **placed}, 1)])
    changed = {name: value for name, value in new.items() if value != old[name]}
    return changed | ({} if _stays(old, new) else UNWIRED)


def move(tx: Transaction, hosts: Mapping[str, str]) -> set[str]:
    """Put each port (by id) on its host ("": none) and decide anew how it is plugged there; the ids that exist.

    A port whose host stays is decided anew as well. Those that changed get a revision and are told. Two statements up
    to 1,000 ports while there are no L2 agents, else seven at most. Raises Repeat when others have moved one.
    """
    found: set[str] = set()
    for batch in query.batches(sorted(hosts)):
        found |= _move(tx, port.c.id.in_(batch), lambda row: hosts[row["id"]])
    return found


def move_with_device(tx: Transaction, hosts: Mapping[str, str], owners: Collection[str]) -> None:
    """As `move`, all ports with one of these owners; `hosts` by the id of the device that they belong to."""
    for batch in query.batches(sorted(hosts)):
        where = sa.and_(port.c.device_id.in_(batch), port.c.device_owner.in_(owners))
        _move(tx, where, lambda row: hosts[row["device_id"]])


def retry(tx: Transaction, port_ids: Collection[str]) -> None:
    """Decide anew how up to 1,000 ports are plugged where they are; what changes is told. Costs what `move` does."""
    _move(tx, port.c.id.in_(sorted(port_ids)), lambda row: str(row["binding_host_id"]))


def _move(tx: Transaction, where: sa.ColumnElement[bool], host_of: Callable[[Mapping[str, Any]], str]) -> set[str]:
    rows = _read(tx, where)
    # Where there are no L2 agents at all, asking for those of some hosts would be a statement for nothing.
    around = any(row["agents_around"] for row in rows)
    hosts = {row["id"]: host_of(row) for row in rows}
    agents = l2_agents(tx.connection, {host for host in hosts.values() if host}) if around else {}
    changes = []
    for row in rows:
        host = hosts[row["id"]]
        plug = model.decide(host, row["binding_vnic_type"], row["reach"], agents.get(host), _there(row, host))
        if (host, plug.vif_type, plug.details) != (
            row["binding_host_id"],
            row["binding_vif_type"],
            row["binding_vif_details"],
        ):
            changes.append(_Change(row, host, plug))
    _look_again(tx, agents, {one.host for one in changes if one.plug.vif_type == model.FAILED})
    for batch in query.batches(changes):
        _write(tx, batch)
    if changes:
        _count(tx, [pair for one in changes for pair in ((one.row, -1), (one.after, 1))])
    for one in changes:
        note(tx, one.row, "update")
    return {row["id"] for row in rows}


@dataclass(frozen=True)
class _Change:
    row: Mapping[str, Any]
    host: str
    plug: Plug

    @property
    def after(self) -> dict[str, Any]:
        return {**self.row, "binding_host_id": self.host, **_columns(self.plug)}


def _read(tx: Transaction, where: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    """The ports, locked in one order, each with `reach`, the segment of its network, and `agents_around`."""
    names = ("id", "network_id", "device_owner", "device_id", "security_groups", "binding_host_id", "binding_vnic_type")
    columns = [port.c[name] for name in (*names, "binding_vif_type", "binding_vif_details")]
    # Subqueries, since what is joined would be locked too.
    of_network = [
        sa.select(network.c[name]).where(network.c.id == port.c.network_id).scalar_subquery().label(name)
        for name in ("network_type", "physical_network")
    ]
    around = sa.exists().where(agent.c.agent_type == kinds.L2_AGENT).label("agents_around")
    wanted = sa.select(*columns, *of_network, around).where(where).order_by(port.c.id)
    rows = tx.execute(wanted.with_for_update()).mappings()
    return [{**row, "reach": _reach(row["network_type"], row["physical_network"])} for row in rows]


def _write(tx: Transaction, changes: Sequence[_Change]) -> None:
    # A guard where the rows were not locked: nobody may take a port off a host twice.
    seen = [(one.row["id"], one.row["binding_host_id"], one.row["binding_vif_type"]) for one in changes]
    where = (
        port.c.id.in_([port_id for port_id, _, _ in seen]),  # what MariaDB can use its index for
        sa.tuple_(port.c.id, port.c.binding_host_id, port.c.binding_vif_type).in_(seen),
    )
    values = {
        name: base.by_key(port.c.id, port.c[name], {one.row["id"]: one.after[name] for one in changes})
        for name in ("binding_vif_type", "binding_vif_details")
    }
    stays = [one.row["id"] for one in changes if _stays(one.row, one.after)]
    moved = {one.row["id"]: one.host for one in changes}
    for name, value in UNWIRED.items():
        values[name] = sa.case((port.c.id.in_(stays), port.c[name]), else_=value) if stays else value
    # MariaDB sets one column after the other, so what the others depend on comes last.
    values["binding_host_id"] = base.by_key(port.c.id, port.c.binding_host_id, moved)
    standard = {"revision_number": port.c.revision_number + 1, "updated_at": tx.now}
    if tx.execute(sa.update(port).where(*where).values(**standard, **values)).rowcount != len(changes):
        raise Repeat("somebody else has moved a port")


def _there(row: Mapping[str, Any], host: str) -> Plug | None:
    """How the port is plugged, if it is on a bridge of that host."""
    if row["binding_host_id"] != host or row["binding_vif_type"] != model.BRIDGE:
        return None
    return Plug(model.BRIDGE, row["binding_vif_details"])


def _stays(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Is what was wired still where it was? Nobody says of a port without a bridge that it is DOWN."""
    return before["binding_host_id"] == after["binding_host_id"] and after["binding_vif_type"] == model.BRIDGE


def l2_agents(connection: sa.Connection, hosts: Collection[str]) -> dict[str, L2Agent]:
    """The L2 agents of those of the hosts that have one, as they are now; no statement without hosts."""
    found: dict[str, L2Agent] = {}
    names = ("host", "admin_state_up", "created_at", "forced_down", "capabilities", "configurations")
    columns = [agent.c[name] for name in names]
    for batch in query.batches(sorted(hosts)):
        rows = connection.execute(
            sa.select(*columns, agent_beat.c.sent_at, agent_beat.c.lease, base.now().label("now"))
            .outerjoin_from(agent, agent_beat, agent_beat.c.agent_id == agent.c.id)
            .where(agent.c.agent_type == kinds.L2_AGENT, agent.c.host.in_(batch))
        )
        for row in rows:
            found[row.host] = L2Agent(
                judged(row),
                row.admin_state_up,
                segment.reached(row.capabilities),
                row.configurations.get("tunneling_ip"),
            )
    return found


def _look_again(tx: Transaction, agents: Mapping[str, L2Agent], hosts: Collection[str]) -> None:
    """Ports on these hosts could not be bound: where their L2 agent is dead, they are looked at again.

    The agent's return marks it as well, but a beat that is being written while this transaction reads has its server
    see an agent that never was dead.
    """
    dead = sorted(host for host in hosts if host in agents and agents[host].state is liveness.State.DEAD)
    if dead:
        tx.execute(sa.update(agent).where(agent.c.agent_type == kinds.L2_AGENT, agent.c.host.in_(dead)).values(DUE))


def _reaches(tx: Transaction, network_ids: Collection[str]) -> dict[str, str | None]:
    columns = (network.c.id, network.c.network_type, network.c.physical_network)
    rows = tx.execute(sa.select(*columns).where(network.c.id.in_(sorted(network_ids))))
    return {row.id: _reach(row.network_type, row.physical_network) for row in rows}


def _reach(network_type: str | None, physical_network: str) -> str | None:
    return segment.word(network_type, physical_network) if network_type else None


def _as_row(item: Mapping[str, Any]) -> dict[str, Any]:
    names = ("binding:host_id", "binding:vnic_type", "binding:vif_type", "binding:vif_details")
    same = {name: item[name] for name in ("network_id", "security_groups")}
    return same | {name.replace(":", "_"): item[name] for name in names}


def _columns(plug: Plug) -> dict[str, Any]:
    return {"binding_vif_type": plug.vif_type, "binding_vif_details": plug.details}


def _count(
    tx: Transaction,
    ports: Sequence[tuple[Mapping[str, Any], int]],
    references: Mapping[str, References] | None = None,
) -> None:
    """Ports came to bridges of hosts (1) or left them (-1): what L2 agents get and lose by it.

    `references` of their security groups are read where they are not given and wanted.
    """
    networks: Counter[presence.At] = Counter()
    groups: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for row, number in ports:
        if row["binding_vif_type"] == model.BRIDGE:
            networks[row["network_id"], row["binding_host_id"]] += number
            groups[row["binding_host_id"], tuple(row["security_groups"] or ())] += number
    grants = presence.count(tx, networks)
    members = [Presence(host, ids, number) for (host, ids), number in groups.items() if ids and number]
    if members:
        ids = {group_id for one in members for group_id in one.group_ids}
        grants.add(group_presence.count(tx, members, references or security_group_use.references(tx, ids)))
    presence.grant(tx, grants.held, grants.lost)
