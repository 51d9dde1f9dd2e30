"""One run: set the stage, let clients and faults loose, wait, check, print."""

from __future__ import annotations

import pathlib
import secrets
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from oslo_config import cfg

from netsched.rpc import connect
from tests.chaos import checker, machine, past, plan
from tests.chaos.faults import Faults
from tests.chaos.history import History
from tests.chaos.replay import Replayer
from tests.chaos.stage import ZONES, Stage
from tests.chaos.times import now
from tests.chaos.traffic import Client

CLIENTS = 6
RATE = 24.0  # writes per second that they try for together
LEAST = 1000  # acknowledged writes
EXTRA = 120.0  # s that traffic may go on for them, on a slow machine
CALM = 30.0  # s after the last fault, by which all must be as it should
SHOWN = 12  # sentences of each kind


@dataclass(frozen=True)
class Settings:
    """`seconds` of faults and traffic. `spoiled`: a name of breaks.py. `calm`: no faults."""

    seed: int
    database: str = "postgresql"
    seconds: float = 120.0
    spoiled: str = ""
    calm: bool = False

    @property
    def command(self) -> str:
        words = ["tools/chaos.sh", f"--seed {self.seed}", f"--database {self.database}"]
        words += [f"--minutes {self.seconds / 60:g}"] if self.seconds != 120 else ["--short"]
        return " ".join(words + ([f"--break {self.spoiled}"] if self.spoiled else []))


@dataclass
class Report:
    """`problems`: sentences, each beginning with what kind of assertion failed."""

    settings: Settings
    problems: list[str] = field(default_factory=list)
    counts: dict[str, object] = field(default_factory=dict)
    logs: pathlib.Path | None = None

    @property
    def passed(self) -> bool:
        return not self.problems


def new_seed() -> int:
    return secrets.randbelow(1_000_000)


def say(text: str) -> None:
    print(text, flush=True)


def run(settings: Settings) -> Report:
    """All of it, printed; files stay only if something is wrong."""
    say(
        f"chaos on {settings.database}, seed {settings.seed}"
        + (f", broken: {settings.spoiled}" * bool(settings.spoiled))
    )
    if not settings.calm:
        for line in plan.words(settings.seed, sum(ZONES.values()), list(ZONES)):
            say(f"  {line}")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="netsched-chaos-"))
    report = Report(settings)
    try:
        with Stage(directory, settings.database, settings.spoiled) as stage:
            _Run(settings, stage, report).go()
    except Exception as error:  # a run that broke off is a failed one, with its files kept like those of any other
        if not isinstance(error, AssertionError):
            traceback.print_exc()
        report.problems.append(f"harness: {error or repr(error)}")
    show(report)
    if report.passed:
        shutil.rmtree(directory)
    else:
        report.logs = directory
        say(f"logs, configurations and files of the nodes: {directory}")
    return report


def broken(names: Sequence[str], seed: int, database: str, minutes: float) -> int:
    """Run each spoiled build; 0 if all were caught."""
    missed = []
    for name in names:
        report = run(Settings(seed, database, 60 * minutes, name))
        caught = [one for one in report.problems if not one.startswith(("harness", "too few", "missing"))]
        kinds = Counter(one.split(":")[0] for one in caught)
        by = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common())
        say(f"{name}: " + (f"caught by {by}; {caught[0]}" if caught else "NOT CAUGHT"))
        missed += [] if caught else [name]
        if report.logs and caught:
            shutil.rmtree(report.logs)
    say(
        f"{len(names) - len(missed)} of {len(names)} broken builds were caught"
        + (f"; missed: {missed}" if missed else "")
    )
    return 1 if missed else 0


