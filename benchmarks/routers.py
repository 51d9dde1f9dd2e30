"""How fast routers come up on a host: real namespaces, links, rules and addresses, on a private host of its own."""

from __future__ import annotations

import json
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.report import Result
from benchmarks.site import Site
from netsched.agents.kernel.host import Host
from netsched.agents.l3.driver import L3Driver
from netsched.clock import SystemClock
from tests.fakes.router_content import EXTERNAL, RouterContent

WORKERS = 4  # as an agent has by default
HOST = "network-node"


def run(site: Site) -> Iterator[Result]:
    count = site.plan.choose(25, 100)
    host = Host(HOST)
    try:
        with tempfile.TemporaryDirectory(prefix="netsched-bench-") as directory:
            pathlib.Path(directory).chmod(0o755)  # radvd reads its files as nobody
        said = host.run(sys.executable, "-m", "benchmarks.routers", str(count), directory, timeout=600)
    finally:
        host.close()
    for case, seconds in json.loads(said).items():
        figures = {"seconds": seconds, "routers/s": count / seconds, "ms each": seconds / count * 1000}
        yield Result("routers", f"{case}, {count} of 3 links, {WORKERS} workers", figures)


def measure(count: int, state_dir: pathlib.Path) -> dict[str, float]:
    """Seconds by case. To be run on a private host."""
    routers = [_router(number) for number in range(1, count + 1)]
    first = L3Driver(HOST, state_dir, SystemClock(), deep_check_period=0.0)
    times = {"made": _all(routers, lambda router: _apply(first, router))}
    times["checked by reading back"] = _all(routers, lambda router: _check(first, router))
    for router in routers:
        router.floating(1, f"203.0.{router.number // 200}.{router.number % 200 + 20}", "10.0.0.5")
    times["given a floating IP"] = _all(routers, lambda router: _apply(first, router))
    second = L3Driver(HOST, state_dir, SystemClock())
    times["taken over by the next life"] = _all(routers, lambda router: _apply(second, router))
    times["removed"] = _all(routers, lambda router: second.apply(router.scope, None))
    return times


def _router(number: int) -> RouterContent:
    router = RouterContent(number, HOST)
    for network in (1, 2):
        router.network(number * 10 + network)
        router.subnet(number * 10 + network, number * 10 + network, f"10.0.{network - 1}.0/24")
        router.interface(number * 10 + network, number * 10 + network, f"10.0.{network - 1}.1")
    router.network(EXTERNAL)
    router.subnet(EXTERNAL, EXTERNAL, "203.0.0.0/16")
    router.gateway(EXTERNAL, f"203.0.{100 + number // 200}.{number % 200 + 2}")
    return router


def _apply(driver: L3Driver, router: RouterContent) -> None:
    """As an agent does: what was applied is read back."""
    driver.apply(router.scope, router.content)
    assert driver.check(router.scope, router.content)


def _check(driver: L3Driver, router: RouterContent) -> None:
    assert driver.check(router.scope, router.content)


def _all(routers: list[RouterContent], do: Callable[[RouterContent], None]) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as workers:
        list(workers.map(do, routers))
    return time.monotonic() - began


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), pathlib.Path(sys.argv[2]))))
