"""A complete agent of a kind that the server has never heard of: prints the ports of a network as they change.

Run: python print_agent.py --config-file /etc/netsched/netsched.conf NETWORK_ID
"""

from __future__ import annotations

import pathlib
import socket
import sys

from oslo_config import cfg

from netsched import clock
from netsched.agents.base.agent import Agent
from netsched.agents.base.driver import Content, Driver
from netsched.agents.base.heartbeat import Identity
from netsched.agents.base.process import AgentProcess
from netsched.agents.base.store import DirectoryStore
from netsched.cmd import start
from netsched.rpc import connect
from netsched.rpc.agent import Capabilities, Interest, ToServer


class PrintDriver(Driver):
    """The agents.base.driver.Driver of this kind. What it makes real is a line on the screen."""

    def __init__(self) -> None:
        self._printed: dict[str, Content] = {}

    def apply(self, scope: str, wanted: Content | None) -> None:
        if wanted is None:
            self._printed.pop(scope, None)
            print(scope, "is not ours any more", flush=True)
            return
        self._printed[scope] = wanted
        macs = sorted(port["mac_address"] for port in wanted.get("port", {}).values())
        print(scope, "has the ports", *macs, flush=True)

    def actual(self) -> set[str]:
        return set(self._printed)

    def check(self, scope: str, wanted: Content | None) -> bool:
        return self._printed.get(scope) == wanted


def main() -> int:
    watch = cfg.StrOpt("watch", positional=True, required=True, help="Id of the network.")
    conf = start.configure("print-agent", "Print the ports of a network.", cli=[watch])
    me = Identity(
        agent_type="Print agent",
        host=socket.gethostname(),
        binary="print-agent",
        address=f"print_agent.{socket.gethostname()}",
        capabilities=Capabilities(interests=[Interest(type="port", network=conf.watch)]),
    )
    transport, clock_ = connect.agent(conf.messaging.transport, conf), clock.SystemClock()
    store = DirectoryStore(pathlib.Path("/tmp/print-agent"))
    agent = Agent(me, PrintDriver(), ToServer(transport), store, clock_)
    AgentProcess(transport, me.address, [agent]).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
