"""One router's radvd: its directory and its process. Remembers nothing: asks the directory and /proc.

`<state_dir>/l3/<router id>/` holds radvd.conf (ours) and pid (radvd's). It is there for every router, with or without
radvd, as the mark that something of the router is here: made first, removed last.
"""

from __future__ import annotations

import logging
import pathlib
import signal

from netsched.agents.kernel import directory, process
from netsched.agents.kernel.directory import Directory

LOG = logging.getLogger(__name__)

_CONFIG, _PID = "radvd.conf", "pid"


class Radvd:
    def __init__(self, state_dir: pathlib.Path, router_id: str, namespace: str) -> None:
        self._router_id = router_id
        self._namespace = namespace
        self._files = Directory(home(state_dir) / router_id)

    def find(self) -> process.Process | None:
        """The running radvd of this router, by its pid file and its own command line."""
        try:
            found = process.find(int(self._files.read(_PID)))
        except ValueError:
            return None
        return found if found and found.argv == self._argv() else None

    def exists(self) -> bool:
        """Is there a directory?"""
        return self._files.exists()

    def holds(self, config: str) -> bool:
        """Is the configuration on disk as given?"""
        return self._files.holds([(_CONFIG, config)])

    def write(self, config: str) -> bool:
        """Have the directory and the configuration, which is replaced at once; True when it changed."""
        return self._files.write([(_CONFIG, config)])

    def start(self) -> None:
        """Start it; returns when it advertises. Raises Unavailable with its own words."""
        process.run(self._argv(), self._namespace)
        LOG.info("Started radvd of router %s with pid %s", self._router_id, self._files.read(_PID).strip())

    def reload(self, running: process.Process) -> None:
        """Have it read its configuration again."""
        process.send(running, signal.SIGHUP)
        LOG.info("Reloaded radvd of router %s", self._router_id)

    def stop(self) -> None:
        """End it. Looks through all processes only if one may run of which the pid file was lost."""
        found = self.find()
        may_run = self._files.read(_CONFIG) != "" or not self.exists()
        for each in [found] if found else self.processes() if may_run else []:
            process.stop(each)
            LOG.info("Stopped radvd of router %s with pid %s", self._router_id, each.pid)

    def remove(self) -> None:
        """Remove the directory."""
        self._files.remove()

    def _argv(self) -> tuple[str, ...]:
        config, pid = str(self._files / _CONFIG), str(self._files / _PID)
        # Its own messages go to syslog; what it says of a bad configuration comes to us when it starts.
        return ("radvd", "-C", config, "-p", pid, "-m", "syslog", "-u", "nobody")

    def processes(self) -> list[process.Process]:
        """Both halves of every radvd of this router: it keeps a child that has the privileges."""
        return [found for found in process.having(str(self._files / _CONFIG)) if found.argv == self._argv()]


def home(state_dir: pathlib.Path) -> pathlib.Path:
    """Where the directories of all routers are."""
    return state_dir / "l3"


def routers(state_dir: pathlib.Path) -> set[str]:
    """Routers of which there is a directory."""
    return directory.names(home(state_dir))
