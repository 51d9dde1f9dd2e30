"""Networks as their projects see, change and delete them."""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from netsched import errors
from netsched.db import port_change
from netsched.db.address import free_range
from netsched.db.binding import binding
from netsched.db.session import Database
from netsched.model.query import Query
from tests.cloud import ADMIN, DHCP, OTHER, ROUTER, SLAAC, TENANT, Cloud
from tests.services.test_port import race

GATEWAY, FLOATINGIP = "network:router_gateway", "network:floatingip"
SOMEBODY = str(uuid.uuid4())  # a router, or what else a port may be for


@pytest.fixture
def cloud(database: Database) -> Cloud:
    return Cloud(database)


def test_a_network_has_all_attributes_and_reads_as_it_was_created(cloud: Cloud) -> None:
    body = {"name": "café", "description": "😀", "admin_state_up": False, "availability_zone_hints": ["z1"]}
    (made,) = cloud.networks.create(TENANT, [body])
    assert made == cloud.networks.get(TENANT, made["id"]) == cloud.networks.list(TENANT, Query())[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["created_at"])
    assert {k: v for k, v in made.items() if k not in ("id", "created_at", "updated_at")} == {
        **body,
        "project_id": "blue",
        "tenant_id": "blue",
        "status": "ACTIVE",
        "shared": False,
        "subnets": [],
        "availability_zones": [],
        "mtu": 1450,
        "router:external": False,
        "port_security_enabled": True,
        "is_default": False,
        "provider:network_type": "vxlan",
        "provider:physical_network": None,
        "provider:segmentation_id": made["provider:segmentation_id"],
        "revision_number": 0,
        "tags": [],
        "dns_domain": "",
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
    }
    assert cloud.changes() == [(f"network/{made['id']}", "network", made["id"], "create")]


def test_many_networks_at_once(cloud: Cloud) -> None:
    made = cloud.networks.create(ADMIN, [{"name": str(n), "project_id": "red"} for n in range(5)])
    assert [one["name"] for one in made] == list("01234") and {one["project_id"] for one in made} == {"red"}


def test_subnets_are_listed_oldest_first(cloud: Cloud) -> None:
    network_id = cloud.network()
    made = [cloud.subnet(network_id, f"10.0.{n}.0/24")["id"] for n in range(3)]
    assert cloud.networks.get(ADMIN, network_id)["subnets"] == made
    assert cloud.networks.get(ADMIN, network_id)["revision_number"] == 3
    cloud.subnets.update(ADMIN, made[0], {"name": "a"}, None)
    cloud.subnets.delete(ADMIN, made[1], None)
    assert cloud.networks.get(ADMIN, network_id)["revision_number"] == 5


@pytest.mark.parametrize(("cidr", "least"), [("10.0.0.0/24", 68), ("fd00::/64", 1280)])
def test_a_networks_packets_are_as_large_as_its_protocols_need(cloud: Cloud, cidr: str, least: int) -> None:
    small, fitting = cloud.network(mtu=least - 1), cloud.network(mtu=least)
    with pytest.raises(errors.NetworkMTUSubnetConflict, match=f"MTU of {small} is not valid.* minimum of {least}$"):
        cloud.subnet(small, cidr)
    cloud.subnet(fitting, cidr)
    with pytest.raises(errors.NetworkMTUSubnetConflict):
        cloud.networks.update(ADMIN, fitting, {"mtu": least - 1}, None)
    cloud.networks.update(ADMIN, fitting, {"mtu": least + 1}, None)


def test_one_external_network_is_the_default(cloud: Cloud) -> None:
    external = {"router:external": True, "is_default": True}
    make = functools.partial(cloud.networks.create, ADMIN)
    assert sorted(race(*[functools.partial(make, [external])] * 3)) == ["DefaultExternalNetworkExists"] * 2 + ["done"]
    (default,) = cloud.networks.list(TENANT, Query(filters={"is_default": (True,)}))
    assert default["is_default"] and default["router:external"]
    inside, other = cloud.network(is_default=True), cloud.network(**{"router:external": True})
    for change, of in (({"is_default": True}, other), ({"is_default": True, "router:external": True}, inside)):
        with pytest.raises(errors.DefaultExternalNetworkExists, match=default["id"]):
            cloud.networks.update(ADMIN, of, change, None)
    assert not cloud.networks.get(ADMIN, inside)["is_default"]  # it means nothing there
    assert cloud.networks.update(ADMIN, default["id"], {"name": "out", "is_default": True}, None)["is_default"]
    assert not cloud.networks.update(ADMIN, default["id"], {"router:external": False}, None)["is_default"]
    assert cloud.networks.update(ADMIN, other, {"is_default": True}, None)["is_default"]
    assert not cloud.networks.update(ADMIN, other, {"is_default": False}, None)["is_default"]
    assert cloud.networks.list(TENANT, Query(filters={"is_default": (True,)})) == []


