"""Filters, order and pages, on all three databases: pages add up to the whole list, whatever it is sorted by."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from netsched import errors
from netsched.db import network, port, subnet
from netsched.db.session import Database
from netsched.model.query import Query
from tests.cloud import ADMIN, OTHER, SLAAC, TENANT, Cloud


@pytest.fixture
def cloud(database: Database) -> Cloud:
    """Networks n0..n6 of two projects with equal names among them, subnets with and without gateway, some ports."""
    cloud = Cloud(database)
    for number in range(7):
        who = (TENANT, OTHER)[number % 2]
        shared = number == 5
        name = f"n{number // 2}"
        description = "odd_one 100%" if number == 3 else ""
        net = cloud.networks.create(
            ADMIN,
            [{"project_id": who.project_id, "name": name, "shared": shared, "description": description}],
        )[0]
        gateway: dict[str, Any] = {"gateway_ip": None} if number % 3 == 0 else {}
        cloud.subnet(net["id"], f"10.0.{number}.0/24", who, **gateway)
    return cloud


def networks(cloud: Cloud, **asked: Any) -> list[str]:
    with cloud.database.read() as connection:
        return [item["id"] for item in network.list_(connection, Query(**asked))]


def subnets(cloud: Cloud, **asked: Any) -> list[dict[str, Any]]:
    with cloud.database.read() as connection:
        return subnet.list_(connection, Query(**asked))


SORTS: tuple[Any, ...] = (
    (),
    (("name", True),),
    (("name", False), ("created_at", True)),
    (("shared", False), ("name", True)),
    (("mtu", True), ("id", False)),
    (("project_id", True), ("status", False)),
)


def test_pages_add_up_in_both_directions(cloud: Cloud) -> None:
    for sorts, limit, reverse in itertools.product(SORTS, (1, 3, 7, 8), (False, True)):
        whole = networks(cloud, sorts=sorts)
        assert len(whole) == 7
        found: list[str] = []
        marker = None
        while page := networks(cloud, sorts=sorts, limit=limit, marker=marker, page_reverse=reverse):
            assert len(page) <= limit
            found = page + found if reverse else found + page
            marker = page[0] if reverse else page[-1]
        assert found == whole, (sorts, limit, reverse)


def test_nulls_have_one_place_in_the_order(cloud: Cloud) -> None:
    for ascending in (True, False):
        whole = subnets(cloud, sorts=(("gateway_ip", ascending),))
        gateways = [item["gateway_ip"] or "" for item in whole]
        assert gateways == sorted(gateways, reverse=not ascending) and gateways.count("") == 3
        found, marker = [], None
        while page := subnets(cloud, sorts=(("gateway_ip", ascending),), limit=2, marker=marker):
            found += page
            marker = page[-1]["id"]
        assert found == whole


def test_filters_take_any_of_their_values(cloud: Cloud) -> None:
    everything = {item["id"]: item for item in cloud.networks.list(ADMIN, Query())}

    def names(**filters: Any) -> list[str]:
        found = networks(cloud, filters={k.replace("__", ":"): v for k, v in filters.items()}, sorts=(("name", True),))
        return [everything[key]["name"] for key in found]

    assert names(name=("n0", "n3", "nothing")) == ["n0", "n0", "n3"]
    assert names(name=()) == []
    assert names(shared=("true",)) == names(shared=(True,)) == ["n2"]
    assert len(names(shared=("false", "1"))) == 7
    assert names(project_id=("red",), name=("n0",)) == names(tenant_id=("red",), name=("n0",)) == ["n0"]
    assert len(names(mtu=("1450",))) == len(names(mtu=(1450, 10**30))) == 7
    assert names(mtu=(9000,)) == names(mtu=(10**30,)) == []
    assert len(names(status=("ACTIVE",))) == 7 and names(status=("DOWN",)) == []
    assert names(description=("odd_one 100%",)) == ["n1"]
    assert len(names(description=("",))) == 6
    assert names(subnets=(everything[networks(cloud)[0]]["subnets"][0],)) == [everything[networks(cloud)[0]]["name"]]
    first = everything[networks(cloud)[0]]
    assert first["id"] in networks(cloud, filters={"created_at": (first["created_at"],)})
    assert networks(cloud, filters={"created_at": ("1999-01-01T00:00:00Z", "9999-12-31T23:59:59")}) == []
    assert len(networks(cloud, filters={"revision_number": ("1",)})) == 7  # each has a subnet
    assert names(availability_zones=("nova",)) == names(availability_zone_hints=("nova",)) == []


def test_filters_of_lists_look_for_elements(cloud: Cloud) -> None:
    net = cloud.network(availability_zone_hints=['a"b', "zone_1"])
    assert networks(cloud, filters={"availability_zone_hints": ('a"b',)}) == [net]
    assert networks(cloud, filters={"availability_zone_hints": ("zone_1", "zone_2")}) == [net]
    assert networks(cloud, filters={"availability_zone_hints": ("zone",)}) == []
    assert networks(cloud, filters={"availability_zone_hints": ("zoneX1",)}) == []
    made = cloud.subnet(
        net,
        "10.9.0.0/24",
        dns_nameservers=["10.9.0.2"],
        host_routes=[{"destination": "10.8.0.0/24", "nexthop": "10.9.0.3"}],
    )
    for filters in (
        {"dns_nameservers": ("10.9.0.2",)},
        {"host_routes": ("nexthop=10.9.0.3",)},
        {"allocation_pools": ("start=10.9.0.2",)},
        {"cidr": ("10.9.0.0/24",)},
        {"enable_dhcp": ("1",), "ip_version": ("4",), "network_id": (net,)},
    ):
        assert [item["id"] for item in subnets(cloud, filters=filters)] == [made["id"]]
    assert subnets(cloud, filters={"dns_nameservers": ("10.9.0",)}) == []
    v6 = cloud.subnet(net, "fd00::/64", **SLAAC)
    assert [item["id"] for item in subnets(cloud, filters={"ipv6_ra_mode": ("slaac",)})] == [v6["id"]]
    assert (
        len(subnets(cloud, filters={"gateway_ip": (None,)})) == len(subnets(cloud, filters={"gateway_ip": ("",)})) == 3
    )


def test_ports_are_found_by_what_they_have(cloud: Cloud) -> None:
    net = cloud.network()
    sub = cloud.subnet(net, "10.9.0.0/24")
    one = cloud.port(
        net, **{"mac_address": "fa:16:3e:aa:bb:cc", "binding:host_id": "h1", "binding:profile": {"a": "b"}}
    )
    two = cloud.port(net, device_id="vm", extra_dhcp_opts=[{"opt_name": "mtu", "opt_value": "1400", "ip_version": 4}])

    def found(**filters: Any) -> list[str]:
        named = {name.replace("__", ":"): values for name, values in filters.items()}
        with cloud.database.read() as connection:
            return [item["id"] for item in port.list_(connection, Query(filters=named, sorts=(("created_at", True),)))]

    assert found(fixed_ips=("ip_address=10.9.0.2",)) == [one["id"]]
    assert found(fixed_ips=("ip_address=10.9.0.2", "ip_address=10.9.0.3")) == [one["id"], two["id"]]
    assert found(fixed_ips=("ip_address=10.9.0.2", f"subnet_id={sub['id']}")) == [one["id"]]
    assert found(fixed_ips=("ip_address=10.9.0.2", "subnet_id=another")) == []
    assert found(fixed_ips=("ip_address_substr=9.0.3",)) == [two["id"]]
    assert found(mac_address=("FA:16:3E:AA:BB:CC",)) == [one["id"]]
    assert found(binding__host_id=("h1",)) == [one["id"]]
    assert found(binding__profile=("a=b",)) == [one["id"]]
    assert found(extra_dhcp_opts=("opt_name=mtu",)) == [two["id"]]
    assert found(device_id=("vm",), network_id=(net,), admin_state_up=(True,)) == [two["id"]]
    for wrong in ("10.9.0.2", "ip=1", "ip_address=10.9.0"):
        with pytest.raises(errors.InvalidInput):
            found(fixed_ips=(wrong,))


def test_what_cannot_be_asked_is_said(cloud: Cloud) -> None:
    with pytest.raises(errors.InvalidInput, match="marker: 'nothing'"):
        networks(cloud, marker="nothing")
    with pytest.raises(errors.InvalidInput, match="marker"):
        networks(cloud, marker="a\x00b")
    hidden = networks(cloud, filters={"project_id": ("red",), "shared": (False,)})[0]
    with pytest.raises(errors.InvalidInput, match="marker"):
        networks(cloud, marker=hidden, visible_to="blue")
    with pytest.raises(errors.InvalidInput, match="sort_key: 'subnets'"):
        networks(cloud, sorts=(("subnets", True),))
    with pytest.raises(errors.HTTPBadRequest, match=r"\['nonsense'\] is invalid attribute for filtering"):
        networks(cloud, filters={"nonsense": ("1",)})
    for wrong in ({"shared": ("maybe",)}, {"mtu": ("big",)}, {"created_at": ("soon",)}):
        with pytest.raises(errors.InvalidInput):
            networks(cloud, filters=wrong)
    for text in ("a\x00b", "\ud800", "'; DROP TABLE network", "😀", "%", "_" * 5000):
        assert networks(cloud, filters={"name": (text,)}) == []
        assert networks(cloud, filters={"availability_zone_hints": (text,)}) == []


def test_a_project_sees_its_own_and_what_is_shared(cloud: Cloud) -> None:
    def seen(project: str | None) -> list[tuple[str, str]]:
        with cloud.database.read() as connection:
            return sorted((n["name"], n["project_id"]) for n in network.list_(connection, Query(visible_to=project)))

    blue = [("n0", "blue"), ("n1", "blue"), ("n2", "blue"), ("n2", "red"), ("n3", "blue")]
    assert seen("blue") == blue
    assert seen("green") == [("n2", "red")]
    assert len(seen(None)) == 7
    assert [s["cidr"] for s in subnets(cloud, visible_to="green")] == ["10.0.5.0/24"]
    assert len(subnets(cloud, visible_to="blue")) == 5
