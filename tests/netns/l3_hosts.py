"""A host with an L3 driver, and machines on the bridges of its networks that talk to each other through it."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from netsched.agents.kernel import plug
from netsched.errors import NetschedError
from tests.fakes.content import uuid
from tests.fakes.router_content import EXTERNAL, RouterContent
from tests.netns.hosts import Client, Node, wait_for

PORT = 7000

# A server that tells each client whom it took it for, then sends back what it hears.
_SERVER = f"""
import socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.client_address[0].encode() + b"\\n")
        for line in self.rfile:
            self.wfile.write(line)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", {PORT}), Handler).serve_forever()
"""
# A client that says how it went, line by line: what it was taken for, then an answer to each line of its own input.
_CLIENT = f"""
import socket, sys
talk = socket.create_connection((sys.argv[1], {PORT}), timeout=5).makefile("rw")
print(talk.readline().strip(), flush=True)
for line in sys.stdin:
    talk.write(line); talk.flush()
    print(talk.readline().strip(), flush=True)
"""


class RouterNode(Node):
    DRIVER, UNIT = "tests.netns.l3_driver_process", "netsched-l3-agent.service"

    def machine(self, name: str, network: int, number: int, *addresses: str, gateway: str | None = None) -> Machine:
        """On a network that the driver has plugged a router into. `addresses` with prefix; the number is its MAC's."""
        return Machine(self, name, network, number, addresses, gateway)

    def inside(self, router: RouterContent, command: str) -> str:
        """Output of a command in the router's namespace."""
        return self.run("ip", "netns", "exec", router.namespace, *shlex.split(command))

    def rules(self, router: RouterContent) -> str:
        """With the handles by which the kernel knows them: what is replaced gets others."""
        return self.inside(router, "nft -a list ruleset")

    def radvd_pid(self, router: RouterContent) -> int:
        return int((self.directory / "l3" / router.id / "pid").read_text())

    def floating_states(self, router: RouterContent) -> dict[str, str]:
        """Floating address -> what the driver says of it."""
        said = self._ask("states", router.scope)
        items = router.content["floatingip"]
        return {items[key.partition("/")[2]]["floating_ip_address"]: status for key, status in said.items()}


class Machine(Client):
    """A machine with fixed addresses and, from `serve` on, a server."""

    def __init__(
        self, node: RouterNode, name: str, network: int, number: int, addresses: tuple[str, ...], gateway: str | None
    ) -> None:
        super().__init__(node, name, plug.bridge(uuid(network, 11)), f"fa:16:3e:ff:00:{number:02x}")
        for address in addresses:
            self.run(f"ip addr add {address} dev eth0 nodad")
        if gateway:
            self.run(f"ip route add default via {gateway}")
        self._host = node

    def serve(self) -> Machine:
        self.popen([sys.executable, "-c", _SERVER])
        wait_for(lambda: f":{PORT}" in self.run("ss -ltn"), 10)
        return self

    def popen(self, argv: list[str], **options: Any) -> subprocess.Popen[str]:
        """Ends with the host."""
        return self._host.popen(["ip", "netns", "exec", self.name, *argv], text=True, **options)

    def reaches(self, address: str) -> bool:
        with contextlib.suppress(NetschedError):
            self.run(f"ping -c 1 -W 1 {address}")
            return True
        return False

    def ping(self, address: str, within: float = 10.0) -> None:
        wait_for(lambda: self.reaches(address), within)

    def seen_as(self, address: str) -> str:
        """The address by which the server there knows this machine."""
        return self.run(shlex.join([sys.executable, "-c", _CLIENT, address])).strip()

    def connect(self, address: str) -> Talk:
        return Talk(self, address)


class Talk:
    """An open TCP connection."""

    def __init__(self, machine: Machine, address: str) -> None:
        self._process = machine.popen(
            [sys.executable, "-c", _CLIENT, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.seen_as = self._line()
        assert self.seen_as, f"no connection to {address}"

    def works(self) -> bool:
        """False when no answer came within five seconds, or the connection has ended."""
        assert self._process.stdin is not None
        word = str(time.monotonic())
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()
        return self._line() == word

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextlib.contextmanager
def router_node(name: str = "node1", **settings: Any) -> Iterator[RouterNode]:
    made = RouterNode(name, **{"deep_check_period": 0.5, **settings})
    try:
        made.start_driver()
        yield made
    finally:
        made.close()


def world(node: RouterNode, address: str = "203.0.113.1/24") -> Machine:
    """The provider's router, with a server."""
    return node.machine("world", EXTERNAL, 0x99, address).serve()


def lost(ping: str) -> int:
    """Packets lost, from the output of ping."""
    (line,) = (line for line in ping.splitlines() if "packet loss" in line)
    sent, received = (int(word.split()[0]) for word in line.split(",")[:2])
    return sent - received


def handles(listing: str) -> list[str]:
    return [line.rpartition("# handle ")[2] for line in listing.splitlines() if "# handle " in line]
