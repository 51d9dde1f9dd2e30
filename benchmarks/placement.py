"""From POST to bound and in force, and how evenly the load spreads: 30 networks by 4 clients over idle agents."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from benchmarks import measure
from benchmarks.api import subnet
from benchmarks.measure import percentile
from benchmarks.report import Result
from benchmarks.site import Deployment, Site
from netsched.db.binding import binding
from netsched.db.interest import applied

NETWORKS = 30
CLIENTS = 4


def run(site: Site) -> Iterator[Result]:
    for agents in site.plan.choose((100,), (10, 100, 1000)):
        case = f"{agents:,} agents"
        site.say(case)
        with site.deployment() as deployment:
            deployment.fleet(agents, ramp=2.0 if agents < 1000 else 8.0)
            placed = _Placed(deployment)
            threads = [threading.Thread(target=placed.some, daemon=True) for _ in range(CLIENTS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            used = deployment.scalar(sa.select(sa.func.count(binding.c.agent_id.distinct())))
        if len(placed.bound) != NETWORKS // CLIENTS * CLIENTS:
            raise RuntimeError(f"only {len(placed.bound)} networks were placed")
        yield Result(
            "placement",
            case,
            {
                "networks": len(placed.bound),
                "bound p50 ms": percentile(placed.bound, 0.5) * 1000,
                "bound p99 ms": percentile(placed.bound, 0.99) * 1000,
                "in force p50 ms": percentile(placed.in_force, 0.5) * 1000,
                "in force p99 ms": percentile(placed.in_force, 0.99) * 1000,
                "agents used": used,
                "ideal": min(agents, len(placed.bound)),
            },
        )


class _Placed:
    """Seconds from the POST of each network's subnet, which makes it wanted, to what the tables say."""

    def __init__(self, deployment: Deployment) -> None:
        self.bound: list[float] = []
        self.in_force: list[float] = []
        self._deployment = deployment

    def some(self) -> None:
        client = self._deployment.client()
        for _ in range(NETWORKS // CLIENTS):
            network = client("POST", "networks", {"network": {}})["network"]["id"]
            began = time.monotonic()
            client("POST", "subnets", subnet(network))
            self._wait("bound", sa.select(binding.c.agent_id).where(binding.c.resource_id == network))
            self.bound.append(time.monotonic() - began)
            self._wait("in force", sa.select(applied.c.agent_id).where(applied.c.scope == f"network/{network}"))
            self.in_force.append(time.monotonic() - began)
        client.close()

    def _wait(self, what: str, holder: sa.Select[Any]) -> None:
        measure.wait(what, lambda: self._deployment.scalar(holder) is not None, pause=0.01)
