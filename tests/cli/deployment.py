"""A server of its own on a free loopback port, its workers run by hand, its agents nothing but heartbeats."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from oslo_config import cfg

from netsched.cli import shell
from netsched.clock import SystemClock
from netsched.db import schema, segment
from netsched.db.session import Database
from netsched.rpc import agent as rpc
from netsched.rpc.direct import DirectTransport
from netsched.server import concurrency, configuration, wiring
from netsched.server.api.hooks import Authenticator, NoAuth
from netsched.server.policies.enforcer import Policy
from netsched.server.services.heartbeat import agent_id


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


class Deployment:
    def __init__(self, directory: Path, authenticator: Authenticator | None = None, **settings: Any) -> None:
        database = Database(f"sqlite:///{directory}/netsched.sqlite")
        schema.upgrade(database)
        conf = cfg.ConfigOpts()
        conf([], project="netsched", default_config_files=[])
        self._transport = DirectTransport()
        wired = (configuration.Settings(**settings), database, self._transport, Policy(conf), SystemClock())
        self.server = wiring.Server(*wired, authenticator=authenticator or NoAuth())
        segment.configure(database, self.server.settings.provider)
        sock = concurrency.listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        self._http = concurrency.serve_http(concurrency.THREADING, self.server.application, sock, 2)

    def stop(self) -> None:
        self._http.stop(10.0)
        self.server.database.dispose()

    def agent(self, host: str, agent_type: str = "DHCP agent", proved: bool = True, **fields: Any) -> str:
        """An agent appears; with `proved` it is alive and not just starting. Returns its id."""
        answers: list[rpc.BeatAnswer] = []
        serving = self._transport.serve(host, rpc.agent_handler(answers.append, lambda to, notices: None))
        able = rpc.Capabilities(hosts=["network"])
        values = {"agent_type": agent_type, "binary": "agent", "address": host, "capabilities": able, **fields}
        for sequence in range(2 if proved else 1):
            echo = answers[-1].time if answers else None
            self.server.heartbeats.receive(rpc.Beat(host=host, sequence=sequence, echo=echo, **values))
            self.server.heartbeats.write_batch()
        serving.stop()
        return agent_id(agent_type, host)

    def schedule(self) -> int:
        return self.server.scheduling.run_once()

    def run(self, *argv: str) -> Result:
        """One command, in this process, as the console script runs it."""
        return run("--os-endpoint", self.url, *argv)


def run(*argv: str) -> Result:
    out, err = io.StringIO(), io.StringIO()
    root = logging.getLogger()
    before = list(root.handlers), root.level
    try:
        # argparse knows only the process's own stderr
        with contextlib.redirect_stderr(err):
            code = shell.main(list(argv), stdout=out, stderr=err)
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        # cliff sets logging up for each command, since its process ends with the command
        root.handlers, root.level = before
    return Result(code, out.getvalue(), err.getvalue())


def environment(**variables: str) -> dict[str, str]:
    """For a child process: nothing of the caller's clouds."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return {**clean, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **variables}
