"""Database or broker away, seen by clients: 503 and when to ask again, never 500; what was acknowledged is there."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.db.test_away import stopped
from tests.processes.deployment import Deployment
from tests.processes.test_story import deployed
from tests.servers import MariaDB, PostgreSQL, RabbitMQ

pytestmark = pytest.mark.timeout(300)


def ask(deployment: Deployment, method: str, path: str, body: Any = None) -> tuple[int, Any, str | None]:
    """(status, JSON, Retry-After)"""
    connection = http.client.HTTPConnection("127.0.0.1", deployment.port, timeout=100)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read() or "null"), answer.getheader("Retry-After")
    connection.close()
    return found


def ready(deployment: Deployment, query: str = "") -> bool:
    return ask(deployment, "GET", f"/readyz{query}")[0] == 200


class Clients:
    """Who create networks without a pause, each with a name of its own, and read them."""

    def __init__(self, deployment: Deployment, number: int = 4) -> None:
        self._deployment = deployment
        self._stop = threading.Event()
        self.acknowledged: list[str] = []
        self.unknown: list[str] = []
        self.refused: list[str] = []
        self.wrong: list[Any] = []
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while not self._stop.is_set():
            name = str(uuid.uuid4())
            self._sort(name, *ask(self._deployment, "POST", "/v2.0/networks", {"network": {"name": name}}))
            status, found, retry = ask(self._deployment, "GET", "/v2.0/networks?limit=1")
            if status != 200:
                self._check_unavailable(status, found, retry)

    def _sort(self, name: str, status: int, found: Any, retry: str | None) -> None:
        if status == 201:
            self.acknowledged.append(name)
        elif self._check_unavailable(status, found, retry):
            unknown = found["NeutronError"]["code"] == "database.outcome_unknown"
            (self.unknown if unknown else self.refused).append(name)

    def _check_unavailable(self, status: int, found: Any, retry: str | None) -> bool:
        good = status == 503 and retry is not None and int(retry) > 0 and bool(found["NeutronError"]["message"])
        if not good:
            self.wrong.append((status, found, retry))
        return good

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(100)
            assert not thread.is_alive()


@pytest.mark.parametrize("kind", [PostgreSQL, pytest.param(MariaDB, marks=pytest.mark.full)])
def test_database_killed_under_load(tmp_path: Path, rabbitmq: RabbitMQ, kind: type[PostgreSQL] | type[MariaDB]) -> None:
    with kind(durable=True) as database, deployed(tmp_path, database.url(), rabbitmq) as deployment:
        deployment.start_server()
        deployment.wait("it is ready", lambda: ready(deployment))
        clients = Clients(deployment)
        deployment.wait("clients get on", lambda: len(clients.acknowledged) > 20)
        database.kill()
        deployment.wait("it is not ready", lambda: not ready(deployment))
        assert ask(deployment, "GET", "/healthz")[0] == 200
        deployment.wait("clients are told", lambda: len(clients.refused) > 4)
        database.start()
        deployment.wait("it is ready again", lambda: ready(deployment))
        before = len(clients.acknowledged)
        deployment.wait("clients get on again", lambda: len(clients.acknowledged) > before + 20)
        clients.stop()
        assert clients.wrong == []
        stored = {network["name"] for network in deployment.rest("GET", "networks")["networks"]}
        assert set(clients.acknowledged) <= stored
        assert not set(clients.refused) & stored
        assert stored <= {*clients.acknowledged, *clients.unknown}


@pytest.mark.parametrize("concurrency", ["threading", pytest.param("eventlet", marks=pytest.mark.full)])
def test_probes_while_the_database_hangs(tmp_path: Path, rabbitmq: RabbitMQ, concurrency: str) -> None:
    """More requests hang with it than there are threads; who asks how the server is has an answer all the same."""
    with (
        PostgreSQL() as database,
        deployed(tmp_path, database.url(), rabbitmq, threads=4, concurrency=concurrency) as deployment,
    ):
        deployment.start_server()
        deployment.wait("it is ready", lambda: ready(deployment))
        answers: list[int] = []
        with stopped(database):
            hanging = [
                threading.Thread(target=lambda: answers.append(ask(deployment, "GET", "/v2.0/networks")[0]))
                for _ in range(10)
            ]
            for thread in hanging:
                thread.start()
            time.sleep(1)  # let them get there; nothing says from outside when they have
            for _ in range(3):
                began = time.monotonic()
                status, found, _ = ask(deployment, "GET", "/readyz")
                assert (status, found["checks"]["database"]["status"]) == (503, "failed")
                assert ask(deployment, "GET", "/healthz")[0] == 200
                assert time.monotonic() - began < 8  # 1.5 s, on a machine with nothing else to do
            assert answers == []
        for thread in hanging:
            thread.join(100)
        assert set(answers) <= {200, 503} and len(answers) == 10
        deployment.wait("it is ready again", lambda: ready(deployment))


def test_broker_away(tmp_path: Path, postgresql: PostgreSQL) -> None:
    """Writes succeed, and what they change is told to agents once the broker is back."""
    with RabbitMQ() as broker, deployed(tmp_path, postgresql.url(), broker) as deployment:
        deployment.start_server()
        deployment.start_agent("node-1")
        deployment.wait("the agent is alive", lambda: deployment.alive() == ["node-1"])
        deployment.wait("it is ready", lambda: ready(deployment))
        network = deployment.network()
        deployment.wait("the agent has it", lambda: deployment.copies(network) == ["node-1"])
        broker.kill()
        deployment.wait("it is not ready", lambda: not ready(deployment))
        assert ask(deployment, "GET", "/readyz")[1]["checks"]["broker"]["status"] == "failed"
        began = time.monotonic()
        port = deployment.rest("POST", "ports", {"port": {"network_id": network}})["port"]["id"]
        assert time.monotonic() - began < 10
        assert ready(deployment, "?exclude=broker&exclude=relay")
        assert port not in deployment.content(network, "node-1", "dhcp").get("port", {})
        broker.start()
        has_port = lambda: port in deployment.content(network, "node-1", "dhcp").get("port", {})  # noqa: E731
        deployment.wait("the agent has it too", has_port, timeout=90)
        deployment.wait("it is ready again", lambda: ready(deployment), timeout=90)
