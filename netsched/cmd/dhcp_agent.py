"""netsched-dhcp-agent: serve addresses on this host."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from netsched import clock
from netsched.agents.base.process import AgentProcess
from netsched.agents.dhcp import compute
from netsched.agents.dhcp import main as dhcp
from netsched.cmd import agent, start
from netsched.rpc import transport

ABOUT = """Serve DHCP for the networks that the scheduler gives to this host. Example:
  netsched-dhcp-agent --config-file /etc/netsched/netsched.conf"""


def main(argv: Sequence[str] | None = None) -> int:
    return agent.run(agent.Program(dhcp.BINARY, ABOUT, build, needs={"dnsmasq": "dnsmasq-base"}), argv)


def build(conf: start.Conf, transport_: transport.Transport, clock_: clock.Clock) -> AgentProcess:
    return dhcp.build(settings_from(conf), transport_, clock_)


def settings_from(conf: start.Conf) -> dhcp.DhcpAgentSettings:
    return dhcp.DhcpAgentSettings(
        **agent.settings_from(conf, conf.dhcp.on_lease_lost),
        mtu=conf.network.underlay_mtu,
        dhcp=compute.Settings(
            dns_domain=conf.network.dns_domain,
            dns_servers=tuple(conf.dhcp.dnsmasq_dns_servers),
            lease_time=conf.dhcp.lease_time,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
