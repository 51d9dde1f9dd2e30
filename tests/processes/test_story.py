"""The demo's story with every part a process of its own, over RabbitMQ, with kill -9."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.deployment import INTERVAL, Deployment
from tests.servers import MariaDB, PostgreSQL, RabbitMQ

pytestmark = pytest.mark.timeout(240)


@contextlib.contextmanager
def deployed(directory: Path, database_url: str, rabbitmq: RabbitMQ, **server: object) -> Iterator[Deployment]:
    deployment = Deployment(directory, database_url, rabbitmq.transport_url(), **server)
    try:
        yield deployment
    finally:
        deployment.stop()


def a_network_moves(deployment: Deployment) -> None:
    for number in range(3):
        deployment.start_agent(f"node-{number}")
    deployment.wait("three agents are alive", lambda: len(deployment.alive()) == 3)
    network = deployment.network()
    deployment.wait("it is bound", lambda: deployment.holders(network))
    (before,) = deployment.holders(network)
    deployment.wait("its agent has it", lambda: deployment.copies(network) == [before])
    deployment.kill(before)
    deployment.wait("it has moved", lambda: deployment.holders(network) not in ([], [before]))
    (after,) = deployment.holders(network)
    deployment.wait("the new agent has it", lambda: after in deployment.copies(network))
    deployment.start_agent(before)
    deployment.wait("the old one lets go", lambda: deployment.copies(network) == [after])


def test_one_server_with_postgresql(tmp_path: Path, postgresql: PostgreSQL, rabbitmq: RabbitMQ) -> None:
    with deployed(tmp_path, postgresql.url(), rabbitmq) as deployment:
        deployment.start_server()
        a_network_moves(deployment)


def test_workers_apart_with_mariadb(tmp_path: Path, mariadb: MariaDB, rabbitmq: RabbitMQ) -> None:
    """`netsched-server --workers` twice beside any WSGI server; one of them dies, and nobody notices."""
    with deployed(tmp_path, mariadb.url(), rabbitmq) as deployment:
        deployment.start_server("workers-1", "--workers")
        deployment.start_server("workers-2", "--workers")
        deployment.start_wsgi()

        def roles() -> list[str]:
            return sorted(server["role"] for server in deployment.rest("GET", "servers")["servers"])

        deployment.wait("all are listed", lambda: roles() == ["api", "workers", "workers"])
        deployment.kill("workers-1")
        a_network_moves(deployment)


@pytest.mark.full
def test_two_eventlet_processes(tmp_path: Path, postgresql: PostgreSQL, rabbitmq: RabbitMQ) -> None:
    with deployed(tmp_path, postgresql.url(), rabbitmq, concurrency="eventlet", processes=2) as deployment:
        deployment.start_server()
        a_network_moves(deployment)


@pytest.mark.full
def test_a_killed_server_loses_no_change(tmp_path: Path, postgresql: PostgreSQL, rabbitmq: RabbitMQ) -> None:
    with deployed(tmp_path, postgresql.url(), rabbitmq) as deployment:
        deployment.start_server()
        deployment.start_agent("node-0")
        deployment.wait("the agent is alive", lambda: deployment.alive() == ["node-0"])
        networks = []
        for _ in range(3):
            networks.append(deployment.network())
            deployment.kill("server")
            deployment.start_server()
        for network in networks:
            deployment.wait("it is bound", lambda network=network: deployment.holders(network) == ["node-0"])
            deployment.wait("and told", lambda network=network: deployment.copies(network) == ["node-0"])
        # The agent was alive all along: a server that was away must not have taken it for dead.
        deployment.wait("still alive", lambda: deployment.alive() == ["node-0"], timeout=4 * INTERVAL)
