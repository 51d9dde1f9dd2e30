"""Until a change is in force: what is waited for, who is named as late, and whose log has the request."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from webob import Request, Response

from netsched.model import kinds
from netsched.model.query import Query
from netsched.server.services.heartbeat import agent_id
from netsched.server.services.waiting import Outcome, WaitingService
from tests.fakes.clock import FakeClock
from tests.flow.world import ADMIN, DEATH, INTERVAL, WAYS, World, scope_of

REQUEST_ID = "req-11111111-2222-3333-4444-555555555555"


class WorldsClock:
    """Who sleeps lets the world go on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clock: FakeClock = world.clock
        self.utcnow, self.monotonic, self.boottime = world.clock.utcnow, world.clock.monotonic, world.clock.boottime

    def sleep(self, seconds: float) -> None:
        self._world.run(0.25)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, agents=2)


@pytest.fixture
def waiting(world: World) -> WaitingService:
    return WaitingService(world.database, WorldsClock(world))


def ask(world: World, method: str, path: str, body: Any = None, request_id: str = REQUEST_ID) -> Response:
    headers = {"X-Openstack-Request-Id": request_id}
    options = {"body": json.dumps(body).encode(), "content_type": "application/json"} if body else {}
    return Request.blank(f"/v2.0/{path}", method=method, headers=headers, **options).get_response(
        world.servers[0].application
    )


def until(waiting: WaitingService, network: str, timeout: float = 20.0) -> Outcome:
    return waiting.until_applied([scope_of(network)], timeout)


def in_force(world: World, network: str) -> dict[str, Any]:
    """What the network's first holder has of it."""
    (holder,) = world.holders(network)[:1] or [""]
    return world.nodes[holder].machine.scopes.get(scope_of(network), {}) if holder else {}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.mode}-{way.payload}")
def test_applied_after_a_subnet_means_that_its_dhcp_port_is_served(tmp_path: Path, way: Any) -> None:
    """At that moment the network has only just got an agent, and its DHCP port an address."""
    world = World(tmp_path, agents=2, delivery=way)
    waiting = WaitingService(world.database, WorldsClock(world))
    network = world.network(subnet=False)
    assert until(waiting, network).applied
    subnet = world.subnet(network)
    assert not until(waiting, network, 0.0).applied
    outcome = until(waiting, network)
    assert outcome.applied and outcome.late == ()
    content = in_force(world, network)
    assert subnet in content["subnet"]
    (port,) = content["port"].values()
    assert port["device_owner"] == "network:dhcp" and port["fixed_ips"][0]["subnet_id"] == subnet


def test_each_write_is_in_force_when_the_wait_ends(world: World, waiting: WaitingService) -> None:
    network = world.network()
    until(waiting, network)
    port = world.port(network)
    assert port not in in_force(world, network)["port"]
    assert until(waiting, network).applied and port in in_force(world, network)["port"]
    world.ports.delete(ADMIN, port, None)
    assert until(waiting, network).applied and port not in in_force(world, network)["port"]
    (holder,) = world.holders(network)
    for left in world.ports_of(network):
        world.ports.delete(ADMIN, left, None)
    world.networks.delete(ADMIN, network, None)
    assert until(waiting, network).applied
    assert scope_of(network) not in world.nodes[holder].machine.scopes


def test_a_router_and_the_hosts_that_it_reaches(world: World, waiting: WaitingService) -> None:
    world.add("h1", agent_type=kinds.L3_AGENT)
    world.add("h1", agent_type=kinds.L2_AGENT)
    world.run(3)
    network = world.network()
    router = world.routers.create(ADMIN, [{"name": "r", "availability_zone_hints": [], "admin_state_up": True}])[0]
    subnet = world.subnets.list(ADMIN, Query(filters={"network_id": (network,)}))[0]["id"]
    world.routers.add_interface(ADMIN, router["id"], None, subnet)
    scopes = [scope_of(network), f"router/{router['id']}"]
    assert waiting.until_applied(scopes, 20.0).applied
    assert f"router/{router['id']}" in world.nodes["L3 agent@h1"].machine.scopes
    assert scope_of(network) in world.nodes["Linux bridge agent@h1"].machine.scopes


def test_a_driver_that_lies_is_waited_for_until_it_stops(world: World, waiting: WaitingService) -> None:
    """In force means read back: `apply` has returned without an error each time."""
    network = world.network()
    assert until(waiting, network).applied
    (holder,) = world.holders(network)
    node = world.nodes[holder]
    before = len(node.driver.calls)
    node.driver.lying.add(scope_of(network))
    port = world.port(network)
    outcome = until(waiting, network, 6.0)
    assert len(node.driver.calls) > before + 1
    assert [(one.host, one.reason) for one in outcome.late] == [
        (holder, "fails: applied, but reading it back shows something else")
    ]
    assert not outcome.applied
    (behind,) = waiting.of_agent(ADMIN, agent_id(kinds.DHCP_AGENT, holder))["behind"]
    assert behind["scope"] == scope_of(network) and behind["reason"] == outcome.late[0].reason
    assert behind["applied"] < behind["position"] and behind["age"] >= 5.0
    node.driver.lying.clear()
    assert until(waiting, network, 60.0).applied
    assert port in in_force(world, network)["port"]
    world.run(2 * INTERVAL)
    delivery = waiting.of_agent(ADMIN, agent_id(kinds.DHCP_AGENT, holder))
    assert delivery["in_step"] and delivery["behind"] == []


