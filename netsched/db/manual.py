"""What operators do to bindings by hand: bind, unbind, and delete an agent with all that it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from netsched import errors
from netsched.db import base, binding, decision, placement
from netsched.db.agent import agent
from netsched.db.binding import bar
from netsched.db.binding import binding as table
from netsched.db.transaction import Repeat, Transaction
from netsched.model import segment
from netsched.model.principal import Principal


def bind(
    tx: Transaction,
    resource: tuple[str, str],
    agent_id: str,
    demand: Mapping[str, int],
    by: Principal,
    alone: bool = False,
) -> str | None:
    """Give the resource to that agent, in an empty slot or in an extra one. `alone`: not while another agent has it.

    None when done, else the id of the agent that has it already. Lifts a bar. Raises AgentNotFound, AgentCannotReach,
    NoCapacity, and Repeat as placement.place does.
    """
    target = placement.targets(tx.connection, [agent_id]).get(agent_id)
    if target is None:
        raise errors.AgentNotFound(id=agent_id)
    rows = placement.slots(tx.connection, [resource], locked=True)[resource]
    holders = [row["agent_id"] for row in rows if row["agent_id"]]
    if agent_id in holders or (alone and holders):
        return agent_id if agent_id in holders else holders[0]
    row = _empty(rows) or _extra(tx, resource, rows, target.agent_type, demand)
    _check(target, row)
    placed = placement.Placement(row, target, placement.next_epoch([*rows, row]))
    placement.place(tx, [placed])
    placement.claim_for(tx, [placed])
    of_pair = (bar.c.resource_type == resource[0], bar.c.resource_id == resource[1], bar.c.agent_id == agent_id)
    tx.execute(sa.delete(bar).where(*of_pair))
    record = {"reason": "bound by hand", "host": target.host}
    decision.insert(tx, [decision.Decision(*resource, row["slot"], "bind", placed.epoch, agent_id, None, record, by)])
    return None


def _check(target: placement.Target, row: Mapping[str, Any]) -> None:
    """What an operator cannot overrule."""
    missing = segment.missing(row["requires"] or (), target.reaches)
    if missing:
        named = {name: row[name] for name in ("resource_type", "resource_id")}
        raise errors.AgentCannotReach(agent_id=target.id, requirement=missing[0], **named)
    for resource_class, amount in row["demand"].items():
        if amount > target.free.get(resource_class, amount):
            raise errors.NoCapacity(reason=f"Agent {target.id} has no {resource_class} left.")


def _empty(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The first slot that waits for an agent; its hold was for this operator."""
    return next((row for row in sorted(rows, key=lambda row: row["slot"]) if row["state"] == binding.UNBOUND), None)


def _extra(
    tx: Transaction,
    resource: tuple[str, str],
    rows: Sequence[dict[str, Any]],
    agent_type: str,
    demand: Mapping[str, int],
) -> dict[str, Any]:
    """An idle slot or a new one. The agent is more than the replicas ask for, and stays until unbound by hand."""
    idle = next((row for row in sorted(rows, key=lambda row: row["slot"]) if row["state"] == binding.IDLE), None)
    if idle is not None:
        where = (binding.of(*resource), table.c.slot == idle["slot"], table.c.epoch == idle["epoch"])
        if not tx.execute(sa.update(table).where(*where).values(extra=True)).rowcount:
            raise Repeat("a slot has changed")
        return {**idle, "extra": True}
    row = {
        "resource_type": resource[0],
        "resource_id": resource[1],
        "slot": 1 + max((row["slot"] for row in rows), default=-1),
        "agent_type": agent_type,
        "agent_id": None,
        "epoch": 0,
        "state": binding.UNBOUND,
        "extra": True,
        "demand": dict(rows[0]["demand"] if rows else demand),
        "zone_hints": rows[0]["zone_hints"] if rows else [],
        "requires": rows[0]["requires"] if rows else [],
        "alternates": [],
    }
    try:
        tx.execute(sa.insert(table).values({**row, "ports_due_at": base.now()}))
    except exc.IntegrityError as error:
        raise Repeat("another operator has made that slot") from error
    return row


