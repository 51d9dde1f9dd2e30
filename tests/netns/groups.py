"""Security groups as an L2 driver gets them, and questions that machines ask each other."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import Any

from netsched.errors import NetschedError
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
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.socket(family, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((sys.argv[1], int(sys.argv[2])))
server.listen()
print("ready", flush=True)
while True:
    client = server.accept()[0]
    client.sendall(b"hello")
"""

_LONG = """
import socket, sys
talk = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)
print(talk.recv(5).decode(), flush=True)
for line in sys.stdin:
    talk.sendall(b"x")
    print("sent", flush=True)
"""

_CONNECT = """
import socket, sys
print(socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])).recv(5).decode())
"""


def _popen(machine: Machine, program: str, *arguments: object) -> subprocess.Popen[str]:
    command = ["ip", "netns", "exec", machine.name, sys.executable, "-c", program, *map(str, arguments)]
    return machine.node.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def listen(machine: Machine, address: str, port: int) -> None:
    """A server that greets whoever connects; it ends with the host."""
    process = _popen(machine, _SERVER, address, port)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"


def connects(machine: Machine, address: str, port: int, patience: float = 0.7) -> bool:
    """Does a new connection get its greeting within `patience` (s)?"""
    try:
        said = machine.run(shlex.join([sys.executable, "-c", _CONNECT, address, str(port), str(patience)]))
    except NetschedError:
        return False
    return said == "hello\n"
