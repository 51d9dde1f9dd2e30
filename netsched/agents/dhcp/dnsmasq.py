"""One network's dnsmasq: its directory, its process, its leases. Remembers nothing: asks the directory and /proc.

`<state_dir>/dhcp/<network id>/` holds hosts, opts, addn_hosts (ours), pid and leases (dnsmasq's).
"""

from __future__ import annotations

import logging
import os
import pathlib
import shutil
import signal
from collections.abc import Iterable, Sequence

from netsched import clock, errors
from netsched.agents.dhcp import leases
from netsched.agents.kernel import process

LOG = logging.getLogger(__name__)

_PID_ARGUMENT = "--pid-file="
_LEASE_REWRITE = 0.005  # s, longer than dnsmasq needs to write thousands of leases
_LEASE_READS = 20


class Dnsmasq:
    def __init__(self, state_dir: pathlib.Path, network_id: str, namespace: str, clock_: clock.Clock) -> None:
        self._clock = clock_
        self._network_id = network_id
        self._namespace = namespace
        self._directory = directory(state_dir) / network_id

    def argv(self, arguments: Sequence[str]) -> tuple[str, ...]:
        """The whole command line; a running process is up to date exactly when it has this one."""
        return (
            "dnsmasq",
            f"{_PID_ARGUMENT}{self._directory / 'pid'}",
            f"--dhcp-leasefile={self._directory / 'leases'}",
            f"--dhcp-hostsfile={self._directory / 'hosts'}",
            f"--dhcp-optsfile={self._directory / 'opts'}",
            f"--addn-hosts={self._directory / 'addn_hosts'}",
            *arguments,
        )

    def find(self) -> process.Process | None:
        """The running dnsmasq of this network, by its pid file and its own command line."""
        try:
            pid = int(self._read("pid"))
        except ValueError:
            return None
        found = process.find(pid)
        return found if found and self._is_ours(found) else None

    def processes(self) -> list[process.Process]:
        """Every dnsmasq of this network, also one whose pid file was lost. Reads all of /proc."""
        return [p for p in process.having(f"{_PID_ARGUMENT}{self._directory / 'pid'}") if self._is_ours(p)]

    def write(self, files: Iterable[tuple[str, str]]) -> bool:
        """Write what differs, each file at once; True when anything did."""
        make_directory(self._directory)
        changed = [(name, content) for name, content in files if not self._same(name, content)]
        for name, content in changed:
            # World-readable: dnsmasq reads them again after it has become nobody.
            temporary = self._directory / f".{name}.new"
            temporary.write_text(content)
            temporary.chmod(0o644)
            temporary.replace(self._directory / name)
        return bool(changed)

    def holds(self, files: Iterable[tuple[str, str]]) -> bool:
        """Are the files on disk as given?"""
        return all(self._same(name, content) for name, content in files)

    def start(self, arguments: Sequence[str]) -> None:
        """Start it; returns when it serves. Raises Unavailable with its own words."""
        process.run(self.argv(arguments), self._namespace)
        LOG.info("Started dnsmasq of network %s with pid %s", self._network_id, self._read("pid").strip())

    def stop(self) -> None:
        """End it. Looks through all processes only if one may run of which the pid file was lost."""
        found = self.find()
        started_before = (self._directory / "leases").exists() or not self.exists()
        for each in [found] if found else self.processes() if started_before else []:
            process.stop(each)
            LOG.info("Stopped dnsmasq of network %s with pid %s", self._network_id, each.pid)

    def reload(self, running: process.Process) -> None:
        """Have it read its files again."""
        process.send(running, signal.SIGHUP)
        LOG.info("Reloaded dnsmasq of network %s", self._network_id)

    def reserved(self) -> set[tuple[str, str]]:
        """(mac, address) in the hosts file as it is on disk."""
        return leases.reservations(self._read("hosts"))

    def stale_leases(
        self, reserved: Iterable[tuple[str, str]], before: Iterable[tuple[str, str]]
    ) -> list[leases.Lease]:
        return leases.stale(leases.parse(self._read_leases()), reserved, before)

    def forget_leases(self, gone: Sequence[leases.Lease]) -> None:
        """Take leases out of the file. Only while no dnsmasq runs: it holds all of them in memory."""
        if gone:
            kept = leases.without(self._read("leases"), gone)
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
        """Remove the directory. It is the mark that something of the network is here: the last to go."""
        try:
            shutil.rmtree(self._directory)
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise errors.Unavailable(reason=f"cannot remove {self._directory}: {exc}") from exc

    def exists(self) -> bool:
        return self._directory.exists()

    def _is_ours(self, found: process.Process) -> bool:
        return _is_dnsmasq(found) and f"{_PID_ARGUMENT}{self._directory / 'pid'}" in found.argv

    def _same(self, name: str, content: str) -> bool:
        return (self._directory / name).exists() and self._read(name) == content

    def _read_leases(self) -> str:
        """The lease file between two rewrites: dnsmasq truncates it and writes it anew at every lease."""
        content = self._read("leases")
        for _ in range(_LEASE_READS):
            self._clock.sleep(_LEASE_REWRITE)
            again = self._read("leases")
            if again == content and (not again or again.endswith("\n")):
                break
            content = again
        return content

    def _read(self, name: str) -> str:
        try:
            return (self._directory / name).read_text(errors="replace")
        except FileNotFoundError:
            return ""


def directory(state_dir: pathlib.Path) -> pathlib.Path:
    """Where the directories of all networks are."""
    return state_dir / "dhcp"


def make_directory(path: pathlib.Path) -> None:
    """Make it, open to dnsmasq's user whatever our umask is."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
    except OSError as exc:
        raise errors.Unavailable(reason=f"cannot make directory {path}: {exc}") from exc


def networks(state_dir: pathlib.Path) -> set[str]:
    """Networks of which there is a directory or a process that uses one."""
    home = directory(state_dir)
    found = set(os.listdir(home)) if home.is_dir() else set()
    prefix = f"{_PID_ARGUMENT}{home}/"
    for running in filter(_is_dnsmasq, process.having(prefix)):
        found |= {pathlib.Path(w.removeprefix(_PID_ARGUMENT)).parent.name for w in running.argv if w.startswith(prefix)}
    return found


def _is_dnsmasq(found: process.Process) -> bool:
    return pathlib.Path(found.argv[0]).name == "dnsmasq"


def check_readable(state_dir: pathlib.Path) -> None:
    """dnsmasq reads its files as user nobody: every directory on the way must let it pass. Raises Unavailable."""
    for part in (state_dir, *state_dir.parents):
        if part.exists() and not part.stat().st_mode & 0o001:
            raise errors.Unavailable(
                reason=f"the state directory {state_dir} is out of reach for dnsmasq, which runs as user nobody: "
                f"{part} has mode {part.stat().st_mode & 0o7777:04o}; use another state directory or chmod o+x {part}"
            )
