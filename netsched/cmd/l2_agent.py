"""netsched-l2-agent: join the ports of this host to their networks."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from netsched import clock
from netsched.agents.base.process import AgentProcess
from netsched.agents.l2 import main as l2
from netsched.cmd import agent, start
from netsched.rpc import transport

ABOUT = """Wire the taps of this host's ports into their networks, over VXLAN, VLAN or flat. Example:
  netsched-l2-agent --config-file /etc/netsched/netsched.conf"""


def main(argv: Sequence[str] | None = None) -> int:
    return agent.run(agent.Program(l2.BINARY, ABOUT, build, needs={"nft": "nftables python3-nftables"}), argv)


def build(conf: start.Conf, transport_: transport.Transport, clock_: clock.Clock) -> AgentProcess:
    return l2.build(settings_from(conf), transport_, clock_)


def settings_from(conf: start.Conf) -> l2.L2AgentSettings:
    return l2.L2AgentSettings(
        **agent.settings_from(conf, conf.linux_bridge.on_lease_lost),
        mtu=conf.network.underlay_mtu,
        local_ip=conf.linux_bridge.local_ip,
        vxlan_port=conf.linux_bridge.vxlan_port,
        interfaces=dict(conf.linux_bridge.physical_interface_mappings),
    )


if __name__ == "__main__":
    sys.exit(main())
