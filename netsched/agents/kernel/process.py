"""Processes that outlive us: started in a namespace, recognised by what /proc says, ended without a mistake in the pid.

Two kinds: `run` waits for a short command; daemons put themselves into the background (own session, no pipe to us) and
are found again by a word of their command line, after our own restart too.
"""

from __future__ import annotations

import os
import pathlib
import select
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from netsched import errors
from netsched.agents.kernel import netns

_PROC = pathlib.Path("/proc")


@dataclass(frozen=True)
class Process:
    pid: int
    argv: tuple[str, ...]
    state: str  # one letter of /proc/PID/stat: R, S, D run or wait, T is stopped
    namespace: int  # identity of its network namespace, as netns.identity gives it

    @property
    def stopped(self) -> bool:
        return self.state in ("T", "t")


def find(pid: int) -> Process | None:
    """What runs under this pid; None when nothing does (a zombie runs nothing)."""
    directory = _PROC / str(pid)
    try:
        argv = tuple(os.fsdecode(word) for word in (directory / "cmdline").read_bytes().split(b"\0")[:-1])
        # The second field is the command in parentheses and may itself contain spaces and parentheses.
        state = (directory / "stat").read_text().rpartition(")")[2].split()[0]
        namespace = os.stat(directory / "ns" / "net").st_ino
    except (OSError, IndexError):
        return None
    return None if state in ("Z", "X") or not argv else Process(pid, argv, state, namespace)


def having(word_prefix: str) -> list[Process]:
    """All processes with a command line word that starts so. Reads all of /proc: not for a loop."""
    wanted = os.fsencode(word_prefix)
    pids = [int(entry) for entry in os.listdir(_PROC) if entry.isdigit() and wanted in _command_line(entry)]
    found = [process for process in map(find, pids) if process]
    return [process for process in found if any(word.startswith(word_prefix) for word in process.argv)]


def _command_line(pid: str) -> bytes:
    try:
        return (_PROC / pid / "cmdline").read_bytes()
    except OSError:
        return b""


def run(argv: Sequence[str], namespace: str | None = None, timeout: float = 10.0) -> str:
    """Run a command to its end in a namespace and return its standard output.

    Also starts daemons: the command has ended when it has gone into the background. Output goes through files, since a
    daemon would keep a pipe open. Raises Unavailable with the command's own words.
    """
    # Not our own environment, which may hold secrets; and the tools live in sbin, which a service's PATH need not have.
    env = {"PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin", "LC_ALL": "C"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:

        def start() -> subprocess.Popen[bytes]:
            null = subprocess.DEVNULL
            try:
                return subprocess.Popen(
                    list(argv), stdin=null, stdout=out, stderr=err, start_new_session=True, cwd="/", env=env
                )
            except OSError as exc:
                raise errors.Unavailable(reason=f"cannot start {argv[0]}: {exc}") from exc

        process = netns.run_in(namespace, start)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired as exc:
            process.kill()
            process.wait()
            raise errors.Unavailable(reason=f"{argv[0]} did not finish within {timeout:g} s") from exc
        out.seek(0)
        err.seek(0)
        if code != 0:
            said = err.read().decode(errors="replace").strip() or f"exit code {code}"
            raise errors.Unavailable(reason=f"{argv[0]} failed: {said}")
        return out.read().decode(errors="replace")


def send(process: Process, number: signal.Signals) -> bool:
    """Signal exactly this process; False when it is gone or the pid belongs to another by now."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        return _send(fd, process, number)
    finally:
        os.close(fd)


def stop(process: Process, patience: float = 2.0) -> None:
    """End it: SIGTERM, and SIGKILL after `patience` seconds, or at once when it is stopped. Waits until it is gone."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        if not process.stopped and _send(fd, process, signal.SIGTERM) and _ended(fd, patience):
            return
        if _send(fd, process, signal.SIGKILL) and not _ended(fd, patience):
            raise errors.Unavailable(reason=f"process {process.pid} ({process.argv[0]}) does not die")
    finally:
        os.close(fd)


def _send(fd: int, process: Process, number: signal.Signals) -> bool:
    # The descriptor holds the pid: comparing afterwards leaves no moment in which another process could get it.
    current = find(process.pid)
    if current is None or current.argv != process.argv:
        return False
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    return True


def _ended(fd: int, timeout: float) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(timeout * 1000))
