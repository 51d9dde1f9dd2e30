"""The processes of a run: broker, database, proxy, two servers, ten nodes with three agents each.

Each is started by a thread that lives as long as the run: the kernel ends a process together with the thread that
started it (setpriv --pdeathsig), so nothing outlives a run that is itself killed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from netsched.conf import quotas
from tests.chaos.proxy import Proxy
from tests.chaos.times import now
from tests.servers import MariaDB, PostgreSQL, RabbitMQ, Server, free_port

ROOT = pathlib.Path(__file__).parents[2]
ZONES = {"z0": 4, "z1": 3, "z2": 3}  # nodes in each
CAPACITY = 24  # networks of a DHCP agent, routers of an L3 agent
# The heartbeat is a tenth of the usual one here, so clients of the broker come back in a tenth of the usual time.
RECONNECT = "[oslo_messaging_rabbit]\nrabbit_interval_max = 1\nrabbit_retry_backoff = 1\nkombu_reconnect_delay = 0.1\n"
REPLICAS = 2  # DHCP agents of a network
UNBIND_HOLD = 4.0  # s
PLENTY = 1_000_000  # objects of each kind: never too many, and asked for with each creation
START_LIMIT = 120.0
SPOILED = "NETSCHED_CHAOS_BREAK"  # the environment variable that tells a process to spoil itself; see breaks.py
FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"
DATABASES: dict[str, type[PostgreSQL] | type[MariaDB]] = {"postgresql": PostgreSQL, "mariadb": MariaDB}


class Program:
    """A process of ours that can be killed, stopped, and started again with another clock."""

    def __init__(self, name: str, command: list[str], directory: pathlib.Path, spoiled: str) -> None:
        self.name = name
        self._command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", *command]
        self._log = directory / f"{name}.log"
        self._environment = {**os.environ, SPOILED: spoiled, "PYTHONDONTWRITEBYTECODE": "1"}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, offset: str | None = None) -> None:
        """`offset`: how far its clock is off, as libfaketime says it: "+1h"."""
        environment = dict(self._environment)
        if offset:
            library = next(iter(sorted(pathlib.Path("/").glob(FAKETIME.lstrip("/")))), None)
            assert library, "libfaketime is missing: tools/setup.sh test installs it"
            # The wall clock alone: no clock that counts elapsed time goes wrong on a machine that runs.
            environment |= {"LD_PRELOAD": str(library), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for the run, which then ends them
            )

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def check(self) -> None:
        """It ends only by our hand."""
        ended = self.process.poll() if self.process is not None else None
        assert ended in (None, -signal.SIGKILL), f"{self.name} ended by itself with {ended}; see {self._log}"


class Stage:
    """`with Stage(...)`: everything runs and every agent is alive; after it nothing does."""

    def __init__(self, directory: pathlib.Path, database: str, spoiled: str = "") -> None:
        self.directory = directory
        self.database: PostgreSQL | MariaDB = DATABASES[database](durable=True)
        self.broker = RabbitMQ()
        self._spoiled = spoiled
        self._closing = contextlib.ExitStack()
        self.nodes: list[Program] = []
        self.servers: list[Program] = []
        self.zone_of: dict[str, str] = {}
        self.api_ports = [free_port(), free_port()]
        self.proxy: Proxy
        self.url = ""  # of the database, not by the proxy
        self.vhost = ""

    def __enter__(self) -> Stage:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for program in (*self.servers, *self.nodes):
            with contextlib.suppress(OSError, AssertionError):
                program.kill()
        # Its directory goes with it, and what it says of its queues may be what explains a run.
        shutil.copytree(self.broker.directory / "log", self.directory / "broker", dirs_exist_ok=True)
        self._closing.close()

    def _start(self) -> None:
        self._closing.enter_context(self.database)
        self._closing.enter_context(self.broker)
        self.url = self.database.url()
        transport = self.broker.transport_url()
        self.vhost = transport.rsplit("/", 1)[1]
        self.proxy = Proxy({"database": self.database.port, "broker": self.broker.port})
        self._closing.callback(self.proxy.close)
        config = self.directory / "netsched.conf"
        url = self.url.replace(f":{self.database.port}/", f":{self.proxy.ports['database']}/")
        broker = transport.replace(f":{self.broker.port}/", f":{self.proxy.ports['broker']}/")
        config.write_text(
            f"[database]\nconnection = {url}\npool_size = 10\n[messaging]\ntransport = {broker}\n"
            "[heartbeat]\ninterval = 1\nwrite_delay = 0.1\n"
            f"{RECONNECT}[scheduler]\ndhcp_agents_per_network = {REPLICAS}\nunbind_hold = {UNBIND_HOLD}\n"
            "[quotas]\n" + "".join(f"quota_{name} = {PLENTY}\n" for name in quotas.DEFAULTS)
        )
        upgrade = [sys.executable, "-m", "netsched.cmd.manage", f"--config-file={config}", "db", "upgrade"]
        subprocess.run(upgrade, check=True, cwd=ROOT, timeout=START_LIMIT, capture_output=True)
        for number, port in enumerate(self.api_ports):
            own = self.directory / f"s{number}.conf"
            own.write_text(config.read_text() + f"[api]\nbind_port = {port}\n[server]\nhost = s{number}\n")
            self._add(self.servers, f"s{number}", ["tests.chaos.server", f"--config-file={own}"])
        for zone, count in ZONES.items():
            for _ in range(count):
                self._add_node(f"n{len(self.nodes)}", zone, broker)
        for program in (*self.servers, *self.nodes):
            program.start()
        for number in range(len(self.servers)):
            self.wait(f"server {number} answers", lambda number=number: self.answers(number))  # type: ignore[misc]

    def _add(self, to: list[Program], name: str, command: list[str]) -> None:
        to.append(Program(name, command, self.directory, self._spoiled))

    def _add_node(self, name: str, zone: str, broker: str) -> None:
        config = self.directory / f"{name}.conf"
        state = self.directory / name
        state.mkdir()
        config.write_text(
            f"[messaging]\ntransport = {broker}\n{RECONNECT}"
            f"[agent]\nhost = {name}\nzone = {zone}\nstate_dir = {state}\ncapacity = {CAPACITY}\n"
        )
        self._add(self.nodes, name, ["tests.chaos.node", f"--config-file={config}"])
        self.zone_of[name] = zone

    def in_zone(self, number: int) -> list[Program]:
        zone = list(ZONES)[number]
        return [node for node in self.nodes if self.zone_of[node.name] == zone]

    def answers(self, number: int) -> bool:
        """Does this server's API answer with what is in the database?"""
        connection = http.client.HTTPConnection("127.0.0.1", self.api_ports[number], timeout=5)
        try:
            connection.request("GET", "/v2.0/agents?fields=id")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait(self, what: str, condition: Callable[[], bool], limit: float = START_LIMIT) -> float:
        began = now()
        while not condition():
            assert now() - began < limit, f"{what}: not within {limit:g} s"
            time.sleep(0.1)
        return now() - began


def tree(server: Server) -> list[int]:
    """The pids of a server of tests/servers.py, children first: PostgreSQL and the broker have many."""
    assert server.pid is not None
    found = [server.pid]
    for pid in found:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        with contextlib.suppress(OSError):
            found += [int(child) for child in children.read_text().split()]
    return found[::-1]


def signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
