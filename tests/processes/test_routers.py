"""Routers, ports and floating IPs with every part a process of its own, over RabbitMQ, with kill -9."""

from __future__ import annotations

import threading
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.deployment import PHYSICAL_NETWORK, Deployment, process_of
from tests.servers import MariaDB, PostgreSQL, RabbitMQ

pytestmark = pytest.mark.timeout(300)
HOSTS = ("node-0", "node-1")


class Site:
    """A deployment with a network behind a router to an external one, and what one asks about them."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.blue = self.create("network", name="blue")["id"]
        subnet = self.create("subnet", network_id=self.blue, ip_version=4, cidr="10.0.0.0/16")["id"]
        flat = {"provider:network_type": "flat", "provider:physical_network": PHYSICAL_NETWORK}
        self.world = self.create("network", name="world", **{"router:external": True}, **flat)["id"]
        self.create("subnet", network_id=self.world, ip_version=4, cidr="203.0.113.0/24", enable_dhcp=False)
        self.router = self.create("router", name="edge", external_gateway_info={"network_id": self.world})["id"]
        deployment.rest("PUT", f"routers/{self.router}/add_router_interface", {"subnet_id": subnet})

    def create(self, resource: str, **attributes: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.deployment.rest("POST", f"{resource}s", {resource: attributes})[resource]
        return made

    def port(self, host: str) -> str:
        return str(self.create("port", network_id=self.blue, **{"binding:host_id": host})["id"])

    def floating(self, port: str) -> str:
        return str(self.create("floatingip", floating_network_id=self.world, port_id=port)["id"])

    def list(self, collection: str, **filters: str) -> list[dict[str, Any]]:
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        found: list[dict[str, Any]] = self.deployment.rest("GET", f"{collection}?{query}")[collection]
        return found

    def status(self, resource: str, id_: str) -> str:
        return str(self.deployment.rest("GET", f"{resource}s/{id_}")[resource]["status"])

    def holders(self) -> list[str]:
        """Hosts of the L3 agents that have the router."""
        return [agent["host"] for agent in self.deployment.rest("GET", f"routers/{self.router}/l3-agents")["agents"]]

    def router_ports(self) -> set[tuple[str, str, str]]:
        """(owner, host, status) of each port of the router."""
        ports = self.list("ports", device_id=self.router)
        return {(port["device_owner"], port["binding:host_id"], port["status"]) for port in ports}

    def wait(self, what: str, condition: Callable[[], Any], timeout: float = 60.0) -> None:
        self.deployment.wait(what, condition, timeout)


@pytest.fixture
def deployment(request: pytest.FixtureRequest, tmp_path: Path, rabbitmq: RabbitMQ) -> Iterator[Deployment]:
    database: PostgreSQL | MariaDB = request.getfixturevalue(request.param)
    deployment = Deployment(tmp_path, database.url(), rabbitmq.transport_url())
    try:
        deployment.start_server()
        deployment.start_hosts(*HOSTS)
        yield deployment
    finally:
        deployment.stop()


def on(host: str) -> set[tuple[str, str, str]]:
    """What the router's ports look like when all is well there."""
    return {(f"network:router_{what}", host, "ACTIVE") for what in ("interface", "gateway")}


@pytest.mark.parametrize("deployment", ["postgresql"], indirect=True)
def test_a_router_and_what_hangs_on_it_move_with_the_agents_death(deployment: Deployment) -> None:
    site = Site(deployment)
    port = site.port("node-0")
    site.wait("the port is active", lambda: site.status("port", port) == "ACTIVE")
    site.wait("the router is bound", site.holders)
    (before,) = site.holders()
    floating = site.floating(port)
    site.wait("the floating IP is active", lambda: site.status("floatingip", floating) == "ACTIVE")
    site.wait("the router's ports are up there", lambda: site.router_ports() == on(before))
    site.wait("its agent has it", lambda: deployment.copies(site.router, "l3") == [before])

    deployment.kill(process_of(before, "l3"))
    site.wait("it has moved", lambda: site.holders() not in ([], [before]))
    (after,) = site.holders()
    site.wait("its ports have followed", lambda: site.router_ports() == on(after))
    site.wait("the new agent has it", lambda: after in deployment.copies(site.router, "l3"))
    held = {port["id"]: port["revision_number"] for port in site.list("ports", device_id=site.router)}
    site.wait("as it is now", lambda: deployment.content(site.router, after, "l3").get("port") == held)
    site.wait("the floating IP is active", lambda: site.status("floatingip", floating) == "ACTIVE")

    deployment.start_agent(before, "l3")
    site.wait("the old one lets go", lambda: deployment.copies(site.router, "l3") == [after])
    assert site.holders() == [after] and site.status("port", port) == "ACTIVE"


@pytest.mark.full
@pytest.mark.parametrize("deployment", ["mariadb"], indirect=True)
def test_a_server_that_dies_amid_changes_loses_none(deployment: Deployment) -> None:
    """What clients got answered, and what was committed without an answer, is in force in the end."""
    site = Site(deployment)
    stopping, answered = threading.Event(), []

    def change() -> None:
        number = 0
        while not stopping.is_set():
            try:
                port = site.port(HOSTS[number % 2])
                answered.append(port)
                if number % 3 == 0:
                    answered.append(site.floating(port))
                if number % 4 == 3:
                    deployment.rest("PUT", f"ports/{port}", {"port": {"name": f"port {number}"}})
            except (urllib.error.URLError, ConnectionError):
                stopping.wait(0.2)  # it is away
            number += 1

    client = threading.Thread(target=change)
    client.start()
    try:
        for _ in range(3):
            wanted = len(answered) + 6
            site.wait("some changes", lambda wanted=wanted: len(answered) >= wanted)
            deployment.kill("server")
            deployment.start_server()
    finally:
        stopping.set()
        client.join(60)
    ports, floating = site.list("ports", network_id=site.blue), site.list("floatingips")
    there = {one["id"] for one in (*ports, *floating)}
    assert len(answered) >= 18 and set(answered) <= there

    def settled() -> bool:
        found = [*site.list("ports", network_id=site.blue), *site.list("floatingips")]
        return all(one["status"] == "ACTIVE" for one in found if one.get("port_id") or one.get("binding:host_id"))

    site.wait("everything is active", settled, timeout=90.0)
    (holder,) = site.holders()
    assert site.router_ports() == on(holder)
    revisions = {one["id"]: one["revision_number"] for one in site.list("ports", network_id=site.blue)}
    for host in HOSTS:
        site.wait(f"L2 on {host}", lambda host=host: deployment.content(site.blue, host, "l2").get("port") == revisions)
    (serving,) = deployment.holders(site.blue)
    site.wait("DHCP", lambda: deployment.content(site.blue, serving, "dhcp").get("port") == revisions)
    given = {one["id"]: one["revision_number"] for one in site.list("floatingips", router_id=site.router)}
    site.wait("L3", lambda: deployment.content(site.router, holder, "l3").get("floatingip") == given)
    assert len(given) == len(floating) > 2
