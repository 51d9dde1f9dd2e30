"""Hosts with an L2 driver each, joined by an underlay, and machines that are ports of a network."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

from netsched.agents.kernel import plug
from netsched.agents.kernel.host import Fabric
from netsched.errors import NetschedError
from tests.fakes.content import NetworkContent, uuid
from tests.netns.hosts import Node, wait_for

UNDERLAY = "172.30.0."


class L2Node(Node):
    DRIVER, UNIT = "tests.netns.l2_driver_process", "netsched-l2-agent.service"

    def __init__(self, number: int, underlay: str = UNDERLAY, **settings: Any) -> None:
        self.address = f"{underlay}{number}"
        super().__init__(f"node{number}", **{"local_ip": self.address, **settings})

    def vm(self, network: SegmentContent, number: int, address: str | None = None) -> Machine:
        """A machine that is this port, made as Nova would: the tap is in no bridge."""
        return Machine(self, network, number, address)

    def fdb(self, device: str) -> set[str]:
        """Lines of `bridge fdb` that say where to send."""
        lines = self.run("bridge", "fdb", "show", "dev", device).splitlines()
        return {" ".join(line.split()) for line in lines if "dst" in line or "static" in line}


class SegmentContent(NetworkContent):
    """A network with a segment; ports are bound to hosts of `underlay`."""

    def __init__(self, number: int = 1, network_type: str = "vxlan", mtu: int = 1450, **attributes: Any) -> None:
        super().__init__(f"{number:08x}-{number:04x}-4000-8000-000000000000", mtu)
        self.network.update(
            {
                "provider:network_type": network_type,
                "provider:segmentation_id": None if network_type == "flat" else 100 + number,
                "provider:physical_network": None if network_type == "vxlan" else "physnet1",
                **attributes,
            }
        )

    def bound(self, number: int, host: L2Node, *addresses: str, **attributes: Any) -> None:
        """Have this port, on this host."""
        details = {"connectivity": "l2", "port_filter": True, "tunnel_ip": host.address}
        self.port(
            number,
            *addresses,
            **{
                "allowed_address_pairs": [],
                "port_security_enabled": True,
                "binding:host_id": host.name,
                "binding:vif_type": "bridge",
                "binding:vif_details": details,
                **attributes,
            },
        )

    def move(self, number: int, host: L2Node) -> None:
        port = self.content["port"][uuid(number, 2)]
        port["binding:host_id"] = host.name
        port["binding:vif_details"] = {**port["binding:vif_details"], "tunnel_ip": host.address}


class Machine:
    """A namespace vm<number> with eth0, whose other end is the port's tap."""

    def __init__(self, node: L2Node, network: SegmentContent, number: int, address: str | None) -> None:
        port = network.content["port"][uuid(number, 2)]
        self.node = node
        self.name = f"vm{number}"
        self.tap = plug.tap(port["id"])
        self.mac = port["mac_address"]
        addresses = [address] if address else [ip["ip_address"] for ip in port["fixed_ips"]]
        node.run("ip", "netns", "add", self.name)
        peer = ["peer", "name", "eth0", "address", self.mac, "netns", self.name]
        node.run("ip", "link", "add", self.tap, "type", "veth", *peer)
        self.run("ip link set lo up")
        self.run(f"ip link set eth0 mtu {network.network['mtu']} up")
        for one in addresses:
            self.run(f"ip addr add {one}/64 dev eth0 nodad" if ":" in one else f"ip addr add {one}/24 dev eth0")

    def run(self, command: str, timeout: float = 30.0) -> str:
        return self.node.run("ip", "netns", "exec", self.name, *shlex.split(command), timeout=timeout)

    def reaches(self, address: str, *options: str) -> bool:
        """Does one of three pings come back?"""
        try:
            self.run(shlex.join(["ping", "-c", "3", "-i", "0.2", "-w", "2", *options, address]))
        except NetschedError:
            return False
        return True

    def ping(self, address: str) -> subprocess.Popen[str]:
        """A ping every 20 ms that goes on until `loss`."""
        command = ["ip", "netns", "exec", self.name, "ping", "-i", "0.02", "-O", address]
        return self.node.popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def close(self) -> None:
        """The machine is gone, and its tap with it."""
        self.node.run("ip", "link", "del", self.tap)
        self.node.run("ip", "netns", "del", self.name)


def loss(ping: subprocess.Popen[str]) -> tuple[int, int]:
    """End it: how many were sent, and how many of them came back."""
    ping.send_signal(2)
    said, _ = ping.communicate(timeout=10)
    (line,) = (line for line in said.splitlines() if "packets transmitted" in line)
    words = line.split()
    return int(words[0]), int(words[3])


@contextlib.contextmanager
def hosts(count: int, underlay: str = UNDERLAY, **settings: Any) -> Iterator[list[L2Node]]:
    """Hosts with drivers, and eth0 on an underlay; also eth1 on a wire of its own, for flat networks."""
    with contextlib.ExitStack() as stack:
        cables, wire = Fabric(), Fabric()
        stack.callback(cables.close)
        stack.callback(wire.close)
        made = []
        for number in range(1, count + 1):
            node = L2Node(number, underlay, **settings)
            stack.callback(node.close)
            cables.connect(node, "eth0")
            wire.connect(node, "eth1")
            length = ["64", "dev", "eth0", "nodad"] if ":" in underlay else ["24", "dev", "eth0"]
            node.run("ip", "addr", "add", f"{node.address}/{length[0]}", *length[1:])
            node.start_driver()
            made.append(node)
        yield made


def tell(nodes: list[L2Node], network: SegmentContent) -> None:
    """What the server would do: those with a port on it have it, the others have it no more. All is in force then."""
    for node in nodes:
        held = any(port["binding:host_id"] == node.name for port in network.content["port"].values())
        error = node.want(network, held)
        assert error is None, error


def wait_active(node: L2Node, network: SegmentContent, *numbers: int, timeout: float = 20) -> float:
    return wait_for(
        lambda: all(node.states(network).get(f"port/{uuid(number, 2)}") == "ACTIVE" for number in numbers), timeout
    )
