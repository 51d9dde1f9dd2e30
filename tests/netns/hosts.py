"""What the namespace tests are made of: a node with a driver on it, and machines that are DHCP clients."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from netsched.agents.base.driver import Content
from netsched.agents.dhcp import compute
from netsched.agents.kernel.host import Host
from tests.fakes.content import NetworkContent

ROOT = pathlib.Path(__file__).parents[2]

# A udhcpc script that does what a client's must: set the address, and print everything it was given.
_UDHCPC_SCRIPT = """#!/bin/sh
[ "$1" = deconfig ] && exec ip addr flush dev $interface scope global
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr replace $ip/$mask dev $interface
set | sed -n 's/^\\([a-z_0-9]*\\)=/\\1=/p'
"""


def as_in_the_unit(name: str) -> list[str]:
    """Words before a command that leave it the capabilities of the agent's systemd unit: so we know they suffice."""
    unit = (ROOT / "etc/systemd" / name).read_text()
    (line,) = (line for line in unit.splitlines() if line.startswith("CapabilityBoundingSet="))
    kept = [f"+{word.removeprefix('CAP_').lower()}" for word in line.partition("=")[2].split()]
    return ["setpriv", "--no-new-privs", "--bounding-set", ",".join(["-all", *kept])]


class Node(Host):
    """A private host with a state directory that dnsmasq's user can reach, and a driver process."""

    DRIVER, UNIT = "tests.netns.driver_process", "netsched-dhcp-agent.service"

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__(name)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="netsched-test-"))
        self.directory.chmod(0o755)
        self._settings = json.dumps(settings)
        self._driver: subprocess.Popen[str] | None = None

    def start_driver(self) -> None:
        log = open(self.directory / "driver.log", "a")  # noqa: SIM115 (the process keeps it)
        self._driver = self.popen(
            [
                *as_in_the_unit(self.UNIT),
                sys.executable,
                "-m",
                self.DRIVER,
                self.name,
                str(self.directory),
                self._settings,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        log.close()
        assert self._answer() == "ready", self.log()

    def kill_driver(self) -> None:
        """kill -9: the driver gets no chance to tidy up."""
        assert self._driver is not None and self._driver.stdin and self._driver.stdout
        self._driver.kill()
        self._driver.wait()
        self._driver.stdin.close()
        self._driver.stdout.close()
        self._driver = None

    def want(self, wanted: NetworkContent, held: bool = True) -> str | None:
        """Have it applied; None when it is in force, else the error."""
        return self._ask("want", wanted.scope, wanted.content if held else None)

    def actual(self) -> list[str]:
        return self._ask("actual")

    def states(self, wanted: NetworkContent) -> dict[str, str]:
        """What was said last of the objects in the scope: "kind/id" -> status."""
        return self._ask("states", wanted.scope)

    def apply(self, scope: str, wanted: Content | None) -> None:
        """The driver's own, which an error ends: see `log`."""
        self._ask("apply", scope, wanted)

    def check(self, scope: str, wanted: Content | None) -> bool:
        return self._ask("check", scope, wanted)

    def faults(self) -> list[str]:
        return self._ask("faults")

    def log(self) -> str:
        return (self.directory / "driver.log").read_text()

    def dnsmasq_pid(self, network_id: str) -> int:
        return int((self.directory / "dhcp" / network_id / "pid").read_text())

    def leases(self, network_id: str) -> str:
        return (self.directory / "dhcp" / network_id / "leases").read_text()

    def client(self, name: str, network_id: str, mac: str) -> Client:
        return Client(self, name, compute.bridge(network_id), mac)

    def close(self) -> None:
        if self._driver is not None:
            self.kill_driver()
        super().close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _ask(self, *command: Any) -> Any:
        assert self._driver is not None and self._driver.stdin
        self._driver.stdin.write(json.dumps(command) + "\n")
        self._driver.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._driver is not None and self._driver.stdout
        line = self._driver.stdout.readline()
        assert line, f"the driver process ended:\n{self.log()}"
        return json.loads(line)


class Client:
    """A machine on a network's bridge: a namespace with eth0."""

    def __init__(self, node: Node, name: str, bridge: str, mac: str) -> None:
        self._node = node
        self.name = name
        for command in (
            f"ip netns add {name}",
            f"ip link add v-{name} type veth peer name eth0 address {mac} netns {name}",
            f"ip link set v-{name} master {bridge} up",
            f"ip -n {name} link set lo up",
            f"ip -n {name} link set eth0 up",
        ):
            node.run(*shlex.split(command))
        self._scratch = node.directory / f"client-{name}"
        self._scratch.mkdir()
        script = self._scratch / "udhcpc.sh"
        script.write_text(_UDHCPC_SCRIPT)
        script.chmod(0o755)

    def run(self, command: str, timeout: float = 30.0) -> str:
        return self._node.run("ip", "netns", "exec", self.name, *shlex.split(command), timeout=timeout)

    def udhcpc(self, *options: str) -> dict[str, str]:
        """One lease by busybox; what the server said, by busybox's names. Raises Unavailable without a lease."""
        asked = " ".join(f"-O {name}" for name in ("staticroutes", "mtu", "ntpsrv", *options))
        script = self._scratch / "udhcpc.sh"
        said = self.run(f"env -i PATH={os.environ['PATH']} udhcpc -i eth0 -f -s {script} -n -q -t 3 -T 2 {asked}")
        pairs = (line.split("=", 1) for line in said.splitlines() if "=" in line)
        return {name: value.strip("'") for name, value in pairs}

    def dhclient(self, version: int = 4) -> str:
        """One lease by ISC's client: its lease file."""
        lease_file, pid_file = self._scratch / "dhclient.leases", self._scratch / "dhclient.pid"
        kind = "-4" if version == 4 else "-6 -D LL"
        self.run(f"dhclient {kind} -1 -sf /bin/true -lf {lease_file} -pf {pid_file} eth0", timeout=30)
        # It has the lease and goes on as a daemon, which writes its pid in its own time.
        wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), 10)
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid_file.read_text()), 9)
        return lease_file.read_text()

    def dhcpcd(self, version: int = 4) -> str:
        """One lease by dhcpcd, which sets the address and routes: `ip addr` afterwards."""
        options = "-4 --noarp"
        if version == 6:
            config = self._scratch / "dhcpcd.conf"
            config.write_text("noipv6rs\nia_na\n")  # else it asks only where a router's advertisement says so
            options = f"-6 -f {config}"
        self.run(f"dhcpcd {options} -1 -B -t 8 -c /bin/true eth0")
        return self.run("ip addr show eth0")

    def resolve(self, name: str, server: str, family: str = "A") -> list[str]:
        """Addresses that this very server gives for the name."""
        return json.loads(self.run(shlex.join([sys.executable, "-c", _RESOLVE, name, server, family])))


# dnspython instead of a resolver of the C library, which would read the machine's resolv.conf.
_RESOLVE = """
import json, sys, dns.message, dns.query, dns.rdatatype
name, server, family = sys.argv[1:]
answer = dns.query.udp(dns.message.make_query(name, family), server, timeout=5)
print(json.dumps([item.to_text() for rrset in answer.answer for item in rrset]))
"""


@contextlib.contextmanager
def node(name: str = "node1", **settings: Any) -> Iterator[Node]:
    made = Node(name, **settings)
    try:
        made.start_driver()
        yield made
    finally:
        made.close()


def wait_for(condition: Any, timeout: float) -> float:
    """Seconds until the condition held; an assertion when it did not within `timeout`."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < timeout, f"not within {timeout} s"
        time.sleep(0.05)
    return time.monotonic() - begun
