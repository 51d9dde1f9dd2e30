"""What every collection can be asked for: its standard attributes, what is empty, what changed; and nothing unknown."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tests.api.ground import TENANT, Api, database_in

COLLECTIONS = ("networks", "subnets", "ports", "routers", "floatingips", "subnetpools", "security-groups")
STANDARD = ("id", "project_id", "tenant_id", "description", "created_at", "updated_at", "revision_number")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Api:
    """Two objects or more in each collection, one without a description; what changes them comes last here."""
    api = Api(database_in(tmp_path_factory.mktemp("filters")))
    outside = api.make("network", {"router:external": True})["id"]
    api.make("subnet", {"network_id": outside, "ip_version": 4, "cidr": "203.0.113.0/24"})
    for number, description in enumerate(("", "told")):
        about = {"description": description}
        network = api.make("network", about, TENANT)["id"]
        subnet = {"network_id": network, "ip_version": 4, "cidr": f"10.{number}.0.0/24", **about}
        api.make("subnet", subnet, TENANT)
        address = {"ip_address": f"10.{number}.0.77"}
        api.make("port", {"network_id": network, "fixed_ips": [address], "name": f"p{number}", **about}, TENANT)
        api.make("router", about, TENANT)
        api.make("floatingip", {"floating_network_id": outside, **about}, TENANT)
        api.make("subnetpool", {"name": f"s{number}", "prefixes": ["10.0.0.0/8"], **about}, TENANT)
        body = {"security_group": {"name": f"g{number}", **about}}
        assert api.ask("POST", "/v2.0/security-groups", body, TENANT).status_int == 201
    return api


def found(api: Api, plural: str, query: str) -> list[dict[str, Any]]:
    answer = api.ask("GET", f"/v2.0/{plural}?{query}", headers=TENANT)
    assert answer.status_int == 200, answer.text
    objects: list[dict[str, Any]] = answer.json[plural.replace("-", "_")]
    return objects


@pytest.mark.parametrize("plural", COLLECTIONS)
def test_standard_attributes_are_searched_and_sorted_by(cloud: Api, plural: str) -> None:
    everything = found(cloud, plural, "")
    assert len(everything) >= 2
    for name in STANDARD:
        if name not in everything[0]:
            continue
        value = everything[0][name]
        assert found(cloud, plural, f"{name}={value}") == [one for one in everything if one[name] == value]
        upwards = [one[name] for one in found(cloud, plural, f"sort_key={name}&sort_dir=asc")]
        assert upwards == sorted(upwards)
        downwards = [one[name] for one in found(cloud, plural, f"sort_key={name}&sort_dir=desc")]
        assert downwards == sorted(downwards, reverse=True)


@pytest.mark.parametrize("plural", COLLECTIONS)
def test_what_is_empty_is_found(cloud: Api, plural: str) -> None:
    untold = [one["id"] for one in found(cloud, plural, "") if one["description"] == ""]
    assert untold and [one["id"] for one in found(cloud, plural, "description=")] == untold
    assert "told" in {one["description"] for one in found(cloud, plural, "description=&description=told")}


def test_ports_of_no_device_are_found(cloud: Api) -> None:
    port = found(cloud, "ports", "name=p0")[0]
    cloud.ask("PUT", f"/v2.0/ports/{port['id']}", {"port": {"device_id": "vm"}}, TENANT)
    assert [one["name"] for one in found(cloud, "ports", "device_id=&device_owner=&sort_key=name")] == ["p1"]


@pytest.mark.parametrize("plural", COLLECTIONS)
def test_what_changed_since_is_found(cloud: Api, plural: str) -> None:
    everything = found(cloud, plural, "")
    assert found(cloud, plural, f"changed_since={min(one['updated_at'] for one in everything)}") == everything
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    assert found(cloud, plural, f"changed_since={later:%Y-%m-%dT%H:%M:%S}") == []
    refused = cloud.ask("GET", f"/v2.0/{plural}?changed_since=yesterday", headers=TENANT)
    assert refused.status_int == 400


@pytest.mark.parametrize("plural", COLLECTIONS)
def test_what_is_unknown_is_refused(cloud: Api, plural: str) -> None:
    answer = cloud.ask("GET", f"/v2.0/{plural}?nonsense=1", headers=TENANT)
    assert answer.status_int == 400
    assert answer.json["NeutronError"]["message"] == "['nonsense'] is invalid attribute for filtering"


def test_ports_are_found_by_a_part_of_an_address(cloud: Api) -> None:
    def names(query: str) -> set[str]:
        return {one["name"] for one in found(cloud, "ports", query)}

    assert names("fixed_ips=ip_address_substr=10.0.") == {"p0"}
    assert names("fixed_ips=ip_address_substr=.77") == {"p0", "p1"}
    assert names("fixed_ips=ip_address_substr=10.0.&fixed_ips=ip_address_substr=10.1.") == {"p0", "p1"}
    assert names("fixed_ips=ip_address_substr=10_0") == names("fixed_ips=ip_address_substr=%25") == set()
    assert names("fixed_ips=ip_address_substr=77&fixed_ips=ip_address=10.1.0.77") == {"p1"}


@pytest.mark.parametrize("plural", COLLECTIONS)
def test_a_change_may_insist_on_the_revision(cloud: Api, plural: str) -> None:
    one = found(cloud, plural, "description=&project_id=alice")[0]
    path, name = f"/v2.0/{plural}/{one['id']}", plural[:-1].replace("-", "_")
    stale = {**TENANT, "If-Match": f"revision_number={one['revision_number'] + 1}"}
    current = {**TENANT, "If-Match": f"revision_number={one['revision_number']}"}
    change = {name: {"description": "changed"}}
    refused = cloud.ask("PUT", path, change, stale)
    assert (refused.status_int, refused.json["NeutronError"]["type"]) == (412, "RevisionNumberConstraintFailed")
    assert cloud.ask("DELETE", path, headers=stale).status_int == 412
    changed = cloud.ask("PUT", path, change, current)
    assert changed.status_int == 200 and changed.json[name]["revision_number"] > one["revision_number"]
    assert cloud.ask("DELETE", path, headers=current).status_int == 412
