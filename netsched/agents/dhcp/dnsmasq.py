"""One network's dnsmasq: its directory, its process, its leases. Remembers nothing: asks the directory and /proc.

`<state_dir>/dhcp/<network id>/` holds hosts, opts, addn_hosts (ours), pid and leases (dnsmasq's).
"""

from __future__ import annotations

import logging
import pathlib
import signal
from collections.abc import Iterable, Sequence

from netsched import clock
from netsched.agents.dhcp import leases
from netsched.agents.kernel import directory, process
from netsched.agents.kernel.directory import Directory

LOG = logging.getLogger(__name__)

_PID_ARGUMENT = "--pid-file="
_LEASE_REWRITE = 0.005  # s, longer than dnsmasq needs to write thousands of leases
_LEASE_READS = 20


class Dnsmasq:
    def __init__(self, state_dir: pathlib.Path, network_id: str, namespace: str, clock_: clock.Clock) -> None:
        self._clock = clock_
        self._network_id = network_id
        self._namespace = namespace
        self._files = Directory(home(state_dir) / network_id)

    def argv(self, arguments: Sequence[str]) -> tuple[str, ...]:
        """The whole command line; a running process is up to date exactly when it has this one."""
        return (
            "dnsmasq",
            f"{_PID_ARGUMENT}{self._files / 'pid'}",
            f"--dhcp-leasefile={self._files / 'leases'}",
            f"--dhcp-hostsfile={self._files / 'hosts'}",
            f"--dhcp-optsfile={self._files / 'opts'}",
            f"--addn-hosts={self._files / 'addn_hosts'}",
            *arguments,
        )

    def find(self) -> process.Process | None:
        """The running dnsmasq of this network, by its pid file and its own command line."""
        try:
            pid = int(self._files.read("pid"))
        except ValueError:
            return None
        found = process.find(pid)
        return found if found and self._is_ours(found) else None

    def processes(self) -> list[process.Process]:
        """Every dnsmasq of this network, also one whose pid file was lost. Reads all of /proc."""
        return [p for p in process.having(f"{_PID_ARGUMENT}{self._files / 'pid'}") if self._is_ours(p)]

    def write(self, files: Iterable[tuple[str, str]]) -> bool:
        """Write what differs, each file at once; True when anything did."""
        return self._files.write(files)

    def holds(self, files: Iterable[tuple[str, str]]) -> bool:
        """Are the files on disk as given?"""
        return self._files.holds(files)

    def start(self, arguments: Sequence[str]) -> None:
        """Start it; returns when it serves. Raises Unavailable with its own words."""
        process.run(self.argv(arguments), self._namespace)
        LOG.info("Started dnsmasq of network %s with pid %s", self._network_id, self._files.read("pid").strip())

    def stop(self) -> None:
        """End it. Looks through all processes only if one may run of which the pid file was lost."""
        found = self.find()
        started_before = (self._files / "leases").exists() or not self.exists()
        for each in [found] if found else self.processes() if started_before else []:
            process.stop(each)
            LOG.info("Stopped dnsmasq of network %s with pid %s", self._network_id, each.pid)

    def reload(self, running: process.Process) -> None:
        """Have it read its files again."""
        process.send(running, signal.SIGHUP)
        LOG.info("Reloaded dnsmasq of network %s", self._network_id)

    def reserved(self) -> set[tuple[str, str]]:
        """(mac, address) in the hosts file as it is on disk."""
        return leases.reservations(self._files.read("hosts"))

    def stale_leases(
        self, reserved: Iterable[tuple[str, str]], before: Iterable[tuple[str, str]]
    ) -> list[leases.Lease]:
        return leases.stale(leases.parse(self._read_leases()), reserved, before)

    def forget_leases(self, gone: Sequence[leases.Lease]) -> None:
        """Take leases out of the file. Only while no dnsmasq runs: it holds all of them in memory."""
        if gone:
            kept = leases.without(self._files.read("leases"), gone)
            self.write([("leases", kept)])
            LOG.info("Dropped %d leases of network %s", len(gone), self._network_id)

    def release(self, interface: str, lease: leases.Lease) -> None:
        """Have the running dnsmasq give up a lease, by the message that its client would send."""
        if lease.mac:
            client = [] if lease.client_id == "*" else [lease.client_id]
            argv = ["dhcp_release", interface, lease.address, lease.mac, *client]
        else:
            argv = ["dhcp_release6", "--iface", interface, "--client-id", lease.client_id]
            argv += ["--server-id", lease.server_id, "--iaid", lease.iaid.lstrip("T"), "--ip", lease.address]
        process.run(argv, self._namespace)
        LOG.info("Released %s of network %s", lease.address, self._network_id)

    def remove(self) -> None:
        """Remove the directory."""
        self._files.remove()

    def exists(self) -> bool:
        """Is there a directory?"""
        return self._files.exists()

    def _is_ours(self, found: process.Process) -> bool:
        return _is_dnsmasq(found) and f"{_PID_ARGUMENT}{self._files / 'pid'}" in found.argv

    def _read_leases(self) -> str:
        """The lease file between two rewrites: dnsmasq truncates it and writes it anew at every lease."""
        content = self._files.read("leases")
        for _ in range(_LEASE_READS):
            self._clock.sleep(_LEASE_REWRITE)
            again = self._files.read("leases")
            if again == content and (not again or again.endswith("\n")):
                break
            content = again
        return content


def home(state_dir: pathlib.Path) -> pathlib.Path:
    """Where the directories of all networks are."""
    return state_dir / "dhcp"


def networks(state_dir: pathlib.Path) -> set[str]:
    """Networks of which there is a directory or a process that uses one."""
    found = directory.names(home(state_dir))
    prefix = f"{_PID_ARGUMENT}{home(state_dir)}/"
    for running in filter(_is_dnsmasq, process.having(prefix)):
        found |= {pathlib.Path(w.removeprefix(_PID_ARGUMENT)).parent.name for w in running.argv if w.startswith(prefix)}
    return found


def _is_dnsmasq(found: process.Process) -> bool:
    return pathlib.Path(found.argv[0]).name == "dnsmasq"
