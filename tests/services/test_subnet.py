"""Subnets: what is accepted, what is derived, what a change does to free addresses and to scheduling."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from netsched import errors
from netsched.db.binding import binding
from netsched.db.session import Database
from netsched.model.query import Query
from tests.cloud import ADMIN, DHCP, OTHER, ROUTER, SLAAC, TENANT, Cloud, ips


@pytest.fixture
def cloud(database: Database) -> Cloud:
    return Cloud(database)


@pytest.fixture
def small(sqlite_database: Database) -> Cloud:
    """For rules in which the kind of database plays no part."""
    return Cloud(sqlite_database)


def slots(cloud: Cloud, network_id: str) -> list[str]:
    return [row.state for row in cloud.rows(sa.select(binding.c.state).where(binding.c.resource_id == network_id))]


def test_a_subnet_has_all_attributes_and_reads_as_it_was_created(cloud: Cloud) -> None:
    network_id = cloud.network(TENANT)
    made = cloud.subnet(
        network_id,
        "10.0.0.0/24",
        TENANT,
        name="s",
        dns_nameservers=["10.0.0.53", "9.9.9.9"],
        host_routes=[{"destination": "10.1.0.0/16", "nexthop": "10.0.0.9"}],
    )
    assert made == cloud.subnets.get(TENANT, made["id"]) == cloud.subnets.list(TENANT, Query())[0]
    assert {k: v for k, v in made.items() if k not in ("id", "created_at", "updated_at")} == {
        "name": "s",
        "description": "",
        "project_id": "blue",
        "tenant_id": "blue",
        "network_id": network_id,
        "ip_version": 4,
        "cidr": "10.0.0.0/24",
        "gateway_ip": "10.0.0.1",
        "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.254"}],
        "dns_nameservers": ["10.0.0.53", "9.9.9.9"],
        "host_routes": [{"destination": "10.1.0.0/16", "nexthop": "10.0.0.9"}],
        "enable_dhcp": True,
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "subnetpool_id": None,
        "service_types": [],
        "router:external": False,
        "revision_number": 0,
        "tags": [],
    }
    assert cloud.changes()[-1] == (f"network/{network_id}", "subnet", made["id"], "create")


@pytest.mark.parametrize(
    ("cidr", "more", "gateway", "pools"),
    [
        ("10.0.0.0/24", {"gateway_ip": None}, None, ["10.0.0.1-10.0.0.254"]),
        ("10.0.0.0/24", {"gateway_ip": "10.0.0.254"}, "10.0.0.254", ["10.0.0.1-10.0.0.253"]),
        ("10.0.0.0/24", {"gateway_ip": "10.0.0.9"}, "10.0.0.9", ["10.0.0.1-10.0.0.8", "10.0.0.10-10.0.0.254"]),
        ("10.0.0.0/24", {"gateway_ip": "192.0.2.1"}, "192.0.2.1", ["10.0.0.1-10.0.0.254"]),
        ("10.0.0.0/30", {}, "10.0.0.1", ["10.0.0.2-10.0.0.2"]),
        ("10.0.0.0/31", {"enable_dhcp": False}, "10.0.0.1", ["10.0.0.0-10.0.0.0"]),
        ("10.0.0.5/32", {"enable_dhcp": False}, None, ["10.0.0.5-10.0.0.5"]),
        ("fd00::/64", {}, "fd00::1", ["fd00::2-fd00::ffff:ffff:ffff:ffff"]),
        ("FD00:0::/64", {"gateway_ip": "FE80::1"}, "fe80::1", ["fd00::1-fd00::ffff:ffff:ffff:ffff"]),
        ("fd00::/126", {"gateway_ip": None}, None, ["fd00::1-fd00::3"]),
        ("fd00::8/128", {"enable_dhcp": False}, None, ["fd00::8-fd00::8"]),
        ("10.0.0.77/24", {"allocation_pools": []}, "10.0.0.1", []),
        (
            "10.0.0.0/24",
            {
                "allocation_pools": [
                    {"start": "10.0.0.90", "end": "10.0.0.99"},
                    {"start": "10.0.0.5", "end": "10.0.0.5"},
                ]
            },
            "10.0.0.1",
            ["10.0.0.5-10.0.0.5", "10.0.0.90-10.0.0.99"],
        ),
    ],
)
def test_gateway_and_pools(small: Cloud, cidr: str, more: Any, gateway: str | None, pools: list[str]) -> None:
    body = {"network_id": small.network(), "cidr": cidr, "ip_version": 6 if ":" in cidr else 4, **more}
    (made,) = small.subnets.create(ADMIN, [body])
    assert made["gateway_ip"] == gateway
    assert [f"{pool['start']}-{pool['end']}" for pool in made["allocation_pools"]] == pools


def pool(start: str, end: str) -> dict[str, Any]:
    return {"allocation_pools": [{"start": start, "end": end}]}


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ({"cidr": "10.0.0.0/33"}, errors.InvalidInput, "cidr '10.0.0.0/33' is not a valid IP subnet"),
        ({"cidr": "0.0.0.0/0"}, errors.InvalidInput, "0 is not allowed as CIDR prefix length"),
        ({"cidr": "fd00::/64", "ip_version": 4}, errors.InvalidInput, "does not match the ip_version '4'"),
        ({"gateway_ip": "10.0.0.0"}, errors.InvalidInput, "Gateway is not valid on subnet"),
        ({"gateway_ip": "10.0.0.255"}, errors.InvalidInput, "Gateway is not valid on subnet"),
        ({"gateway_ip": "fd00::1"}, errors.InvalidInput, "gateway_ip 'fd00::1' does not match the ip_version '4'"),
        (pool("10.0.0.9", "10.0.0.8"), errors.InvalidAllocationPool, "10.0.0.9-10.0.0.8"),
        (pool("fd00::1", "fd00::2"), errors.InvalidAllocationPool, "fd00::1-fd00::2"),
        (pool("10.0.0.9", "fd00::2"), errors.InvalidAllocationPool, "10.0.0.9-fd00::2"),
        (pool("10.0.0.9", "10.0.1.9"), errors.OutOfBoundsAllocationPool, "spans beyond the subnet cidr 10.0.0.0/24"),
        (pool("10.0.0.0", "10.0.0.9"), errors.OutOfBoundsAllocationPool, "10.0.0.0-10.0.0.9"),
        (pool("10.0.0.9", "10.0.0.255"), errors.OutOfBoundsAllocationPool, "10.0.0.9-10.0.0.255"),
        (pool("10.0.0.1", "10.0.0.9"), errors.GatewayConflictWithAllocationPools, "Gateway ip 10.0.0.1 conflicts"),
        ({"dns_nameservers": ["fd00::1"]}, errors.InvalidInput, "dns_nameserver 'fd00::1'"),
        ({"host_routes": [{"destination": "fd00::/64", "nexthop": "10.0.0.2"}]}, errors.InvalidInput, "destination"),
        ({"host_routes": [{"destination": "10.1.0.0/24", "nexthop": "fd00::2"}]}, errors.InvalidInput, "nexthop"),
        ({"cidr": "10.0.0.0/31"}, errors.InvalidInput, "incompatible with DHCP"),
        ({"cidr": "224.0.0.0/24"}, errors.InvalidInput, "Multicast"),
        ({"cidr": "127.0.0.0/24"}, errors.InvalidInput, "Loopback"),
        ({"cidr": "0.0.0.0/24"}, errors.InvalidInput, "First IP '0.0.0.0'"),
        ({"ipv6_ra_mode": "slaac"}, errors.InvalidInput, "ipv6_ra_mode is not valid when ip_version is 4"),
        ({**SLAAC, "cidr": "fd00::/63"}, errors.InvalidInput, "requires the prefix to be /64"),
        ({**SLAAC, "cidr": "fd00::/64", "enable_dhcp": False}, errors.InvalidInput, "enable_dhcp is set to False"),
        (
            {"cidr": "fd00::/64", "ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"},
            errors.InvalidInput,
            "they must be the same value",
        ),
    ],
)
def test_what_is_refused(small: Cloud, body: Any, error: type[Exception], words: str) -> None:
    network_id = small.network()
    whole = {"network_id": network_id, "cidr": "10.0.0.0/24", "ip_version": 4, **body}
    with pytest.raises(error) as refused:
        small.subnets.create(ADMIN, [whole])
    assert words in str(refused.value)
    assert small.subnets.list(ADMIN, Query()) == []


def test_pools_that_overlap_are_refused(small: Cloud) -> None:
    pools = [{"start": "10.0.0.2", "end": "10.0.0.9"}, {"start": "10.0.0.9", "end": "10.0.0.20"}]
    with pytest.raises(errors.OverlappingAllocationPools, match="10.0.0.2-10.0.0.9 10.0.0.9-10.0.0.20 for subnet"):
        small.subnet(small.network(), "10.0.0.0/24", allocation_pools=pools)


def test_subnets_of_a_network_do_not_overlap(cloud: Cloud) -> None:
    network_id = cloud.network()
    cloud.subnet(network_id, "10.0.0.0/16")
    cloud.subnet(network_id, "fd00::/64")
    cloud.subnet(cloud.network(), "10.0.0.0/16")
    for cidr in ("10.0.0.0/16", "10.0.7.0/24", "10.0.0.0/8", "fd00::/80"):
        words = f"Requested subnet with cidr: {cidr} for network: {network_id} overlaps with another subnet"
        with pytest.raises(errors.InvalidInput, match=words):
            cloud.subnet(network_id, cidr)
    both = [{"network_id": network_id, "ip_version": 4, "cidr": cidr} for cidr in ("10.2.0.0/24", "10.2.0.128/25")]
    with pytest.raises(errors.InvalidInput, match="overlaps"):
        cloud.subnets.create(ADMIN, both)
    assert len(cloud.subnets.list(ADMIN, Query(filters={"network_id": (network_id,)}))) == 2


def test_racing_clients_make_one_of_overlapping_subnets(cloud: Cloud) -> None:
    network_id = cloud.network()
    refused: list[errors.NetschedError] = []

    def create(number: int) -> None:
        try:
            cloud.subnet(network_id, f"10.0.{number}.0/16" if number else "10.0.0.0/16")
        except errors.InvalidInput as failure:
            refused.append(failure)

    threads = [threading.Thread(target=create, args=(0,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5 and len(cloud.subnets.list(ADMIN, Query())) == 1
    assert slots(cloud, network_id) == ["unbound"]


def test_only_on_networks_that_one_sees(small: Cloud) -> None:
    hidden = small.network(OTHER)
    for who, network_id in ((ADMIN, "nothing"), (TENANT, hidden)):
        with pytest.raises(errors.NetworkNotFound):
            small.subnet(network_id, "10.0.0.0/24", who)
    subnet = small.subnet(hidden, "10.0.0.0/24", OTHER)
    for work in (
        lambda: small.subnets.get(TENANT, subnet["id"]),
        lambda: small.subnets.update(TENANT, subnet["id"], {"name": "x"}, None),
        lambda: small.subnets.delete(TENANT, subnet["id"], None),
        lambda: small.subnets.update(ADMIN, "nothing", {"name": "x"}, None),
    ):
        with pytest.raises(errors.SubnetNotFound):
            work()


def test_updates(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/24")
    changes = {
        "name": "n",
        "description": "d",
        "gateway_ip": "10.0.0.254",
        "dns_nameservers": ["9.9.9.9"],
        "host_routes": [{"destination": "10.5.0.0/16", "nexthop": "10.0.0.2"}],
        "allocation_pools": [{"start": "10.0.0.1", "end": "10.0.0.100"}],
    }
    changed = cloud.subnets.update(ADMIN, subnet["id"], changes, 0)
    assert {k: changed[k] for k in changes} == changes and changed["revision_number"] == 1
    assert cloud.changes()[-1] == (f"network/{network_id}", "subnet", subnet["id"], "update")
    assert ips(cloud.port(network_id)) == ["10.0.0.1"]
    with pytest.raises(errors.RevisionNumberConstraintFailed):
        cloud.subnets.update(ADMIN, subnet["id"], {"name": "x"}, 0)
    assert cloud.subnets.update(ADMIN, subnet["id"], {"gateway_ip": None}, None)["gateway_ip"] is None


def test_changes_are_checked_against_what_there_is(small: Cloud) -> None:
    network_id = small.network()
    subnet = small.subnet(network_id, "10.0.0.0/24")
    slaac = small.subnet(network_id, "fd00::/64", **SLAAC)
    tiny = small.subnet(network_id, "10.1.0.0/31", enable_dhcp=False)
    for one, changes, error in (
        (subnet, {"gateway_ip": "10.0.0.50"}, errors.GatewayConflictWithAllocationPools),
        (subnet, {"gateway_ip": "10.0.0.255"}, errors.InvalidInput),
        (subnet, pool("10.0.0.1", "10.0.0.9"), errors.GatewayConflictWithAllocationPools),
        (subnet, pool("10.0.0.9", "10.0.1.9"), errors.OutOfBoundsAllocationPool),
        (subnet, {"dns_nameservers": ["fd00::1"]}, errors.InvalidInput),
        (slaac, {"enable_dhcp": False}, errors.InvalidInput),
        (tiny, {"enable_dhcp": True}, errors.InvalidInput),
    ):
        with pytest.raises(error):
            small.subnets.update(ADMIN, one["id"], {**changes, "name": "half done"}, None)
        assert small.subnets.get(ADMIN, one["id"]) == one


def test_a_gateway_that_a_router_has_stays(small: Cloud) -> None:
    network_id = small.network()
    subnet = small.subnet(network_id, "10.0.0.0/24")
    port = small.port(network_id, device_owner=ROUTER, fixed_ips=[{"ip_address": "10.0.0.1"}])
    with pytest.raises(errors.GatewayIpInUse, match=f"10.0.0.1 already in use by port {port['id']}"):
        small.subnets.update(ADMIN, subnet["id"], {"gateway_ip": "10.0.0.254", **pool("10.0.0.2", "10.0.0.9")}, None)
    small.subnets.update(ADMIN, subnet["id"], {"gateway_ip": "10.0.0.1", "name": "same"}, None)


def test_new_pools_leave_out_what_is_in_use(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/28")
    ports = [cloud.port(network_id) for _ in range(3)]  # .2 .3 .4
    cloud.subnets.update(ADMIN, subnet["id"], pool("10.0.0.3", "10.0.0.6"), None)
    assert cloud.books(subnet)[0] == {"10.0.0.5", "10.0.0.6"}
    for port in ports:
        cloud.ports.delete(ADMIN, port["id"], None)
    assert cloud.books(subnet) == ({f"10.0.0.{n}" for n in range(3, 7)}, set())


def test_the_first_subnet_with_dhcp_wants_agents_and_the_last_one_lets_them_go(cloud: Cloud) -> None:
    network_id = cloud.network()
    plain = cloud.subnet(network_id, "10.0.0.0/24", enable_dhcp=False)
    assert slots(cloud, network_id) == []
    one, two = cloud.subnet(network_id, "10.0.1.0/24"), cloud.subnet(network_id, "10.0.2.0/24")
    assert slots(cloud, network_id) == ["unbound"]
    cloud.subnets.delete(ADMIN, one["id"], None)
    assert slots(cloud, network_id) == ["unbound"]
    cloud.subnets.update(ADMIN, two["id"], {"enable_dhcp": False}, None)
    assert slots(cloud, network_id) == ["idle"]
    cloud.subnets.update(ADMIN, plain["id"], {"enable_dhcp": True}, None)
    assert slots(cloud, network_id) == ["unbound"]
    cloud.subnets.delete(ADMIN, plain["id"], None)
    assert slots(cloud, network_id) == ["idle"]
    cloud.networks.delete(ADMIN, network_id, None)
    assert slots(cloud, network_id) == []


def test_deleting(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet, other = cloud.subnet(network_id, "10.0.0.0/24"), cloud.subnet(network_id, "10.1.0.0/24")
    dhcp = cloud.port(network_id, device_owner=DHCP, fixed_ips=[{"subnet_id": s["id"]} for s in (subnet, other)])
    port = cloud.port(network_id)
    words = f"Unable to complete operation on subnet {subnet['id']}: One or more ports have an IP allocation from this"
    with pytest.raises(errors.SubnetInUse, match=words):
        cloud.subnets.delete(ADMIN, subnet["id"], None)
    cloud.ports.delete(ADMIN, port["id"], None)
    with pytest.raises(errors.RevisionNumberConstraintFailed):
        cloud.subnets.delete(ADMIN, subnet["id"], 5)
    cloud.subnets.delete(ADMIN, subnet["id"], 0)
    left = cloud.read_port(dhcp)
    assert ips(left) == ["10.1.0.2"] and left["revision_number"] == 1
    assert {(kind, key, what) for _, kind, key, what in cloud.changes()[-3:]} >= {
        ("port", dhcp["id"], "update"),
        ("subnet", subnet["id"], "delete"),
    }
    with pytest.raises(errors.SubnetNotFound):
        cloud.subnets.delete(ADMIN, subnet["id"], None)


def test_ports_get_and_lose_automatic_addresses_with_the_subnet(cloud: Cloud) -> None:
    network_id = cloud.network()
    port = cloud.port(network_id, mac_address="fa:16:3e:00:00:01")
    router = cloud.port(network_id, device_owner=ROUTER)
    subnet = cloud.subnet(network_id, "fd00::/64", **SLAAC)
    assert ips(cloud.read_port(port)) == ["fd00::f816:3eff:fe00:1"] and ips(cloud.read_port(router)) == []
    assert cloud.read_port(port)["revision_number"] == 1
    inner = cloud.port(network_id, device_owner=ROUTER, fixed_ips=[{"subnet_id": subnet["id"]}])
    with pytest.raises(errors.SubnetInUse):
        cloud.subnets.delete(ADMIN, subnet["id"], None)
    cloud.ports.delete(ADMIN, inner["id"], None)
    cloud.subnets.delete(ADMIN, subnet["id"], None)
    assert ips(cloud.read_port(port)) == [] and cloud.read_port(port)["revision_number"] == 2
