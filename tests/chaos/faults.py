"""How each fault is done, and the record of when: what the checker takes for the truth about who was away."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos import plan
from tests.chaos.history import History
from tests.chaos.plan import Fault
from tests.chaos.replay import Replayer
from tests.chaos.stage import Program, Stage, signal_all, tree
from tests.chaos.times import now

CLOCKS = ("+1h", "-1h")
# The brake counts who was alive two dead limits ago: so long must all have been heard of before a zone falls silent,
# and a node that was started just before takes a while to be.
QUIET = 2 * plan.DEAD_AFTER + 7.0  # s


@dataclass
class Outage:
    """`what`: a fault's kind. `victims`: names of processes. Times as of times.now(); `end` when it was undone."""

    what: str
    victims: tuple[str, ...]
    began: float
    end: float = float("inf")


@dataclass
class Record:
    """Thread-safe enough: each track appends its own."""

    outages: list[Outage] = field(default_factory=list)
    revived: list[str] = field(default_factory=list)  # beats that were believed although their sender was away
    replayed: int = 0

    def overlaps(self) -> int:
        """Pairs of faults that lasted at the same time."""
        all_ = sorted(self.outages, key=lambda one: one.began)
        return sum(1 for i, one in enumerate(all_) for other in all_[i + 1 :] if other.began < one.end)

    def kinds(self) -> Counter[str]:
        return Counter(one.what for one in self.outages)


