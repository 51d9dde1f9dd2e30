"""Puts a DHCP agent together: its kind, what it offers, its driver, its directory."""

from __future__ import annotations

from dataclasses import dataclass

from netsched import clock
from netsched.agents.base import settings as base
from netsched.agents.base.driver import Driver
from netsched.agents.base.heartbeat import Identity
from netsched.agents.base.noop import NoopDriver
from netsched.agents.base.process import AgentProcess
from netsched.agents.dhcp import compute
from netsched.model import kinds
from netsched.rpc import transport
from netsched.rpc.agent import Capabilities

AGENT_TYPE = kinds.DHCP_AGENT
BINARY = "netsched-dhcp-agent"
WANTED = "wanted"  # below the state directory: the copy of what is wanted


@dataclass(frozen=True)
class DhcpAgentSettings(base.KindSettings):
    """`capacity` is of networks. `mtu`, of the underlay, is only compared with the server's."""

    mtu: int = 1500
    dhcp: compute.Settings = compute.Settings()


def identity(settings: DhcpAgentSettings, address: str | None = None) -> Identity:
    """`address`: where the agent is told; its own by default."""
    return Identity(
        agent_type=AGENT_TYPE,
        host=settings.host,
        binary=BINARY,
        address=address or f"dhcp_agent.{settings.host}",
        zone=settings.zone,
        capabilities=Capabilities(
            hosts=["network"],
            resources=settings.offer("network"),
            mode=settings.mode,
        ),
        configurations={
            "dhcp_driver": settings.driver,
            "dhcp_lease_duration": settings.dhcp.lease_time,
            "dns_domain": settings.dhcp.dns_domain,
            "dnsmasq_dns_servers": list(settings.dhcp.dns_servers),
        },
        settings={
            "mtu": settings.mtu,
            "dns_domain": settings.dhcp.dns_domain,
            "lease_time": settings.dhcp.lease_time,
        },
    )


def build(settings: DhcpAgentSettings, transport_: transport.Transport, clock_: clock.Clock) -> AgentProcess:
    """Ready to start. Raises Unavailable or OSError for a state directory that cannot work."""
    wanted = settings.state_dir / WANTED
    return base.process(identity(settings), driver(settings, clock_), wanted, transport_, clock_, settings.agent)


def driver(settings: DhcpAgentSettings, clock_: clock.Clock) -> Driver:
    if settings.driver == "noop":
        return NoopDriver()
    # Imported late: the noop driver is for machines on which pyroute2 may not even load.
    from netsched.agents.dhcp.driver import DhcpDriver

    return DhcpDriver(settings.host, settings.state_dir, settings.dhcp, clock_)
