"""Threads against eventlet, the two kinds of server process: same broker, same database server, in turn.

Both run all the time and one is measured at a time, round after round, so that the ratios mean something on a machine
that does other things as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from benchmarks import measure
from benchmarks.api import story
from benchmarks.measure import Call, percentile
from benchmarks.report import Result
from benchmarks.site import Deployment, Site

KINDS = ("threading", "eventlet")
AGENTS = 1000
INTERVAL = 2.0  # s: 500 beats a second, which both can keep up with


def run(site: Site) -> Iterator[Result]:
    rounds = site.plan.choose(1, 3)
    with contextlib.ExitStack() as stack:
        there = {kind: stack.enter_context(site.deployment(INTERVAL, concurrency=kind)) for kind in KINDS}
        requests = {kind: _Requests(deployment) for kind, deployment in there.items()}
        beats: dict[str, list[tuple[float, float, list[float]]]] = {kind: [] for kind in KINDS}
        for deployment in there.values():
            deployment.fleet(10, "few", ramp=1.0)
        for number in range(rounds):
            for kind in KINDS if number % 2 == 0 else reversed(KINDS):
                site.say(f"round {number + 1} of {rounds}: requests, {kind}")
                requests[kind].some(site.plan.choose(30, 80))
            for kind in KINDS if number % 2 == 0 else reversed(KINDS):
                site.say(f"round {number + 1} of {rounds}: heartbeats, {kind}")
                beats[kind].append(_beats(there[kind], site.plan.choose(8.0, 12.0), f"round{number}"))
    for kind in KINDS:
        one = requests[kind]
        answered, used = sum(b[0] for b in beats[kind]), sum(b[1] for b in beats[kind])
        times = [t for b in beats[kind] for t in b[2]]
        yield Result(
            "concurrency",
            kind,
            {
                "API p50 ms": percentile(one.times, 0.5) * 1000,
                "API p99 ms": percentile(one.times, 0.99) * 1000,
                "API CPU ms": one.used * 1000 / len(one.times),
                "API per s": len(one.times) / one.elapsed,
                "beats stored": int(answered),
                "beats per CPU s": answered / used,
                "beat p99 ms": percentile(times, 0.99) * 1000,
            },
        )


class _Requests:
    """A mix of all requests by eight clients."""

    def __init__(self, deployment: Deployment) -> None:
        self.times: list[float] = []
        self.used = self.elapsed = 0.0
        self._deployment = deployment

    def some(self, number: int) -> None:
        for _ in story(number, self._do):
            pass

    def _do(self, operation: str, calls: list[Call]) -> list[object]:
        before = self._deployment.cpu()
        load = measure.send(self._deployment.port, calls, 8)
        self._deployment.settle()
        if operation not in ("list 1,000 ports", "100 ports in bulk"):  # few and long: they would be the p99
            self.used += self._deployment.cpu().since(before).server
            self.times += load.times
            self.elapsed += load.elapsed
        return load.bodies


def _beats(deployment: Deployment, seconds: float, prefix: str) -> tuple[float, float, list[float]]:
    """(answered, CPU seconds of the server, answer times) of the agents."""
    fleet = deployment.fleet(AGENTS, prefix, ramp=3.0)
    fleet.watch(INTERVAL)
    before = deployment.cpu()
    window = fleet.watch(seconds)
    used = deployment.cpu().since(before).server
    fleet.stop()
    return window.answered, used, window.times
