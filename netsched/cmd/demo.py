"""The demo: a tenant's network across hosts, and through the death of a network node, on this machine alone.

Two network nodes run DHCP, L3 and L2 agents, two compute nodes an L2 agent each; all of them are private hosts, joined
by an underlay, and the network nodes by one more wire to the world outside. Machines are namespaces that netsched-vif
plugs in.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from netsched import errors
from netsched.cmd import start
from netsched.cmd.site import Site

NETWORK_NODES = ("net-1", "net-2")
COMPUTE_NODES = ("cmp-1", "cmp-2")
WORLD = "203.0.113.1"
INTERVAL = 1.0  # s between heartbeats; 10 by default, which would make the demo wait for 40 s
EPILOG = """The demo takes about a minute, needs root (it makes network namespaces of its own, and touches nothing
else), and cleans up after itself, also on Ctrl-C.

examples:
  ./tools/demo.sh
  ./tools/demo.sh --keep       leave it running and say what to try next"""

# What a DHCP client does with its lease: sets address and default route. It also writes down what happened.
CLIENT_SCRIPT = """#!/bin/sh
echo "$1 $ip $serverid" >> {events}
[ "$1" = deconfig ] && exec ip addr flush dev $interface scope global
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr replace $ip/$mask dev $interface
for gateway in $router; do ip route replace default via $gateway; done
"""


class Demo:
    """The parts, and one method per chapter of the story."""

    def __init__(self, directory: pathlib.Path, closing: contextlib.ExitStack) -> None:
        self._began = time.monotonic()
        self._directory = directory
        self._closing = closing
        self.ports: dict[str, dict[str, Any]] = {}

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:5.1f} s] {text}", flush=True)

    # Chapters

    def start(self) -> None:
        self.site = Site(self._directory, self._closing, INTERVAL)
        self.say(f"server with SQLite: {self.site.url}")
        for name in NETWORK_NODES:
            self.site.add_node(name, ("dhcp", "l3", "l2"), physical=("public",))
        for name in COMPUTE_NODES:
            self.site.add_node(name, ("l2",))
        self.world = self.site.outside("public", f"{WORLD}/24")
        self.site.wait_for_agents()
        self.say("network nodes net-1, net-2 (DHCP, L3, L2 agents), compute nodes cmp-1, cmp-2 (L2 agents);")
        self.say(f"  heartbeats every {INTERVAL:.0f} s instead of 10, so dead means {4 * INTERVAL:.0f} s instead of 40")

    def create(self) -> None:
        create = self.site.create
        public = create(
            "network",
            name="public",
            router__external=True,
            provider__network_type="flat",
            provider__physical_network="public",
        )
        create(
            "subnet",
            network_id=public["id"],
            ip_version=4,
            cidr="203.0.113.0/24",
            gateway_ip=WORLD,
            enable_dhcp=False,
            allocation_pools=[{"start": "203.0.113.100", "end": "203.0.113.199"}],
        )
        self.router = create("router", name="edge", external_gateway_info={"network_id": public["id"]})
        self.networks = {}
        for name, cidr in (("blue", "10.0.0.0/24"), ("green", "10.0.1.0/24")):
            network = self.networks[name] = create("network", name=name)
            subnet = create("subnet", network_id=network["id"], ip_version=4, cidr=cidr, name=f"{name}-v4")
            path = f"routers/{self.router['id']}/add_router_interface"
            self.site.rest("PUT", path, {"subnet_id": subnet["id"]})
        for name, where in (("web-1", "blue"), ("web-2", "blue"), ("db-1", "green")):
            self.ports[name] = create("port", network_id=self.networks[where]["id"], name=name)
        self.floating = create("floatingip", floating_network_id=public["id"], port_id=self.ports["web-1"]["id"])
        self.site.let_in("icmp")
        self.say("networks blue and green, router edge between them and public; ports web-1, web-2, db-1")
        self.say("security group default, in which they are: among themselves all, from elsewhere only ping")
        self.say(f"floating IP {self.floating['floating_ip_address']} for web-1, {self.address('web-1')}")

    def bound(self) -> None:
        blue = self.networks["blue"]["id"]
        took = self.site.wait("blue is bound", lambda: self.site.holder("network", blue))
        took += self.site.wait("edge is bound", lambda: self.site.holder("router", self.router["id"]))
        self.say(f"bound within {took:.1f} s: edge to the L3 agent on {self.holder()},")
        self.say(f"  because {self.because()}")

    def plug(self) -> None:
        for name, node in (("web-1", "cmp-1"), ("web-2", "cmp-2"), ("db-1", "cmp-2")):
            how = ("--address", "none") if name == "web-1" else ()
            self.site.vif(node, "plug", self.ports[name]["id"], "--namespace", name, "--wait", "30", *how)
        self.say("netsched-vif plugged web-1 into cmp-1, web-2 and db-1 into cmp-2; all three are ACTIVE")

    def lease(self) -> None:
        script = self._directory / "udhcpc.sh"
        self._events = self._directory / "lease-events"
        script.write_text(CLIENT_SCRIPT.format(events=self._events))
        script.chmod(0o755)
        command = f"udhcpc -f -i eth0 -s {script} -t 10 -T 1"
        with (self._directory / "udhcpc.log").open("wb") as output:
            self._client = self.site.popen(
                "cmp-1", "web-1", command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._closing.callback(end, self._client)
        took = self.site.wait("a lease", lambda: self.times("bound") == 1)
        leased = self.events()[-1].split()[1]
        if leased != self.address("web-1"):
            raise errors.Conflict(reason=f"the client got {leased}, not {self.address('web-1')}")
        self.say(f"a DHCP client on web-1 leased {leased} after {took:.1f} s, across VXLAN from {self.dhcp_holder()}")

    def traffic(self) -> None:
        self.ping("web-1", self.address("web-2"), "web-1 on cmp-1 reaches web-2 on cmp-2 over VXLAN")
        self.ping("web-1", self.address("db-1"), "web-1 reaches db-1 in the other network through the router")
        self.ping("web-2", WORLD, f"web-2 reaches the world ({WORLD}) by SNAT")
        public = self.floating["floating_ip_address"]
        self.site.wait("the floating IP answers", lambda: self.world_reaches(public))
        self.say(f"the world reaches web-1 at {public}")

    def dhcp_agent_dies(self) -> None:
        """Of a host that lives on, with everything that the agent set up there."""
        before, blue = self.dhcp_holder(), self.networks["blue"]["id"]
        self._since = time.monotonic()
        self.site.kill(before, "dhcp")
        self.site.wait("blue's DHCP has moved", lambda: self.site.holder("network", blue) not in (None, before))
        after = self.dhcp_holder()
        self.say(f"the DHCP agent on {before} is killed with -9: blue's is on {after} {self.elapsed():.1f} s later")
        self.renew()
        self.site.restart(before, "dhcp")
        self.site.wait_for_agents()

    def disaster(self) -> str:
        """Returns the host that was lost."""
        lost = self.holder()
        self._since = time.monotonic()
        self.site.cut_off(lost)
        for kind in ("dhcp", "l3", "l2"):
            self.site.kill(lost, kind)
        self.say(f"{lost} loses all its cables, and its agents are killed with -9; edge was there")
        return lost

    def move(self, lost: str) -> None:
        site = self.site
        site.wait("the router has moved", lambda: site.holder("router", self.router["id"]) not in (None, lost))
        blue = self.networks["blue"]["id"]
        site.wait("blue has moved", lambda: site.holder("network", blue) not in (None, lost))
        self.say(f"edge is on {self.holder()} and blue's DHCP on {self.dhcp_holder()}, {self.elapsed():.1f} s after it")
        public = self.floating["floating_ip_address"]
        site.wait("the floating IP answers again", lambda: self.world_reaches(public), 60)
        self.say(f"the world reaches web-1 at {public} again, {self.elapsed():.1f} s after the disaster")
        self.ping("web-1", self.address("db-1"), "and web-1 reaches db-1 through the router")
        self.renew()

    def back(self, lost: str) -> None:
        self.site.join(lost)
        for kind in ("dhcp", "l3", "l2"):
            self.site.restart(lost, kind)
        took = self.site.wait(f"{lost} has cleaned up", lambda: self.clean(lost), 60)
        self.say(f"{lost} returned, found that it lost the router, and cleaned up within {took:.1f} s")
        self.ping("web-1", WORLD, "and nothing was disturbed: web-1 reaches the world")

    def renew(self) -> None:
        renewals = self.times("renew")
        asked = 0.0

        def renewed() -> bool:
            nonlocal asked
            if time.monotonic() - asked > 2.0:  # again, if there was no dnsmasq yet to answer
                asked = time.monotonic()
                self._client.send_signal(signal.SIGUSR1)  # what the end of half the lease time would do
            return self.times("renew") > renewals

        self.site.wait("the lease is renewed", renewed)
        self.say(f"web-1's client renewed {self.address('web-1')}, now from {self.dhcp_holder()}")

    # Facts

    def address(self, name: str) -> str:
        return str(self.ports[name]["fixed_ips"][0]["ip_address"])

    def holder(self) -> str:
        return str(self.site.holder("router", self.router["id"]))

    def dhcp_holder(self) -> str:
        return str(self.site.holder("network", self.networks["blue"]["id"]))

    def because(self) -> str:
        reasons = self.site.rest("GET", f"routers/{self.router['id']}/binding-reasons")["binding_reasons"]
        decision = reasons["slots"][0]["decision"]
        scores = ", ".join(f"{name} {value:g}" for name, value in decision["candidates"][0]["scores"].items())
        return f"of {len(decision['candidates'])} candidates it scored best ({scores})"

    def ping(self, name: str, address: str, text: str) -> None:
        node = "cmp-1" if name == "web-1" else "cmp-2"
        self.site.wait(f"{name} reaches {address}", lambda: self.site.reaches(node, name, address), 60)
        self.say(text)

    def world_reaches(self, address: str) -> bool:
        try:
            self.world.run("ping", "-c", "1", "-w", "1", address)
        except errors.Unavailable:
            return False
        return True

    def clean(self, node: str) -> bool:
        return f"qrouter-{self.router['id']}" not in self.site.on(node, "ip", "netns", "list")

    def elapsed(self) -> float:
        return time.monotonic() - self._since

    def events(self) -> list[str]:
        return self._events.read_text().splitlines() if self._events.exists() else []

    def times(self, event: str) -> int:
        """How often the client was told so: deconfig, bound, renew."""
        return sum(line.split()[0] == event for line in self.events())


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
    demo.bound()
    demo.plug()
    demo.lease()
    demo.traffic()
    demo.dhcp_agent_dies()
    lost = demo.disaster()
    demo.move(lost)
    demo.back(lost)


def keep(demo: Demo) -> None:
    print(f"""
It goes on running. In another terminal:
  export OS_ENDPOINT={demo.site.url} OS_AUTH_TYPE=none
  .venv/bin/netsched agent list
  .venv/bin/netsched topology edge
  .venv/bin/netsched explain router edge
  tail -f {demo.site.deployment.data}/log/net-1-l3.log
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
