"""What agents say of single objects: who may say it, and where it is stored.

Only a holder of the object's scope, at the epoch at which it holds it: what others say is past. Nobody is told of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netsched.db import floatingip, holder, port_status
from netsched.db.port_status import Wired
from netsched.db.transaction import Transaction
from netsched.model import kinds, scope
from netsched.rpc import agent as rpc


def store(tx: Transaction, beats: Mapping[str, rpc.Beat]) -> None:
    """Store what the beats (by agent id) say of objects; four statements at most for a usual batch, often none."""
    applied = {(id_, one.scope): one for id_, beat in beats.items() for one in _serving(beat)}
    states = {(id_, state.scope) for id_, beat in beats.items() for state in beat.states}
    if not applied and not states:
        return
    held = holder.epochs(tx.connection, {*applied, *states})
    reserved: dict[str, int] = {}
    for (id_, scope_), one in applied.items():
        if held.get((id_, scope_)) == one.epoch:
            network_id = scope.split(scope_)[1]
            reserved[network_id] = max(one.position, reserved.get(network_id, 0))
    said = [
        (id_, beat, state)
        for id_, beat in sorted(beats.items())
        for state in beat.states
        if held.get((id_, state.scope)) == state.epoch
    ]
    of_ports = [
        Wired(beat.host, state.id, state.revision, state.status)
        for _, beat, state in said
        if state.kind == "port" and beat.agent_type == kinds.L2_AGENT
    ]
    port_status.wire(tx, of_ports)
    port_status.reserve(tx, reserved)
    of_floatingips = [(id_, one.id, one.revision, one.status) for id_, _, one in said if one.kind == "floatingip"]
    if of_floatingips:
        floatingip.store_status(tx.connection, of_floatingips)


def _serving(beat: rpc.Beat) -> Iterator[rpc.Applied]:
    """Networks of which a DHCP agent has something in force."""
    if beat.agent_type == kinds.DHCP_AGENT:
        for one in beat.applied:
            if one.position > 0 and scope.split(one.scope)[0] == "network":
                yield one
