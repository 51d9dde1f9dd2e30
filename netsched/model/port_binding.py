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


def decide(host: str, vnic_type: str, segment: str | None, agent: L2Agent | None, there: Plug | None = None) -> Plug:
    """How a port of this VNIC type is plugged on `host` ("": nowhere). `segment` is its network's (None: has none).

    `there`: how it is plugged on this very host by now, if on a bridge. There it stays while the agent is away: nothing
    on the host has changed by that.
    """
    if not host:
        return Plug()
    if vnic_type not in PLUGGABLE:
        return _failed(f"A bridge has no place for a port with binding:vnic_type {vnic_type}.")
    if agent is None:
        return there or _failed(no_agent(host))
    if away := _away(host, agent):
        return there or _failed(away)
    if segment is None:
        return _failed("The network has no segment.")
    if segment not in agent.reaches:
        return _failed(f"The {kinds.L2_AGENT} on host {host} does not reach {segment}.")
    return Plug(BRIDGE, details(agent.tunnel_ip))


def details(tunnel_ip: str | None) -> dict[str, Any]:
    """binding:vif_details of a port on a bridge."""
    return {"connectivity": "l2", "port_filter": True, "tunnel_ip": tunnel_ip}


def no_agent(host: str) -> str:
    return f"There is no {kinds.L2_AGENT} on host {host}."


def _away(host: str, agent: L2Agent) -> str | None:
    """Why it would not plug a port now."""
    if not agent.admin_state_up:
        return f"The {kinds.L2_AGENT} on host {host} is disabled."
    if agent.state is liveness.State.DEAD:
        return f"The {kinds.L2_AGENT} on host {host} is dead."
    return None


def _failed(reason: str) -> Plug:
    return Plug(FAILED, {"reason": reason})
