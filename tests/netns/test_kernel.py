"""The kernel package against the kernel."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import pytest

from netsched import errors
from netsched.agents.kernel import netlink, netns, process
from netsched.agents.kernel.host import Host
from tests.netns.hosts import node, wait_for

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


def test_a_state_directory_that_dnsmasq_cannot_reach_is_refused() -> None:
    with node() as good:
        closed = good.directory / "closed"
        closed.mkdir(mode=0o700)
        good.kill_driver()
        from netsched.agents.dhcp import dnsmasq

        with pytest.raises(errors.Unavailable, match="closed has mode 0700"):
            dnsmasq.check_readable(closed / "dhcp")
