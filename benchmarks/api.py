"""What each operation of the API costs: time with 1 and 8 clients, CPU of server and database, statements.

Ten simulated agents are there, so that the CPU includes what follows from a request: scheduling, stamping, telling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import webob
from oslo_config import cfg

from benchmarks import measure
from benchmarks.measure import Call, Load, percentile
from benchmarks.report import Result
from benchmarks.site import Deployment, Site
from netsched import clock
from netsched.db import schema, segment
from netsched.db.session import Database
from netsched.rpc.direct import DirectTransport
from netsched.server import configuration, wiring
from netsched.server.policies.enforcer import Policy
from tests.statements import counted

CLIENTS = (1, 8)
Run = Callable[[str, list[Call]], list[Any]]  # (operation, calls) -> what came back


def run(site: Site) -> Iterator[Result]:
    site.say("counting statements")
    statements = _statements(site)
    with site.deployment() as deployment:
        deployment.fleet(10, ramp=1.0)
        _thousand(deployment)
        for clients in CLIENTS:
            number = site.plan.choose(25, 120) * (1 if clients == 1 else 4)
            meter = _Meter(deployment, clients, statements)
            for _ in story(number, meter):
                site.say(f"{meter.results[-1].case}")
            yield from meter.results


def story(number: int, do: Run) -> Iterator[None]:
    """`number` of everything, made, read, changed and deleted; yields after each operation."""
    few = max(2, number // 10)
    networks = _ids("network", do("create network", [Call("POST", "networks", {"network": {}})] * number))
    yield
    subnets = _ids("subnet", do("create subnet", [Call("POST", "subnets", subnet(network)) for network in networks]))
    yield
    bodies = [{"port": {"network_id": networks[n % 10 % len(networks)]}} for n in range(number)]
    ports = _ids("port", do("create port", [Call("POST", "ports", body) for body in bodies]))
    yield
    do("100 ports in bulk", [Call("POST", "ports", {"ports": [bodies[n]["port"]] * 100}) for n in range(min(few, 10))])
    yield
    do("list 1,000 ports", [Call("GET", "ports?limit=1000")] * few)
    yield
    for kind, ids in (("port", ports), ("subnet", subnets), ("network", networks)):
        do(f"get {kind}", [Call("GET", f"{kind}s/{id_}") for id_ in ids])
        yield
        do(f"update {kind}", [Call("PUT", f"{kind}s/{id_}", {kind: {"name": "other"}}) for id_ in ids])
        yield
        if kind == "port":
            do("delete port", [Call("DELETE", f"ports/{id_}") for id_ in ids])
            yield
    # Those that the bulk filled keep their ports.
    do("delete subnet", [Call("DELETE", f"subnets/{id_}") for id_ in subnets[10:]])
    yield
    do("delete network", [Call("DELETE", f"networks/{id_}") for id_ in networks[10:]])
    yield


def subnet(network_id: str, cidr: str = "10.0.0.0/16") -> dict[str, Any]:
    return {"subnet": {"network_id": network_id, "ip_version": 4, "cidr": cidr}}


def _ids(kind: str, bodies: list[Any]) -> list[str]:
    return [body[kind]["id"] for body in bodies]


def _thousand(deployment: Deployment) -> None:
    """A network with 1,000 ports, for the list."""
    client = deployment.client()
    network = client("POST", "networks", {"network": {}})["network"]["id"]
    client("POST", "subnets", subnet(network))
    for _ in range(10):
        client("POST", "ports", {"ports": [{"network_id": network}] * 100})
    client.close()


class _Meter:
    """Sends what the story asks for and notes what it cost."""

    def __init__(self, deployment: Deployment, clients: int, statements: dict[str, int]) -> None:
        self.results: list[Result] = []
        self._deployment = deployment
        self._clients = clients
        self._statements = statements

    def __call__(self, operation: str, calls: list[Call]) -> list[Any]:
        before = self._deployment.cpu()
        load = measure.send(self._deployment.port, calls, self._clients)
        self._deployment.settle()
        used = self._deployment.cpu().since(before)
        who = "1 client" if self._clients == 1 else f"{self._clients} clients"
        self.results.append(Result("API", f"{operation}, {who}", self._figures(operation, load, used)))
        return load.bodies

    def _figures(self, operation: str, load: Load, used: Any) -> dict[str, Any]:
        done = len(load.times)
        per = 1000 / done if done else 0.0
        return {
            "p50 ms": percentile(load.times, 0.5) * 1000,
            "p99 ms": percentile(load.times, 0.99) * 1000,
            "per s": done / load.elapsed,
            "server CPU ms": used.server * per,
            "database CPU ms": None if used.database is None else used.database * per,
            "statements": self._statements[operation],
            "calls": done,
        }


def _statements(site: Site) -> dict[str, int]:
    """Statements of each operation, of one request that finds everything warm; counted in this process."""
    database = Database(site.database_url())
    schema.upgrade(database)
    conf = cfg.ConfigOpts()
    conf([])
    server = wiring.Server(configuration.Settings(), database, DirectTransport(), Policy(conf), clock.SystemClock())
    segment.configure(database, server.settings.provider)
    found: dict[str, int] = {}

    def do(operation: str, calls: list[Call]) -> list[Any]:
        bodies = []
        for call in calls:
            with counted(database) as sent:
                bodies.append(_request(server, call))
            found[operation] = len(sent)
        return bodies

    for _ in story(12, do):
        pass
    database.dispose()
    return found


def _request(server: wiring.Server, call: Call) -> Any:
    request = webob.Request.blank(f"/v2.0/{call.path}", method=call.method)
    if call.body is not None:
        request.json = call.body
    answer = request.get_response(server.application)
    if answer.status_int >= 300:
        raise RuntimeError(f"{call.method} {call.path}: {answer.status} {answer.text[:500]}")
    return answer.json if answer.body else None