class _Run:
    def __init__(self, settings: Settings, stage: Stage, report: Report) -> None:
        self._settings = settings
        self._stage = stage
        self._report = report
        self._history = History(stage.url)
        transport = connect.agent(stage.broker.transport_url(stage.vhost), configuration())
        self._faults = Faults(stage, settings.seed, Replayer(stage, transport, settings.seed), self._history)
        self._clients: list[Client] = []
        self._began = now()

    def go(self) -> None:
        self._history.begin()
        took = self._stage.wait("all agents are alive", self._all_alive, 120.0)
        say(f"  all agents alive {took:.0f} s after the servers; traffic and faults for {self._settings.seconds:g} s")
        external = self._external()
        ports, hosts = self._stage.api_ports, [node.name for node in self._stage.nodes]
        for number in range(CLIENTS):
            client = Client(number, self._settings.seed, ports, hosts, external, CLIENTS / RATE)
            self._clients.append(client)
            client.start()
        self._began = now()
        if not self._settings.calm:
            tracks = plan.tracks(self._settings.seed, len(hosts), list(ZONES))
            self._faults.start(tracks, self._settings.seconds - plan.FINISH)
        self._wait(self._over)
        ended = now()
        for client in self._clients:
            client.stop()
        for client in self._clients:
            client.join()
        self._check(ended)
        self._faults.close()

    def _all_alive(self) -> bool:
        try:
            world = checker.look(self._stage.api_ports[0])
        except OSError:
            return False
        states = [one["state"] for one in world.found["agents"].values()]
        return len(states) == 3 * len(self._stage.nodes) and set(states) == {"alive"}

    def _external(self) -> str:
        """The network to which all routers lead; made by the one client that meets no faults."""
        client = Client(99, self._settings.seed, self._stage.api_ports, [], "", 0.0)
        made = client.setup("networks", {"name": "external", "router:external": True})
        client.setup("subnets", {"network_id": made, "cidr": "172.16.0.0/16", "ip_version": 4, "enable_dhcp": False})
        return made

    def _over(self) -> bool:
        elapsed = now() - self._began
        if elapsed < self._settings.seconds or self._settings.calm:
            return elapsed >= self._settings.seconds
        enough = self._acknowledged() >= LEAST or elapsed > self._settings.seconds + EXTRA
        return self._faults.over and enough

    def _acknowledged(self) -> int:
        return sum(client.book.acknowledged for client in self._clients)

    def _wait(self, over: Callable[[], bool]) -> None:
        line = now() + 10.0
        while not over():
            time.sleep(0.2)
            if self._faults.failure is not None:
                raise AssertionError(f"a fault failed: {self._faults.failure!r}") from self._faults.failure
            if now() > line:
                line += 10.0
                record = self._faults.record
                say(
                    f"  {now() - self._began:4.0f} s: {self._acknowledged()} writes, {len(record.outages)} faults, "
                    f"now {', '.join(one.what for one in record.outages if one.end > now()) or 'none'}"
                )
        for program in (*self._stage.servers, *self._stage.nodes):
            program.check()

    # Afterwards

    def _check(self, ended: float) -> None:
        record, books = self._faults.record, [client.book for client in self._clients]
        last = max([ended, *(one.end for one in record.outages)])
        check = checker.Checker(self._stage, self._history, books)
        problems = check.wrong()
        while problems and now() < last + CALM:
            time.sleep(1.0)
            problems = check.wrong()
        calm_after = now() - ended
        problems += [f"answer: {one}" for book in books for one in book.errors]
        changes = self._history.changes()
        world = checker.look(self._stage.api_ports[0])
        hosts = {id_: one["host"] for id_, one in world.found["agents"].items()}
        journals = {n.name: machine.read(self._stage.directory / n.name / "journal") for n in self._stage.nodes}
        story = past.Past(record, hosts, journals)
        moved = story.moves(changes)
        problems += moved.false + story.came_back(books) + past.epochs(changes)
        problems += [f"stale beat believed: {one}" for one in record.revived]
        problems += self._missing(story)
        self._report.problems += problems
        entries = [entry for journal in journals.values() for entry in journal]
        refused: Counter[str] = sum((book.refused for book in books), Counter())
        self._report.counts = {
            "writes acknowledged": self._acknowledged(),
            "writes unknown": sum(book.unknown for book in books),
            "writes refused": f"{refused.total()} {dict(refused)}" if refused else 0,
            "answers 503": sum(book.unavailable for book in books),
            "faults": ", ".join(f"{kind} {count}" for kind, count in sorted(record.kinds().items())),
            "faults at the same time": record.overlaps(),
            "notices delivered": sum(entry["count"] for entry in entries if entry["what"] == "notices"),
            "pulls": sum(1 for entry in entries if entry["what"] == "pulled"),
            "stale messages replayed": record.replayed,
            "moves": moved.count,
            "moves off starved agents": moved.starved,
            "longest from death to rebound": f"{moved.longest:.1f} s",
            "calm after": f"{calm_after:.1f} s",
            "lost": sum(1 for one in problems if one.startswith("lost")),
        }

    def _missing(self, story: past.Past) -> list[str]:
        """What a run must have had to mean anything."""
        if self._settings.calm:
            return []
        record, problems = self._faults.record, []
        if self._acknowledged() < LEAST:
            problems.append(f"too few writes: {self._acknowledged()} were acknowledged")
        problems += [f"missing fault: {kind}" for kind in plan.KINDS if not record.kinds()[kind]]
        if record.overlaps() < 1:
            problems.append("missing: no two faults overlapped")
        if story.braked_zones() < 1:
            problems.append("missing: no zone was silent under the brake's rule")
        return problems


def configuration() -> cfg.ConfigOpts:
    """oslo.messaging wants the global one."""
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    conf = cfg.CONF
    conf([], project="netsched")
    return conf


def show(report: Report) -> None:
    width = max((len(name) for name in report.counts), default=0)
    for name, value in report.counts.items():
        say(f"  {name:<{width}}  {value}")
    kinds = Counter(one.split(":")[0] for one in report.problems)
    shown: Counter[str] = Counter()
    for problem in report.problems:
        kind = problem.split(":")[0]
        shown[kind] += 1
        if shown[kind] <= SHOWN:
            say(f"  WRONG {problem}")
    for kind, count in kinds.items():
        if count > SHOWN:
            say(f"  WRONG {kind}: {count - SHOWN} more")
    verdict = "passed" if report.passed else "FAILED"
    say(f"{verdict}; seed {report.settings.seed}; again: {report.settings.command}")
    sys.stdout.flush()