class Faults:
    """Runs the tracks in threads of their own, which live until `close` (see stage.py on who starts processes)."""

    def __init__(self, stage: Stage, seed: int, replayer: Replayer, history: History) -> None:
        self.record = Record()
        self._stage = stage
        self._replayer = replayer
        self._history = history
        self._rng = random.Random(f"{seed} clocks")
        self._closing = threading.Event()
        self._quiet = threading.Lock()  # held by what keeps all agents from being heard, and by what wants them heard
        self._stop_at = 0.0
        self._ended: list[threading.Event] = []
        self._threads: list[threading.Thread] = []
        self.failure: BaseException | None = None

    def start(self, tracks: dict[str, Iterator[Fault]], seconds: float) -> None:
        """For so long, and until the first round of each track is over."""
        self._stop_at = now() + seconds
        for name, faults in tracks.items():
            ended = threading.Event()
            thread = threading.Thread(target=self._run, args=(name, faults, ended), name=name, daemon=True)
            self._ended.append(ended)
            self._threads.append(thread)
            thread.start()

    @property
    def over(self) -> bool:
        return all(ended.is_set() for ended in self._ended)

    def close(self) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, name: str, faults: Iterator[Fault], ended: threading.Event) -> None:
        try:
            for number, fault in enumerate(faults):
                if (number >= plan.first_round(name) and now() + fault.pause > self._stop_at) or self.failure:
                    break
                if self._closing.wait(fault.pause):
                    break
                self._do(fault)
        except BaseException as error:
            self.failure = error
            raise
        finally:
            ended.set()
            self._closing.wait()

    def _do(self, fault: Fault) -> None:
        do = {
            "kill server": self._kill_server,
            "stop server": self._stop_server,
            "server's clock": self._clock_of_server,
            "kill broker": self._kill_broker,
            "stop broker": self._stop_broker,
            "drop broker connections": self._drop,
            "kill database": self._kill_database,
            "stop database": self._stop_database,
            "slow database": self._slow,
            "kill node": self._kill_node,
            "stop node": self._stop_node,
            "node's clock": self._clock_of_node,
            "silent zone": self._silence,
            plan.REPLAY: self._replay,
        }[fault.kind]
        if fault.kind in plan.DEAFENING:
            with self._quiet:
                do(fault)
        else:
            do(fault)

    def _begin(self, fault: Fault, victims: Sequence[Program] | str = ()) -> Outage:
        names = (victims,) if isinstance(victims, str) else tuple(one.name for one in victims)
        outage = Outage(fault.kind, names, now())
        self.record.outages.append(outage)
        return outage

    # What all depend on

    def _kill_server(self, fault: Fault) -> None:
        server = self._stage.servers[fault.target]
        outage = self._begin(fault, [server])
        server.kill()
        time.sleep(fault.lasts)
        server.start()
        self._wait_for_server(fault)
        outage.end = now()

    def _stop_server(self, fault: Fault) -> None:
        server = self._stage.servers[fault.target]
        outage = self._begin(fault, [server])
        server.signal(signal.SIGSTOP)
        time.sleep(fault.lasts)
        server.signal(signal.SIGCONT)
        outage.end = now()

    def _clock_of_server(self, fault: Fault) -> None:
        server = self._stage.servers[fault.target]
        outage = self._begin(fault, [server])
        server.kill()
        server.start(self._rng.choice(CLOCKS))
        self._wait_for_server(fault)
        time.sleep(fault.lasts)
        server.kill()
        server.start()
        self._wait_for_server(fault)
        outage.end = now()

    def _wait_for_server(self, fault: Fault) -> None:
        self._stage.wait("the server is back", lambda: self._stage.answers(fault.target))

    def _kill_broker(self, fault: Fault) -> None:
        outage = self._begin(fault, "broker")
        signal_all(tree(self._stage.broker), signal.SIGKILL)
        self._stage.broker.kill()
        time.sleep(fault.lasts)
        self._stage.broker.start()
        outage.end = now()

    def _stop_broker(self, fault: Fault) -> None:
        self._freeze(fault, "broker", tree(self._stage.broker))

    def _stop_database(self, fault: Fault) -> None:
        self._freeze(fault, "database", tree(self._stage.database))

    def _freeze(self, fault: Fault, name: str, pids: list[int]) -> None:
        outage = self._begin(fault, name)
        signal_all(pids, signal.SIGSTOP)
        time.sleep(fault.lasts)
        signal_all(pids, signal.SIGCONT)
        outage.end = now()

    def _kill_database(self, fault: Fault) -> None:
        outage = self._begin(fault, "database")
        # All of its processes at once: a crash of the machine but for its disks.
        signal_all(tree(self._stage.database)[::-1], signal.SIGKILL)
        self._stage.database.kill()
        time.sleep(fault.lasts)
        self._stage.database.start()
        outage.end = now()

    def _drop(self, fault: Fault) -> None:
        outage = self._begin(fault, "broker")
        self._stage.proxy.tell("broker", drop=True)
        outage.end = now()

    def _slow(self, fault: Fault) -> None:
        outage = self._begin(fault, "database")
        self._stage.proxy.tell("database", delay=0.03)
        time.sleep(fault.lasts)
        self._stage.proxy.tell("database", delay=0.0)
        outage.end = now()

    # Nodes

    def _kill_node(self, fault: Fault) -> None:
        node = self._stage.nodes[fault.target]
        outage = self._begin(fault, [node])
        node.kill()
        self._speak_for_the_dead(node, outage, fault.lasts)
        node.start()
        outage.end = now()

    def _stop_node(self, fault: Fault) -> None:
        node = self._stage.nodes[fault.target]
        outage = self._begin(fault, [node])
        node.signal(signal.SIGSTOP)
        self._speak_for_the_dead(node, outage, fault.lasts)
        node.signal(signal.SIGCONT)
        outage.end = now()

    def _speak_for_the_dead(self, node: Program, outage: Outage, lasts: float) -> None:
        """Its old beats come in as from a backlog; none of them may count as sent after it fell silent."""
        time.sleep(lasts / 2)
        beats = self._replayer.beats_of(node.name, outage.began)
        self.record.replayed += self._replayer.send(beats)
        time.sleep(lasts / 2)
        for host, late in self._history.heard_after(node.name, outage.began + 0.5):
            self.record.revived.append(
                f"{host} was away since {outage.began:.2f}, yet it is heard of {late:.1f} s later"
            )

    def _clock_of_node(self, fault: Fault) -> None:
        node = self._stage.nodes[fault.target]
        outage = self._begin(fault, [node])
        node.kill()
        node.start(self._rng.choice(CLOCKS))
        outage.end = now()
        time.sleep(fault.lasts)
        again = self._begin(fault, [node])
        node.kill()
        node.start()
        again.end = now()

    def _silence(self, fault: Fault) -> None:
        with self._quiet:
            self._closing.wait(QUIET)
            self._hush(fault)

    def _hush(self, fault: Fault) -> None:
        nodes = self._stage.in_zone(fault.target)
        outage = self._begin(fault, nodes)
        for node in nodes:
            node.signal(signal.SIGSTOP)
        time.sleep(fault.lasts)
        for node in nodes:
            node.signal(signal.SIGCONT)
        outage.end = now()

    def _replay(self, fault: Fault) -> None:
        outage = self._begin(fault)
        self.record.replayed += self._replayer.send(self._replayer.old())
        outage.end = now()
