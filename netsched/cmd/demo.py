"""The demo: from a REST call to a leased address, through the death of an agent, on this machine alone.

Three DHCP agents run on three private hosts; a fourth private host is the tenant's machine. Until there is an L2 agent,
the demo itself joins the bridges of its one network with a cable from each host to a fabric.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from netsched import errors
from netsched.agents.dhcp import compute
from netsched.agents.kernel.host import Fabric, Host
from netsched.cmd import start
from netsched.cmd.standalone import Standalone

HOSTS = ("node-1", "node-2", "node-3")
INTERVAL = 1.0  # s between heartbeats; 10 by default, which would make the demo wait for 40 s
EPILOG = """The demo takes about half a minute, needs root (it makes network namespaces of its own, and touches nothing
else), and cleans up after itself, also on Ctrl-C.

examples:
  ./tools/demo.sh
  ./tools/demo.sh --keep       leave it running and say what to try next"""

# What a DHCP client does with its lease: sets the address. It also writes down what happened.
CLIENT_SCRIPT = """#!/bin/sh
echo "$1 $ip $serverid" >> {events}
[ "$1" = deconfig ] && exec ip addr flush dev $interface scope global
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
exec ip addr replace $ip/$mask dev $interface
"""


class Demo:
    """The parts, and one method per chapter of the story."""

    def __init__(self, directory: pathlib.Path, closing: contextlib.ExitStack) -> None:
        self._began = time.monotonic()
        self._directory = directory
        self._closing = closing
        self._hosts: dict[str, Host] = {}
        self._cables: dict[str, str] = {}
        self.network: dict[str, Any] = {}
        self.port: dict[str, Any] = {}

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:5.1f} s] {text}", flush=True)

    # Chapters

    def start(self) -> None:
        conf = start.configure("netsched-demo", "", [])
        conf.set_override("interval", INTERVAL, group="heartbeat")
        conf.set_override("write_delay", 0.1, group="heartbeat")
        self.deployment = Standalone(conf, self._directory, "127.0.0.1", 0)
        self._closing.callback(self.deployment.stop)
        self.deployment.start()
        self.say(f"server with SQLite: {self.deployment.url}")
        self._fabric = Fabric()
        self._closing.callback(self._fabric.close)
        for name in (*HOSTS, "tenant"):
            self._hosts[name] = Host(name)
            self._closing.callback(self._hosts[name].close)
        for name in HOSTS:
            self.deployment.add_agent(name, "linux", self._hosts[name].argv)
        self.wait("three agents alive", lambda: sum(a["alive"] and a["state"] == "alive" for a in self.agents()) == 3)
        self.say("three DHCP agents, each on a host of its own: " + ", ".join(HOSTS))

    def create(self) -> None:
        self.network = self.rest("POST", "networks", {"network": {"name": "blue"}})["network"]
        subnet = {"network_id": self.network["id"], "ip_version": 4, "cidr": "10.0.0.0/24", "name": "blue-v4"}
        self.rest("POST", "subnets", {"subnet": subnet})
        self.port = self.rest("POST", "ports", {"port": {"network_id": self.network["id"], "name": "web-1"}})["port"]
        self.say(f"POST network blue, subnet 10.0.0.0/24, port web-1: {self.address} is reserved for {self.mac}")
        bridge = compute.bridge(self.network["id"])
        for name in HOSTS:
            self._cables[name] = self._fabric.connect(self._hosts[name], "uplink0", bridge)
        self._fabric.connect(self._hosts["tenant"], "eth0")
        self._hosts["tenant"].run("ip", "link", "set", "eth0", "address", self.mac)

    def bound(self) -> str:
        """Returns the host that has the network."""
        took = self.wait("the network is bound", lambda: self.holder() is not None)
        holder = str(self.holder())
        self.say(f"bound to the agent on {holder} after {took:.1f} s, because {self.because()}")
        took = self.wait(f"dnsmasq is up on {holder}", lambda: self.dnsmasq_on(holder) is not None)
        self.say(f"dnsmasq is up on {holder}, pid {self.dnsmasq_on(holder)}")
        return holder

    def lease(self) -> None:
        script = self._directory / "udhcpc.sh"
        self._events = self._directory / "lease-events"
        script.write_text(CLIENT_SCRIPT.format(events=self._events))
        script.chmod(0o755)
        self._said = self._directory / "udhcpc.log"
        with self._said.open("wb") as output:
            command = ["udhcpc", "-f", "-i", "eth0", "-s", str(script), "-t", "10", "-T", "1"]
            self._client = self._hosts["tenant"].popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={"PATH": os.environ["PATH"]}
            )
        self._closing.callback(end, self._client)
        took = self.wait("a lease", lambda: self.times("bound") == 1)
        leased = self.events()[-1].split()[1]
        if leased != self.address:
            raise errors.Conflict(reason=f"the client got {leased}, not {self.address}")
        self.say(f"a DHCP client (udhcpc, pid {self._client.pid}) leased {self.address} after {took:.1f} s")

    def disaster(self, holder: str) -> float:
        """Returns when it happened."""
        agent = self.deployment.children[holder, "dhcp"].process
        assert agent is not None
        self._fabric.set_link(self._cables[holder], up=False)
        agent.kill()
        agent.wait()
        self.say(
            f"{holder} loses its uplink and its agent is killed with -9; dnsmasq {self.dnsmasq_on(holder)} runs on"
        )
        return time.monotonic()

    def move(self, before: str, since: float) -> str:
        self.wait("it is dead", lambda: not self.agent_on(before)["alive"])
        self.say(
            f"dead after {time.monotonic() - since:.1f} s without a heartbeat"
            f" (interval shortened from 10 s to {INTERVAL:.0f} s, so the limit is {4 * INTERVAL:.0f} s instead of 40 s)"
        )
        self.wait("the network has moved", lambda: self.holder() not in (None, before))
        after = str(self.holder())
        self.wait(f"dnsmasq is up on {after}", lambda: self.dnsmasq_on(after) is not None)
        self.say(f"moved to {after}, {time.monotonic() - since:.1f} s after the disaster; its DHCP port went with it")
        return after

    def renew(self, after: str) -> None:
        discovers = self.count("broadcasting discover")
        self._client.send_signal(signal.SIGUSR1)  # what the end of half the lease time would do
        self.wait("the lease is renewed", lambda: self.times("renew") == 1)
        if self.count("broadcasting discover") != discovers:
            raise errors.Conflict(reason="the client had to start from scratch with a DISCOVER")
        self.say(f"the same client process renewed {self.address} by unicast from {after}: no new DISCOVER")

    def back(self, before: str) -> None:
        self._fabric.set_link(self._cables[before], up=True)
        child = self.deployment.children[before, "dhcp"]
        child.start(self.deployment.log_of(child))
        took = self.wait(f"{before} has cleaned up", lambda: self.dnsmasq_on(before) is None and self.clean(before))
        self.say(f"{before} returned, found that it lost the network, and cleaned up within {took:.1f} s")
        self._client.send_signal(signal.SIGUSR1)
        self.wait("another renewal", lambda: self.times("renew") == 2)
        self.say("and the client renewed once more")

    # Facts

    @property
    def address(self) -> str:
        return str(self.port["fixed_ips"][0]["ip_address"])

    @property
    def mac(self) -> str:
        return str(self.port["mac_address"])

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(f"{self.deployment.url}/v2.0/{path}", method=method)
        request.add_header("Content-Type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=30) as answer:
            return json.load(answer)

    def agents(self) -> list[dict[str, Any]]:
        return list(self.rest("GET", "agents")["agents"])

    def agent_on(self, host: str) -> dict[str, Any]:
        return next(agent for agent in self.agents() if agent["host"] == host)

    def holder(self) -> str | None:
        agents = self.rest("GET", f"networks/{self.network['id']}/dhcp-agents")["agents"]
        return agents[0]["host"] if agents else None

    def because(self) -> str:
        reasons = self.rest("GET", f"networks/{self.network['id']}/binding-reasons")["binding_reasons"]
        decision = reasons["slots"][0]["decision"]
        scores = ", ".join(f"{name} {value:g}" for name, value in decision["candidates"][0]["scores"].items())
        return (
            f"of {len(decision['candidates'])} candidates it scored best ({scores}; equals are drawn by a stored seed)"
        )

    def dnsmasq_on(self, host: str) -> int | None:
        """The pid of the network's living dnsmasq there."""
        file = self.deployment.data / "agents" / host / "dhcp" / self.network["id"] / "pid"
        with contextlib.suppress(OSError, ValueError):
            pid = int(file.read_text())
            if pathlib.Path(f"/proc/{pid}").exists():
                return pid
        return None

    def clean(self, host: str) -> bool:
        return "qdhcp-" not in self._hosts[host].run("ip", "netns", "list")

    def events(self) -> list[str]:
        return self._events.read_text().splitlines() if self._events.exists() else []

    def times(self, event: str) -> int:
        """How often the client was told so: deconfig, bound, renew."""
        return sum(line.split()[0] == event for line in self.events())

    def count(self, text: str) -> int:
        return self._said.read_text().count(text)

    def wait(self, what: str, condition: Callable[[], Any], timeout: float = 30.0) -> float:
        """Seconds until the condition holds."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout:
                raise errors.Unavailable(reason=f"{what}: not within {timeout:.0f} s; logs are in {self._directory}")
            time.sleep(0.05)
        return time.monotonic() - began


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: with its cleaning up."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    yield


def story(demo: Demo) -> None:
    demo.start()
    demo.create()
    before = demo.bound()
    demo.lease()
    since = demo.disaster(before)
    after = demo.move(before, since)
    demo.renew(after)
    demo.back(before)


def keep(demo: Demo) -> None:
    print(f"""
It goes on running. In another terminal:
  export OS_ENDPOINT={demo.deployment.url} OS_AUTH_TYPE=none
  .venv/bin/netsched agent list
  .venv/bin/netsched explain network blue
  .venv/bin/netsched port create --network blue web-2
  tail -f {demo.deployment.log_of(demo.deployment.children["node-1", "dhcp"])}
Ctrl-C ends it and cleans up.""")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="demo.sh", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", action="store_true", help="leave it running, and print what to try next")
    options = parser.parse_args(argv)
    if os.geteuid() != 0:
        return start.die("the demo makes network namespaces, which needs root: run it as root or through sudo")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="netsched-demo-"))
    directory.chmod(0o755)  # dnsmasq reads its files as nobody
    began = time.monotonic()
    try:
        with interruptible(), contextlib.ExitStack() as closing:
            demo = Demo(directory, closing)
            story(demo)
            if options.keep:
                keep(demo)
    except KeyboardInterrupt:
        print("interrupted; cleaned up", flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        return 130
    except errors.NetschedError as error:
        print(f"The demo failed after {time.monotonic() - began:.0f} s: {error}\nLogs are kept in {directory}.")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    print(f"The demo succeeded in {time.monotonic() - began:.0f} s, and everything it made is gone.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
