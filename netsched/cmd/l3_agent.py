"""netsched-l3-agent: serve routers on this host."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from netsched import clock
from netsched.agents.base.process import AgentProcess
from netsched.agents.l2 import main as l2
from netsched.agents.l3 import main as l3
from netsched.cmd import agent, l2_agent, start
from netsched.rpc import transport

ABOUT = """Serve the routers that the scheduler gives to this host, with NAT and floating IPs. Example:
  netsched-l3-agent --config-file /etc/netsched/netsched.conf"""


def main(argv: Sequence[str] | None = None) -> int:
    needs = {"nft": "nftables python3-nftables", "radvd": "radvd"}
    return agent.run(agent.Program(l3.BINARY, ABOUT, build, needs=needs), argv)


def build(conf: start.Conf, transport_: transport.Transport, clock_: clock.Clock) -> AgentProcess:
    return l3.build(settings_from(conf), transport_, clock_)


def settings_from(conf: start.Conf) -> l3.L3AgentSettings:
    """A router's external network is joined to this host by its L2 agent, so both reach the same."""
    able = l2.abilities(l2_agent.settings_from(conf))
    shared = agent.settings_from(conf, conf.l3.on_lease_lost)
    return l3.L3AgentSettings(**shared, mtu=conf.network.underlay_mtu, reaches=able.reaches)


if __name__ == "__main__":
    sys.exit(main())
