"""Where benchmarks take place: a database server and a broker for all, and deployments of real processes on them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import measure
from netsched.db import change
from netsched.db.agent import agent, agent_beat
from netsched.db.binding import UNBOUND, binding
from netsched.db.session import Database
from tests.servers import MariaDB, PostgreSQL, RabbitMQ, free_port

DATABASES: dict[str, type[PostgreSQL] | type[MariaDB]] = {"postgresql": PostgreSQL, "mariadb": MariaDB}


@dataclasses.dataclass(frozen=True)
class Plan:
    """How to measure. `concurrency` None: the default of netsched-server."""

    quick: bool = False
    database: str = "postgresql"
    concurrency: str | None = None
    processes: int = 1

    def choose(self, quick: Any, full: Any) -> Any:
        return quick if self.quick else full


@dataclasses.dataclass
class Cpu:
    """CPU seconds so far."""

    server: float
    database: float | None  # None: SQLite has no process of its own
    broker: float

    def since(self, before: Cpu) -> Cpu:
        database = None if self.database is None or before.database is None else self.database - before.database
        return Cpu(self.server - before.server, database, self.broker - before.broker)


class Site:
    """Servers, started when first asked for. Leaving the `with` block ends them and everything that runs on them."""

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.say = say
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Site:
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="netsched-bench-")))
        return self

    def __exit__(self, *_: Any) -> None:
        self._stack.close()

    @functools.cached_property
    def broker(self) -> RabbitMQ:
        self.say("starting RabbitMQ")
        return self._stack.enter_context(RabbitMQ())

    @functools.cached_property
    def server(self) -> PostgreSQL | MariaDB | None:
        """The database server; None for SQLite, which has none."""
        if self.plan.database not in DATABASES:
            return None
        self.say(f"starting {self.plan.database}")
        server: PostgreSQL | MariaDB = DATABASES[self.plan.database](durable=True)
        self._stack.enter_context(server)
        return server

    def database_url(self) -> str:
        """A fresh, empty database."""
        if self.server is not None:
            return self.server.url()
        return f"sqlite:///{tempfile.mkdtemp(dir=self.directory)}/netsched.sqlite"

    @contextlib.contextmanager
    def deployment(self, interval: float = 10.0, **server: Any) -> Iterator[Deployment]:
        """A netsched-server with a database and a virtual host of its own. `server`: options of that group."""
        options = {"processes": self.plan.processes, "concurrency": self.plan.concurrency, **server}
        deployment = Deployment(self, interval, {k: v for k, v in options.items() if v is not None})
        try:
            deployment.start()
            yield deployment
        finally:
            deployment.stop()


class Deployment:
    def __init__(self, site: Site, interval: float, server: dict[str, Any]) -> None:
        self.site = site
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(dir=site.directory))
        self.url = site.database_url()
        self.database = Database(self.url)  # to look, never to write
        self._config = self.directory / "netsched.conf"
        self._config.write_text(
            "[DEFAULT]\nuse_stderr = true\n"  # what netsched-simulate says on standard output is for us
            f"[database]\nconnection = {self.url.replace('%', '%%')}\n"
            f"[messaging]\ntransport = {site.broker.transport_url()}\n"
            f"[heartbeat]\ninterval = {interval}\n"
            f"[api]\nbind_port = {self.port}\n"
            "[server]\n" + "".join(f"{name} = {value}\n" for name, value in server.items())
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._fleets: list[Fleet] = []

    def start(self) -> None:
        subprocess.run(self.command("manage", "db", "upgrade"), check=True, timeout=120, capture_output=True)
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self.command("server"), stdout=log, stderr=log)
        measure.wait("the API answers", self._answers)

    def stop(self) -> None:
        for fleet in self._fleets:
            fleet.stop()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.database.dispose()

    def command(self, program: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", f"netsched.cmd.{program}", f"--config-file={self._config}", *arguments]

    def cpu(self) -> Cpu:
        server, broker = self.site.server, self.site.broker
        return Cpu(
            measure.cpu(self._process.pid if self._process else None),
            measure.cpu(server.pid) if server is not None else None,
            measure.cpu(broker.pid),
        )

    def client(self) -> measure.Client:
        return measure.Client(self.port)

    def fleet(
        self, agents: int, prefix: str = "sim", ramp: float = 5.0, settle: bool = True, kinds: Sequence[str] = ("dhcp",)
    ) -> Fleet:
        """That many hosts with a simulated agent of each kind, in a process of their own; see `Fleet.settle`."""
        fleet = Fleet(self, {kind: agents for kind in kinds}, prefix, ramp)
        self._fleets.append(fleet)
        if settle:
            fleet.settle()
        return fleet

    def scalar(self, statement: sa.Select[Any]) -> Any:
        """One value out of the tables."""
        with self.database.read() as connection:
            return connection.execute(statement).scalar()

    def settle(self) -> None:
        """Until what was asked for has been placed, and every change sent to whom it concerns."""
        waiting = sa.select(sa.func.count()).where(binding.c.state == UNBOUND)
        measure.wait("all is placed", lambda: self.scalar(waiting) == 0)

        def quiet() -> bool:
            with self.database.read() as connection:
                return not any(change.backlog(connection).values())

        measure.wait("all changes are sent", quiet)

    def log_end(self) -> str:
        log = self.directory / "server.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"netsched-server ended:\n{self.log_end()}")
        client = self.client()
        try:
            client("GET", "agents")
        except OSError:
            return False
        finally:
            client.close()
        return True


class Fleet:
    """A netsched-simulate process and what it says of itself every second."""

    def __init__(self, deployment: Deployment, counts: Mapping[str, int], prefix: str, ramp: float) -> None:
        self.agents = sum(counts.values())
        self._deployment = deployment
        self._prefix = prefix
        self._said: list[dict[str, Any]] = []
        options = [f"--{kind}={counts.get(kind, 0)}" for kind in ("dhcp", "l2", "l3")]
        options += [f"--prefix={prefix}", f"--ramp={ramp}", "--json"]
        with (deployment.directory / f"{prefix}.log").open("ab") as log:
            self._process = subprocess.Popen(
                deployment.command("simulate", *options), stdout=subprocess.PIPE, stderr=log, text=True
            )
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def settle(self, limit: float = 120.0) -> None:
        """Until the server has heard every agent twice, which is when it may give them work. Raises TimeoutError."""
        heard = (
            sa.select(sa.func.count())
            .select_from(agent.join(agent_beat, agent_beat.c.agent_id == agent.c.id))
            .where(agent_beat.c.sent_at.is_not(None), agent.c.host.startswith(f"{self._prefix}-"))
        )
        what = f"{self.agents} agents are alive"
        measure.wait(what, lambda: self._deployment.scalar(heard) == self.agents, limit, pause=0.2)

    def watch(self, seconds: float) -> Window:
        """What happens within that time, give or take one second."""
        begin = self._next()
        time.sleep(max(0.0, seconds - 1.0))
        end = self._next()
        times = [t for line in self._said[begin + 1 : end + 1] for t in line["answer_times"]]
        first, last = self._said[begin], self._said[end]
        counts = {name: last[name] - first[name] for name in ("elapsed", "sent", "answered", "failed")}
        return Window(counts["elapsed"], counts["sent"], counts["answered"], counts["failed"], times)

    def kill(self) -> None:
        """As if the hosts lost their power."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def _next(self) -> int:
        """The index of the next line that comes."""
        have = len(self._said)
        measure.wait("netsched-simulate speaks", lambda: len(self._said) > have, limit=30)
        return len(self._said) - 1

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(json.loads(line))


@dataclasses.dataclass(frozen=True)
class Window:
    """Beats within `elapsed` seconds; `times` in seconds from a beat to its answer."""

    elapsed: float
    sent: int
    answered: int
    failed: int
    times: list[float]
