"""The server's metrics, in Prometheus' text format: every name begins with ``netsched_``.

Services count plainly (tally.py); the collector below reads them, and the database, when it is scraped. So a metric
costs nothing between scrapes, and no service knows what a metric is. The registry is the server's own: several servers
in one process, as in tests, do not count together.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from netsched import errors
from netsched.clock import Clock
from netsched.db.gauges import Gauges
from netsched.model import liveness
from netsched.tally import Tally

PLACED = ("new", "operator")  # causes of placements; the others are of moves
# Seconds: from what a read takes to what a request waits for the database at most.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True)
class Counted:
    """What services have counted, with the labels of each."""

    statements: Tally  # kind: read, write
    beats: Tally  # outcome: received, dropped, written
    sent: Tally  # kind: answers, notices; outcome: sent, failed
    pulls: Tally  # none
    placements: Tally  # resource type, cause
    refusals: Tally  # resource type, cause


@dataclass(frozen=True)
class Now:
    """What is asked when somebody scrapes. `gauges` raises Unavailable, soon; `broker` says what is wrong with it."""

    gauges: Callable[[], Gauges]
    workers: Callable[[], list[dict[str, Any]]]
    broker: Callable[[], str | None]
    trust: Callable[[], bool]
    stopping: Callable[[], bool]


class MetricsService:
    def __init__(self, version: str, clock: Clock, counted: Counted, now: Now) -> None:
        self._clock = clock
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "netsched_http_requests",
            "Requests answered, by route, method and status",
            ("route", "method", "status"),
            registry=None,
        )
        self._seconds = Histogram(
            "netsched_http_request_seconds",
            "Seconds until the answer, by route and method",
            ("route", "method"),
            buckets=BUCKETS,
            registry=None,
        )
        self._registry.register(_WithoutBirths(self._requests, self._seconds))
        self._registry.register(_Collector(version, counted, now))

    def now(self) -> float:
        return self._clock.monotonic()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def exposition(self) -> tuple[str, bytes]:
        """(content type, body)"""
        return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self._registry)


class _WithoutBirths(Collector):
    """Without the library's second series for each one, ``_created``: when it began."""

    def __init__(self, *collectors: Collector) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[Metric]:
        for metric in itertools.chain.from_iterable(one.collect() for one in self._collectors):
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


class _Collector(Collector):
    def __init__(self, version: str, counted: Counted, now: Now) -> None:
        self._version = version
        self._counted = counted
        self._now = now

    def describe(self) -> list[Metric]:
        """None in advance: the registry would collect instead, which reads the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield _gauge("build_info", "This release", {(self._version,): 1}, "version")
        yield _gauge("stopping", "1 while the server finishes what is under way and ends", {(): self._now.stopping()})
        yield from self._counters()
        yield from self._workers()
        yield _gauge("broker_up", "1 if the message broker took the last message", {(): self._now.broker() is None})
        yield _gauge("trusted", "1 if this server may take silent agents for dead", {(): self._now.trust()})
        try:
            gauges = self._now.gauges()
        except errors.Unavailable:
            yield _gauge("database_up", "1 if the database answers", {(): 0})
            return
        yield _gauge("database_up", "1 if the database answers", {(): 1})
        yield from _from_database(gauges)

    def _counters(self) -> Iterator[Metric]:
        counted = self._counted
        yield _counter(
            "sql_statements", "Statements sent to the database, begin and commit included", counted.statements, "kind"
        )
        yield _counter(
            "beats", "Heartbeats received, dropped because the queue was full, written", counted.beats, "outcome"
        )
        yield _counter("messages", "Answers and notices sent to agents", counted.sent, "kind", "outcome")
        yield _counter("pulls", "Pulls of agents answered", counted.pulls)
        moved, placed = Tally(), Tally()
        for (resource_type, cause), number in counted.placements.read().items():
            (placed if cause in PLACED else moved).add(resource_type, cause, by=number)
        yield _counter("placements", "Networks and routers placed that were nowhere", placed, "resource_type", "cause")
        yield _counter("moves", "Networks and routers moved to another agent", moved, "resource_type", "cause")
        refused = "Placements and moves refused when applied, since somebody was faster"
        yield _counter("refusals", refused, counted.refusals, "resource_type", "cause")

    def _workers(self) -> Iterator[Metric]:
        workers = self._now.workers()
        ages = {(one["name"],): one["age"] for one in workers if one["age"] is not None}
        yield _gauge("worker_last_run_age_seconds", "Since the worker last began a run", ages, "worker")
        for name, documentation in (("runs", "Runs of the worker"), ("failures", "Runs that failed")):
            family = CounterMetricFamily(f"netsched_worker_{name}", documentation, labels=("worker",))
            for one in workers:
                family.add_metric((one["name"],), one[name])
            yield family


def _from_database(gauges: Gauges) -> Iterator[Metric]:
    places = {(kind, zone) for kind, zone, _ in gauges.agents}
    none: dict[tuple[str, str, str], float] = {
        (kind, zone, state.value): 0 for kind, zone in places for state in liveness.State
    }
    labels = ("agent_type", "zone")
    yield _gauge("agents", "Agents by state, the same for all servers", {**none, **gauges.agents}, *labels, "state")
    brakes: dict[tuple[str, str], float] = {**dict.fromkeys(places, 0), **gauges.brakes}
    yield _gauge("brake_engaged", "1 where so many agents are silent that nothing moves", brakes, *labels)
    yield _gauge("relay_unstamped", "Changes committed that no relay has taken up", {(): gauges.unstamped})
    yield _gauge("relay_unsent", "Changes that the broker has not taken, those included", {(): gauges.unsent})
    yield _gauge(
        "relay_oldest_seconds", "Age of the oldest change that the broker has not taken", {(): gauges.oldest_unsent}
    )
    yield _gauge("delivery_behind", "Copies of agents that are not what there is", {(): gauges.behind})
    yield _gauge("delivery_oldest_seconds", "For how long the longest of them has not been", {(): gauges.oldest_behind})


def _gauge(name: str, documentation: str, values: Mapping[Any, float], *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"netsched_{name}", documentation, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, float(value))
    return family


def _counter(name: str, documentation: str, tally: Tally, *labels: str) -> CounterMetricFamily:
    family = CounterMetricFamily(f"netsched_{name}", documentation, labels=labels)
    for key, value in sorted(tally.read().items()):
        family.add_metric(key, value)
    if not labels and not tally.read():
        family.add_metric((), 0)
    return family
