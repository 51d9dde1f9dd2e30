"""Puts an L2 agent together: its kind, what this host reaches, its driver, its directory."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from netsched import clock
from netsched.agents.base import settings as base
from netsched.agents.base.driver import Content, Driver, States
from netsched.agents.base.heartbeat import Identity
from netsched.agents.base.noop import NoopDriver
from netsched.agents.base.process import AgentProcess
from netsched.agents.l2 import compute
from netsched.model import kinds, segment
from netsched.rpc import transport
from netsched.rpc.agent import Capabilities

LOG = logging.getLogger(__name__)

AGENT_TYPE = kinds.L2_AGENT
BINARY = "netsched-l2-agent"
WANTED = "wanted-l2"  # below the state directory: the copy of what is wanted


@dataclass(frozen=True)
class L2AgentSettings(base.KindSettings):
    """`mtu` is that of the underlay and, like `vxlan_port`, compared with the server's.

    `interfaces`: physical network -> interface of this host. `local_ip`: its address on the underlay.
    """

    mtu: int = 1500
    local_ip: str | None = None
    vxlan_port: int = 4789
    interfaces: Mapping[str, str] = field(default_factory=dict)

    @property
    def wiring(self) -> compute.Settings:
        local_ip = self.local_ip
        with contextlib.suppress(ValueError):  # which `abilities` explains
            local_ip = local_ip and str(ipaddress.ip_address(local_ip))  # as the kernel will show it
        return compute.Settings(self.host, local_ip, self.vxlan_port, self.interfaces)


@dataclass(frozen=True)
class Abilities:
    """What this host reaches, in the words of model/segment.py. `problems`: why not what else it is configured for."""

    reaches: tuple[str, ...]
    problems: Mapping[str, str] = field(default_factory=dict)


def configured(settings: L2AgentSettings) -> Abilities:
    """All that it is configured for, as a driver that does nothing can say."""
    words = [segment.word(type_, name) for name in settings.interfaces for type_ in (segment.FLAT, segment.VLAN)]
    return Abilities((segment.VXLAN, *sorted(words)))


def identity(settings: L2AgentSettings, address: str | None = None, able: Abilities | None = None) -> Identity:
    """`address`: where the agent is told; its own by default. `able`: by default all that it is configured for."""
    able = able or configured(settings)
    return Identity(
        agent_type=AGENT_TYPE,
        host=settings.host,
        binary=BINARY,
        address=address or f"l2_agent.{settings.host}",
        zone=settings.zone,
        capabilities=Capabilities(reaches=list(able.reaches)),
        configurations={
            "l2_driver": settings.driver,
            "tunneling_ip": settings.wiring.local_ip,
            "tunnel_types": [word for word in able.reaches if word == segment.VXLAN],
            "interface_mappings": dict(settings.interfaces),
            "vxlan_port": settings.vxlan_port,
            "problems": dict(able.problems),
        },
        settings={"mtu": settings.mtu, "vxlan_port": settings.vxlan_port},
    )


def noop_states(host: str) -> Callable[[Content], States]:
    """For NoopDriver: every port bound to this host is ACTIVE."""

    def states(content: Content) -> States:
        return {
            ("port", port["id"]): "ACTIVE"
            for port in content.get("port", {}).values()
            if port.get("binding:host_id") == host and port.get("binding:vif_type") == compute.BRIDGED
        }

    return states


def build(settings: L2AgentSettings, transport_: transport.Transport, clock_: clock.Clock) -> AgentProcess:
    """Ready to start. Raises Unavailable or OSError for a host or a state directory that cannot work."""
    able = abilities(settings)
    for word, problem in able.problems.items():
        LOG.warning("this host does not serve %s: %s", word, problem)
    me = identity(settings, able=able)
    return base.process(me, driver(settings, clock_), settings.state_dir / WANTED, transport_, clock_, settings.agent)


# Imported late in both: the noop driver is for machines on which pyroute2 may not even load.


def abilities(settings: L2AgentSettings) -> Abilities:
    """What this host really can, by trying. Raises Unavailable."""
    if settings.driver == "noop":
        return configured(settings)
    from netsched.agents.l2.ability import problems

    found = problems(settings.wiring)
    return Abilities(
        reaches=tuple(word for word, problem in found.items() if problem is None),
        problems={word: problem for word, problem in found.items() if problem is not None},
    )


def driver(settings: L2AgentSettings, clock_: clock.Clock) -> Driver:
    if settings.driver == "noop":
        return NoopDriver(noop_states(settings.host))
    from netsched.agents.l2.driver import L2Driver

    return L2Driver(settings.wiring, clock_)
