"""A deployment on private hosts of this one machine, for the demo, the lab and the tests: all of it real but the wire.

The hosts are joined by an underlay (eth0, 172.30.0.0/24), and those that have an uplink by one more wire for each
physical network. The server runs in this process, the agents run on the hosts, and every host reaches the API at
http://127.0.0.1:9696 as its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oslo_config import cfg

from netsched import errors
from netsched.agents.kernel import netns
from netsched.agents.kernel.host import Fabric, Host
from netsched.cmd import start
from netsched.cmd.standalone import Child, Standalone
from netsched.server import concurrency

API_PORT = 9696  # on each host's own loopback
UNDERLAY = "172.30.0."
ROOT = pathlib.Path(__file__).parents[2]


@dataclass
class Node:
    """A host with its agents. `cable` is the underlay's end of its eth0, to be pulled."""

    host: Host
    address: str
    cable: str
    uplinks: dict[str, str] = field(default_factory=dict)  # physical network -> cable
    agents: dict[str, Child] = field(default_factory=dict)  # by kind


class Site:
    def __init__(self, directory: pathlib.Path, closing: contextlib.ExitStack, interval: float = 1.0) -> None:
        """`interval`: seconds between heartbeats; four of them without one and an agent is dead.

        What it makes goes when `closing` does. Raises NetschedError.
        """
        self.directory = directory
        self._closing = closing
        self._fabrics: dict[str, Fabric] = {}
        self.nodes: dict[str, Node] = {}
        cfg.CONF.reset()  # a process may have had another site before
        conf = start.configure("netsched-site", "", [])
        conf.set_override("interval", interval, group="heartbeat")
        conf.set_override("write_delay", min(0.8, interval / 10), group="heartbeat")
        self.deployment = Standalone(conf, directory, "127.0.0.1", 0)
        closing.callback(start.log_to_stderr, conf)
        closing.callback(self.deployment.stop)
        self.deployment.start()
        self.url = self.deployment.url

    # The parts

    def fabric(self, name: str) -> Fabric:
        """The wire called so: "underlay", or a physical network."""
        if name not in self._fabrics:
            self._fabrics[name] = Fabric()
            self._closing.callback(self._fabrics[name].close)
        return self._fabrics[name]

    def bare_host(self, name: str) -> Host:
        """A host that belongs to nobody: the world outside."""
        host = Host(name)
        self._closing.callback(host.close)
        return host

    def add_node(
        self,
        name: str,
        kinds: Sequence[str] = ("dhcp", "l3", "l2"),
        physical: Sequence[str] = (),
        more: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Node:
        """A host with agents of these kinds, and an uplink (ext0, ext1, ...) to each physical network.

        `more`: options of its agents, by group.
        """
        host = self.bare_host(name)
        address = f"{UNDERLAY}{len(self.nodes) + 1}"
        cable = self.fabric("underlay").connect(host, "eth0")
        host.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        node = self.nodes[name] = Node(host, address, cable)
        interfaces = {}
        for number, network in enumerate(physical):
            interfaces[network] = f"ext{number}"
            node.uplinks[network] = self.fabric(network).connect(host, interfaces[network])
        self._offer_api(host)
        for kind in kinds:
            node.agents[kind] = self.deployment.add_agent(
                name, "linux", prefix=host.argv, kind=kind, local_ip=address, physical=interfaces, more=more
            )
        return node

    def _offer_api(self, host: Host) -> None:
        listener = netns.run_in(f"/proc/{host.pid}/ns/net", lambda: concurrency.listen("127.0.0.1", API_PORT))
        self.deployment.also_serve(listener)

    def outside(self, network: str, address: str) -> Host:
        """A machine of the world behind a physical network, with this address ("203.0.113.1/24") on its eth0."""
        host = self.bare_host(f"world of {network}")
        self.fabric(network).connect(host, "eth0")
        host.run("ip", "address", "add", address, "dev", "eth0")
        return host

    # What one does with it

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's body, None if it has none. Raises Conflict with the server's error."""
        request = urllib.request.Request(f"{self.url}/v2.0/{path}", method=method)
        request.add_header("Content-Type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=30) as answer:
                said = answer.read()
        except urllib.error.HTTPError as error:
            raise errors.Conflict(reason=f"{method} {path}: {error.code} {error.read().decode()}") from error
        return json.loads(said) if said else None

    def create(self, resource: str, **attributes: Any) -> dict[str, Any]:
        """POST one object and return it."""
        named = {name.replace("__", ":"): value for name, value in attributes.items()}
        created: dict[str, Any] = self.rest("POST", f"{resource}s", {resource: named})[resource]
        return created

    def let_in(self, *protocols: str) -> None:
        """Rules of the default groups: these protocols from anywhere. Of projects that have had a port."""
        for group in self.rest("GET", "security-groups?name=default")["security_groups"]:
            for protocol in protocols:
                rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": protocol}
                self.rest("POST", "security-group-rules", {"security_group_rule": rule})

    def show(self, resource: str, id_: str) -> dict[str, Any]:
        found: dict[str, Any] = self.rest("GET", f"{resource}s/{id_}")[resource]
        return found

    def agent(self, host: str, agent_type: str) -> dict[str, Any]:
        agents = self.rest("GET", "agents")["agents"]
        return next(one for one in agents if one["host"] == host and one["agent_type"] == agent_type)

    def holder(self, resource: str, id_: str) -> str | None:
        """The host of the agent that holds a network (its DHCP agent) or a router."""
        path = {"network": "dhcp-agents", "router": "l3-agents"}[resource]
        agents = self.rest("GET", f"{resource}s/{id_}/{path}")["agents"]
        return str(agents[0]["host"]) if agents else None

    def plug(self, port_id: str, node: str, namespace: str) -> None:
        """Give the port to a namespace on that host, by netsched-vif, as a person would."""
        self.vif(node, "plug", port_id, "--namespace", namespace, "--wait", "30")

    def vif(self, node: str, *command: str) -> str:
        return self.on(node, sys.executable, "-m", "netsched.cmd.vif", *command)

    def on(self, node: str, *command: str, timeout: float = 60.0) -> str:
        """Run on a host and return what it says. Raises Unavailable with what went wrong."""
        environment = [f"OS_ENDPOINT=http://127.0.0.1:{API_PORT}", "OS_AUTH_TYPE=none", f"PYTHONPATH={ROOT}"]
        return self.nodes[node].host.run("env", *environment, *command, timeout=timeout)

    def inside(self, node: str, namespace: str, command: str, timeout: float = 60.0) -> str:
        """Run in a namespace of a host: on a router, or on a machine that was plugged in."""
        return self.on(node, "ip", "netns", "exec", namespace, *shlex.split(command), timeout=timeout)

    def reaches(self, node: str, namespace: str, address: str) -> bool:
        """Does one ping out of a few come back?"""
        try:
            self.inside(node, namespace, f"ping -c 1 -w 3 {address}")
        except errors.Unavailable:
            return False
        return True

    def popen(self, node: str, namespace: str, command: str, **options: Any) -> subprocess.Popen[Any]:
        """Start in a namespace of a host. The caller ends it."""
        words = ["ip", "netns", "exec", namespace, *shlex.split(command)]
        return self.nodes[node].host.popen(words, **options)

    def kill(self, node: str, kind: str) -> None:
        """kill -9 of an agent; what it set up runs on."""
        process = self.nodes[node].agents[kind].process
        assert process is not None
        process.kill()
        process.wait()

    def restart(self, node: str, kind: str) -> None:
        child = self.nodes[node].agents[kind]
        child.start(self.deployment.log_of(child))

    def cut_off(self, node: str) -> None:
        """Pull all cables of a host."""
        self._set_cables(node, up=False)

    def join(self, node: str) -> None:
        self._set_cables(node, up=True)

    def _set_cables(self, node: str, up: bool) -> None:
        cables: Mapping[str, str] = {"underlay": self.nodes[node].cable, **self.nodes[node].uplinks}
        for fabric, cable in cables.items():
            self._fabrics[fabric].set_link(cable, up)

    def wait(self, what: str, condition: Callable[[], Any], timeout: float = 30.0) -> float:
        """Seconds until the condition holds."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout:
                raise errors.Unavailable(reason=f"{what}: not within {timeout:.0f} s; logs are in {self.directory}")
            time.sleep(0.05)
        return time.monotonic() - began

    def wait_for_agents(self, timeout: float = 90.0) -> float:
        wanted = sum(len(node.agents) for node in self.nodes.values())

        def all_alive() -> bool:
            for child in self.deployment.children.values():
                if child.process is not None and child.process.poll() is not None:
                    said = self.deployment.log_of(child).read_text().strip().rpartition("\n")[2]
                    raise errors.Unavailable(reason=f"the {child.kind} agent on {child.host} ended: {said}")
            agents = self.rest("GET", "agents")["agents"]
            return sum(agent["state"] == "alive" for agent in agents) == wanted

        return self.wait(f"{wanted} agents alive", all_alive, timeout)

    def environment(self) -> dict[str, str]:
        """For the command line on this machine itself."""
        return {**os.environ, "OS_ENDPOINT": self.url, "OS_AUTH_TYPE": "none"}
