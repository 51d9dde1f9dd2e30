"""Security groups as an L2 driver gets them, and questions that machines ask each other."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import Any

from tests.fakes.content import Object, uuid
from tests.netns.l2_hosts import L2Node, Machine


class Scope:
    """What `Node.want` takes."""

    def __init__(self, scope: str, content: dict[str, dict[str, Object]]) -> None:
        self.scope = scope
        self.content = content


def rule(direction: str, ethertype: str = "IPv4", **attributes: Any) -> Object:
    nothing = ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")
    return {"direction": direction, "ethertype": ethertype, **dict.fromkeys(nothing), **attributes}


def tcp(direction: str, port: int, **attributes: Any) -> Object:
    return rule(direction, **{"protocol": "tcp", "port_range_min": port, "port_range_max": port, **attributes})


def group(number: int, *rules: Object, stateful: bool = True) -> Scope:
    id_ = uuid(number, 7)
    numbered = {uuid(n, 8): {"id": uuid(n, 8), "security_group_id": id_, **one} for n, one in enumerate(rules)}
    content = {"security_group": {id_: {"id": id_, "stateful": stateful}}, "security_group_rule": numbered}
    return Scope(f"security_group/{id_}", content)


def members(number: int, **addresses: str) -> Scope:
    """Of this group, by any name: their addresses."""
    listed = {
        name: {"id": name, "fixed_ips": [{"ip_address": address}], "allowed_address_pairs": []}
        for name, address in addresses.items()
    }
    return Scope(f"security_group_members/{uuid(number, 7)}", {"security_group_member": listed})


def address_group(number: int, *cidrs: str) -> Scope:
    id_ = uuid(number, 9)
    return Scope(f"address_group/{id_}", {"address_group": {id_: {"id": id_, "addresses": list(cidrs)}}})


def tell(node: L2Node, *scopes: Scope) -> None:
    for scope in scopes:
        error = node.want(scope)  # type: ignore[arg-type]
        assert error is None, error


_SERVER = """
import socket, sys, threading
def serve(client):
    client.sendall(b"hello")
    while data := client.recv(100):
        client.sendall(data)
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""

_CONNECT = """
import socket, sys
talk = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3]))
print(talk.recv(5).decode(), flush=True)
for line in sys.stdin:
    talk.sendall(b"x")
    try:
        print("alive" if talk.recv(1) else "closed", flush=True)
    except OSError:
        print("dead", flush=True)
"""

_SEND = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("", int(sys.argv[1])))
one.sendto(b"x", (sys.argv[2], int(sys.argv[3])))
"""

_RECEIVE = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("", int(sys.argv[1])))
one.settimeout(float(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
try:
    print(one.recv(1).decode(), flush=True)
except OSError:
    print("nothing", flush=True)
"""


class Program:
    """Python on a machine, in lines of text. It ends with the host, if not before."""

    def __init__(self, machine: Machine, program: str, *arguments: object) -> None:
        command = ["ip", "netns", "exec", machine.name, sys.executable, "-c", program, *map(str, arguments)]
        self._process = machine.node.popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self) -> str:
        """Its next line, after one of ours."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self.line()

    def line(self) -> str:
        """Its next line; "" when it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def listen(machine: Machine, address: str, port: int) -> None:
    """A server that greets whoever connects, and then says what it is told."""
    assert Program(machine, _SERVER, address, port).line() == "ready"


def connected(machine: Machine, address: str, port: int, patience: float = 5.0) -> Program:
    """A connection; `ask` it whether it is "alive". Each answer is waited for `patience` seconds."""
    return Program(machine, _CONNECT, address, port, patience)


def connects(machine: Machine, address: str, port: int, patience: float = 0.5) -> bool:
    """Does a new connection get its greeting within `patience` (s)?"""
    attempt = connected(machine, address, port, patience)
    try:
        return attempt.line() == "hello"
    finally:
        attempt.close()


def passes(sender: Machine, from_port: int, receiver: Machine, address: str, port: int, patience: float = 0.3) -> bool:
    """Does a datagram arrive, at the latest `patience` (s) after it was sent?"""
    listener = Program(receiver, _RECEIVE, port, patience)
    try:
        assert listener.line() == "ready"
        sender.run(shlex.join([sys.executable, "-c", _SEND, str(from_port), address, str(port)]))
        return listener.ask() == "x"
    finally:
        listener.close()
