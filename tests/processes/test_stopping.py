"""A server that is told to end: nobody who has asked goes without an answer, and nobody new is let in."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.processes.deployment import Deployment, children_of
from tests.processes.test_story import deployed
from tests.servers import PostgreSQL, RabbitMQ

pytestmark = pytest.mark.timeout(240)
KINDS: dict[str, dict[str, object]] = {
    "threading": {},
    "two processes": {"processes": 2},
    "eventlet": {"concurrency": "eventlet"},
    "two eventlet processes": {"concurrency": "eventlet", "processes": 2},
}


class Connection:
    """One that stays open between requests, as those of proxies do."""

    def __init__(self, deployment: Deployment) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", deployment.port, timeout=60)
        self._http.auto_open = 0  # what is closed is not opened again behind our back
        self._http.connect()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self._http.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._http.getresponse()
        return answer.status, json.loads(answer.read() or "null")

    def close(self) -> None:
        self._http.close()


class Locked:
    """A table that nobody can write: who tries waits, as for a slow database."""

    def __init__(self, postgresql: PostgreSQL, deployment: Deployment, url: str) -> None:
        database = url.rsplit("/", 1)[1]
        self._connection = psycopg2.connect(host="127.0.0.1", port=postgresql.port, user="postgres", dbname=database)
        self._connection.cursor().execute("LOCK TABLE network IN EXCLUSIVE MODE")
        self._watch = psycopg2.connect(host="127.0.0.1", port=postgresql.port, user="postgres", dbname=database)
        self._watch.autocommit = True

    def waiting(self) -> int:
        with self._watch.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return int(cursor.fetchone()[0])

    def release(self) -> None:
        self._connection.close()
        self._watch.close()


def ended(process: subprocess.Popen[bytes], within: float) -> int:
    return process.wait(within)


@pytest.mark.parametrize("kind", ["two processes", "eventlet"])
def test_requests_under_way_are_answered(tmp_path: Path, postgresql: PostgreSQL, rabbitmq: RabbitMQ, kind: str) -> None:
    url = postgresql.url()
    with deployed(tmp_path, url, rabbitmq, **KINDS[kind]) as deployment:
        deployment.start_server()
        deployment.wait("it is ready", lambda: Connection(deployment).ask("GET", "/readyz")[0] == 200)
        locked = Locked(postgresql, deployment, url)
        answers: list[tuple[int, Any]] = []

        def create(number: int) -> None:
            answers.append(Connection(deployment).ask("POST", "/v2.0/networks", {"network": {"name": str(number)}}))

        threads = [threading.Thread(target=create, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        deployment.wait("they wait for the table", lambda: locked.waiting() >= 6)
        probe = Connection(deployment)
        # Of two processes this may be the other one, which became ready later.
        deployment.wait("whoever is asked is ready", lambda: probe.ask("GET", "/readyz")[0] == 200)
        server = deployment.processes.pop("server")
        server.send_signal(signal.SIGTERM)
        deployment.wait("nobody new is let in", lambda: refused(deployment), timeout=10)
        assert server.poll() is None and not answers
        locked.release()
        for thread in threads:
            thread.join(30)
        assert [status for status, _ in answers] == [201] * 6
        assert ended(server, 40) == 0
        deployment.start_server("next")
        stored = {network["name"] for network in deployment.rest("GET", "networks")["networks"]}
        assert stored == {str(number) for number in range(6)}
        (row,) = deployment.rest("GET", "servers")["servers"] if "processes" not in KINDS[kind] else [None]
        assert row is None or row["age"] < 10  # the one that ended has taken itself off the list


def refused(deployment: Deployment) -> bool:
    try:
        Connection(deployment).close()
    except ConnectionRefusedError:
        return True
    return False


def test_readiness_ends_first(tmp_path: Path, postgresql: PostgreSQL, rabbitmq: RabbitMQ) -> None:
    """A load balancer is told before anybody is refused."""
    with deployed(tmp_path, postgresql.url(), rabbitmq, stop_delay=3.0) as deployment:
        deployment.start_server()
        deployment.wait("it is ready", lambda: Connection(deployment).ask("GET", "/readyz")[0] == 200)
        server = deployment.processes.pop("server")
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        deployment.wait("it says so", lambda: Connection(deployment).ask("GET", "/readyz")[0] == 503, timeout=2.5)
        status, found = Connection(deployment).ask("GET", "/readyz")
        assert (status, found["checks"]["server"]) == (503, {"status": "failed", "reason": "it is stopping"})
        assert Connection(deployment).ask("GET", "/healthz")[0] == 200
        assert Connection(deployment).ask("POST", "/v2.0/networks", {"network": {}})[0] == 201
        assert ended(server, 40) == 0
        assert time.monotonic() - began >= 3.0


@pytest.mark.parametrize("kind", ["threading", pytest.param("two eventlet processes", marks=pytest.mark.full)])
def test_none_is_lost_under_load(tmp_path: Path, postgresql: PostgreSQL, rabbitmq: RabbitMQ, kind: str) -> None:
    """Clients that keep their connections and never pause: each request is answered, or was never taken."""
    with deployed(tmp_path, postgresql.url(), rabbitmq, **KINDS[kind]) as deployment:
        deployment.start_server()
        acknowledged: list[str] = []
        broken: list[str] = []
        enough = threading.Event()

        def work() -> None:
            connection = Connection(deployment)
            while True:
                try:
                    status, found = connection.ask("POST", "/v2.0/networks", {"network": {}})
                except http.client.NotConnected:
                    return  # it said with the answer before that it would close
                except Exception as error:  # noqa: BLE001 (whatever it is, it is what must not be)
                    broken.append(repr(error))
                    return
                assert status == 201, found
                acknowledged.append(found["network"]["id"])
                if len(acknowledged) > 40:
                    enough.set()

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        server = deployment.processes.pop("server")
        server.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(40)
        assert ended(server, 40) == 0
        assert broken == []
        deployment.start_server("next")
        stored = {network["id"] for network in deployment.rest("GET", "networks")["networks"]}
        assert set(acknowledged) <= stored


def test_a_second_signal_ends_it_now(tmp_path: Path, postgresql: PostgreSQL, rabbitmq: RabbitMQ) -> None:
    url = postgresql.url()
    with deployed(tmp_path, url, rabbitmq, processes=2) as deployment:
        deployment.start_server()
        locked = Locked(postgresql, deployment, url)
        connection = Connection(deployment)
        waiting = threading.Thread(target=lambda: _ignore(connection), daemon=True)
        waiting.start()
        deployment.wait("it waits for the table", lambda: locked.waiting() == 1)
        server = deployment.processes.pop("server")
        children = children_of(server.pid)
        server.send_signal(signal.SIGTERM)
        deployment.wait("nobody new is let in", lambda: refused(deployment), timeout=10)
        assert server.poll() is None
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        server.wait(10)
        assert time.monotonic() - began < 5
        assert not any(os.path.exists(f"/proc/{child}") for child in children)
        locked.release()


def _ignore(connection: Connection) -> None:
    try:
        connection.ask("POST", "/v2.0/networks", {"network": {}})
    except (http.client.HTTPException, OSError):
        return
