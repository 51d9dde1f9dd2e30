"""Puts an L3 agent together: its kind, what it offers, its driver, its directory."""

from __future__ import annotations

from dataclasses import dataclass

from netsched import clock
from netsched.agents.base import settings as base
from netsched.agents.base.driver import Content, Driver, States
from netsched.agents.base.heartbeat import Identity
from netsched.agents.base.noop import NoopDriver
from netsched.agents.base.process import AgentProcess
from netsched.agents.l3 import compute
from netsched.model import kinds
from netsched.rpc import transport
from netsched.rpc.agent import Capabilities

AGENT_TYPE = kinds.L3_AGENT
BINARY = "netsched-l3-agent"
WANTED = "wanted-l3"  # below the state directory: the copy of what is wanted


@dataclass(frozen=True)
class L3AgentSettings(base.KindSettings):
    """`capacity` is of routers. `mtu`, of the underlay, is only compared with the server's.

    `reaches`: the words of model/segment.py for networks that this host can be joined to, so that the scheduler gives
    it no router whose external network is elsewhere.
    """

    mtu: int = 1500
    reaches: tuple[str, ...] = ()


def identity(settings: L3AgentSettings, address: str | None = None) -> Identity:
    """`address`: where the agent is told; its own by default."""
    return Identity(
        agent_type=AGENT_TYPE,
        host=settings.host,
        binary=BINARY,
        address=address or f"l3_agent.{settings.host}",
        zone=settings.zone,
        capabilities=Capabilities(
            hosts=["router"],
            resources=settings.offer("router"),
            mode=settings.mode,
            reaches=list(settings.reaches),
        ),
        configurations={"l3_driver": settings.driver, "agent_mode": "legacy", "reaches": list(settings.reaches)},
        settings={"mtu": settings.mtu},
    )


def noop_states(content: Content) -> States:
    """For NoopDriver: every floating IP of a router that is up is in force."""
    up = any(router["admin_state_up"] for router in content.get("router", {}).values())
    status = compute.ACTIVE if up else compute.DOWN
    return {("floatingip", id_): status for id_ in content.get("floatingip", {})}


def build(settings: L3AgentSettings, transport_: transport.Transport, clock_: clock.Clock) -> AgentProcess:
    """Ready to start. Raises Unavailable or OSError for a host or a state directory that cannot work."""
    me = identity(settings)
    return base.process(me, driver(settings, clock_), settings.state_dir / WANTED, transport_, clock_, settings.agent)


def driver(settings: L3AgentSettings, clock_: clock.Clock) -> Driver:
    if settings.driver == "noop":
        return NoopDriver(noop_states)
    # Imported late: the noop driver is for machines on which pyroute2 may not even load.
    from netsched.agents.l3.driver import L3Driver

    return L3Driver(settings.host, settings.state_dir, clock_)
