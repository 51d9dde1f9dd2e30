"""The real agent process on a host that was rebooted, with no server to ask."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from netsched.agents.base.cache import Copy
from netsched.agents.base.store import DirectoryStore
from netsched.agents.dhcp.main import WANTED
from tests.fakes.content import NETWORK
from tests.netns.hosts import ROOT, Node, wait_for
from tests.netns.test_supervision import healthy, one_network


@pytest.fixture
def rebooted() -> Iterator[Node]:
    """Nothing in the kernel; on disk what the agent knew before."""
    made = Node("node1")
    try:
        store = DirectoryStore(made.directory / WANTED)
        store.meet("one")
        store.save(one_network().scope, Copy(3, 17, one_network().content), "one")
        yield made
    finally:
        made.close()


def start_agent(node1: Node) -> subprocess.Popen[bytes]:
    (node1.directory / "agent.conf").write_text(
        f"[agent]\nhost = node1\nstate_dir = {node1.directory}\n"
        f"[messaging]\ntransport = unix://{node1.directory}/nobody-listens\n"
    )
    argv = [sys.executable, "-m", "netsched.cmd.dhcp_agent", "--config-file", str(node1.directory / "agent.conf")]
    with open(node1.directory / "agent.log", "a") as log:
        return node1.popen(argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log)


def test_all_that_was_held_is_rebuilt_without_a_server(rebooted: Node) -> None:
    agent = start_agent(rebooted)
    try:
        wait_for(lambda: healthy(rebooted, 0), 10)
        client = rebooted.client("vm1", NETWORK, "fa:16:3e:00:00:05")
        assert client.udhcpc()["ip"] == "10.0.0.50"
    finally:
        agent.kill()
        agent.wait()
    # The next life, still without a server, takes over what runs.
    pid = rebooted.dnsmasq_pid(NETWORK)
    agent = start_agent(rebooted)
    try:
        wait_for(lambda: "Reloaded dnsmasq" in (rebooted.directory / "agent.log").read_text(), 10)
        assert rebooted.dnsmasq_pid(NETWORK) == pid
        assert client.udhcpc()["ip"] == "10.0.0.50"
    finally:
        agent.kill()
        agent.wait()