def test_an_external_network_is_seen_by_all_with_its_subnets_but_has_no_ports_of_theirs(cloud: Cloud) -> None:
    outside = cloud.network(ADMIN, **{"router:external": True})
    subnet = cloud.subnet(outside, "203.0.113.0/24")
    cloud.network(ADMIN)
    assert [n["id"] for n in cloud.networks.list(TENANT, Query())] == [outside]
    assert cloud.networks.get(TENANT, outside)["router:external"] is True
    assert [s["id"] for s in cloud.subnets.list(TENANT, Query())] == [subnet["id"]]
    with pytest.raises(errors.ExternalNetworkNotForPorts, match=f"external network {outside}"):
        cloud.port(outside, TENANT)
    assert cloud.all_ports() == []
    cloud.port(outside, ADMIN)
    cloud.networks.update(ADMIN, outside, {"shared": True}, None)
    cloud.port(outside, TENANT)
    own = cloud.network(TENANT, **{"router:external": True})
    cloud.port(own, TENANT)


def test_networks_are_filtered_by_being_external(cloud: Cloud) -> None:
    outside, inside = cloud.network(**{"router:external": True}), cloud.network()
    for wanted, found in ((True, outside), ("false", inside)):
        assert [n["id"] for n in cloud.networks.list(ADMIN, Query({"router:external": (wanted,)}))] == [found]


@pytest.mark.parametrize("owner", [GATEWAY, FLOATINGIP])
def test_a_network_stays_external_while_it_is_used_as_such(cloud: Cloud, owner: str) -> None:
    outside = cloud.network(**{"router:external": True})
    cloud.subnet(outside, "203.0.113.0/24")
    cloud.port(outside)  # an ordinary one is no reason
    used = _owned(cloud, outside, owner)
    with pytest.raises(errors.ExternalNetworkInUse):
        cloud.networks.update(ADMIN, outside, {"router:external": False, "name": "x"}, None)
    still = cloud.networks.get(ADMIN, outside)
    assert still["router:external"] is True and still["name"] == ""
    cloud.networks.update(ADMIN, outside, {"router:external": True, "name": "x"}, None)
    cloud.database.write(lambda tx: port_change.remove(tx, used, None))
    assert cloud.networks.update(ADMIN, outside, {"router:external": False}, None)["router:external"] is False


def test_sharing_may_end_while_others_only_pass_through(cloud: Cloud) -> None:
    outside = cloud.network(shared=True, **{"router:external": True})
    cloud.subnet(outside, "203.0.113.0/24")
    for owner in (GATEWAY, FLOATINGIP):
        _owned(cloud, outside, owner)
    assert cloud.networks.update(ADMIN, outside, {"shared": False}, None)["shared"] is False


def _owned(cloud: Cloud, network_id: str, owner: str) -> str:
    """The id of a port as the service makes it for routers and floating IPs: in no project."""
    body = {"network_id": network_id, "device_owner": owner, "device_id": SOMEBODY, "project_id": ""}
    return str(cloud.database.write(lambda tx: port_change.insert_many(tx, [body]))[0]["id"])


def test_routers_hear_of_their_networks_and_subnets(cloud: Cloud) -> None:
    """What changed is logged in the scope of each router that has a port there, once."""
    network_id, elsewhere = cloud.network(), cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/24")
    first, second = SOMEBODY, str(uuid.uuid4())
    for router in (first, first, second):
        body = {"network_id": network_id, "device_owner": ROUTER, "device_id": router}
        cloud.database.write(lambda tx, body=body: port_change.insert_many(tx, [body]))
    before = len(cloud.changes())
    cloud.networks.update(ADMIN, network_id, {"admin_state_up": False}, None)
    cloud.subnets.update(ADMIN, subnet["id"], {"dns_nameservers": ["9.9.9.9"]}, None)
    cloud.networks.update(ADMIN, elsewhere, {"admin_state_up": False}, None)
    scopes = (f"network/{network_id}", f"router/{first}", f"router/{second}")
    assert sorted(cloud.changes()[before:]) == sorted(
        [(scope, "network", network_id, "update") for scope in scopes]
        + [(scope, "subnet", subnet["id"], "update") for scope in scopes]
        + [(f"network/{elsewhere}", "network", elsewhere, "update")]
    )


