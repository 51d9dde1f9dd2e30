"""Floating IPs in the tables: whose word on their status counts, what dissociation costs, what agents are told."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from netsched.db import binding, floatingip
from netsched.db.session import Database
from netsched.model import kinds
from netsched.server.readers import readers
from tests.cloud import ADMIN, TENANT, Object
from tests.db.placements import World
from tests.land import Land
from tests.statements import counted


class Net(Land):
    """Two agents, and a router between an external network and a subnet, which the first agent holds."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        world = World(database)
        self.agents = [world.agent(f"node-{number}", kinds.L3_AGENT) for number in range(2)]
        self.outside, self.subnet = self.external("203.0.113.0/24"), self.inside("10.0.0.0/24")
        self.carrier = self.router(self.outside, self.subnet)
        self.database.write(
            lambda tx: binding.want(tx, "router", self.carrier, kinds.L3_AGENT, 1, {"router": 1}, (), ())
        )
        self.hold(self.agents[0])

    def hold(self, agent_id: str) -> None:
        of = binding.of("router", self.carrier)
        self.database.write(lambda tx: tx.execute(sa.update(binding.binding).where(of).values(agent_id=agent_id)))

    def reached(self) -> Object:
        return self.floating(self.outside, port_id=self.port(self.subnet["network_id"], TENANT)["id"])

    def say(self, *said: tuple[str, Object, str]) -> list[str]:
        """Of each floating IP as it is given; the statements that it took."""
        told = [(agent_id, one["id"], one.get("revision_number", 0), status) for agent_id, one, status in said]
        with counted(self.database) as sent:
            self.database.write(lambda tx: floatingip.store_status(tx.connection, told))
        return sent[1:-1]

    def status(self, one: Object) -> str:
        return str(self.floatingips.get(ADMIN, one["id"])["status"])


@pytest.fixture
def net(database: Database) -> Net:
    return Net(database)


def test_what_was_said_before_a_change_is_past(net: Net) -> None:
    before = net.reached()
    other = net.port(net.subnet["network_id"], TENANT)["id"]
    after = net.floatingips.update(ADMIN, before["id"], {"port_id": other}, None)
    net.say((net.agents[0], before, "ACTIVE"))
    assert net.status(after) == "DOWN"
    net.say((net.agents[0], net.floatingips.get(ADMIN, after["id"]), "ACTIVE"))
    assert net.status(after) == "ACTIVE"


def test_the_holder_of_the_router_says_whether_it_works(net: Net) -> None:
    one, two, free = net.reached(), net.reached(), net.floating(net.outside)
    holder, other = net.agents
    before = net.changes()
    assert len(net.say((holder, one, "ACTIVE"), (other, two, "ACTIVE"), (holder, free, "ACTIVE"))) == 1
    assert [net.status(each) for each in (one, two, free)] == ["ACTIVE", "DOWN", "DOWN"]
    net.hold(other)
    net.say((holder, one, "DOWN"), (other, one, "ACTIVE"), (holder, two, "ACTIVE"), (other, two, "perhaps"))
    assert [net.status(each) for each in (one, two)] == ["ACTIVE", "DOWN"]
    assert len(net.say((other, one, "DOWN"), (other, two, "ACTIVE"), (other, {"id": "gone"}, "ACTIVE"))) == 2
    assert [net.status(each) for each in (one, two)] == ["DOWN", "ACTIVE"]
    assert net.floatingips.get(ADMIN, two["id"])["revision_number"] == two["revision_number"]
    assert net.changes() == before
    assert net.say() == []


def test_it_is_down_when_it_has_gone_elsewhere_and_stays_what_it_is_otherwise(net: Net) -> None:
    one = net.reached()
    net.say((net.agents[0], one, "ACTIVE"))
    same = net.floatingips.update(TENANT, one["id"], {"port_id": one["port_id"], "description": "d"}, None)
    assert same["status"] == net.status(one) == "ACTIVE"
    port = net.port(net.subnet["network_id"], TENANT)
    moved = net.floatingips.update(TENANT, one["id"], {"port_id": port["id"]}, None)
    assert moved["status"] == net.status(one) == "DOWN"


def test_a_hundred_statuses_cost_what_one_costs(net: Net) -> None:
    bodies = [{"network_id": net.subnet["network_id"]}] * 100
    ports = net.ports.create(TENANT, bodies)
    made = net.floatingips.create(
        TENANT, [{"floating_network_id": net.outside, "port_id": port["id"]} for port in ports]
    )
    assert len(net.say(*[(net.agents[0], one, "ACTIVE") for one in made])) == 1
    assert {net.status(one) for one in made} == {"ACTIVE"}
    with counted(net.database) as sent:
        net.database.write(lambda tx: floatingip.dissociate(tx, [port["id"] for port in ports]))
    assert len(sent[1:-2]) == 2, sent  # and one that logs
    assert {net.floatingips.get(ADMIN, one["id"])["router_id"] for one in made} == {None}
    with counted(net.database) as sent:
        net.database.write(lambda tx: floatingip.dissociate(tx, [port["id"] for port in ports]))
    assert len(sent[1:-1]) == 1, sent


def test_agents_are_told_without_the_status_that_they_report(net: Net) -> None:
    one, free = net.reached(), net.floating(net.outside)
    reader = readers()["router", "floatingip"]
    shown = {name: value for name, value in one.items() if name not in ("status", "port_details")}
    with net.database.read() as connection:
        assert reader.whole(connection, [net.carrier, "another"]) == {net.carrier: [shown]}
        asked = {net.carrier: [one["id"], free["id"], "gone"], "another": [one["id"]]}
        assert reader.some(connection, asked) == {net.carrier: {one["id"]: shown}, "another": {}}
