"""The kernel package against the kernel."""

from __future__ import annotations

import functools
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from netsched import errors
from netsched.agents.dhcp import compute
from netsched.agents.dhcp.driver import DhcpDriver
from netsched.agents.kernel import netlink, netns, process
from netsched.agents.kernel.host import Host
from netsched.agents.l3.driver import L3Driver
from netsched.clock import SystemClock
from tests.netns.hosts import wait_for

NAME = f"netsched-test-{os.getpid()}"


def test_a_namespace_comes_and_goes_twice() -> None:
    try:
        for _ in range(2):
            netns.create(NAME)
            identity = netns.identity(NAME)
            netns.create(NAME)
            assert identity is not None and netns.identity(NAME) == identity
            assert NAME in netns.names()
    finally:
        netns.delete(NAME)
    netns.delete(NAME)
    assert netns.identity(NAME) is None and NAME not in netns.names()


def test_a_name_without_a_namespace_is_repaired() -> None:
    """What a crash between making the file and mounting leaves behind."""
    netns.create(NAME)
    try:
        subprocess.run(["umount", str(netns.DIRECTORY / NAME)], check=True)
        assert netns.identity(NAME) is None
        netns.create(NAME)
        assert netns.identity(NAME) is not None
    finally:
        netns.delete(NAME)


def test_run_in_stays_in_its_thread() -> None:
    netns.create(NAME)
    try:
        here = os.stat("/proc/thread-self/ns/net").st_ino
        there = netns.run_in(NAME, lambda: os.stat("/proc/thread-self/ns/net").st_ino)
        assert there == netns.identity(NAME) != here
        assert os.stat("/proc/thread-self/ns/net").st_ino == here
        with pytest.raises(ZeroDivisionError):
            netns.run_in(NAME, lambda: 1 / 0)
    finally:
        netns.delete(NAME)
    with pytest.raises(errors.NotFound):
        netns.run_in(NAME, lambda: None)


def test_many_threads_use_many_namespaces_and_leave_no_descriptor() -> None:
    names = [f"{NAME}-{number}" for number in range(8)]
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            netns.create(name)
            for _ in range(10):
                assert set(netns.run_in(name, links)) == {"lo"}
        except BaseException as exc:  # for the main thread to see
            failures.append(exc)
        finally:
            netns.delete(name)

    def links() -> list[str]:
        with netlink.opened() as inner:
            return list(inner.links())

    work(names[0])
    before = len(os.listdir("/proc/self/fd"))
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(errors.Unavailable, match="ls failed: .*No such file"):
        process.run(["ls", "/does-not-exist"])
    with pytest.raises(errors.Unavailable, match="cannot start no-such-command"):
        process.run(["no-such-command"])
    with pytest.raises(errors.Unavailable, match="did not finish"):
        process.run(["sleep", "5"], timeout=0.1)
    assert process.run(["echo", "yes"]) == "yes\n"


def test_commands_do_not_see_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_PASSWORD", "secret")
    assert "secret" not in process.run(["env"])


@pytest.mark.parametrize("stopped", [False, True])
def test_stop_ends_also_what_does_not_listen(stopped: bool) -> None:
    child = subprocess.Popen(["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"])
    try:
        time.sleep(0.1)
        if stopped:
            child.send_signal(signal.SIGSTOP)
            time.sleep(0.05)
        found = process.find(child.pid)
        assert found is not None and found.stopped == stopped
        process.stop(found, patience=0.3)
        assert child.wait(1) == -signal.SIGKILL
        assert process.find(child.pid) is None
    finally:
        child.kill()
        child.wait()


def test_a_signal_never_meets_another_process() -> None:
    child = subprocess.Popen(["sleep", "10"])
    try:
        wait_for(lambda: process.find(child.pid), 2)  # a process has no command line while it begins
        found = process.find(child.pid)
        assert found is not None
        impostor = process.Process(found.pid, ("dnsmasq",), "S", found.namespace)
        assert process.send(impostor, signal.SIGKILL) is False
        process.stop(impostor)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_hosts_do_not_see_each_other_and_leave_nothing() -> None:
    first, second = Host("first"), Host("second")
    try:
        first.run("ip", "netns", "add", "same")
        second.run("ip", "netns", "add", "same")
        daemon = first.popen(["ip", "netns", "exec", "same", "sleep", "60"])
        wait_for(lambda: daemon.pid in first.processes(), 2)
        assert second.processes() == []
    finally:
        first.close()
        second.close()
    daemon.wait(2)
    assert process.find(daemon.pid) is None


def test_a_bridge_made_by_several_at_once_never_shows_without_its_alias() -> None:
    """Agents that find it put their own mark on it, which must not be overwritten a moment later."""
    netns.create(NAME)

    def make_or_mark(mark: str) -> None:
        with netlink.opened() as host:
            link = host.link("brq0")
            if link is None:
                host.add_bridge("brq0", "netsched")
            elif link.alias == "netsched":
                host.change("brq0", ifalias=mark)
            else:
                assert link.alias.startswith("netsched/")

    def look() -> tuple[set[str], str]:
        with netlink.opened() as host:
            return set(host.links()), host.existing("brq0").alias

    def forget() -> None:
        with netlink.opened() as host:
            host.delete_link("brq0")

    try:
        for _ in range(20):
            works = [functools.partial(make_or_mark, f"netsched/{n}") for n in range(8)]
            with ThreadPoolExecutor(4) as pool:
                for done in [pool.submit(netns.run_in, NAME, work) for work in works]:
                    done.result()
            links, alias = netns.run_in(NAME, look)
            assert links == {"lo", "brq0"} and alias.startswith("netsched/")
            netns.run_in(NAME, forget)
    finally:
        netns.delete(NAME)


@pytest.mark.parametrize("kind", [DhcpDriver, L3Driver])
def test_a_state_directory_that_the_daemons_cannot_reach_is_refused(kind: Any) -> None:
    """They read their files as user nobody; the one would serve nobody, the other advertise what was before."""
    with tempfile.TemporaryDirectory() as name:
        closed = pathlib.Path(name, "closed")
        closed.mkdir(mode=0o700)
        pathlib.Path(name).chmod(0o755)
        settings = [compute.Settings()] if kind is DhcpDriver else []
        with pytest.raises(errors.Unavailable, match="closed has mode 0700"):
            kind("node", closed, *settings, SystemClock())