def test_a_subnet_on_which_gateways_make_themselves_addresses_comes_to_their_routers_and_goes(cloud: Cloud) -> None:
    outside = cloud.network(**{"router:external": True})
    cloud.subnet(outside, "203.0.113.0/24")
    port_id = _owned(cloud, outside, GATEWAY)
    before = len(cloud.changes())
    subnet = cloud.subnet(outside, "2001:db8::/64", **SLAAC)
    cloud.subnets.delete(ADMIN, subnet["id"], None)
    told = [change[1:] for change in cloud.changes()[before:] if change[0] == f"router/{SOMEBODY}"]
    told_once = [("port", port_id), ("subnet", subnet["id"]), ("router", SOMEBODY)]
    assert told == [(*one, "update") for one in told_once] * 2


def test_port_security_is_kept_and_changed(cloud: Cloud) -> None:
    network_id = cloud.network(port_security_enabled=False)
    assert cloud.networks.get(ADMIN, network_id)["port_security_enabled"] is False
    assert cloud.networks.update(ADMIN, network_id, {"port_security_enabled": True}, None)["port_security_enabled"]


def test_an_update_counts_revisions_and_is_logged(cloud: Cloud) -> None:
    network_id = cloud.network(TENANT, name="a")
    changed = cloud.networks.update(TENANT, network_id, {"name": "b", "admin_state_up": False}, None)
    assert (changed["name"], changed["admin_state_up"], changed["revision_number"]) == ("b", False, 1)
    assert cloud.networks.update(TENANT, network_id, {}, 1)["revision_number"] == 2
    assert cloud.changes()[-1] == (f"network/{network_id}", "network", network_id, "update")


def test_a_stale_revision_changes_nothing(cloud: Cloud) -> None:
    network_id = cloud.network(name="a")
    for stale in (1, 7, 10**40, -(10**40)):
        with pytest.raises(
            errors.RevisionNumberConstraintFailed, match=f"Constrained to {stale}, but current revision is 0"
        ):
            cloud.networks.update(ADMIN, network_id, {"name": "b"}, stale)
        with pytest.raises(errors.RevisionNumberConstraintFailed):
            cloud.networks.delete(ADMIN, network_id, stale)
    assert cloud.networks.get(ADMIN, network_id)["name"] == "a"
    cloud.networks.delete(ADMIN, network_id, 0)


def test_what_is_not_there_or_not_to_be_seen_is_not_found(cloud: Cloud) -> None:
    hidden = cloud.network(OTHER)
    for who, network_id in ((ADMIN, "nothing"), (TENANT, hidden)):
        with pytest.raises(errors.NetworkNotFound):
            cloud.networks.get(who, network_id)
        with pytest.raises(errors.NetworkNotFound):
            cloud.networks.update(who, network_id, {"name": "x"}, None)
        with pytest.raises(errors.NetworkNotFound):
            cloud.networks.delete(who, network_id, None)
    assert cloud.networks.get(OTHER, hidden)["revision_number"] == 0


def test_a_shared_network_is_seen_by_all_with_its_subnets(cloud: Cloud) -> None:
    network_id = cloud.network(ADMIN, shared=True)
    subnet = cloud.subnet(network_id, "10.0.0.0/24")
    assert [n["id"] for n in cloud.networks.list(TENANT, Query())] == [network_id]
    assert cloud.subnets.get(TENANT, subnet["id"])["cidr"] == "10.0.0.0/24"
    port = cloud.port(network_id, TENANT)
    assert port["project_id"] == "blue"
    with pytest.raises(errors.PortNotFound):
        cloud.ports.get(OTHER, port["id"])


def test_sharing_ends_only_when_no_other_project_has_ports(cloud: Cloud) -> None:
    network_id = cloud.network(TENANT, shared=True)
    cloud.subnet(network_id, "10.0.0.0/24")
    cloud.port(network_id, TENANT)
    cloud.port(network_id, ADMIN, device_owner=DHCP)
    theirs = cloud.port(network_id, OTHER)
    with pytest.raises(errors.InvalidSharedSetting):
        cloud.networks.update(ADMIN, network_id, {"shared": False}, None)
    assert cloud.networks.get(ADMIN, network_id)["shared"] is True
    cloud.ports.delete(OTHER, theirs["id"], None)
    assert cloud.networks.update(ADMIN, network_id, {"shared": False}, None)["shared"] is False


