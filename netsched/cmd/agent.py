"""What the programs of all kinds of agents do: configuration, a look at whether this host will do, and the run."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netsched import clock, errors
from netsched.agents.base.agent import AgentSettings
from netsched.agents.base.process import AgentProcess
from netsched.cmd import start
from netsched.rpc import connect, transport


@dataclass(frozen=True)
class Program:
    """One kind's program. `needs`: executables that it starts -> the Debian packages that have them.

    `fault`: why this host or this configuration will not do, beyond that; a sentence, or None.
    """

    name: str
    about: str
    build: Callable[[start.Conf, transport.Transport, clock.Clock], AgentProcess]
    needs: Mapping[str, str] = field(default_factory=dict)
    fault: Callable[[start.Conf], str | None] = lambda conf: None


def run(program: Program, argv: Sequence[str] | None = None) -> int:
    conf = start.configure(program.name, program.about, argv)
    if problem := unfit(program, conf):
        return start.die(problem)
    try:
        process = program.build(conf, connect.agent(conf.messaging.transport, conf), clock.SystemClock())
    except errors.NetschedError as error:
        return start.die(str(error))
    except OSError as error:
        return start.die(f"[agent] state_dir = {conf.agent.state_dir}: {error.strerror}. Name another directory.")
    process.run()
    return 0


def unfit(program: Program, conf: start.Conf) -> str | None:
    """Why this host cannot serve, None if it can: said here, before the scheduler gives it anything."""
    if problem := program.fault(conf):
        return problem
    if conf.agent.driver == "noop":
        return None
    if os.geteuid() != 0:
        return "the agent changes the network: run it as root, or with [agent] driver = noop, which serves nothing"
    for executable, package in program.needs.items():
        if shutil.which(executable) is None:
            return f"there is no {executable} on this host. On Debian and Ubuntu: apt-get install {package}"
    return None


def settings_from(conf: start.Conf, on_lease_lost: str) -> dict[str, Any]:
    """[agent], as the keywords of agents.base.settings.KindSettings. `on_lease_lost` is the kind's own."""
    return {
        "host": conf.agent.host or socket.gethostname(),
        "state_dir": pathlib.Path(conf.agent.state_dir),
        "zone": conf.agent.zone,
        "driver": conf.agent.driver,
        "capacity": conf.agent.capacity,
        "mode": conf.agent.mode,
        "agent": AgentSettings(
            workers=conf.agent.workers,
            serve_when_admin_down=conf.agent.enable_services_on_agents_with_admin_state_down,
            on_lease_lost=on_lease_lost,
        ),
    }
