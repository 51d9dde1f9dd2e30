"""What delivery and scheduling read and write of networks, subnets and ports, past the services."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from netsched import errors
from netsched.db import base, binding, network, port, port_change, subnet
from netsched.db.agent import agent
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from tests.cloud import ADMIN, TENANT, Cloud, ips
from tests.statements import counted


@pytest.fixture
def cloud(database: Database) -> Cloud:
    return Cloud(database)


def test_readers_find_by_id_and_by_network(cloud: Cloud) -> None:
    one, two, empty = cloud.network(), cloud.network(), cloud.network()
    subnets = [cloud.subnet(key, f"10.{n}.0.0/24") for n, key in enumerate((one, one, two))]
    ports = [cloud.port(key) for key in (one, one, two)]
    for one_port in ports:
        del one_port["dns_assignment"]  # for clients: it takes the operator's domain
    with cloud.database.read() as connection:
        assert network.by_ids(connection, [one, "nothing"]) == {one: cloud.networks.get(ADMIN, one)}
        assert network.in_networks(connection, [one, "nothing"]) == {one: [cloud.networks.get(ADMIN, one)]}
        assert subnet.by_ids(connection, [subnets[2]["id"], "nothing"]) == {subnets[2]["id"]: subnets[2]}
        assert subnet.in_networks(connection, [one, two, empty]) == {one: subnets[:2], two: subnets[2:]}
        assert port.by_ids(connection, [ports[0]["id"], "nothing"]) == {ports[0]["id"]: ports[0]}
        found = port.in_networks(connection, [one, two, empty])
        assert {key: sorted(p["id"] for p in items) for key, items in found.items()} == {
            one: sorted(p["id"] for p in ports[:2]),
            two: [ports[2]["id"]],
        }
        for module in (network, subnet, port):
            assert module.by_ids(connection, []) == module.in_networks(connection, []) == {}


def test_reading_many_ids_goes_in_batches(cloud: Cloud) -> None:
    with cloud.database.read() as connection, counted(cloud.database) as sent:
        assert port.by_ids(connection, [str(n) for n in range(2500)]) == {}
    assert len(sent) == 3


def test_a_network_shows_the_zones_of_the_agents_that_hold_it(cloud: Cloud) -> None:
    network_id = cloud.network()
    cloud.subnet(network_id, "10.0.0.0/24")

    def work(tx: Transaction) -> None:
        for slot, zone in enumerate(("z2", "z1", "z1")):
            key = str(uuid.uuid4())
            row = {"id": key, "agent_type": "DHCP agent", "host": key, "binary": "b", "address": "a", "zone": zone}
            blank = {"version": "1", "created_at": base.now(), "capabilities": {}, "configurations": {}}
            tx.execute(sa.insert(agent).values(**row, **blank, settings_mismatch={}))
            binding.want(tx, "network", network_id, "DHCP agent", slot + 1, {}, ())
            held = sa.update(binding.binding).where(binding.binding.c.slot == slot)
            tx.execute(held.values(agent_id=key, state="bound"))

    cloud.database.write(work)
    assert cloud.networks.get(ADMIN, network_id)["availability_zones"] == ["z1", "z2"]
    with cloud.database.read() as connection:
        asked = {"availability_zones": ("z1", "z3")}
        assert [n["id"] for n in network.list_(connection, network.Query(filters=asked))] == [network_id]
        assert network.list_(connection, network.Query(filters={"availability_zones": ("z3",)})) == []


def test_many_ports_are_removed_in_few_statements(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnets = [cloud.subnet(network_id, cidr) for cidr in ("10.0.0.0/24", "fd00::/120")]
    ports = cloud.ports.create(ADMIN, [{"network_id": network_id}] * 100)
    keys = [one["id"] for one in ports[:60]] + ["nothing"]
    with counted(cloud.database) as sent:
        cloud.database.write(lambda tx: port_change.remove_many(tx, keys))
    assert len(sent) <= 9, sent
    assert {one["id"] for one in cloud.all_ports()} == {one["id"] for one in ports[60:]}
    for one in subnets:
        free, used = cloud.books(one)
        assert len(used) == 40 and not free & used and len(free | used) in (253, 254)
    cloud.database.write(lambda tx: port_change.remove_many(tx, []))


def test_a_thousand_and_more_in_one_request(sqlite_database: Database) -> None:
    cloud = Cloud(sqlite_database)
    network_id = cloud.network()
    cloud.subnet(network_id, "10.0.0.0/16")
    chosen = [
        {"network_id": network_id, "fixed_ips": [{"ip_address": f"10.0.{n // 250 + 1}.{n % 250}"}]} for n in range(1200)
    ]
    made = cloud.ports.create(ADMIN, chosen + [{"network_id": network_id}] * 1200)
    assert len({ip for one in made for ip in ips(one)}) == 2400
    assert len({one["mac_address"] for one in made}) == 2400


def test_a_project_needs_to_see_the_network(cloud: Cloud) -> None:
    network_id = cloud.network(TENANT)
    wanted = [{"network_id": network_id, "project_id": "red"}]
    with pytest.raises(errors.NetworkNotFound):
        cloud.database.write(lambda tx: port_change.insert_many(tx, wanted, visible_to="red"))
    assert len(cloud.database.write(lambda tx: port_change.insert_many(tx, wanted))) == 1


@pytest.mark.parametrize("device_id", ["", "x" * 255, "€" * 255, "0000/../1"])
def test_a_routers_port_that_names_no_router_is_told_on_its_network_alone(cloud: Cloud, device_id: str) -> None:
    """Administrators may write what they like into device_id; the name of a scope has no room for it."""
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "fd00:1::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
    made = cloud.port(network_id, device_owner="network:router_gateway", device_id=device_id)
    cloud.ports.update(ADMIN, made["id"], {"name": "odd"}, None)
    cloud.networks.update(ADMIN, network_id, {"name": "odd"}, None)
    cloud.subnets.update(ADMIN, subnet["id"], {"name": "odd"}, None)
    cloud.ports.delete(ADMIN, made["id"], None)
    assert {scope for scope, *_ in cloud.changes()} == {f"network/{network_id}"}
