"""Can a port be plugged on a host, and how? Decided by what is known of the host's L2 agent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from netsched.model import kinds, liveness

UNBOUND, BRIDGE, FAILED = "unbound", "bridge", "binding_failed"
PLUGGABLE = ("normal",)  # VNIC types that a bridge has a place for


@dataclass(frozen=True)
class L2Agent:
    """An L2 agent as far as binding depends on it. `reaches`: segments, in the words of segment.py."""

    state: liveness.State
    admin_state_up: bool
    reaches: tuple[str, ...] = ()
    tunnel_ip: str | None = None


@dataclass(frozen=True)
class Plug:
    """binding:vif_type and binding:vif_details of a port."""

    vif_type: str = UNBOUND
    details: dict[str, Any] = field(default_factory=dict)


def decide(host: str, vnic_type: str, segment: str | None, agent: L2Agent | None) -> Plug:
    """How a port of this VNIC type is plugged on `host` ("": nowhere). `segment` is its network's (None: has none)."""
    if not host:
        return Plug()
    reason = _obstacle(host, vnic_type, segment, agent)
    if reason is not None or agent is None:
        return Plug(FAILED, {"reason": reason})
    return Plug(BRIDGE, details(agent.tunnel_ip))


def details(tunnel_ip: str | None) -> dict[str, Any]:
    """binding:vif_details of a port on a bridge."""
    return {"connectivity": "l2", "port_filter": True, "tunnel_ip": tunnel_ip}


def no_agent(host: str) -> str:
    return f"There is no {kinds.L2_AGENT} on host {host}."


def _obstacle(host: str, vnic_type: str, segment: str | None, agent: L2Agent | None) -> str | None:
    if vnic_type not in PLUGGABLE:
        return f"A bridge has no place for a port with binding:vnic_type {vnic_type}."
    if agent is None:
        return no_agent(host)
    if not agent.admin_state_up:
        return f"The {kinds.L2_AGENT} on host {host} is disabled."
    if agent.state is liveness.State.DEAD:
        return f"The {kinds.L2_AGENT} on host {host} is dead."
    if segment is None:
        return "The network has no segment."
    if segment not in agent.reaches:
        return f"The {kinds.L2_AGENT} on host {host} does not reach {segment}."
    return None
