"""The broker's permissions of docs/security.rst: enough for a node's agents, and for next to nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import amqp
import pytest

from tests.documents import commands
from tests.processes.deployment import Deployment
from tests.servers import PostgreSQL, RabbitMQ

pytestmark = pytest.mark.timeout(180)

PASSWORD = "of-one-node"
OWN = "netsched-agent.dhcp_agent.node-1"
OTHER = "netsched-agent.dhcp_agent.node-2"
SERVERS = ("netsched-server", "netsched-server.any")


@pytest.fixture
def url(rabbitmq: RabbitMQ) -> str:
    """The transport URL of the user that the documentation makes for node-1."""
    everything = rabbitmq.transport_url()
    vhost = everything.rsplit("/", 1)[1]
    for verb in ("add_user", "set_permissions", "set_topic_permissions"):
        (words,) = commands("security", f"rabbitmqctl {verb}")
        said = [word.replace("NODE_PASSWORD", PASSWORD).replace("NODE", "node-1") for word in words]
        rabbitmq.ctl(*[vhost if before == "-p" else word for before, word in zip(["", *said], said, strict=False)])
    return everything.replace("guest:guest", f"node-1:{PASSWORD}")


@pytest.fixture
def deployment(url: str, postgresql: PostgreSQL, tmp_path: Path) -> Iterator[Deployment]:
    """A server and the agent of node-2 with all rights, and the agent of node-1 with its own."""
    everything = url.replace(f"node-1:{PASSWORD}", "guest:guest")
    made = Deployment(tmp_path, postgresql.url(), everything)
    try:
        made.start_server()
        made.start_agent("node-2")
        made.transport_url = url
        made.start_agent("node-1")
        made.wait("they are alive", lambda: made.alive() == ["node-1", "node-2"])
        yield made
    finally:
        made.stop()


@contextlib.contextmanager
def channel(url: str) -> Iterator[amqp.Channel]:
    address, vhost = url.split("@")[1].split("/")
    with amqp.Connection(address, "node-1", PASSWORD, virtual_host=vhost, confirm_publish=True) as connection:
        yield connection.channel()


MESSAGE = "{}"
REFUSED = {
    **{f"listen as {queue}": lambda c, queue=queue: c.basic_consume(queue) for queue in (*SERVERS, OTHER)},
    **{f"take from {queue}": lambda c, queue=queue: c.basic_get(queue) for queue in (*SERVERS, OTHER)},
    **{f"empty {queue}": lambda c, queue=queue: c.queue_purge(queue) for queue in (*SERVERS, OTHER)},
    **{f"delete {queue}": lambda c, queue=queue: c.queue_delete(queue) for queue in (*SERVERS, OTHER)},
    "overhear beats": lambda c: c.queue_bind(OWN, "netsched", "netsched-server"),
    "overhear an agent": lambda c: c.queue_bind(OWN, "netsched", OTHER),
    "overhear everybody": lambda c: c.queue_bind(OWN, "netsched", "#"),
    "speak to an agent": lambda c: c.basic_publish_confirm(amqp.Message(MESSAGE), "netsched", OTHER),
    "speak to all agents": lambda c: c.basic_publish_confirm(amqp.Message(MESSAGE), "netsched-agent_fanout", ""),
    "speak past the exchange": lambda c: c.basic_publish_confirm(amqp.Message(MESSAGE), "", OTHER),
    "make a queue": lambda c: c.queue_declare("mine", durable=True),
}


def beats_pulls_and_is_told(deployment: Deployment) -> None:
    networks = [deployment.network() for _ in range(2)]  # spread: each agent gets one
    deployment.wait("they are bound", lambda: all(deployment.holders(one) for one in networks))
    mine = next(one for one in networks if deployment.holders(one) == ["node-1"])
    deployment.wait("it pulled", lambda: deployment.copies(mine) == ["node-1"])
    deployment.rest("PUT", f"networks/{mine}", {"network": {"name": "renamed"}})

    def told() -> bool:
        content = deployment.content(mine, "node-1", "dhcp")
        return content.get("network", {}).get(mine) == "renamed"

    deployment.wait("it was told", told)
    log = (deployment.directory / "node-1.log").read_text()
    assert "ACCESS_REFUSED" not in log


def test_an_agent_can_do_its_work_and_no_more(deployment: Deployment, url: str) -> None:
    beats_pulls_and_is_told(deployment)
    allowed = []
    for deed, attempt in REFUSED.items():
        try:
            with channel(url) as connected:
                attempt(connected)
                connected.connection.drain_events(timeout=5)
        except amqp.exceptions.AccessRefused:
            continue
        except TimeoutError:
            pass
        allowed.append(deed)
    assert allowed == []
    with channel(url) as connected:  # what the agent itself may do passes by the same means
        connected.queue_bind(OWN, "netsched", OWN)
        connected.basic_publish_confirm(amqp.Message(MESSAGE), "netsched", "netsched-server")
