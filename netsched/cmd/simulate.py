"""netsched-simulate: many agents in one process that do nothing but talk, to size servers, database and broker."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Sequence

from oslo_config import cfg

from netsched import clock, errors
from netsched.agents.simulate import Simulation, SimulationSettings
from netsched.cmd import start
from netsched.rpc import connect

ABOUT = """Run simulated agents against a real server. Example:
  netsched-simulate --config-file /etc/netsched/netsched.conf --l2 1000 --l3 10 --dhcp 10 --duration 60"""
CLI = [
    cfg.IntOpt("dhcp", dest="dhcp_agents", default=10, min=0, help="DHCP agents."),
    cfg.IntOpt("l3", dest="l3_agents", default=0, min=0, help="L3 agents."),
    cfg.IntOpt("l2", dest="l2_agents", default=0, min=0, help="L2 agents."),
    cfg.IntOpt("duration", min=1, help="Seconds to run; until Ctrl-C by default."),
    cfg.IntOpt("threads", default=4, min=1, help="Threads that serve all agents."),
    cfg.FloatOpt("ramp", default=10.0, min=0.0, help="Seconds over which the agents appear."),
    cfg.StrOpt("prefix", default="sim", help="Hosts are called PREFIX-NUMBER; kinds share them."),
    cfg.BoolOpt("json", default=False, help="Each second's line as JSON, with every beat's answer time in seconds."),
    cfg.ListOpt("zones", default=["nova"], help="Availability zones of the agents, in turn."),
]


def main(argv: Sequence[str] | None = None) -> int:
    conf = start.configure("netsched-simulate", ABOUT, argv, CLI)
    stopping = start.stop_signal()
    counts = {"dhcp": conf.dhcp_agents, "l3": conf.l3_agents, "l2": conf.l2_agents}
    settings = SimulationSettings(
        address=f"simulate.{socket.gethostname()}.{os.getpid()}",
        counts={kind: count for kind, count in counts.items() if count},
        prefix=conf.prefix,
        zones=tuple(conf.zones),
        capacity=conf.agent.capacity,
        physical=dict(conf.linux_bridge.physical_interface_mappings),
        mtu=conf.network.underlay_mtu,
        threads=conf.threads,
        ramp=conf.ramp,
    )
    try:
        transport = connect.agent(conf.messaging.transport, conf)
        simulation = Simulation(transport, clock.SystemClock(), settings)
        simulation.start()
    except errors.NetschedError as error:
        return start.die(str(error))
    began = time.monotonic()
    show = record if conf.json else line
    while not stopping.wait(1.0) and (conf.duration is None or time.monotonic() - began < conf.duration):
        print(show(simulation, time.monotonic() - began), flush=True)
    print(show(simulation, time.monotonic() - began), flush=True)
    simulation.stop()
    transport.close()
    return 0


def line(simulation: Simulation, elapsed: float) -> str:
    """What happened since the start, in one line."""
    counts = simulation.counts
    times = sorted(counts.answer_times) or [0.0]
    median, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    return (
        f"{elapsed:6.0f} s  {len(simulation.agents)} agents  beats {counts.sent} sent, {counts.answered} answered"
        f" (median {median * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms), {counts.failed} failed  pulls {counts.pulls}"
        f"  notices {counts.notices}  scopes held {simulation.held()}"
    )


def record(simulation: Simulation, elapsed: float) -> str:
    """The same for programs. Counts since the start; answer times since the last record."""
    counts = simulation.counts
    times = [counts.answer_times.popleft() for _ in range(len(counts.answer_times))]
    said = {"elapsed": elapsed, "agents": len(simulation.agents), "sent": counts.sent, "answered": counts.answered}
    said |= {"failed": counts.failed, "pulls": counts.pulls, "notices": counts.notices, "held": simulation.held()}
    return json.dumps({**said, "answer_times": [round(seconds, 4) for seconds in times]})


if __name__ == "__main__":
    sys.exit(main())
