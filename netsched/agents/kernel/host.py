"""Several hosts on one machine: private network and mount namespaces, joined by a fabric.

The demo and the tests run one agent on each. A host is a process that sleeps in namespaces of its own, with an empty
/run/netns and a /sys that shows its own devices; its other files are the machine's.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
from collections.abc import Sequence
from typing import Any

from netsched import errors
from netsched.agents.kernel import process

_SETUP = (
    "mkdir -p /run/netns && mount -t tmpfs -o mode=755 tmpfs /run/netns && mount -t sysfs sysfs /sys && "
    "ip link set lo up && echo ready && exec sleep infinity"
)


class Host:
    """A private host; `close` ends it and every process left on it."""

    def __init__(self, name: str) -> None:
        """Needs root. Raises Unavailable with what the system said."""
        self.name = name
        self._holder = subprocess.Popen(
            ["unshare", "-m", "-n", "--propagation", "private", "sh", "-c", _SETUP],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        assert self._holder.stdout is not None
        said = self._holder.stdout.readline().decode().strip()
        if said != "ready":
            self._holder.wait()
            raise errors.Unavailable(reason=f"cannot make a private host (this needs root): {said}")

    @property
    def pid(self) -> int:
        """Of the process that holds the namespaces: a name for them, for `ip link ... netns PID`."""
        return self._holder.pid

    def argv(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` on this host, in the caller's working directory."""
        return ["nsenter", f"--wd={os.getcwd()}", "-t", str(self.pid), "-m", "-n", *command]

    def run(self, *command: str, timeout: float = 30.0) -> str:
        """Run to its end and return standard output. Raises Unavailable with standard error."""
        done = subprocess.run(self.argv(command), capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise errors.Unavailable(reason=f"{' '.join(command)} on {self.name} failed: {said}")
        return done.stdout

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start on this host. nsenter becomes the command, so the pid is the command's own."""
        return subprocess.Popen(self.argv(command), **options)

    def processes(self) -> list[int]:
        """Pids of all that runs on this host or in a named namespace of it, the holder excepted.

        By both namespaces, since `ip netns exec` gives its command a mount namespace of its own.
        """
        mounts, networks = _namespace(self.pid, "mnt"), {_namespace(self.pid, "net")}
        nested = pathlib.Path(f"/proc/{self.pid}/root/run/netns")
        with contextlib.suppress(OSError):
            networks |= {entry.stat().st_ino for entry in nested.iterdir()}
        if not mounts:
            return []  # the holder is gone
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
        return [
            pid
            for pid in pids
            if pid != self.pid and (_namespace(pid, "mnt") == mounts or _namespace(pid, "net") in networks)
        ]

    def close(self) -> None:
        """End all processes of this host, then the host; its namespaces, links and mounts go with it."""
        for _ in range(5):  # what is ending may still have been starting something
            left = [found for found in map(process.find, self.processes()) if found]
            for found in left:
                process.stop(found)
            if not left:
                break
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout:
            self._holder.stdout.close()


class Fabric:
    """The wire between hosts: a bridge on a host of its own."""

    BRIDGE = "fabric"

    def __init__(self) -> None:
        self._host = Host("fabric")
        self._links = 0
        self._host.run("ip", "link", "add", self.BRIDGE, "type", "bridge")
        self._host.run("ip", "link", "set", self.BRIDGE, "up")

    def connect(self, host: Host, interface: str, bridge: str | None = None) -> str:
        """A cable from the fabric to `interface` of the host, there put into `bridge` (made when missing).

        Returns the name of the fabric's end, for `set_link`.
        """
        self._links += 1
        end = f"port{self._links}"
        peer = ["peer", "name", interface, "netns", str(host.pid)]
        self._host.run("ip", "link", "add", end, "type", "veth", *peer)
        self._host.run("ip", "link", "set", end, "master", self.BRIDGE, "up")
        if bridge is not None:
            with contextlib.suppress(errors.Unavailable):  # the host's agent may have made it, this very moment
                host.run("ip", "link", "add", bridge, "type", "bridge")
            host.run("ip", "link", "set", bridge, "up")
            host.run("ip", "link", "set", interface, "master", bridge)
        host.run("ip", "link", "set", interface, "up")
        return end

    def set_link(self, end: str, up: bool) -> None:
        """Pull or plug the cable."""
        self._host.run("ip", "link", "set", end, "up" if up else "down")

    def close(self) -> None:
        self._host.close()


def _namespace(pid: int, kind: str) -> int:
    """0 for a process that is gone or has given up its namespaces."""
    try:
        return pathlib.Path(f"/proc/{pid}/ns/{kind}").stat().st_ino
    except OSError:
        return 0
