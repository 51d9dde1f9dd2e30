"""Whether an address costs more the fuller its subnet is: it must not, whatever the subnet's size."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.measure import percentile
from benchmarks.report import Result
from benchmarks.site import Site
from netsched.db import schema
from netsched.db.session import Database
from tests.cloud import ADMIN, Cloud
from tests.statements import counted

BATCH = 500


def run(site: Site) -> Iterator[Result]:
    fill, rounds = site.plan.choose((5_000, 60), (60_000, 300))
    database = Database(site.database_url())
    schema.upgrade(database)
    cloud = Cloud(database)
    networks = {}
    for case, cidr in (("an empty /16", "10.0.0.0/16"), ("a filled /16", "10.0.0.0/16"), ("a /64", "fd00::/64")):
        networks[case] = cloud.network()
        cloud.subnet(networks[case], cidr)
    for done in range(0, fill, BATCH):
        if done % (10 * BATCH) == 0:
            site.say(f"{done:,} of {fill:,} ports made")
        cloud.ports.create(ADMIN, [{"network_id": networks["a filled /16"]}] * BATCH)
    times: dict[str, list[float]] = {case: [] for case in networks}
    statements = {}
    for _ in range(rounds):
        # In turn, so that whatever else the machine does befalls all alike.
        for case, network in networks.items():
            began = time.perf_counter()
            cloud.port(network)
            times[case].append(time.perf_counter() - began)
    for case, network in networks.items():
        with counted(database) as sent:
            cloud.port(network)
        statements[case] = len(sent)
    database.dispose()
    first = percentile(times["an empty /16"], 0.5)
    names = {
        "a filled /16": f"port {fill:,} of a /16",
        "an empty /16": "first ports of a /16",
        "a /64": "ports in a /64",
    }
    for case, taken in times.items():
        figures = {"p50 ms": percentile(taken, 0.5) * 1000, "ratio": percentile(taken, 0.5) / first}
        yield Result("addresses", names[case], {**figures, "statements": statements[case]})
