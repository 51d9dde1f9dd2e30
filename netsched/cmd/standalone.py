"""netsched standalone: a whole deployment on one machine. Server and SQLite in this process, each agent a child.

Messages go over a Unix socket, so there is neither a broker nor a database server. Children are started again when
they end; their dnsmasq processes outlive them either way.
"""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oslo_config import cfg

from netsched import errors
from netsched.cmd import start
from netsched.conf import opts
from netsched.db import schema
from netsched.db.session import Database
from netsched.server import concurrency, wiring

ABOUT = """A whole netsched on this machine: server, SQLite, and a DHCP, an L3 and an L2 agent.
Example: netsched standalone --data /tmp/try --bind 127.0.0.1:9697 --driver noop --agents 3"""
CLI = [
    cfg.StrOpt("data", help="Directory for the database, the socket and the agents' state; survives restarts."),
    cfg.StrOpt("bind", default="127.0.0.1:9696", help="Address and port of the API; loopback only."),
    cfg.IntOpt("agents", default=1, min=0, help="Hosts, each with an agent of each kind; more than 1 with noop only."),
    cfg.StrOpt("driver", choices=["linux", "noop"], help="noop: agents that need no privileges and do nothing."),
    cfg.StrOpt("local-ip", help="This machine's address on the underlay, if there are other hosts; loopback if not."),
    cfg.DictOpt(
        "physical",
        default={},
        help="The interface of each physical network, as in physnet1:eth1; it becomes a port of a bridge.",
    ),
]
KINDS = ("dhcp", "l3", "l2")
# What agents read of the server's own configuration; the rest of theirs is decided here.
HANDED_ON = ("dhcp", "l3", "linux_bridge", "network")
NOOP_PHYSICAL = {"physnet1": "eth1"}  # so that external networks can be tried; no such interface is touched
RESPAWN_AFTER = 3.0  # s
STOP_WITHIN = 10.0  # s

Prefix = Callable[[list[str]], list[str]]


def here(command: list[str]) -> list[str]:
    return command


