"""A port is ACTIVE when its host's L2 agent has wired it and, where it needs one, its reservation is in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from netsched.db import change, port_status
from netsched.db.port import port
from netsched.db.port_status import Wired
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from tests.cloud import ADMIN, Cloud, Object
from tests.db.placements import World
from tests.statements import counted

ON_H1 = {"binding:host_id": "h1"}


class Wires(Cloud):
    def __init__(self, database: Database) -> None:
        super().__init__(database)
        World(database).agent("h1", "Linux bridge agent", reaches=["vxlan"])

    def say(self, made: Object, status: str = "ACTIVE", host: str = "h1", revision: int | None = None) -> None:
        at = self.read_port(made)["revision_number"] if revision is None else revision
        said = [Wired(host, made["id"], at, status)]
        self.database.write(lambda tx: port_status.wire(tx, said))

    def serve(self, network_id: str, position: int) -> None:
        self.database.write(lambda tx: port_status.reserve(tx, {network_id: position}))

    def stamp(self) -> int:
        """The position of all that was changed up to now."""
        return max(self.database.write(lambda tx: [one.position for one in change.stamp(tx)]))

    def status(self, made: Object) -> str:
        return str(self.read_port(made)["status"])


@pytest.fixture
def wires(database: Database) -> Wires:
    return Wires(database)


@pytest.fixture
def small(sqlite_database: Database) -> Wires:
    """For rules in which the kind of database plays no part."""
    return Wires(sqlite_database)


def test_without_dhcp_a_port_is_active_as_soon_as_it_is_wired(wires: Wires) -> None:
    made = wires.port(wires.network(), **ON_H1)
    before = wires.changes()
    for status in ("ACTIVE", "DOWN", "ACTIVE"):
        wires.say(made, status)
        assert wires.status(made) == status
    after = wires.read_port(made)
    assert after == {**made, "status": "ACTIVE"}  # no revision, no time of change
    assert wires.changes() == before  # and nobody is told


def test_with_dhcp_it_waits_for_its_reservation(wires: Wires) -> None:
    network_id = wires.network()
    wires.subnet(network_id, "10.0.0.0/24")
    made = wires.port(network_id, **ON_H1)
    wires.say(made)
    assert wires.status(made) == "DOWN"
    wires.serve(network_id, 10**6)  # whatever was applied, the port has not been told yet
    assert wires.status(made) == "DOWN"
    position = wires.stamp()
    wires.serve(network_id, position - 1)
    assert wires.status(made) == "DOWN"
    wires.serve(network_id, position)
    assert wires.status(made) == "ACTIVE"


def test_what_the_log_has_forgotten_counts_only_for_who_has_everything(wires: Wires) -> None:
    network_id = wires.network()
    wires.subnet(network_id, "10.0.0.0/24")
    old = wires.stamp()
    made = wires.port(network_id, **ON_H1)
    wires.say(made)
    position = wires.stamp()

    def forget(tx: Transaction) -> None:
        tx.execute(sa.delete(change.log))
        tx.execute(sa.update(change.log_state).values(floor=position + 5))

    wires.database.write(forget)
    wires.serve(network_id, old)
    assert wires.status(made) == "DOWN"
    wires.serve(network_id, position)
    assert wires.status(made) == "ACTIVE"


def test_the_order_does_not_matter(small: Wires) -> None:
    network_id = small.network()
    small.subnet(network_id, "10.0.0.0/24")
    made = small.port(network_id, **ON_H1)
    small.serve(network_id, small.stamp())
    assert small.status(made) == "DOWN"
    small.say(made)
    assert small.status(made) == "ACTIVE"


def test_a_position_counts_for_its_own_network_only(small: Wires) -> None:
    networks = [small.network() for _ in range(2)]
    for network_id in networks:
        small.subnet(network_id, "10.0.0.0/24")
    ports = [small.port(network_id, **ON_H1) for network_id in networks]
    position = small.stamp()
    for made in ports:
        small.say(made)
    small.database.write(lambda tx: port_status.reserve(tx, {networks[0]: position, networks[1]: position - 1}))
    assert [small.status(made) for made in ports] == ["ACTIVE", "DOWN"]


@pytest.mark.parametrize("body", [{"device_owner": "network:router_interface"}, {"fixed_ips": []}])
def test_who_needs_no_reservation(small: Wires, body: Object) -> None:
    network_id = small.network()
    small.subnet(network_id, "10.0.0.0/24")
    made = small.port(network_id, **ON_H1, **body)
    small.say(made)
    assert small.status(made) == "ACTIVE"


def test_a_subnet_without_dhcp_needs_none(small: Wires) -> None:
    network_id = small.network()
    small.subnet(network_id, "10.0.0.0/24", enable_dhcp=False)
    made = small.port(network_id, **ON_H1)
    small.say(made)
    assert small.status(made) == "ACTIVE"


@pytest.mark.parametrize(
    "end",
    [
        lambda wires, subnet, made: wires.subnets.update(ADMIN, subnet["id"], {"enable_dhcp": False}, None),
        lambda wires, subnet, made: wires.ports.update(ADMIN, made["id"], {"fixed_ips": []}, None),
    ],
)
def test_who_needs_it_no_more_waits_no_more(wires: Wires, end: Callable[[Wires, Object, Object], Any]) -> None:
    network_id = wires.network()
    subnet = wires.subnet(network_id, "10.0.0.0/24")
    made = wires.port(network_id, **ON_H1)
    wires.say(made)
    assert wires.status(made) == "DOWN"
    end(wires, subnet, made)
    assert wires.status(made) == "ACTIVE"


def test_a_port_that_still_has_dhcp_elsewhere_goes_on_waiting(small: Wires) -> None:
    network_id = small.network()
    first, second = (small.subnet(network_id, cidr) for cidr in ("10.0.0.0/24", "10.1.0.0/24"))
    both = [{"subnet_id": first["id"]}, {"subnet_id": second["id"]}]
    made = small.port(network_id, **ON_H1, fixed_ips=both)
    small.say(made)
    small.subnets.update(ADMIN, first["id"], {"enable_dhcp": False}, None)
    assert small.status(made) == "DOWN"


def test_another_address_is_another_reservation(small: Wires) -> None:
    network_id = small.network()
    small.subnet(network_id, "10.0.0.0/24")
    made = small.port(network_id, **ON_H1)
    small.say(made)
    small.serve(network_id, small.stamp())
    same = small.ports.update(ADMIN, made["id"], {"fixed_ips": made["fixed_ips"]}, None)
    assert same["status"] == "ACTIVE"
    small.stamp()
    changed = small.ports.update(ADMIN, made["id"], {"fixed_ips": [{"ip_address": "10.0.0.9"}]}, None)
    assert changed["status"] == "DOWN"
    small.serve(network_id, small.stamp())
    assert small.status(made) == "ACTIVE"


@pytest.mark.parametrize("wrong", [{"host": "h2"}, {"revision": 7}, {"host": ""}])
def test_only_the_ports_own_host_and_what_it_has_now_count(wires: Wires, wrong: Object) -> None:
    made = wires.port(wires.network(), **ON_H1)
    wires.say(made, **wrong)
    assert wires.status(made) == "DOWN"


def test_two_hosts_that_speak_of_one_port_in_one_batch(small: Wires) -> None:
    made = small.port(small.network(), **ON_H1)
    said = [Wired("h0", made["id"], 0, "ACTIVE"), Wired("h1", made["id"], 0, "DOWN")]
    small.database.write(lambda tx: port_status.wire(tx, said))
    assert small.status(made) == "DOWN"
    said = [Wired("h1", made["id"], 0, "ACTIVE"), Wired("h2", made["id"], 0, "DOWN")]
    small.database.write(lambda tx: port_status.wire(tx, said))
    assert small.status(made) == "ACTIVE"


def test_a_port_whose_binding_failed_is_not_active(small: Wires) -> None:
    made = small.port(small.network(), **{"binding:host_id": "h2"})
    small.say(made, host="h2")
    assert small.status(made) == "DOWN" and small.rows(sa.select(port.c.wired)) == [(False,)]


def test_it_costs_one_statement_each_however_many(wires: Wires) -> None:
    network_id = wires.network()
    made = wires.ports.create(ADMIN, [{"network_id": network_id, **ON_H1}] * 50)
    said = [Wired("h1", one["id"], 0, "ACTIVE") for one in made]
    with counted(wires.database) as sent:
        wires.database.write(lambda tx: port_status.wire(tx, said))
        wires.database.write(lambda tx: port_status.reserve(tx, {network_id: 5}))
    assert len(sent) == 6, sent  # begin and commit included
    assert {one["status"] for one in wires.all_ports()} == {"ACTIVE"}
