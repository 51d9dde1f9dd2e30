"""A deployment of real processes: servers and agents as an operator starts them, over a real broker and database."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

INTERVAL = 1.0
KINDS = ("dhcp", "l3", "l2")
PHYSICAL_NETWORK = "physnet1"


class Deployment:
    """`more` is text for the configuration of servers and agents both."""

    def __init__(
        self, directory: pathlib.Path, database_url: str, transport_url: str, more: str = "", **server: Any
    ) -> None:
        self.directory = directory
        self.transport_url = transport_url
        self.more = more
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = directory / "netsched.conf"
        self.config.write_text(
            f"[database]\nconnection = {database_url.replace('%', '%%')}\n"
            f"[messaging]\ntransport = {transport_url}\n"
            f"[heartbeat]\ninterval = {INTERVAL}\nwrite_delay = 0.2\n"
            f"[api]\nbind_port = {self.port}\n"
            "[server]\n" + "".join(f"{name} = {value}\n" for name, value in server.items()) + more
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        subprocess.run(self.command("manage", "db", "upgrade"), check=True, timeout=60, capture_output=True)

    def command(self, program: str, *arguments: str, config: pathlib.Path | None = None) -> list[str]:
        return [sys.executable, "-m", f"netsched.cmd.{program}", f"--config-file={config or self.config}", *arguments]

    def start(self, name: str, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, **environment}
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        return self.processes[name]

    def start_server(self, name: str = "server", *arguments: str) -> None:
        self.start(name, self.command("server", *arguments))
        if "--workers" not in arguments:
            self.wait("the API answers", self.answers)

    def start_wsgi(self, name: str = "wsgi") -> None:
        """The API alone, in a WSGI server that knows nothing of netsched."""
        command = [sys.executable, "-m", "waitress", f"--listen=127.0.0.1:{self.port}", "netsched.wsgi:application"]
        self.start(name, command, NETSCHED_CONFIG_FILE=str(self.config))
        self.wait("the API answers", self.answers)

    def start_agent(self, host: str, kind: str = "dhcp") -> None:
        """One of KINDS, as the process `process_of(host, kind)`. Agents of one host share its state directory."""
        name = process_of(host, kind)
        config = self.directory / f"{name}.conf"
        state = self.directory / host
        state.mkdir(exist_ok=True)
        config.write_text(
            f"[messaging]\ntransport = {self.transport_url}\n"
            f"[agent]\nhost = {host}\nstate_dir = {state}\ndriver = noop\n"
            f"[linux_bridge]\nlocal_ip = 127.0.0.1\nphysical_interface_mappings = {PHYSICAL_NETWORK}:eth1\n"
            f"{self.more}"
        )
        self.start(name, self.command(f"{kind}_agent", config=config))

    def start_hosts(self, *hosts: str) -> None:
        """Each with an agent of each kind; returns when all are alive."""
        for host in hosts:
            for kind in KINDS:
                self.start_agent(host, kind)
        self.wait("all agents are alive", lambda: len(self.alive()) == len(KINDS) * len(hosts), timeout=90.0)

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # What one can ask it

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(f"{self.url}/v2.0/{path}", method=method)
        request.add_header("Content-Type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def answers(self) -> bool:
        try:
            return bool(self.rest("GET", "agents"))
        except (urllib.error.URLError, ConnectionError):
            return False

    def network(self) -> str:
        network = self.rest("POST", "networks", {"network": {"name": "blue"}})["network"]["id"]
        self.rest("POST", "subnets", {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}})
        return str(network)

    def alive(self) -> list[str]:
        return sorted(a["host"] for a in self.rest("GET", "agents")["agents"] if a["state"] == "alive")

    def holders(self, network: str) -> list[str]:
        return [agent["host"] for agent in self.rest("GET", f"networks/{network}/dhcp-agents")["agents"]]

    def copies(self, id_: str, kind: str = "dhcp") -> list[str]:
        """Hosts on whose disk the network or router is wanted by their agent of that kind."""
        return sorted(path.parent.parent.name for path in self._copies(id_, kind))

    def content(self, id_: str, host: str, kind: str) -> dict[str, dict[str, Any]]:
        """What such an agent's copy has: {kind of object: {id: revision number}}; empty if there is none.

        Of networks, agents know no revision: here it is the name.
        """
        paths = [path for path in self._copies(id_, kind) if path.parent.parent.name == host]
        if not paths:
            return {}
        content = json.loads(paths[0].read_text())["content"]
        return {
            kind: {one["id"]: one.get("revision_number", one.get("name")) for one in found.values()}
            for kind, found in content.items()
        }

    def _copies(self, id_: str, kind: str) -> list[pathlib.Path]:
        where = "wanted" if kind == "dhcp" else f"wanted-{kind}"
        return [path for path in self.directory.glob(f"*/{where}/*.json") if id_ in path.name]

    def wait(self, what: str, condition: Callable[[], Any], timeout: float = 40.0) -> float:
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < timeout, f"{what}: not within {timeout} s\n{self.logs()}"
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended with {process.returncode}\n{self.logs()}"
            time.sleep(0.1)
        return time.monotonic() - began

    def logs(self) -> str:
        return "\n".join(f"== {p.name}\n" + p.read_text()[-3000:] for p in sorted(self.directory.glob("*.log")))


def process_of(host: str, kind: str) -> str:
    """The name of an agent's process in a Deployment."""
    return host if kind == "dhcp" else f"{host}-{kind}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children_of(pid: int) -> list[int]:
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


assert os.name == "posix"
