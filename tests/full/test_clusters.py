"""Two servers, a RabbitMQ cluster of three and a Galera of three: a node of each dies under load, and nothing is lost.

Each server has a HAProxy of its own in front of the databases, which prefers another node: writes go to two nodes.
"""

from __future__ import annotations

import configparser
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters import Galera, HAProxy, RabbitCluster
from tests.full.writers import GONE, Ledger, Writer, longest_stall
from tests.processes.deployment import Deployment, free_port
from tests.servers import Server

pytestmark = pytest.mark.timeout(600)

HOSTS = ("node-1", "node-2", "node-3", "node-4")
LOADED = 15.0  # s of load before, between and after the faults
STALL = 60.0  # s; far beyond what was ever seen, docs/clusters.rst has what was


class Clustered(Deployment):
    """With a second server, `second`, on a database URL of its own."""

    def __init__(self, directory: Path, database_urls: list[str], transport_url: str) -> None:
        super().__init__(directory, database_urls[0], transport_url)
        second = configparser.RawConfigParser()
        second.read(self.config)
        second["database"]["connection"] = database_urls[1]
        port = free_port()
        second["api"]["bind_port"] = str(port)
        self.second_url = f"http://127.0.0.1:{port}"
        self.second_config = directory / "second.conf"
        with self.second_config.open("w") as file:
            second.write(file)

    def start_both(self) -> None:
        self.start_server("first")
        self.start("second", self.command("server", config=self.second_config))
        self.wait("both are listed", lambda: len(self.rest("GET", "servers")["servers"]) == 2)


@pytest.fixture
def galera() -> Iterator[Galera]:
    with Galera() as cluster:
        yield cluster


@pytest.fixture
def brokers() -> Iterator[RabbitCluster]:
    with RabbitCluster() as cluster:
        yield cluster


@pytest.fixture
def deployment(tmp_path: Path, galera: Galera, brokers: RabbitCluster) -> Iterator[Clustered]:
    ports = [node.port for node in galera.nodes]
    with HAProxy(*ports) as first, HAProxy(ports[1], ports[2], ports[0]) as second:
        (direct, *_) = galera.urls()
        urls = [direct.replace(f":{ports[0]}/", f":{proxy.port}/") for proxy in (first, second)]
        made = Clustered(tmp_path, urls, brokers.transport_url())
        try:
            made.start_both()
            for host in HOSTS:
                made.start_agent(host)
            made.wait("all agents are alive", lambda: made.alive() == sorted(HOSTS), timeout=90)
            yield made
        finally:
            made.stop()


class Load:
    """Writers, and how long they stood still around each fault."""

    def __init__(self, deployment: Clustered) -> None:
        self.writers = [Writer([deployment.url, deployment.second_url], seed) for seed in range(4)]
        self.ledgers: list[Ledger] = []
        self._marks: list[tuple[str, float, float]] = []
        for writer in self.writers:
            writer.start()

    @contextlib.contextmanager
    def fault(self, what: str) -> Iterator[None]:
        """What is done inside, and some time of load after it."""
        began = time.monotonic()
        yield
        time.sleep(LOADED)
        self._marks.append((what, began, time.monotonic()))

    def stop(self) -> dict[str, float]:
        """The longest stall by fault."""
        self.ledgers = [writer.stop() for writer in self.writers]
        return {what: longest_stall(self.ledgers, *span) for what, *span in self._marks}


def in_step(deployment: Clustered) -> bool:
    """Every network is served by living agents, and each has it as the API shows it; nobody has one that is gone."""
    networks = {one["id"]: one for one in deployment.rest("GET", "networks")["networks"]}
    subnets = {one["network_id"] for one in deployment.rest("GET", "subnets")["subnets"]}
    for id_ in subnets:
        holders = deployment.holders(id_)
        if not holders or deployment.copies(id_) != sorted(holders):
            return False
        content = deployment.content(id_, holders[0], "dhcp")
        if content.get("network") != {id_: networks[id_]["name"]}:
            return False
    held = {path.name for path in deployment.directory.glob("*/wanted/*.json") if "network" in path.name}
    return len(held) == len(subnets)


def crash(node: Server) -> None:
    """kill -9; nothing else may tell the others."""
    node.kill()


def test_a_node_of_each_cluster_is_killed_under_load(
    deployment: Clustered, galera: Galera, brokers: RabbitCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Load(deployment)
    with load.fault("no fault"):
        pass
    with load.fault("a database node dies"):
        crash(galera.nodes[0])
    with load.fault("it joins again"):
        galera.join(galera.nodes[0])
    with load.fault("a broker dies"):
        crash(brokers.nodes[1])
    with load.fault("it joins again, too"):
        brokers.nodes[1].start()
    with load.fault("a broker and a database node die at once"):
        crash(brokers.nodes[2])
        crash(galera.nodes[1])
    stalls = load.stop()
    writes = sum(len(ledger.acknowledged) for ledger in load.ledgers)
    refused = [ledger.refused for ledger in load.ledgers]
    with capsys.disabled():
        print(f"\n{writes} writes acknowledged; refused, by answer: {refused}; longest stall:")
        for what, stall in stalls.items():
            print(f"  {stall:5.1f} s  {what}")
    assert writes > 300
    assert not [one for one in refused if "500" in one]
    assert max(stalls.values()) < STALL
    deployment.wait("the servers answer", deployment.answers, timeout=60)
    names = {one["id"]: one["name"] for one in deployment.rest("GET", "networks")["networks"]}
    for ledger in load.ledgers:
        for id_, possible in ledger.possible.items():
            assert names.get(id_, GONE) in possible, f"{id_} is {names.get(id_)}, acknowledged was one of {possible}"
    deployment.wait("every agent has what is wanted", lambda: in_step(deployment), timeout=120)
