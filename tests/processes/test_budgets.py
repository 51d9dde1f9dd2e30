"""What a heartbeat costs the database, with 1,000 simulated agents over a real RabbitMQ at their natural spread."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from oslo_config import cfg

from netsched import clock
from netsched.db import schema
from netsched.db.agent import agent_beat
from netsched.db.session import Database
from netsched.rpc.transport import Handler, Message, Serving, Transport
from netsched.server import configuration, wiring
from netsched.server.policies.enforcer import Policy
from tests.rpc.conftest import open_amqp
from tests.servers import PostgreSQL, RabbitMQ
from tests.statements import counted

pytestmark = pytest.mark.timeout(240)

AGENTS = 1000
INTERVAL = 10.0  # the default


class Watched:
    """A transport that notes when beats come and when their answers go, which is after the commit."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self._came: dict[tuple[str, int], float] = {}
        self.delays: list[float] = []

    def cast(self, address: str, method: str, payload: Message) -> None:
        for answer in payload.get("answers", []):
            came = self._came.pop((answer["host"], answer["sequence"]), None)
            if came is not None:
                self.delays.append(time.monotonic() - came)
        self._inner.cast(address, method, payload)

    def call(self, address: str, method: str, payload: Message, timeout: float) -> Message:
        return self._inner.call(address, method, payload, timeout)

    def serve(self, address: str, handler: Handler) -> Serving:
        def noting(method: str, payload: Message) -> Message | None:
            if method == "beat":
                self._came[payload["host"], payload["sequence"]] = time.monotonic()
            return handler(method, payload)

        return self._inner.serve(address, noting)

    def close(self) -> None:
        self._inner.close()


@contextlib.contextmanager
def simulated(directory: Path, transport_url: str) -> Iterator[None]:
    """The agents, in a process of their own, appearing over one interval."""
    config = directory / "simulate.conf"
    config.write_text(f"[messaging]\ntransport = {transport_url}\n")
    program = [sys.executable, "-m", "netsched.cmd.simulate", f"--config-file={config}"]
    with (directory / "simulate.log").open("wb") as log:
        process = subprocess.Popen([*program, f"--dhcp={AGENTS}", f"--ramp={INTERVAL}"], stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def until_all_are_known(database: Database) -> None:
    """And have spoken twice: from then on they beat at their own pace."""
    spoken = sa.select(sa.func.count()).where(agent_beat.c.sent_at.is_not(None))
    deadline = time.monotonic() + 90
    known = 0
    while known < AGENTS:
        assert time.monotonic() < deadline, f"only {known} agents"
        time.sleep(0.5)
        with database.read() as connection:
            known = connection.execute(spoken).scalar_one()
    time.sleep(2.0)


def test_heartbeats(tmp_path: Path, postgresql: PostgreSQL, rabbitmq: RabbitMQ) -> None:
    """At most 0.1 statements each, begin and commit included; as a rule committed within 1 s of their coming.

    As a rule: the median, since what a machine that is busy with other tests does to the slowest says nothing of us.
    """
    database = Database(postgresql.url())
    schema.upgrade(database)
    url = rabbitmq.transport_url()
    watched = Watched(open_amqp(url))
    conf = cfg.ConfigOpts()
    conf([])
    server = wiring.Server(configuration.Settings(), database, watched, Policy(conf), clock.SystemClock())
    server.start()
    beats, *others = server.driver.workers
    assert beats.name == "heartbeat"
    with simulated(tmp_path, url):
        until_all_are_known(database)
        for worker in reversed(others):
            worker.stop()  # polls cost the same with no agent at all; what is counted from here on is beats
        watched.delays.clear()
        with counted(database) as sent:
            time.sleep(1.2 * INTERVAL)
        delays = list(watched.delays)
    server.stop()
    assert len(delays) > AGENTS / 4
    print(f"{len(delays)} beats, {len(sent)} statements, written after {max(delays):.2f} s at most")
    assert len(sent) <= 0.1 * len(delays), (len(sent), len(delays))
    assert statistics.median(delays) <= 1.0, sorted(delays)[-20:]
