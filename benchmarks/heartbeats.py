"""What heartbeats cost: at their natural pace, and with as many as 1,000 a second offered.

Answered means stored: the answer leaves after the commit. It waits for its batch, 0.4 s in the mean, by design.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measure import percentile
from benchmarks.report import Result
from benchmarks.site import Site

NATURAL = 10.0  # s, the default interval


def run(site: Site) -> Iterator[Result]:
    for agents in site.plan.choose((1000,), (100, 1000, 5000)):
        yield measure_at(site, agents, NATURAL, f"{agents:,} agents, every 10 s")
        pressed = agents / 1000
        # Below 1 s several beats of an agent would share a batch, and an answer.
        if pressed >= 1 and not site.plan.quick:
            yield measure_at(site, agents, pressed, f"{agents:,} agents, every {pressed:g} s")


def measure_at(site: Site, agents: int, interval: float, case: str) -> Result:
    site.say(case)
    with site.deployment(interval) as deployment:
        fleet = deployment.fleet(agents, ramp=site.plan.choose(3.0, 10.0), settle=False)
        try:
            fleet.settle(limit=60.0)
        except TimeoutError as error:  # more than this machine can do: then that is what there is to see
            site.say(str(error))
        fleet.watch(2.0)  # the first beats are dearer
        before = deployment.cpu()
        window = fleet.watch(site.plan.choose(8.0, 15.0))
        used = deployment.cpu().since(before)
    thousands = window.answered / 1000 or 1.0
    return Result(
        "heartbeats",
        case,
        {
            "offered /s": window.sent / window.elapsed,
            "stored /s": window.answered / window.elapsed,
            "p50 ms": percentile(window.times, 0.5) * 1000,
            "p99 ms": percentile(window.times, 0.99) * 1000,
            "server CPU s/1,000": used.server / thousands,
            "database CPU s/1,000": None if used.database is None else used.database / thousands,
            "broker CPU s/1,000": used.broker / thousands,
            "failed": window.failed,
        },
    )
