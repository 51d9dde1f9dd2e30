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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from oslo_config import cfg

from netsched import errors
from netsched.cmd import start
from netsched.db import schema
from netsched.db.session import Database
from netsched.server import concurrency, wiring

ABOUT = """A whole netsched on this machine: server, SQLite and DHCP agents.
Example: netsched standalone --data /tmp/try --bind 127.0.0.1:9697 --driver noop --agents 3"""
CLI = [
    cfg.StrOpt("data", help="Directory for the database, the socket and the agents' state; survives restarts."),
    cfg.StrOpt("bind", default="127.0.0.1:9696", help="Address and port of the API; loopback only."),
    cfg.IntOpt("agents", default=1, min=0, help="DHCP agents to run on this machine."),
    cfg.StrOpt("driver", choices=["linux", "noop"], help="noop: agents that need no privileges and do nothing."),
]
RESPAWN_AFTER = 3.0  # s


@dataclass
class Child:
    """An agent process. `prefix` runs it elsewhere, such as on a private host."""

    host: str
    config: pathlib.Path
    prefix: Callable[[list[str]], list[str]] = field(default=lambda command: command)
    process: subprocess.Popen[bytes] | None = None

    def start(self, log: pathlib.Path) -> None:
        command = self.prefix([sys.executable, "-m", "netsched.cmd.dhcp_agent", f"--config-file={self.config}"])
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def stop(self, timeout: float = 10.0) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Standalone:
    """The deployment, for the command and for the demo. `start` returns when the API answers."""

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
        self._http: concurrency.HttpServer | None = None
        self.children: dict[str, Child] = {}

    def start(self) -> None:
        self._server.start()
        threads = self._conf.server.threads
        self._http = concurrency.serve_http(concurrency.THREADING, self._server.application, self._sock, threads)

    def stop(self) -> None:
        for child in self.children.values():
            child.stop()
        if self._http is not None:
            self._http.stop()
        self._server.stop()

    def add_agent(self, host: str, driver: str, prefix: Callable[[list[str]], list[str]] = lambda c: c) -> Child:
        """Start a DHCP agent under that host name."""
        state = self.data / "agents" / host
        state.mkdir(parents=True, exist_ok=True)
        config = self.data / "agents" / f"{host}.conf"
        config.write_text(
            f"[messaging]\ntransport = {self._conf.messaging.transport}\n"
            f"[agent]\nhost = {host}\nstate_dir = {state}\ndriver = {driver}\n"
            f"[network]\nmtu = {self._conf.network.mtu}\ndns_domain = {self._conf.network.dns_domain}\n"
            f"[dhcp]\nlease_time = {self._conf.dhcp.lease_time}\n"
            f"dnsmasq_dns_servers = {','.join(self._conf.dhcp.dnsmasq_dns_servers)}\n"
        )
        child = Child(host, config, prefix)
        self.children[host] = child
        child.start(self.log_of(host))
        return child

    def log_of(self, host: str) -> pathlib.Path:
        return self.data / "log" / f"{host}.log"

    def respawn(self) -> list[str]:
        """Start those again that have ended; their names."""
        ended = [c for c in self.children.values() if c.process is not None and c.process.poll() is not None]
        for child in ended:
            child.start(self.log_of(child.host))
        return [child.host for child in ended]


def main(argv: Sequence[str] | None = None) -> int:
    conf = start.configure("netsched standalone", ABOUT, argv, CLI)
    driver = conf.driver or ("linux" if os.geteuid() == 0 else "noop")
    if driver == "linux" and os.geteuid() != 0:
        return start.die("agents that serve addresses need root; run as root, or with --driver noop")
    host, _, port = conf.bind.rpartition(":")
    if not host or not port.isdecimal():
        return start.die(f"--bind takes an address and a port, as in 127.0.0.1:9696, not {conf.bind!r}")
    if host not in ("127.0.0.1", "localhost"):
        return start.die(f"standalone authenticates nobody, so it binds to 127.0.0.1 only, not to {host!r}")
    data = pathlib.Path(conf.data or _data_directory())
    stopping = start.stop_signal()
    try:
        deployment = Standalone(conf, data, host, int(port))
    except OSError as error:
        return start.die(f"{conf.bind} or {data}: {error.strerror}. Choose others with --bind and --data.")
    except errors.NetschedError as error:
        return start.die(str(error))
    deployment.start()
    for number in range(conf.agents):
        name = socket.gethostname() if conf.agents == 1 else f"{socket.gethostname()}-{number + 1}"
        deployment.add_agent(name, driver)
    _welcome(deployment, driver, conf.agents)
    _watch(deployment, stopping)
    print("stopping; what dnsmasq serves goes on being served", flush=True)
    deployment.stop()
    return 0


def _data_directory() -> str:
    return "/var/lib/netsched" if os.geteuid() == 0 else os.path.expanduser("~/.local/share/netsched")


def _welcome(deployment: Standalone, driver: str, agents: int) -> None:
    print(f"netsched standalone: {deployment.url}, data in {deployment.data}, {agents} DHCP agent(s), driver {driver}")
    if driver == "noop":
        print("  noop agents serve no addresses; as root, --driver linux does")
    if deployment.url != "http://127.0.0.1:9696":
        print(f"  first: export OS_ENDPOINT={deployment.url}")
    print("  try: netsched network create blue")
    print("       netsched subnet create --network blue --subnet-range 10.0.0.0/24 blue-v4")
    print("       netsched explain network blue")
    print(f"  logs are in {deployment.data}/log; Ctrl-C ends it", flush=True)


def _watch(deployment: Standalone, stopping: threading.Event) -> None:
    while not stopping.wait(RESPAWN_AFTER):
        for name in deployment.respawn():
            print(f"agent on {name} had ended and was started again; see {deployment.log_of(name)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