def unbind(tx: Transaction, resource: tuple[str, str], agent_id: str, hold: float, by: Principal) -> bool:
    """Take the resource off that agent, for good; False if it does not hold it.

    An extra agent takes the emptied slot over, since bind there and unbind here is how operators move things. Without
    one the slot is left for the operator for `hold` seconds. An extra slot goes idle.
    """
    rows = placement.slots(tx.connection, [resource], locked=True)[resource]
    row = next((row for row in rows if row["agent_id"] == agent_id), None)
    if row is None:
        return False
    hold_until = None if row["extra"] else base.before_now(tx.connection, -hold)
    _empty_slot(tx, row, hold_until=hold_until)
    binding.vacate(tx, _slot(row))
    base.upsert(
        tx.connection,
        bar,
        [{"resource_type": resource[0], "resource_id": resource[1], "agent_id": agent_id}],
        "agent_id",  # on conflict: changes nothing
    )
    record = {"reason": "unbound by hand"}
    epoch = row["epoch"] + 1
    decision.insert(tx, [decision.Decision(*resource, row["slot"], "unbind", epoch, agent_id, None, record, by)])
    heir = None if row["extra"] else _heir(rows, row["demand"])
    if heir is not None:
        _inherit(tx, resource, row["slot"], heir, by)
    return True


def _slot(row: Mapping[str, Any]) -> sa.ColumnElement[bool]:
    return sa.and_(binding.of(row["resource_type"], row["resource_id"]), table.c.slot == row["slot"])


def _empty_slot(tx: Transaction, row: Mapping[str, Any], **values: Any) -> None:
    """As binding.emptied, if the slot is still what was read."""
    still = sa.and_(_slot(row), table.c.epoch == row["epoch"])
    if not tx.execute(sa.update(table).where(still).values({**binding.emptied(), **values})).rowcount:
        raise Repeat("a slot has changed")


def _heir(rows: Sequence[dict[str, Any]], demand: Mapping[str, int]) -> dict[str, Any] | None:
    """The first extra slot that has an agent, and as much claimed of it as is wanted."""
    return next((row for row in rows if row["extra"] and row["agent_id"] and row["demand"] == demand), None)


def _inherit(tx: Transaction, resource: tuple[str, str], slot: int, heir: Mapping[str, Any], by: Principal) -> None:
    """The extra agent moves into the emptied slot, so the DHCP port there comes to it. Its claim stays as it is."""
    target = placement.targets(tx.connection, [heir["agent_id"]]).get(heir["agent_id"])
    if target is None:
        raise Repeat("the extra agent was deleted")
    _empty_slot(tx, heir, agent_id=None, bound_at=None)
    rows = placement.slots(tx.connection, [resource])[resource]
    row = next(row for row in rows if row["slot"] == slot)
    placed = placement.Placement(row, target, placement.next_epoch(rows))
    placement.place(tx, [placed])
    record = {"reason": "was an extra one, takes the place emptied by hand", "host": target.host}
    decision.insert(tx, [decision.Decision(*resource, slot, "bind", placed.epoch, target.id, None, record, by)])


def delete_agent(tx: Transaction, agent_id: str, by: Principal) -> bool:
    """Remove the agent; what it held waits for the scheduler. False if there is no such agent.

    Raises Repeat when a scheduler gave it something meanwhile.
    """
    row = tx.execute(sa.select(agent).where(agent.c.id == agent_id)).mappings().first()
    if row is None:
        return False
    what = {"host": row["host"], "agent_type": row["agent_type"], "reason": "its agent was deleted"}
    held = table.c.agent_id == agent_id
    if tx.execute(sa.update(table).where(held).values(binding.emptied())).rowcount:
        # From rows to rows: an agent may hold more than fits into the parameters of one statement.
        decision.insert_for_slots(tx, table, held, "agent-delete", what, by)
        tx.execute(sa.update(table).where(held).values(agent_id=None, bound_at=None))
    decision.insert(tx, [decision.Decision("agent", agent_id, None, "agent-delete", 0, agent_id, None, what, by)])
    try:
        tx.execute(sa.delete(agent).where(agent.c.id == agent_id))  # its claims, interests and bars go with it
    except exc.IntegrityError as error:
        raise Repeat("the agent has got something meanwhile") from error
    return True
