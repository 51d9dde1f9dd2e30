"""Ports: the addresses and MACs they get, keep and give back."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from netsched import errors
from netsched.db.session import Database
from netsched.model.query import Query
from netsched.server.services.port import PortService
from tests.cloud import ADMIN, OTHER, ROUTER, SLAAC, TENANT, Cloud, ips

STATEFUL: dict[str, Any] = {"ip_version": 6, "ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"}
STATELESS: dict[str, Any] = {
    "ip_version": 6,
    "ipv6_ra_mode": "dhcpv6-stateless",
    "ipv6_address_mode": "dhcpv6-stateless",
}


@pytest.fixture
def cloud(database: Database) -> Cloud:
    return Cloud(database)


@pytest.fixture
def small(sqlite_database: Database) -> Cloud:
    """For rules in which the kind of database plays no part."""
    return Cloud(sqlite_database)


def race(*works: Callable[[], Any]) -> list[str]:
    """What became of each: "done" or the name of the error."""

    def attempt(work: Callable[[], Any]) -> str:
        try:
            work()
        except errors.NetschedError as failure:
            return type(failure).__name__
        return "done"

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(attempt, works))


def test_a_port_has_all_attributes_and_reads_as_it_was_created(cloud: Cloud) -> None:
    network_id = cloud.network(TENANT)
    subnet = cloud.subnet(network_id, "10.0.0.0/24", TENANT)
    body = {
        "name": "p",
        "description": "d",
        "admin_state_up": False,
        "device_id": "vm",
        "device_owner": "compute:nova",
        "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400", "ip_version": 4}],
        "binding:host_id": "host-1",
        "binding:vnic_type": "direct",
        "binding:profile": {"a": ["b", {"c": None}]},
        "port_security_enabled": True,
        "dns_name": "web",
        "allowed_address_pairs": [{"ip_address": "10.9.0.0/16", "mac_address": "fa:16:3e:00:00:99"}],
    }
    made = cloud.port(network_id, TENANT, **body)
    assert made == cloud.ports.get(TENANT, made["id"]) == cloud.ports.list(TENANT, Query())[0]
    assert re.fullmatch("fa:16:3e(:[0-9a-f]{2}){3}", made["mac_address"])
    assert {k: v for k, v in made.items() if k not in ("id", "created_at", "updated_at", "mac_address")} == {
        **body,
        "project_id": "blue",
        "tenant_id": "blue",
        "network_id": network_id,
        "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": "10.0.0.2"}],
        "status": "DOWN",
        "binding:vif_type": "binding_failed",
        "binding:vif_details": {"reason": "A bridge has no place for a port with binding:vnic_type direct."},
        "revision_number": 0,
        "tags": [],
        "security_groups": made["security_groups"],
        "dns_assignment": [
            {"ip_address": "10.0.0.2", "hostname": "web", "fqdn": "web.openstacklocal."},
        ],
    }
    assert (f"network/{network_id}", "port", made["id"], "create") in cloud.changes()


def test_by_default_one_address_of_each_version_and_the_automatic_ones(cloud: Cloud) -> None:
    network_id = cloud.network()
    assert ips(cloud.port(network_id)) == []
    cloud.subnet(network_id, "10.0.0.0/24")
    cloud.subnet(network_id, "10.1.0.0/24")
    cloud.subnet(network_id, "fd00::/64", **STATEFUL)
    cloud.subnet(network_id, "fd01::/64")
    cloud.subnet(network_id, "fd02::/64", **SLAAC)
    cloud.subnet(network_id, "fd03::/64", **STATELESS)
    port = cloud.port(network_id, mac_address="fa:16:3e:00:00:01")
    automatic = ["fd02::f816:3eff:fe00:1", "fd03::f816:3eff:fe00:1"]
    assert ips(port) == ["10.0.0.2", "fd00::2", *automatic]
    assert ips(cloud.port(network_id, fixed_ips=[], mac_address="fa:16:3e:00:00:02"))[0].startswith("fd02::")
    router = cloud.port(network_id, device_owner=ROUTER, fixed_ips=[])
    assert ips(router) == []


def test_chosen_addresses(cloud: Cloud) -> None:
    network_id = cloud.network()
    one, two = cloud.subnet(network_id, "10.0.0.0/24"), cloud.subnet(network_id, "10.1.0.0/24")
    six = cloud.subnet(network_id, "fd00::/64")
    wanted = [
        {"subnet_id": two["id"], "ip_address": "10.1.0.50"},
        {"ip_address": "10.0.0.60"},
        {"subnet_id": two["id"]},
        {"subnet_id": six["id"], "ip_address": "FD00:0::ABCD"},
        {"subnet_id": one["id"]},
        {"subnet_id": one["id"]},
    ]
    port = cloud.port(network_id, fixed_ips=wanted)
    assert ips(port) == ["10.0.0.2", "10.0.0.3", "10.0.0.60", "10.1.0.2", "10.1.0.50", "fd00::abcd"]
    with pytest.raises(errors.IpAddressAlreadyAllocated):
        cloud.port(network_id, fixed_ips=[{"ip_address": "fd00:0:0::abcd"}])
    assert ips(cloud.port(network_id, fixed_ips=[{"ip_address": "10.0.0.1"}])) == ["10.0.0.1"]  # the gateway's


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"subnet_id": "SUBNET", "ip_address": "10.1.0.5"}, errors.InvalidIpForSubnet),
        ({"subnet_id": "SUBNET", "ip_address": "fd00::5"}, errors.InvalidIpForSubnet),
        ({"subnet_id": "SUBNET", "ip_address": "10.0.0.0"}, errors.InvalidIpForSubnet),
        ({"subnet_id": "SUBNET", "ip_address": "10.0.0.255"}, errors.InvalidIpForSubnet),
        ({"ip_address": "10.9.0.5"}, errors.InvalidIpForNetwork),
        ({"ip_address": "10.0.0.255"}, errors.InvalidIpForNetwork),
        ({"ip_address": "fd00::"}, errors.InvalidIpForNetwork),
        ({"ip_address": "nonsense"}, errors.InvalidInput),
        ({"subnet_id": "nothing"}, errors.InvalidInput),
        ({}, errors.InvalidInput),
        ({"ip_address": "fd01::5"}, errors.InvalidInput),  # automatic addresses there
    ],
)
def test_addresses_that_are_refused(small: Cloud, wanted: dict[str, str], error: type[Exception]) -> None:
    network_id = small.network()
    subnet = small.subnet(network_id, "10.0.0.0/24")
    small.subnet(network_id, "fd00::/64")
    small.subnet(network_id, "fd01::/64", **SLAAC)
    fixed_ip = {key: subnet["id"] if value == "SUBNET" else value for key, value in wanted.items()}
    with pytest.raises(error):
        small.port(network_id, fixed_ips=[fixed_ip])
    port = small.port(network_id)
    with pytest.raises(error):
        small.ports.update(ADMIN, port["id"], {"fixed_ips": [fixed_ip], "name": "half done"}, None)
    assert small.all_ports() == [port]


def test_addresses_of_a_network_without_subnets(small: Cloud) -> None:
    with pytest.raises(errors.InvalidInput, match="IP allocation requires subnets for network"):
        small.port(small.network(), fixed_ips=[{"ip_address": "10.0.0.5"}])


def test_macs_are_unique_in_their_network(cloud: Cloud) -> None:
    mac = "fa:16:3e:00:00:01"
    network_id = cloud.network()
    cloud.port(network_id, mac_address=mac.upper())
    words = f"Unable to complete operation for network {network_id}. The mac address {mac} is in use."
    for bodies in ([{"mac_address": mac}], [{}, {"mac_address": mac}], [{"mac_address": "fa:16:3e:00:00:09"}] * 2):
        with pytest.raises(errors.MacAddressInUse) as refused:
            cloud.ports.create(ADMIN, [{"network_id": network_id, **body} for body in bodies])
    assert str(refused.value) == words.replace("01 is", "09 is")
    port = cloud.port(network_id)
    with pytest.raises(errors.MacAddressInUse):
        cloud.ports.update(ADMIN, port["id"], {"mac_address": mac}, None)
    assert cloud.port(cloud.network(), mac_address=mac)["mac_address"] == mac
    assert cloud.ports.update(ADMIN, port["id"], {"mac_address": port["mac_address"]}, None)["revision_number"] == 1


def test_racing_for_one_mac_has_one_winner(cloud: Cloud) -> None:
    network_id = cloud.network()
    create = functools.partial(cloud.port, network_id, mac_address="fa:16:3e:00:00:01")
    assert sorted(race(*[create] * 5)) == ["MacAddressInUse"] * 4 + ["done"]
    ports = [cloud.port(network_id) for _ in range(4)]
    change = {"mac_address": "fa:16:3e:00:00:02"}
    works = [functools.partial(cloud.ports.update, ADMIN, port["id"], change, None) for port in ports]
    assert sorted(race(*works)) == ["MacAddressInUse"] * 3 + ["done"]


def test_a_drawn_mac_that_is_in_use_is_drawn_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    # The generator of randomness is the one thing here that a test must decide: a clash is one in 16 million.
    draws = [bytes([0, 0, n]) for n in (1, 1, 2, 2, 3, 3, 4)]
    monkeypatch.setattr("netsched.db.port_change.secrets.token_bytes", lambda size: draws.pop(0))
    network_id = cloud.network()
    assert cloud.port(network_id)["mac_address"] == "fa:16:3e:00:00:01"
    assert cloud.port(network_id)["mac_address"] == "fa:16:3e:00:00:02"  # 01 was refused by the key
    made = cloud.ports.create(ADMIN, [{"network_id": network_id}] * 2)  # 02 is in use, 03 twice
    assert sorted(port["mac_address"] for port in made) == ["fa:16:3e:00:00:03", "fa:16:3e:00:00:04"]


def test_macs_begin_as_configured(small: Cloud) -> None:
    ports = PortService(small.database, mac_base="02:00:00")
    assert ports.create(ADMIN, [{"network_id": small.network()}])[0]["mac_address"].startswith("02:00:00:")


def test_a_bulk_is_all_or_nothing(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/24")
    before = cloud.changes()
    bodies = [{"network_id": network_id}] * 3 + [{"network_id": network_id, "fixed_ips": [{"ip_address": "10.0.9.9"}]}]
    with pytest.raises(errors.InvalidIpForNetwork):
        cloud.ports.create(ADMIN, bodies)
    with pytest.raises(errors.NetworkNotFound):
        cloud.ports.create(ADMIN, [*bodies[:3], {"network_id": "nothing"}])
    assert cloud.all_ports() == [] and len(cloud.books(subnet)[0]) == 253 and cloud.changes() == before


def test_only_on_networks_that_one_sees(small: Cloud) -> None:
    hidden, shared = small.network(OTHER), small.network(OTHER, shared=True)
    with pytest.raises(errors.NetworkNotFound):
        small.port(hidden, TENANT)
    assert small.port(shared, TENANT)["project_id"] == "blue"
    assert small.port(hidden, ADMIN, project_id="blue")["tenant_id"] == "blue"


def test_who_sees_a_port(cloud: Cloud) -> None:
    shared = cloud.network(OTHER, shared=True)
    port = cloud.port(shared, TENANT)
    assert cloud.ports.get(OTHER, port["id"]) == port  # theirs is the network
    theirs = cloud.port(shared, OTHER)
    for work in (
        lambda: cloud.ports.get(TENANT, theirs["id"]),
        lambda: cloud.ports.update(TENANT, theirs["id"], {"name": "x"}, None),
        lambda: cloud.ports.delete(TENANT, theirs["id"], None),
        lambda: cloud.ports.get(ADMIN, "nothing"),
        lambda: cloud.ports.update(ADMIN, "nothing", {"name": "x"}, None),
        lambda: cloud.ports.delete(ADMIN, "nothing", None),
    ):
        with pytest.raises(errors.PortNotFound):
            work()
    assert cloud.ports.get(OTHER, theirs["id"]) == theirs
    cloud.ports.delete(OTHER, port["id"], None)


def test_updates(cloud: Cloud) -> None:
    network_id = cloud.network()
    port = cloud.port(network_id)
    changes = {
        "name": "n",
        "description": "d",
        "admin_state_up": False,
        "device_id": "vm",
        "device_owner": "compute:nova",
        "mac_address": "fa:16:3e:00:00:07",
        "binding:host_id": "h",
        "binding:profile": {"x": 1},
        "allowed_address_pairs": [{"ip_address": "10.9.0.9", "mac_address": "fa:16:3e:00:00:99"}],
    }
    changed = cloud.ports.update(ADMIN, port["id"], changes, 0)
    assert {k: v for k, v in changed.items() if k not in ("updated_at",)} == {
        **{k: v for k, v in port.items() if k != "updated_at"},
        **changes,
        "binding:vif_type": "binding_failed",
        "binding:vif_details": {"reason": "There is no Linux bridge agent on host h."},
        "revision_number": 1,
    }
    assert changed == cloud.read_port(port)
    assert (f"network/{network_id}", "port", port["id"], "update") in cloud.changes()
    for work in (
        lambda: cloud.ports.update(ADMIN, port["id"], {"name": "x"}, 0),
        lambda: cloud.ports.delete(ADMIN, port["id"], 0),
    ):
        with pytest.raises(errors.RevisionNumberConstraintFailed):
            work()
    assert cloud.read_port(port) == changed


def test_address_pairs_are_for_the_ports_own_mac_unless_they_say_otherwise(small: Cloud) -> None:
    pairs = [{"ip_address": "10.9.0.9"}, {"ip_address": "10.9.0.9", "mac_address": "fa:16:3e:00:00:99"}]
    port = small.port(small.network(), mac_address="fa:16:3e:00:00:01", allowed_address_pairs=pairs)
    assert [pair["mac_address"] for pair in port["allowed_address_pairs"]] == ["fa:16:3e:00:00:01", "fa:16:3e:00:00:99"]
    moved = small.ports.update(ADMIN, port["id"], {"mac_address": "fa:16:3e:00:00:02"}, None)
    assert [pair["mac_address"] for pair in moved["allowed_address_pairs"]] == [
        "fa:16:3e:00:00:02",
        "fa:16:3e:00:00:99",
    ]
    assert small.ports.update(ADMIN, port["id"], {"allowed_address_pairs": []}, None)["allowed_address_pairs"] == []


def test_port_security_is_the_networks_unless_the_port_says_otherwise(small: Cloud) -> None:
    open_, secured = small.network(port_security_enabled=False), small.network()
    assert [small.port(network)["port_security_enabled"] for network in (open_, secured)] == [False, True]
    assert small.port(open_, port_security_enabled=True)["port_security_enabled"] is True
    assert small.port(secured, device_owner=ROUTER)["port_security_enabled"] is False  # it sends what others sent


def test_address_pairs_want_port_security(small: Cloud) -> None:
    pairs = {"allowed_address_pairs": [{"ip_address": "10.9.0.9"}]}
    network_id = small.network()
    with pytest.raises(errors.AddressPairAndPortSecurityRequired):
        small.port(network_id, port_security_enabled=False, **pairs)
    port = small.port(network_id, **pairs)
    with pytest.raises(errors.AddressPairAndPortSecurityRequired):
        small.ports.update(ADMIN, port["id"], {"port_security_enabled": False}, None)
    assert small.read_port(port) == port
    both = {"port_security_enabled": False, "allowed_address_pairs": [], "security_groups": []}
    assert small.ports.update(ADMIN, port["id"], both, None)["port_security_enabled"] is False


def test_dhcp_options_change_one_by_one(cloud: Cloud) -> None:
    def option(name: str, value: str | None, version: int = 4) -> dict[str, Any]:
        return {"opt_name": name, "opt_value": value, "ip_version": version}

    port = cloud.port(cloud.network(), extra_dhcp_opts=[option("a", "1"), option("b", "2"), option("b", "6", 6)])
    changes = [option("a", None), option("b", "3"), option("c", "4"), option("d", None)]
    changed = cloud.ports.update(ADMIN, port["id"], {"extra_dhcp_opts": changes}, None)
    assert changed["extra_dhcp_opts"] == [option("b", "6", 6), option("b", "3"), option("c", "4")]
    assert (
        cloud.ports.update(ADMIN, port["id"], {"extra_dhcp_opts": []}, None)["extra_dhcp_opts"]
        == changed["extra_dhcp_opts"]
    )


def test_addresses_change_and_those_that_stay_are_not_touched(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet, other = cloud.subnet(network_id, "10.0.0.0/28"), cloud.subnet(network_id, "10.1.0.0/28")
    port = cloud.port(network_id)

    def change(*wanted: dict[str, str]) -> list[str]:
        changed = cloud.ports.update(ADMIN, port["id"], {"fixed_ips": list(wanted)}, None)
        assert changed == cloud.read_port(port)
        assert set(ips(changed)) == cloud.books(subnet)[1] | cloud.books(other)[1]
        assert not cloud.books(subnet)[0] & cloud.books(subnet)[1]
        assert len(cloud.books(subnet)[0] | cloud.books(subnet)[1]) == 13
        return ips(changed)

    assert change({"subnet_id": subnet["id"]}) == ["10.0.0.2"]
    assert change({"ip_address": "10.0.0.2"}, {"subnet_id": other["id"]}) == ["10.0.0.2", "10.1.0.2"]
    assert change({"subnet_id": subnet["id"], "ip_address": "10.0.0.9"}, {"subnet_id": subnet["id"]}) == [
        "10.0.0.2",
        "10.0.0.9",
    ]
    assert change({"subnet_id": subnet["id"]}, {"subnet_id": subnet["id"]}, {"subnet_id": subnet["id"]}) == [
        "10.0.0.2",
        "10.0.0.3",
        "10.0.0.9",
    ]
    assert change({"ip_address": "10.1.0.2"}) == ["10.1.0.2"]
    assert change() == []
    taken = cloud.port(network_id)
    with pytest.raises(errors.IpAddressAlreadyAllocated):
        change({"ip_address": ips(taken)[0]})


def test_automatic_addresses_stay_and_follow_the_mac(cloud: Cloud) -> None:
    network_id = cloud.network()
    cloud.subnet(network_id, "10.0.0.0/24")
    slaac = cloud.subnet(network_id, "fd00::/64", **SLAAC)
    port = cloud.port(network_id, mac_address="fa:16:3e:00:00:01")
    automatic = "fd00::f816:3eff:fe00:1"
    assert ips(port) == ["10.0.0.2", automatic]
    for wanted in (
        port["fixed_ips"],
        [{"ip_address": "10.0.0.2"}],
        [{"ip_address": "10.0.0.2"}, {"subnet_id": slaac["id"]}],
    ):
        assert ips(cloud.ports.update(ADMIN, port["id"], {"fixed_ips": wanted}, None)) == ["10.0.0.2", automatic]
    assert ips(cloud.ports.update(ADMIN, port["id"], {"fixed_ips": []}, None)) == [automatic]
    moved = cloud.ports.update(ADMIN, port["id"], {"mac_address": "fa:16:3e:00:00:02"}, None)
    assert ips(moved) == ["fd00::f816:3eff:fe00:2"]
    both = {"mac_address": "fa:16:3e:00:00:03", "fixed_ips": [*moved["fixed_ips"], {"ip_address": "10.0.0.9"}]}
    assert ips(cloud.ports.update(ADMIN, port["id"], both, None)) == ["10.0.0.9", "fd00::f816:3eff:fe00:3"]


def test_deleting_returns_the_addresses(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/29")
    port = cloud.port(network_id)
    cloud.ports.delete(ADMIN, port["id"], 0)
    assert cloud.books(subnet) == ({f"10.0.0.{n}" for n in range(2, 7)}, set())
    assert (f"network/{network_id}", "port", port["id"], "delete") in cloud.changes()
    with pytest.raises(errors.PortNotFound):
        cloud.ports.delete(ADMIN, port["id"], None)


def test_racing_deletes_have_one_winner_and_return_the_address_once(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/29")
    for _ in range(3):
        port = cloud.port(network_id)
        outcome = race(*[functools.partial(cloud.ports.delete, ADMIN, port["id"], None)] * 4)
        assert sorted(outcome) == ["PortNotFound"] * 3 + ["done"]
        assert len(cloud.books(subnet)[0]) == 5


def test_racing_changes_of_one_port_keep_the_books(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/28")
    port = cloud.port(network_id)
    works = [
        functools.partial(cloud.ports.update, ADMIN, port["id"], {"fixed_ips": [{"ip_address": f"10.0.0.{n}"}]}, None)
        for n in range(3, 9)
    ]
    assert race(*works) == ["done"] * 6
    free, used = cloud.books(subnet)
    assert used == set(ips(cloud.read_port(port))) and len(used) == 1 and len(free) == 12
