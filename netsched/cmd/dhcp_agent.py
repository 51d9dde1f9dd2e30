"""netsched-dhcp-agent: serve addresses on this host."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import sys
from collections.abc import Sequence

from netsched import clock, errors
from netsched.agents.base.agent import AgentSettings
from netsched.agents.dhcp import compute
from netsched.agents.dhcp import main as dhcp
from netsched.cmd import start
from netsched.rpc import connect

ABOUT = """Serve DHCP for the networks that the scheduler gives to this host. Example:
  netsched-dhcp-agent --config-file /etc/netsched/netsched.conf"""


def main(argv: Sequence[str] | None = None) -> int:
    conf = start.configure("netsched-dhcp-agent", ABOUT, argv)
    if problem := unfit(conf):
        return start.die(problem)
    try:
        agent = dhcp.build(settings_from(conf), connect.agent(conf.messaging.transport, conf), clock.SystemClock())
    except errors.NetschedError as error:
        return start.die(str(error))
    except OSError as error:
        return start.die(f"[agent] state_dir = {conf.agent.state_dir}: {error.strerror}. Name another directory.")
    agent.run()
    return 0


def unfit(conf: start.Conf) -> str | None:
    """Why this host cannot serve, None if it can: said here, before the scheduler gives it anything."""
    if conf.agent.driver == "noop":
        return None
    if os.geteuid() != 0:
        return "the agent makes network namespaces: run it as root, or with [agent] driver = noop, which serves nothing"
    if shutil.which("dnsmasq") is None:
        return "there is no dnsmasq on this host. On Debian and Ubuntu: apt-get install dnsmasq-base"
    return None


def settings_from(conf: start.Conf) -> dhcp.DhcpAgentSettings:
    return dhcp.DhcpAgentSettings(
        host=conf.agent.host or socket.gethostname(),
        state_dir=pathlib.Path(conf.agent.state_dir),
        zone=conf.agent.zone,
        driver=conf.agent.driver,
        capacity=conf.agent.capacity,
        mode=conf.agent.mode,
        mtu=conf.network.mtu,
        dhcp=compute.Settings(
            dns_domain=conf.network.dns_domain,
            dns_servers=tuple(conf.dhcp.dnsmasq_dns_servers),
            lease_time=conf.dhcp.lease_time,
        ),
        agent=AgentSettings(
            workers=conf.agent.workers,
            serve_when_admin_down=conf.agent.enable_services_on_agents_with_admin_state_down,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
