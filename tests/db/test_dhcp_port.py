"""The DHCP service's own ports follow slots and subnets; a full pool is a reason, not an error."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from netsched.db import base, binding, dhcp_port, manual, port_change
from netsched.db.address import free_range
from netsched.db.session import Database
from netsched.db.subnet import subnet
from netsched.db.transaction import Repeat
from netsched.model import addressing
from tests.db.placements import OPERATOR, World
from tests.statements import counted


@pytest.fixture
def world(database: Database) -> World:
    world = World(database)
    world.agent("h1")
    return world


def addresses(world: World, net: str) -> list[list[str]]:
    return [[ip["ip_address"] for ip in p["fixed_ips"]] for p in world.ports(net)]


def placed(world: World, cidr: str = "10.0.0.0/24") -> str:
    (net,) = world.networks(1, cidr=cidr)
    world.round()
    dhcp_port.reconcile(world.database)
    return net


def test_nothing_due_costs_one_statement(world: World) -> None:
    placed(world)
    with counted(world.database) as sent:
        assert dhcp_port.reconcile(world.database) == 0
    assert len(sent) == 1


def test_a_subnet_added_later_gets_an_address_too(world: World) -> None:
    net = placed(world)
    world.subnet(net, "10.0.1.0/24")
    world.subnet(net, "fd00::/64", ipv6_address_mode="dhcpv6-stateful")
    assert dhcp_port.reconcile(world.database) == 1
    assert addresses(world, net) == [["10.0.0.2", "10.0.1.2", "fd00::2"]]


def test_an_automatic_subnet_gives_the_address_of_the_mac(world: World) -> None:
    net = placed(world)
    world.subnet(net, "fd00::/64", ipv6_address_mode="slaac", ipv6_ra_mode="slaac")
    dhcp_port.reconcile(world.database)
    (has,) = addresses(world, net)
    assert any(":" in address and "ff:fe" in address for address in has)


def test_an_address_on_a_subnet_without_dhcp_is_returned(world: World) -> None:
    net = placed(world)
    other = world.subnet(net, "10.0.1.0/24")
    dhcp_port.reconcile(world.database)

    def disable(tx: Any) -> None:
        tx.execute(sa.update(subnet).where(subnet.c.id == other).values(enable_dhcp=False))
        binding.want(tx, "network", net, "DHCP agent", 1, {"network": 1}, ())

    world.database.write(disable)
    dhcp_port.reconcile(world.database)
    assert addresses(world, net) == [["10.0.0.2"]]
    wanted = {"network_id": net, "fixed_ips": [{"subnet_id": other}]}
    made = world.database.write(lambda tx: port_change.insert_many(tx, [wanted]))
    assert made[0]["fixed_ips"][0]["ip_address"] == "10.0.1.2"


def test_a_full_pool_is_told_and_tried_again(world: World) -> None:
    (net,) = world.networks(1, cidr="10.0.0.0/30")  # one address besides the gateway's
    (taken,) = world.database.write(lambda tx: port_change.insert_many(tx, [{"network_id": net}]))
    assert world.round() == []
    dhcp_port.reconcile(world.database)
    (slot,) = world.slots(net)
    assert slot["state"] == "bound"
    assert slot["reason"].startswith("no address left for DHCP in subnet ")
    assert dhcp_port.reconcile(world.database) == 0  # not at once
    world.database.write(lambda tx: port_change.remove(tx, taken["id"], None))
    world.database.write(lambda tx: tx.execute(sa.update(binding.binding).values(ports_due_at=base.now())))
    dhcp_port.reconcile(world.database)
    assert addresses(world, net) == [["10.0.0.2"]]
    assert world.slots(net)[0]["reason"] is None


def test_one_full_pool_among_many_harms_nobody_else(world: World) -> None:
    (full,) = world.networks(1, cidr="10.0.0.0/30")
    world.database.write(lambda tx: port_change.insert_many(tx, [{"network_id": full}]))
    fine = world.networks(5, cidr="10.0.0.0/24")
    world.round()
    dhcp_port.reconcile(world.database)
    assert [addresses(world, net) for net in fine] == [[["10.0.0.2"]]] * 5


def test_ports_of_idle_slots_go_and_those_that_wait_stay(world: World) -> None:
    net = placed(world)
    (agent_id,) = world.holders(net)
    assert agent_id is not None
    world.database.write(lambda tx: manual.unbind(tx, ("network", net), agent_id, 60, OPERATOR))
    dhcp_port.reconcile(world.database)
    assert addresses(world, net) == [["10.0.0.2"]]
    world.database.write(lambda tx: binding.unwant(tx, "network", net))
    dhcp_port.reconcile(world.database)
    assert world.ports(net) == []


def test_two_replicas_have_two_ports(world: World) -> None:
    world.agent("h2")
    (net,) = world.networks(1, replicas=2, cidr="10.0.0.0/24")
    world.round()
    dhcp_port.reconcile(world.database)
    assert sorted(addresses(world, net)) == [["10.0.0.2"], ["10.0.0.3"]]
    assert sorted(p["binding:host_id"] for p in world.ports(net)) == ["h1", "h2"]


def test_an_address_is_returned_once_and_by_the_pools_as_they_are(world: World) -> None:
    """The reconciler's guard by itself: what it has read may be another's past by the time it holds the lock."""
    net = placed(world)
    (read,) = world.ports(net)
    (ip,) = read["fixed_ips"]
    pools = [{"start": "10.0.0.100", "end": "10.0.0.200"}]

    def work(tx: Any) -> None:
        tx.execute(sa.update(subnet).where(subnet.c.id == ip["subnet_id"]).values(allocation_pools=pools))
        dhcp_port._drop(tx, [(read, ip)])
        with pytest.raises(Repeat):
            dhcp_port._drop(tx, [(read, ip)])

    world.database.write(work)
    assert f"{addressing.number('10.0.0.2'):032x}" not in {row["first"] for row in world.rows(free_range)}
