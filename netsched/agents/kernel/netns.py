"""Network namespaces by name, compatible with `ip netns`, without forking.

pyroute2's own functions fork a copy of the (big) agent for each call, 15 to 20 ms each. A fresh native thread can
enter or make a namespace by itself in less than a millisecond; the thread ends, so nobody inherits the namespace.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import threading
from collections.abc import Callable
from typing import TypeVar

from netsched import errors

T = TypeVar("T")

DIRECTORY = pathlib.Path("/run/netns")

_CLONE_NEWNET = 0x40000000
_MS_BIND = 4096
_MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def names() -> set[str]:
    """All named namespaces of this host."""
    try:
        return set(os.listdir(DIRECTORY))
    except FileNotFoundError:
        return set()


def identity(name: str) -> int | None:
    """The inode of the namespace, comparable with that of a process; None when the name is not bound to one."""
    try:
        found = os.stat(DIRECTORY / name)
        root = os.stat(DIRECTORY)
    except OSError:
        return None
    # A name whose mount is gone (a crash between creating and mounting) is an empty file on the directory's device.
    return found.st_ino if found.st_dev != root.st_dev else None


def create(name: str) -> None:
    """Make the namespace and bring its loopback's name into being; one that exists is left alone."""
    if identity(name) is not None:
        return
    path = DIRECTORY / name
    try:
        DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.touch(mode=0o444, exist_ok=True)
    except OSError as exc:
        raise errors.Unavailable(reason=f"cannot create namespace {name}: {exc}") from exc

    def unshare_and_mount() -> None:
        _call("unshare", _CLONE_NEWNET)
        _call("mount", b"/proc/thread-self/ns/net", os.fsencode(path), b"none", _MS_BIND, None)

    _in_thread(unshare_and_mount, f"cannot create namespace {name}")


def delete(name: str) -> None:
    """Remove the name; the namespace ends with its last process. One that is gone is removed successfully."""
    path = DIRECTORY / name
    if _libc.umount2(os.fsencode(path), _MNT_DETACH) != 0 and ctypes.get_errno() not in (2, 22):
        raise errors.Unavailable(reason=f"cannot unmount namespace {name}: {os.strerror(ctypes.get_errno())}")
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise errors.Unavailable(reason=f"cannot delete namespace {name}: {exc}") from exc


def run_in(name: str | None, function: Callable[[], T]) -> T:
    """Call `function` in the namespace (None: in the host's own) and return what it returns.

    What it starts (processes, sockets) stays in that namespace; /proc/sys/net is that namespace's too.
    """
    if name is None:
        return function()

    def enter_and_call() -> T:
        try:
            fd = os.open(DIRECTORY / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as exc:
            raise errors.NotFound(resource="Namespace", id=name) from exc
        try:
            _call("setns", fd, _CLONE_NEWNET)
        finally:
            os.close(fd)
        return function()

    return _in_thread(enter_and_call, f"cannot enter namespace {name}")


def run_apart(function: Callable[[], T]) -> T:
    """Call `function` in a new namespace without a name, which ends with the call: to try what the kernel can do."""

    def unshare_and_call() -> T:
        _call("unshare", _CLONE_NEWNET)
        return function()

    return _in_thread(unshare_and_call, "cannot make a namespace")


def set_sysctls(values: dict[str, str]) -> None:
    """Write ``{"net/ipv6/conf/all/forwarding": "0"}`` in the namespace of the calling thread (see `run_in`).

    A kernel without IPv6 has no such file and needs none.
    """
    for key, value in values.items():
        path = pathlib.Path("/proc/sys") / key
        try:
            if path.read_text().strip() != value:
                path.write_text(value)
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise errors.Unavailable(reason=f"cannot set {key}={value}: {exc}") from exc


def has_sysctls(values: dict[str, str]) -> bool:
    """Are they as `set_sysctls` would leave them?"""
    for key, value in values.items():
        try:
            if pathlib.Path("/proc/sys", key).read_text().strip() != value:
                return False
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise errors.Unavailable(reason=f"cannot read {key}: {exc}") from exc
    return True


def _call(function: str, *arguments: object) -> None:
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _in_thread(function: Callable[[], T], what: str) -> T:
    """Run in a native thread of its own; an OSError becomes Unavailable with `what` in front."""
    results: list[T] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function())
        except BaseException as exc:  # carried over to the caller's thread, whatever it is
            failures.append(exc)

    thread = threading.Thread(target=body, name="netns")
    thread.start()
    thread.join()
    if not failures:
        return results[0]
    if isinstance(failures[0], OSError):
        raise errors.Unavailable(reason=f"{what}: {failures[0]}") from failures[0]
    raise failures[0]
