"""Runs the benchmarks and prints one table."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import netsched
from benchmarks import addresses, api, concurrency, delivery, failover, heartbeats, placement, report, restart, routers
from benchmarks.report import Result
from benchmarks.site import Plan, Site
from netsched.conf import server as server_options

BENCHMARKS: dict[str, Callable[[Site], Iterator[Result]]] = {
    "api": api.run,
    "heartbeats": heartbeats.run,
    "placement": placement.run,
    "failover": failover.run,
    "delivery": delivery.run,
    "restart": restart.run,
    "addresses": addresses.run,
    "concurrency": concurrency.run,
    "routers": routers.run,
}


def main() -> int:
    options = _options()
    plan = Plan(options.quick, options.database, options.concurrency, options.processes)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s, load {os.getloadavg()[0]:.1f}] {text}", file=sys.stderr, flush=True)

    results: list[Result] = []
    about = _about(plan)
    with Site(plan, say) as site:
        for name in options.only or BENCHMARKS:
            say(f"{name}:")
            results += BENCHMARKS[name](site)
    about["load averages"] = [about["load averages"], report.load()]
    about["seconds"] = round(time.monotonic() - began)
    print(f"\n{report.table(results)}\n\n" + "\n".join(f"{name}: {value}" for name, value in about.items()))
    if options.json:
        options.json.write_text(json.dumps(report.as_json(results, about), indent=1) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("tools/bench.sh", description="What netsched costs. Traffic on loopback only.")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, under 3 minutes; the full run takes 15")
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="one benchmark; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--database", default="postgresql", choices=["postgresql", "mariadb", "sqlite"])
    parser.add_argument("--concurrency", choices=["threading", "eventlet"], help="the server's; its default by default")
    parser.add_argument("--processes", type=int, default=1, help="of netsched-server")
    return parser.parse_args()


def _about(plan: Plan) -> dict[str, object]:
    default = next(option.default for option in server_options.OPTS if option.name == "concurrency")
    return {
        "netsched": netsched.__version__,
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "form": "quick" if plan.quick else "full",
        "database": plan.database + (" (WAL)" if plan.database == "sqlite" else ", every commit flushed to disk"),
        "broker": "RabbitMQ, quorum queues",
        "concurrency": f"{plan.concurrency or default}, {plan.processes} process(es)",
        "cores": os.cpu_count(),
        "Python": platform.python_version(),
        "load averages": report.load(),
    }


if __name__ == "__main__":
    sys.exit(main())
