"""The database is restored from an older dump, by the databases' own tools, while agents have what came after it.

Whatever the agents had, they end with exactly what the restored database says, and what it still says is never taken
down meanwhile.
"""

from __future__ import annotations

import logging
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from netsched.db import change, schema
from netsched.db.session import Database
from netsched.server.services.heartbeat import HeartbeatSettings
from tests.flow.world import ADMIN, World, scope_of
from tests.servers import MariaDB, PostgreSQL

pytestmark = pytest.mark.timeout(300)
LIMIT = 120.0  # s of real time: the databases' clocks are real, and this machine may be busy ...
INTERVAL = 10.0  # s: ... so that nobody looks dead who is only slow


class Dump:
    """Of one database, by the tools of its kind. `url` is SQLAlchemy's."""

    def __init__(self, url: str, file: Path) -> None:
        parsed = sa.make_url(url)
        self._file = file
        address = ["--host=127.0.0.1", f"--port={parsed.port}"]
        if parsed.get_backend_name() == "postgresql":
            address += ["--username=postgres"]
            self._save = ["pg_dump", "--clean", "--if-exists", *address, str(parsed.database)]
            self._load = ["psql", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", *address]
            self._load.append(f"--dbname={parsed.database}")
        else:
            self._save = ["mariadb-dump", "--no-defaults", *address, "--user=root", str(parsed.database)]
            self._load = ["mariadb", "--no-defaults", *address, "--user=root", str(parsed.database)]

    def save(self) -> None:
        with self._file.open("w") as file:
            subprocess.run(self._save, check=True, stdout=file, timeout=60)

    def load(self) -> None:
        with self._file.open() as file:
            subprocess.run(self._load, check=True, stdin=file, stdout=subprocess.DEVNULL, timeout=60)


@pytest.fixture(params=["postgresql", pytest.param("mariadb", marks=pytest.mark.full)])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    server: PostgreSQL | MariaDB = request.getfixturevalue(request.param)
    url = server.url()
    database = Database(url)
    schema.upgrade(database)
    database.dispose()
    yield url
    server.drop(url)


class Story:
    """Networks that are there before the dump, and what happens after it."""

    def __init__(self, directory: Path, url: str) -> None:
        self.world = World(directory, agents=2, url=url, heartbeat=HeartbeatSettings(INTERVAL))
        self.dump = Dump(url, directory / "dump.sql")
        self.kept, self.renamed, self.deleted = (self.world.network() for _ in range(3))
        self.calm()
        self.dump.save()
        self.later = [self.world.network() for _ in range(3)]
        self.world.port(self.kept)
        for number in range(5):
            self.world.networks.update(ADMIN, self.renamed, {"name": f"name {number}"}, None)
            self.world.run(1)
        self.world.networks.delete(ADMIN, self.deleted, None)
        self.calm()
        assert scope_of(self.later[0]) in self.in_force() and scope_of(self.deleted) not in self.in_force()

    def restore(self, before_the_servers_start: Callable[[], object] = lambda: None) -> None:
        self.world.kill_server()
        self.world.database.dispose()
        for node in self.world.nodes.values():
            node.driver.calls.clear()
        self.dump.load()
        before_the_servers_start()
        self.world.start_server()

    def calm(self) -> None:
        """Let the fake clock and the databases' real ones go on until all is in step."""
        until = time.monotonic() + LIMIT
        while True:
            self.world.run(2)
            try:
                return self.world.converged()
            except AssertionError:
                if time.monotonic() > until:
                    raise
            time.sleep(0.05)

    def in_force(self) -> set[str]:
        return {scope for node in self.world.nodes.values() for scope in node.machine.scopes}

    def incarnation(self) -> str:
        with self.world.database.read() as connection:
            return change.state(connection).incarnation

    def ends_right(self, moved: bool = False) -> None:
        """`moved`: agents were silent for so long that some networks may have gone to the other one."""
        self.calm()
        there = {scope_of(network) for network in (self.kept, self.renamed, self.deleted)}
        assert self.in_force() == there
        removed = {scope for node in self.world.nodes.values() for what, scope in node.driver.calls if what == "remove"}
        assert moved or not removed & {scope_of(self.kept), scope_of(self.renamed)}, "they stay in force"
        for node in self.world.nodes.values():
            assert node.agent is not None and node.agent.cache.incarnation == self.incarnation()
            assert not node.agent.cache.unsettled()


def ahead(log: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in log.records if "ahead of the database" in record.getMessage()]


def test_agents_that_are_ahead_begin_anew(tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody followed the runbook. The agents are idle: only their checksums say that something is wrong."""
    story = Story(tmp_path, url)
    before = story.incarnation()
    story.restore()
    story.ends_right()
    assert story.incarnation() != before
    (said,) = ahead(caplog)
    assert said.levelno == logging.ERROR


def test_an_agent_that_pulls_before_it_beats_proves_it_too(tmp_path: Path, url: str) -> None:
    story = Story(tmp_path, url)
    before = story.incarnation()
    for node in story.world.nodes.values():
        node.kill()
    story.restore()
    story.world.transport.route = lambda envelope: [] if envelope.method == "beat" else [envelope]
    for node in story.world.nodes.values():
        node.start()
    until = time.monotonic() + LIMIT
    while story.incarnation() == before:
        assert time.monotonic() < until
        story.world.run(1)
    story.world.transport.route = None
    story.ends_right(moved=True)


def test_a_log_that_has_grown_past_the_agents_is_told_by_its_scopes(tmp_path: Path, url: str) -> None:
    """Between the start of the servers and the agents' first beats there were more changes than had been lost."""
    story = Story(tmp_path, url)
    before = story.incarnation()
    story.restore()
    world = story.world
    caches = [node.agent.cache for node in world.nodes.values() if node.agent is not None]
    copies = [copy for cache in caches for scope in cache.scopes() if (copy := cache.get(scope))]
    ahead_of = max(copy.position for copy in copies)
    other = world.network(subnet=False)
    for number in range(ahead_of):
        world.networks.update(ADMIN, other, {"name": f"n{number}"}, None)
        world.servers[0].delivery.relay()
    with world.database.read() as connection:
        assert change.state(connection).position > ahead_of
    story.ends_right()
    assert story.incarnation() != before


def test_the_runbook_leaves_nothing_to_detect(tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture) -> None:
    story = Story(tmp_path, url)
    fresh = str(uuid.uuid4())
    story.restore(lambda: story.world.database.write(lambda tx: change.start(tx, fresh)))
    story.ends_right()
    assert story.incarnation() == fresh and not ahead(caplog)


def test_an_agent_that_was_away_while_it_happened(tmp_path: Path, url: str) -> None:
    """It has copies of the time that was undone, and of an incarnation that is over."""
    story = Story(tmp_path, url)
    for node in story.world.nodes.values():
        node.kill()
    story.restore(lambda: story.world.database.write(lambda tx: change.start(tx, str(uuid.uuid4()))))
    for node in story.world.nodes.values():
        node.start()
    story.ends_right(moved=True)
