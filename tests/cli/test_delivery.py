"""Who is behind, and waiting until nobody is, by command."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading

import pytest
import requests
import sqlalchemy as sa

from netsched.db.interest import interest
from netsched.model import checksum
from netsched.rpc import agent as rpc
from tests.cli.deployment import Deployment, environment

LATE = "node-1 (DHCP agent): on its way"


@pytest.fixture
def sent(deployment: Deployment) -> Deployment:
    """A network `web` with the subnet `web-v4`, given to node-1 and told to it; it has not said yet that it has it."""
    deployment.agent("node-1")
    deployment.agent("node-2", "L3 agent")
    deployment.run("network", "create", "web")
    deployment.run("subnet", "create", "web-v4", "--network", "web", "--subnet-range", "10.1.0.0/24")
    assert deployment.schedule() == 1
    deployment.schedule()
    deployment.server.delivery.relay()
    return deployment


def acknowledge(deployment: Deployment) -> None:
    """node-1 says that it has in force what it holds."""
    with deployment.server.database.read() as connection:
        (row,) = connection.execute(sa.select(interest.c.scope, interest.c.epoch, interest.c.position)).all()
    applied = [rpc.Applied(scope=row.scope, epoch=row.epoch, position=row.position)]
    has = [(row.scope, row.epoch, row.position)]
    deployment.agent("node-1", applied=applied, complete=True, count=1, checksum=checksum.of(has))


def test_lag_of_all_agents_and_of_one(sent: Deployment) -> None:
    (row,) = sent.run("agent", "lag", "-f", "json").json
    network = sent.run("network", "show", "web", "-f", "value", "-c", "id").out.strip()
    assert (row["Host"], row["Agent type"], row["Reason"]) == ("node-1", "DHCP agent", "on its way")
    assert row["Scope"] == f"network/{network}" and 0 <= row["Behind"] < 60
    assert sent.run("agent", "lag", "node-1", "-f", "json").json[0]["Scope"] == row["Scope"]
    assert sent.run("agent", "lag", "node-2", "-f", "json").json == []
    unknown = sent.run("agent", "lag", "node-9")
    assert unknown.code == 1 and "There is no agent" in unknown.err
    mistyped = sent.run("agent", "lag", "node-1", "--type", "DHCP")
    assert mistyped.code == 1 and "'node-1' and the agent type 'DHCP'" in mistyped.err
    acknowledge(sent)
    assert sent.run("agent", "lag", "-f", "json").json == []


def test_the_table_fits_a_terminal(sent: Deployment) -> None:
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "netsched.cmd.netsched", "--os-endpoint", sent.url, "agent", "lag"]
    subprocess.run(command, stdin=its, stdout=its, env=environment(), check=True)
    os.close(its)
    lines = os.read(ours, 65536).decode().splitlines()
    os.close(ours)
    assert len(lines) > 4 and max(map(len, lines)) <= 80


@pytest.mark.parametrize("what", [("network", "web"), ("subnet", "web-v4")])
def test_waiting_ends_when_it_is_in_force_or_names_who_is_late(sent: Deployment, what: tuple[str, str]) -> None:
    late = sent.run("wait", *what, "--timeout", "0")
    assert late.code == 1 and "The network is not in force after 0 s" in late.err and LATE in late.err
    soon = threading.Timer(0.5, acknowledge, [sent])
    soon.start()
    assert sent.run("wait", *what, "--timeout", "30").code == 0
    soon.join()


def test_a_floating_ip_without_a_router_is_waited_for_by_nobody(deployment: Deployment) -> None:
    deployment.run("network", "create", "ext", "--external")
    deployment.run("subnet", "create", "ext-v4", "--network", "ext", "--subnet-range", "203.0.113.0/24", "--no-dhcp")
    made = deployment.run("floating", "ip", "create", "ext", "-f", "json").json
    assert deployment.run("wait", "floating", "ip", made["floating_ip_address"], "--timeout", "0").code == 0


def test_changes_that_wait(sent: Deployment) -> None:
    acknowledge(sent)
    created = sent.run("port", "create", "vm-1", "--network", "web", "--wait", "0", "-f", "json")
    assert created.code == 1 and '"name": "vm-1"' in created.out  # it is made, and shown
    assert "It is done, but not yet in force" in created.err and "not yet sent" in created.err
    sent.server.delivery.relay()
    late = sent.run("wait", "port", "vm-1", "--timeout", "0")
    assert late.code == 1 and LATE in late.err
    renamed = sent.run("port", "set", "vm-1", "--name", "vm-2", "--wait", "0")
    assert renamed.code == 1 and LATE in renamed.err
    gone = sent.run("port", "delete", "vm-2", "--wait", "0")
    assert gone.code == 1 and LATE in gone.err
    assert "vm-2" not in sent.run("port", "list", "--network", "web", "-f", "json").out
    too_long = sent.run("network", "create", "dry", "--wait", "99")
    assert too_long.code == 2 and "netsched wait" in too_long.err
    assert sent.run("wait", "network", "web", "--timeout", "-1").code == 2
    assert "--wait" not in sent.run("agent", "set", "--help").out


def test_what_waited_is_shown_as_it_is_then(sent: Deployment) -> None:
    acknowledge(sent)

    def change_meanwhile() -> None:
        ports = []
        while not ports:
            ports = requests.get(f"{sent.url}/v2.0/ports?name=vm-1", timeout=60).json()["ports"]
        body = {"port": {"description": "changed while it waited"}}
        assert requests.put(f"{sent.url}/v2.0/ports/{ports[0]['id']}", json=body, timeout=60).status_code == 200
        sent.server.delivery.relay()
        acknowledge(sent)

    meanwhile = threading.Thread(target=change_meanwhile)
    meanwhile.start()
    created = sent.run("port", "create", "vm-1", "--network", "web", "--wait", "30", "-f", "json")
    meanwhile.join()
    assert created.code == 0 and created.json["description"] == "changed while it waited"
