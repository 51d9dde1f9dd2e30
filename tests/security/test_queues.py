"""The policy of docs/install.rst on a real broker: a dead agent's queue stays small, then goes, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from netsched.rpc.agent import ToAgent
from tests.documents import commands
from tests.processes.deployment import Deployment
from tests.rpc.conftest import open_amqp
from tests.servers import PostgreSQL, RabbitMQ

pytestmark = pytest.mark.timeout(180)

BEYOND = 100  # messages more than the queue may hold


def queues(broker: RabbitMQ, vhost: str) -> dict[str, int]:
    """Number of messages of each queue, all of them quorum queues but those for answers."""
    lines = broker.ctl("list_queues", "-p", vhost, "--no-table-headers", "name", "type", "messages").splitlines()
    found = [line.split("\t") for line in lines if line]
    assert {kind for name, kind, _ in found if not name.startswith("reply_")} <= {"quorum"}
    return {name: int(count) for name, _, count in found}


def documented_policy(broker: RabbitMQ, vhost: str, **otherwise: int) -> dict[str, Any]:
    """Set it, but for what is to be otherwise; returns its rules."""
    (words,) = commands("install", "rabbitmqctl set_policy")
    rules: dict[str, Any] = json.loads(words[-1])
    words[-1] = json.dumps(rules | otherwise)
    words[words.index("-p") + 1] = vhost
    broker.ctl(*words)
    return rules


def test_a_dead_agents_queue_is_bounded_and_it_catches_up(
    tmp_path: Path, rabbitmq: RabbitMQ, postgresql: PostgreSQL
) -> None:
    url = rabbitmq.transport_url()
    vhost, queue = url.rsplit("/", 1)[1], "netsched-agent.dhcp_agent.node-1"
    limit = documented_policy(rabbitmq, vhost)["max-length"]
    deployment = Deployment(tmp_path, postgresql.url(), url)
    transport = open_amqp(url)
    try:
        deployment.start_server()
        deployment.start_agent("node-1")
        network = deployment.network()
        deployment.wait("its agent has it", lambda: deployment.copies(network) == ["node-1"])
        deployment.kill("node-1")
        for _ in range(limit + BEYOND):  # as if it had been told of that much before anybody knew that it is dead
            ToAgent(transport).answers("dhcp_agent.node-1", [])
        deployment.rest("PUT", f"networks/{network}", {"network": {"name": "renamed"}})
        # A queue says how long it is every 5 s only.
        deployment.wait("the queue is full", lambda: abs(queues(rabbitmq, vhost)[queue] - limit) < 10)
        documented_policy(rabbitmq, vhost, expires=1000)  # instead of a week
        deployment.wait("the queue goes", lambda: queue not in queues(rabbitmq, vhost))
        documented_policy(rabbitmq, vhost)
        newer = deployment.network()
        deployment.start_agent("node-1")
        deployment.wait("it has what came meanwhile", lambda: deployment.copies(newer) == ["node-1"])

        def current() -> bool:
            found = deployment.content(network, "node-1", "dhcp").get("network", {})
            return found == {network: "renamed"}

        deployment.wait("and what changed", current)
    finally:
        transport.close()
        deployment.stop()