def test_a_network_with_ports_is_not_deleted_and_says_what_uses_it(cloud: Cloud) -> None:
    network_id = cloud.network()
    ports = [cloud.port(network_id, device_owner=owner) for owner in ("compute:nova", "", "compute:nova", DHCP)]
    with pytest.raises(errors.NetworkInUse) as refused:
        cloud.networks.delete(ADMIN, network_id, None)
    assert all(port["id"] in str(refused.value) for port in ports[:3]) and ports[3]["id"] not in str(refused.value)
    assert "2 of compute:nova" in str(refused.value) and "1 of no device_owner" in str(refused.value)
    assert len(cloud.all_ports()) == 4 and cloud.networks.get(ADMIN, network_id)["revision_number"] == 0


def test_the_services_own_ports_and_the_subnets_go_with_the_network(cloud: Cloud) -> None:
    network_id = cloud.network()
    subnet = cloud.subnet(network_id, "10.0.0.0/24")
    other = cloud.subnet(network_id, "fd00::/64", ip_version=6)
    port = cloud.port(network_id, device_owner=DHCP)
    before = len(cloud.changes())
    cloud.networks.delete(ADMIN, network_id, None)
    assert cloud.networks.list(ADMIN, Query()) == cloud.subnets.list(ADMIN, Query()) == cloud.all_ports() == []
    assert cloud.rows(sa.select(free_range)) == [] == cloud.rows(sa.select(binding))
    deleted = [(kind, key) for scope, kind, key, what in cloud.changes()[before:] if what == "delete"]
    assert set(deleted) == {
        ("network", network_id),
        ("subnet", subnet["id"]),
        ("subnet", other["id"]),
        ("port", port["id"]),
    }
    assert {scope for scope, *_ in cloud.changes()} == {f"network/{network_id}"}


def _race(*works: Callable[[], Any]) -> list[str]:
    """What became of each: "done" or the name of the error."""

    def attempt(work: Callable[[], Any]) -> str:
        try:
            work()
        except errors.NetschedError as failure:
            return type(failure).__name__
        return "done"

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(attempt, works))


def test_racing_a_new_port_against_the_deletion_leaves_both_or_none(cloud: Cloud) -> None:
    for _ in range(5):
        network_id = cloud.network()
        cloud.subnet(network_id, "10.0.0.0/24")
        delete = functools.partial(cloud.networks.delete, ADMIN, network_id, None)
        outcome = _race(delete, functools.partial(cloud.port, network_id))
        assert outcome in (["done", "NetworkNotFound"], ["NetworkInUse", "done"])
        for port in cloud.all_ports():
            cloud.ports.delete(ADMIN, port["id"], None)


def test_racing_a_use_against_the_end_of_being_external_lets_one_win(cloud: Cloud) -> None:
    outside = cloud.network(**{"router:external": True})
    cloud.subnet(outside, "203.0.113.0/24")
    uses = (
        lambda: cloud.floatingips.create(ADMIN, [{"floating_network_id": outside}]),
        lambda: cloud.routers.create(ADMIN, [{"external_gateway_info": {"network_id": outside}}]),
    )
    for use in uses * 3:
        internal = functools.partial(cloud.networks.update, ADMIN, outside, {"router:external": False}, None)
        assert _race(internal, use) in (["done", "BadRequest"], ["ExternalNetworkInUse", "done"])
        for made in cloud.floatingips.list(ADMIN, Query()):
            cloud.floatingips.delete(ADMIN, made["id"], None)
        for made in cloud.routers.list(ADMIN, Query()):
            cloud.routers.delete(ADMIN, made["id"], None)
        cloud.networks.update(ADMIN, outside, {"router:external": True}, None)


def test_racing_a_new_subnet_against_the_deletion_leaves_both_or_none(cloud: Cloud) -> None:
    for _ in range(5):
        network_id = cloud.network()
        delete = functools.partial(cloud.networks.delete, ADMIN, network_id, None)
        outcome = _race(delete, functools.partial(cloud.subnet, network_id, "10.0.0.0/24"))
        assert outcome in (["done", "NetworkNotFound"], ["done", "done"])  # the subnet went with its network
    assert cloud.subnets.list(ADMIN, Query()) == cloud.networks.list(ADMIN, Query()) == []
    assert cloud.rows(sa.select(binding)) == []


def test_racing_updates_with_one_revision_have_one_winner(cloud: Cloud) -> None:
    network_id = cloud.network()
    update = cloud.networks.update
    outcome = _race(*[functools.partial(update, ADMIN, network_id, {"name": str(n)}, 0) for n in range(6)])
    assert sorted(outcome) == ["RevisionNumberConstraintFailed"] * 5 + ["done"]
    assert cloud.networks.get(ADMIN, network_id)["revision_number"] == 1
