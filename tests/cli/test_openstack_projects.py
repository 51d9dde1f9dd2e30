"""The stock `openstack` client with what lies between projects: quotas, grants, address space, security groups, tags.

The state is asked of the API by plain requests, not read off what a command printed.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.cli.deployment import Deployment
from tests.cli.test_openstack_client import openstack

JSON = ["-f", "json"]


def get(deployment: Deployment, path: str) -> Any:
    """What the API says of one collection or object."""
    with urllib.request.urlopen(f"{deployment.url}/v2.0/{path}", timeout=30) as answer:
        (found,) = json.load(answer).values()
    return found


def names(deployment: Deployment, collection: str) -> list[str]:
    return sorted(one["name"] for one in get(deployment, collection))


def test_address_scopes_and_subnet_pools(deployment: Deployment) -> None:
    prefixes = ["--pool-prefix", "10.0.0.0/16", "--default-prefix-length", "26", "--min-prefix-length", "20"]
    scope, pool, _, _, subnet, network, listed, *_ = openstack(
        deployment,
        ["address", "scope", "create", "site", "--ip-version", "4", "--share", *JSON],
        ["subnet", "pool", "create", "blue", *prefixes, "--address-scope", "site", "--description", "d", *JSON],
        ["subnet", "pool", "set", "blue", "--pool-prefix", "10.1.0.0/16", "--default-quota", "100000"],
        ["network", "create", "web"],
        ["subnet", "create", "s", "--network", "web", "--subnet-pool", "blue", "--prefix-length", "28", *JSON],
        ["network", "show", "web", *JSON],
        ["subnet", "pool", "list", "--long", *JSON],
        ["subnet", "create", "--network", "web", "--subnet-pool", "blue", "default-length"],
        ["address", "scope", "set", "site", "--name", "campus"],
    )
    assert (subnet["subnetpool_id"], subnet["cidr"].split("/")[1]) == (pool["id"], "28")
    assert network["ipv4_address_scope"] == scope["id"]
    assert [(one["Name"], one["Address Scope"]) for one in listed] == [("blue", scope["id"])]
    shown = get(deployment, f"subnetpools/{pool['id']}")
    assert shown["prefixes"] == ["10.0.0.0/15"] and shown["default_quota"] == 100000 and shown["description"] == "d"
    assert sorted(one["cidr"].split("/")[1] for one in get(deployment, "subnets")) == ["26", "28"]
    assert names(deployment, "address-scopes") == ["campus"]
    openstack(
        deployment,
        ["network", "delete", "web"],
        ["subnet", "pool", "delete", "blue"],
        ["address", "scope", "delete", "campus"],
    )
    assert names(deployment, "subnetpools") == names(deployment, "address-scopes") == []


def test_grants(deployment: Deployment) -> None:
    """For one project: that takes a Keystone, of which the client asks who that is."""
    everybody = ["--type", "network", "--target-all-projects"]
    network, shared, external, listed = openstack(
        deployment,
        ["network", "create", "web", *JSON],
        ["network", "rbac", "create", *everybody, "--action", "access_as_shared", "web", *JSON],
        ["network", "rbac", "create", *everybody, "--action", "access_as_external", "web", *JSON],
        ["network", "rbac", "list", "--long", *JSON],
    )
    assert {(one["ID"], one["Action"]) for one in listed} == {
        (shared["id"], "access_as_shared"),
        (external["id"], "access_as_external"),
    }
    state = get(deployment, f"networks/{network['id']}")
    assert (state["shared"], state["router:external"]) == (True, True)
    openstack(deployment, ["network", "rbac", "delete", external["id"]])
    (left,) = get(deployment, "rbac-policies")
    assert (left["id"], left["target_tenant"], left["object_id"]) == (shared["id"], "*", network["id"])
    state = get(deployment, f"networks/{network['id']}")
    assert (state["shared"], state["router:external"]) == (True, False)


def test_how_full_networks_are(deployment: Deployment) -> None:
    *_, listed, shown = openstack(
        deployment,
        ["network", "create", "web"],
        ["subnet", "create", "web-v4", "--network", "web", "--subnet-range", "10.1.0.0/24"],
        ["port", "create", "vm", "--network", "web"],
        ["ip", "availability", "list", *JSON],
        ["ip", "availability", "show", "web", *JSON],
    )
    assert [(one["Network Name"], one["Total IPs"], one["Used IPs"]) for one in listed] == [("web", 253, 1)]
    assert shown["subnet_ip_availability"][0]["cidr"] == "10.1.0.0/24"


def test_security_groups(deployment: Deployment) -> None:
    ssh = ["--protocol", "tcp", "--dst-port", "22:23", "--remote-ip", "192.0.2.0/24", "--ingress"]
    group, rule, _, other, raw, port, rules, _, shown = openstack(
        deployment,
        ["security", "group", "create", "web", "--description", "shop", *JSON],
        ["security", "group", "rule", "create", "web", *ssh, *JSON],
        ["security", "group", "rule", "create", "web", "--remote-group", "web", "--ethertype", "IPv6"],
        ["security", "group", "create", "plain", *JSON],
        ["security", "group", "create", "raw", "--stateless", *JSON],
        ["port", "create", "vm", "--network", openstack(deployment, ["network", "create", "n", *JSON])[0]["id"],
         "--security-group", "web", *JSON],
        ["security", "group", "rule", "list", "web", *JSON],
        ["port", "set", "vm", "--security-group", "plain"],
        ["port", "show", "vm", *JSON],
    )  # fmt: skip
    assert port["security_group_ids"] == [group["id"]]
    assert sorted(shown["security_group_ids"]) == sorted([group["id"], other["id"]])
    assert len(rules) == 4 and rule["id"] in {one["ID"] for one in rules}
    state = get(deployment, f"security-group-rules/{rule['id']}")
    assert (state["port_range_min"], state["port_range_max"], state["remote_ip_prefix"]) == (22, 23, "192.0.2.0/24")
    assert get(deployment, f"security-groups/{raw['id']}")["stateful"] is False
    openstack(
        deployment,
        ["security", "group", "rule", "delete", rule["id"]],
        ["security", "group", "set", "web", "--name", "shop"],
        ["port", "unset", "vm", "--security-group", "plain"],
        ["port", "set", "vm", "--no-security-group", "--disable-port-security"],
        ["security", "group", "delete", "plain", "raw", "shop"],
    )
    state = get(deployment, f"ports/{port['id']}")
    assert (state["security_groups"], state["port_security_enabled"]) == ([], False)
    assert {"web", "plain", "shop"}.isdisjoint(names(deployment, "security-groups"))


def test_address_groups(deployment: Deployment) -> None:
    made, *_ = openstack(
        deployment,
        ["address", "group", "create", "office", "--address", "192.0.2.0/24", *JSON],
        ["address", "group", "set", "office", "--address", "198.51.100.7/32", "--description", "d"],
        ["address", "group", "unset", "office", "--address", "192.0.2.0/24"],
    )
    assert get(deployment, f"address-groups/{made['id']}")["addresses"] == ["198.51.100.7/32"]
    openstack(deployment, ["address", "group", "delete", "office"])
    assert get(deployment, "address-groups") == []


def test_tags(deployment: Deployment) -> None:
    network, _, _, found, others = openstack(
        deployment,
        ["network", "create", "web", "--tag", "blue", "--tag", "green", *JSON],
        ["network", "set", "web", "--tag", "red"],
        ["network", "unset", "web", "--tag", "blue"],
        ["network", "list", "--tags", "red", *JSON],
        ["network", "list", "--not-tags", "red", *JSON],
    )
    assert sorted(get(deployment, f"networks/{network['id']}")["tags"]) == ["green", "red"]
    assert ([one["Name"] for one in found], others) == (["web"], [])