def test_nobody_waits_for_what_others_change_meanwhile(world: World, waiting: WaitingService) -> None:
    """On a busy network an agent is always behind with something; it is late only with what was asked for."""
    network = world.network()
    until(waiting, network)
    (holder,) = world.holders(network)
    port = world.port(network)

    class Busy(WorldsClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            world.ports.update(ADMIN, port, {"name": f"at {world.clock.monotonic()}"}, None)

    began = world.clock.monotonic()
    assert WaitingService(world.database, Busy(world)).until_applied([scope_of(network)], 30.0).applied
    assert world.clock.monotonic() - began < 10.0
    assert port in world.nodes[holder].machine.scopes[scope_of(network)]["port"]


def test_a_dead_agent_is_named_but_what_it_lost_is_not_waited_for(world: World, waiting: WaitingService) -> None:
    network = world.network()
    until(waiting, network)
    (dead,) = world.holders(network)
    world.nodes[dead].kill()
    world.run(3)
    world.port(network)
    outcome = until(waiting, network, 0.5)
    assert not outcome.applied  # it may come back, and nobody else has the network yet
    assert [(one.host, one.reason.split(",")[0]) for one in outcome.late] == [(dead, "the agent is suspect")]
    world.run(DEATH)
    outcome = until(waiting, network)
    assert outcome.applied and in_force(world, network)["port"]
    (late,) = outcome.late
    assert late.host == dead and late.reason.startswith("has not yet removed it: the agent is dead, unheard of since")
    assert outcome.summary(ADMIN) == f"{dead} (DHCP agent): {late.reason}"
    world.nodes[dead].start()
    world.run(6)
    assert until(waiting, network).late == ()


def test_without_an_agent_the_reason_is_the_schedulers(tmp_path: Path) -> None:
    world = World(tmp_path, agents=0)
    network = world.network()
    outcome = WaitingService(world.database, WorldsClock(world)).until_applied([scope_of(network)], 3.0)
    (late,) = outcome.late
    assert not outcome.applied and late.reason.startswith("no agent: ") and late.plain == "no agent yet"
    assert late.reason != "no agent: the scheduler has not got to it"
    world.add("h1")
    assert WaitingService(world.database, WorldsClock(world)).until_applied([scope_of(network)], 30.0).applied


def test_what_no_relay_has_sent_is_late(world: World, waiting: WaitingService) -> None:
    network = world.network()
    until(waiting, network)
    server, world.servers = world.servers[0], []
    world.port(network)
    (late,) = until(waiting, network, 5.0).late
    assert late.agent_id is None and late.reason.startswith("not yet sent: no server has taken it up")
    world.servers = [server]
    assert until(waiting, network).applied


def test_the_request_is_found_in_the_log_of_the_agent(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="netsched.agents")
    network = ask(world, "POST", "networks", {"network": {"name": "blue"}}).json["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}
    ask(world, "POST", "subnets", {"subnet": subnet})
    world.run(4)
    assert f"{scope_of(network)} is in force ({REQUEST_ID})" in caplog.text  # with the whole network, just placed
    caplog.clear()
    other = REQUEST_ID.replace("1111", "9999")
    port = ask(world, "POST", "ports", {"port": {"network_id": network}}, other).json["port"]["id"]
    world.run(3)
    assert f"{scope_of(network)} is in force ({other})" in caplog.text
    caplog.clear()
    world.run(5)
    assert "in force" not in caplog.text  # each is named once
    assert ask(world, "DELETE", f"ports/{port}").status_int == 204
    assert ask(world, "DELETE", f"networks/{network}", request_id=other).status_int == 204
    world.run(3)
    assert f"{scope_of(network)} is removed" in caplog.text
    assert other in caplog.text.split("is removed", 1)[1]


def test_a_write_tells_how_far_it_got(world: World) -> None:
    network = world.network()
    world.run(5)
    (holder,) = world.holders(network)
    body = {"port": {"network_id": network}}
    made = ask(world, "POST", "ports?wait=applied&timeout=0", body)
    assert made.status_int == 201 and made.headers["X-Netsched-Applied"] == "false"
    assert made.headers["X-Netsched-Late"].startswith(f"{scope_of(network)}: not yet sent")  # and so its new group
    world.servers[0].delivery.relay()
    made = ask(world, "PUT", f"ports/{made.json['port']['id']}?timeout=0&wait=applied", {"port": {"name": "x"}})
    assert f"{holder} (DHCP agent): on its way" in made.headers["X-Netsched-Late"]
    delivery = ask(world, "GET", f"networks/{network}/delivery").json["delivery"]
    assert not delivery["applied"] and {late["host"] for late in delivery["late"]} == {None, holder}
    lag = ask(world, "GET", f"agents/{agent_id(kinds.DHCP_AGENT, holder)}/delivery").json["delivery"]
    assert [one["scope"] for one in lag["behind"]] == [scope_of(network)] and not lag["in_step"]
    assert [one["host"] for one in ask(world, "GET", "agents?resources_synced=false").json["agents"]] == [holder]
    world.run(3)
    assert ask(world, "GET", f"networks/{network}/delivery").json == {"delivery": {"applied": True, "late": []}}
    assert ask(world, "GET", "agents?resources_synced=false").json["agents"] == []
