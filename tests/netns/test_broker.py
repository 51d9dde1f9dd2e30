"""Real agents on real hosts over a real broker, which dies together with the server while things change.

Agents reach the broker and the API by a relay in their host's namespace, as by a cable that leads there.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netsched import errors
from netsched.agents.kernel import netns
from netsched.agents.kernel.host import Fabric, Host
from tests.netns.hosts import wait_for
from tests.processes.deployment import KINDS, Deployment
from tests.servers import RabbitMQ

pytestmark = pytest.mark.timeout(240)
ROOT = Path(__file__).parents[2]


class Relay:
    """Listens on a host's loopback and hands on to the same port of this machine's."""

    def __init__(self, host: Host, port: int) -> None:
        self._port = port
        space = f"/proc/{host.pid}/ns/net"
        self._listening = netns.run_in(space, lambda: socket.create_server(("127.0.0.1", port)))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes the thread, which would keep the host's namespace
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                try:
                    there = socket.create_connection(("127.0.0.1", self._port))
                except OSError:
                    here.close()
                    continue
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Site:
    """net-1 with an agent of each kind and cmp-1 with an L2 agent, told by RabbitMQ."""

    def __init__(self, directory: Path, rabbit: RabbitMQ, closing: contextlib.ExitStack) -> None:
        self.deployment = Deployment(
            directory, f"sqlite:///{directory}/netsched.db", f"rabbit://guest:guest@127.0.0.1:{rabbit.port}//"
        )
        closing.callback(self.deployment.stop)
        self.deployment.start_server()
        fabric = Fabric()
        closing.callback(fabric.close)
        self.hosts: dict[str, Host] = {}
        for number, name in enumerate(("net-1", "cmp-1"), 1):
            host = self.hosts[name] = Host(name)
            closing.callback(host.close)
            fabric.connect(host, "eth0")
            host.run("ip", "address", "add", f"172.30.0.{number}/24", "dev", "eth0")
            for port in (rabbit.port, self.deployment.port):
                closing.callback(Relay(host, port).close)
        for kind in KINDS:
            self.start_agent("net-1", 1, kind)
        self.start_agent("cmp-1", 2, "l2")
        self.deployment.wait("four agents are alive", lambda: len(self.deployment.alive()) == 4, 60)

    def start_agent(self, name: str, number: int, kind: str) -> None:
        state = self.deployment.directory / name
        state.mkdir(exist_ok=True)
        config = self.deployment.directory / f"{name}-{kind}.conf"
        config.write_text(
            f"[messaging]\ntransport = {self.deployment.transport_url}\n"
            f"[agent]\nhost = {name}\nstate_dir = {state}\n"
            f"[linux_bridge]\nlocal_ip = 172.30.0.{number}\n"
        )
        command = self.hosts[name].argv(self.deployment.command(f"{kind}_agent", config=config))
        self.deployment.start(f"{name}-{kind}", command)

    def create(self, resource: str, **attributes: Any) -> dict[str, Any]:
        created: dict[str, Any] = self.deployment.rest("POST", f"{resource}s", {resource: attributes})[resource]
        return created

    def plug(self, name: str, node: str, network_id: str, **attributes: Any) -> dict[str, Any]:
        """Does not wait for anybody: the broker may be away."""
        port = self.create("port", network_id=network_id, name=name, **{"binding:host_id": node}, **attributes)
        environment = [f"OS_ENDPOINT={self.deployment.url}", "OS_AUTH_TYPE=none", f"PYTHONPATH={ROOT}"]
        command = ["-m", "netsched.cmd.vif", "plug", port["id"], "--namespace", name, "--host", node]
        self.hosts[node].run("env", *environment, sys.executable, *command)
        return port

    def reaches(self, node: str, machine: str, port: dict[str, Any]) -> bool:
        address = port["fixed_ips"][0]["ip_address"]
        with contextlib.suppress(errors.Unavailable):
            self.hosts[node].run("ip", "netns", "exec", machine, "ping", "-c", "1", "-w", "2", address)
            return True
        return False

    def elsewhere(self, node: str, network_id: str) -> set[str]:
        """MACs of the network's ports on other hosts, by REST."""
        ports = self.deployment.rest("GET", f"ports?network_id={network_id}")["ports"]
        return {port["mac_address"] for port in ports if port["binding:host_id"] not in (node, "")}

    def tunnels(self, node: str) -> set[str]:
        """MACs for which this host has a tunnel to another."""
        lines = self.hosts[node].run("bridge", "fdb", "show").splitlines()
        return {line.split()[0] for line in lines if " dst " in line} - {"00:00:00:00:00:00"}


@pytest.fixture
def rabbit() -> Iterator[RabbitMQ]:
    with RabbitMQ() as server:
        yield server


def test_the_kernel_is_as_wanted_after_broker_and_server_were_away(rabbit: RabbitMQ) -> None:
    with tempfile.TemporaryDirectory(prefix="netsched-test-") as name, contextlib.ExitStack() as closing:
        directory = Path(name)
        directory.chmod(0o755)
        site = Site(directory, rabbit, closing)
        deployment = site.deployment
        network = site.create("network", name="blue")
        subnet = site.create("subnet", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
        web1, web2 = (site.plug(name, node, network["id"]) for name, node in (("web-1", "cmp-1"), ("web-2", "net-1")))
        wait_for(lambda: site.reaches("cmp-1", "web-1", web2), 40)

        rabbit.kill()
        assert site.reaches("cmp-1", "web-1", web2), "what is there does not need a broker"
        deployment.rest("DELETE", f"ports/{web2['id']}")
        # Not the address that the deleted one had: that is in its neighbours' memory still.
        web3 = site.plug("web-3", "net-1", network["id"], fixed_ips=[{"ip_address": "10.0.0.33"}])
        router = site.create("router", name="edge")
        deployment.rest("PUT", f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
        deployment.kill("server")
        rabbit.start()
        deployment.start_server()

        wait_for(lambda: site.reaches("cmp-1", "web-1", web3), 60)
        for node in site.hosts:
            wait_for(lambda n=node: site.tunnels(n) == site.elsewhere(n, network["id"]), 40)
        space = f"qrouter-{router['id']}"
        wait_for(lambda: space in site.hosts["net-1"].run("ip", "netns", "list"), 40)
        (gateway,) = deployment.rest("GET", f"ports?device_id={router['id']}")["ports"]
        wait_for(lambda: site.reaches("cmp-1", "web-1", gateway), 30)

        for process in ("net-1-l2", "net-1-l3", "net-1-dhcp", "cmp-1-l2"):
            deployment.kill(process)
            node, _, kind = process.rpartition("-")
            site.start_agent(node, 1 if node == "net-1" else 2, kind)
            assert site.reaches("cmp-1", "web-1", web3)
        for port in (web1, web3):
            wait_for(lambda p=port: deployment.rest("GET", f"ports/{p['id']}")["port"]["status"] == "ACTIVE", 40)