@dataclass
class Child:
    """An agent process. `prefix` runs it elsewhere, such as on a private host."""

    host: str
    kind: str
    config: pathlib.Path
    prefix: Prefix = here
    process: subprocess.Popen[bytes] | None = None

    def start(self, log: pathlib.Path) -> None:
        command = [sys.executable, "-m", f"netsched.cmd.{self.kind}_agent", f"--config-file={self.config}"]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.prefix(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def terminate(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self, timeout: float) -> None:
        """Until it has ended, which a signal enforces after `timeout` seconds."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, timeout))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Standalone:
    """The deployment, for the command, the demo and the tests. `start` returns when the API answers."""

    def __init__(self, conf: start.Conf, data: pathlib.Path, host: str, port: int) -> None:
        """`conf` is overridden where standalone decides: database, transport. Raises NetschedError."""
        self.data = data
        # Passable for others, since dnsmasq reads its files as nobody; what is secret has a mode of its own.
        for directory, mode in ((data, 0o755), (data / "agents", 0o755), (data / "log", 0o750)):
            directory.mkdir(parents=True, exist_ok=True, mode=mode)
        (data / "netsched.db").touch(mode=0o600)
        start.log_to(conf, data / "log" / "server.log")
        conf.set_override("connection", f"sqlite:///{data}/netsched.db", group="database")
        conf.set_override("transport", f"unix://{data}/netsched.sock", group="messaging")
        database = Database(conf.database.connection)
        schema.upgrade(database)
        database.dispose()
        self._conf = conf
        self._sock = concurrency.listen(host, port)
        self.url = f"http://{host}:{self._sock.getsockname()[1]}"
        self._server = wiring.build(conf)
        self._listening: list[socket.socket] = []
        self._http: list[concurrency.HttpServer] = []
        self.children: dict[tuple[str, str], Child] = {}  # by host and kind

    def start(self) -> None:
        self._server.start()
        self.also_serve(self._sock)

    def also_serve(self, listening: socket.socket) -> None:
        """Serve the API there too: on a socket that listens in another network namespace."""
        self._listening.append(listening)
        self._serve(listening)

    def _serve(self, listening: socket.socket) -> None:
        """On a copy: the socket itself outlives a server that is stopped, and keeps callers waiting for the next."""
        threads, application = self._conf.server.threads, self._server.application
        self._http.append(concurrency.serve_http(concurrency.THREADING, application, listening.dup(), threads))

    def stop_server(self) -> None:
        """The server alone: agents go on, and look for it."""
        for http in self._http:
            http.stop(STOP_WITHIN)
        self._http.clear()
        self._server.stop()

    def start_server(self) -> None:
        """A new one, after `stop_server`."""
        self._server = wiring.build(self._conf)
        self._server.start()
        for listening in self._listening:
            self._serve(listening)

    def stop(self) -> None:
        for child in self.children.values():
            child.terminate()
        until = time.monotonic() + STOP_WITHIN
        for child in self.children.values():
            child.wait(until - time.monotonic())
        self.stop_server()
        for listening in self._listening:
            listening.close()

    def add_agent(
        self,
        host: str,
        driver: str,
        prefix: Prefix = here,
        kind: str = "dhcp",
        local_ip: str = "127.0.0.1",
        physical: Mapping[str, str] | None = None,
        more: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Child:
        """Start an agent of that kind ("dhcp", "l3", "l2") under that host name.

        `local_ip`: of the host, on the underlay. `physical`: its interface of each physical network. `more`: options
        of the agent, by group, over those of the server's configuration.
        """
        state = self.data / "agents" / host
        state.mkdir(parents=True, exist_ok=True)
        groups = {name: _values(self._conf, name) for name in HANDED_ON}
        groups["messaging"] = {"transport": self._conf.messaging.transport}
        groups["agent"] = {"host": host, "state_dir": state, "driver": driver}
        groups["linux_bridge"] |= {"local_ip": local_ip, "physical_interface_mappings": dict(physical or {})}
        for name, values in (more or {}).items():
            groups.setdefault(name, {}).update(values)
        config = self.data / "agents" / f"{host}-{kind}.conf"
        config.write_text("".join(_section(name, values) for name, values in groups.items()))
        child = self.children[host, kind] = Child(host, kind, config, prefix)
        child.start(self.log_of(child))
        return child

    def log_of(self, child: Child) -> pathlib.Path:
        return self.data / "log" / f"{child.host}-{child.kind}.log"

    def respawn(self) -> list[Child]:
        """Start those again that have ended, and return them."""
        ended = [c for c in self.children.values() if c.process is not None and c.process.poll() is not None]
        for child in ended:
            child.start(self.log_of(child))
        return ended


def _values(conf: start.Conf, group: str) -> dict[str, Any]:
    return {
        option.dest: conf[group][option.dest] for name, found in opts.list_opts() if name == group for option in found
    }


def _section(name: str, values: Mapping[str, Any]) -> str:
    lines = [f"{option} = {_text(value)}\n" for option, value in values.items() if value is not None]
    return f"[{name}]\n" + "".join(lines)


def _text(value: Any) -> str:
    """A value as oslo.config reads it; a dollar sign would refer to another option."""
    if isinstance(value, Mapping):
        value = ",".join(f"{key}:{one}" for key, one in value.items())
    elif isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    return str(value).replace("$", "$$")


def main(argv: Sequence[str] | None = None) -> int:
    conf = start.configure("netsched standalone", ABOUT, argv, CLI)
    driver = conf.driver or ("linux" if os.geteuid() == 0 else "noop")
    host, _, port = conf.bind.rpartition(":")
    if problem := _unfit(conf, driver, host, port):
        return start.die(problem)
    data = pathlib.Path(conf.data or _data_directory())
    stopping = start.stop_signal()
    try:
        deployment = Standalone(conf, data, host, int(port))
    except OSError as error:
        return start.die(f"{conf.bind} or {data}: {error.strerror}. Choose others with --bind and --data.")
    except errors.NetschedError as error:
        return start.die(str(error))
    deployment.start()
    _add_agents(deployment, conf, driver)
    _welcome(deployment, driver, conf.agents)
    _watch(deployment, stopping)
    print("stopping; what the agents have set up goes on working", flush=True)
    deployment.stop()
    return 0


def _unfit(conf: start.Conf, driver: str, host: str, port: str) -> str | None:
    if driver == "linux" and os.geteuid() != 0:
        return "agents that serve addresses need root; run as root, or with --driver noop"
    if driver == "linux" and conf.agents > 1:
        return "several L2 agents would fight for this machine's bridges; --agents above 1 goes with --driver noop"
    if not host or not port.isdecimal():
        return f"--bind takes an address and a port, as in 127.0.0.1:9696, not {conf.bind!r}"
    if host not in ("127.0.0.1", "localhost"):
        return f"standalone authenticates nobody, so it binds to 127.0.0.1 only, not to {host!r}"
    return None


def _add_agents(deployment: Standalone, conf: start.Conf, driver: str) -> None:
    physical = conf.physical or (NOOP_PHYSICAL if driver == "noop" else conf.linux_bridge.physical_interface_mappings)
    for number in range(conf.agents):
        name = socket.gethostname() if conf.agents == 1 else f"{socket.gethostname()}-{number + 1}"
        local_ip = conf.local_ip or conf.linux_bridge.local_ip or f"127.0.{number // 250}.{number % 250 + 1}"
        for kind in KINDS:
            deployment.add_agent(name, driver, kind=kind, local_ip=local_ip, physical=physical)


def _data_directory() -> str:
    return "/var/lib/netsched" if os.geteuid() == 0 else os.path.expanduser("~/.local/share/netsched")


TRY = """  try: netsched network create blue
       netsched subnet create --network blue --subnet-range 10.0.0.0/24 blue-v4
       netsched network create --external world
       netsched subnet create --network world --subnet-range 203.0.113.0/24 --no-dhcp world-v4
       netsched router create --external-gateway world edge
       netsched router add subnet edge blue-v4
       netsched port create --network blue web-1
       netsched floating ip create --port web-1 world
       netsched topology blue
       netsched explain network blue"""


def _welcome(deployment: Standalone, driver: str, hosts: int) -> None:
    agents = f"a DHCP, an L3 and an L2 agent on {hosts} host(s)" if hosts else "no agents"
    print(f"netsched standalone: {deployment.url}, data in {deployment.data}, {agents}, driver {driver}")
    if driver == "noop":
        print("  noop agents say that all is done, and do nothing; as root, --driver linux does it")
    if deployment.url != "http://127.0.0.1:9696":
        print(f"  first: export OS_ENDPOINT={deployment.url}")
    print(TRY)
    if driver == "linux":
        print("       netsched-vif plug $(netsched port show web-1 -f value -c id)    # a namespace with that port")
    print(f"  logs are in {deployment.data}/log; Ctrl-C ends it", flush=True)


def _watch(deployment: Standalone, stopping: threading.Event) -> None:
    while not stopping.wait(RESPAWN_AFTER):
        for child in deployment.respawn():
            name = f"{child.kind} agent on {child.host}"
            print(f"{name} had ended and was started again; see {deployment.log_of(child)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
