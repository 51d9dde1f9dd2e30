"""What projects let one another use: RBAC policies, and what they change for those who have them."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from netsched.db.change import log
from tests.api.ground import ADMIN, OTHER, TENANT, Api
from tests.statements import counted

Object = dict[str, Any]
CAROL = {"X-Project-Id": "carol", "X-User-Id": "carol-1", "X-Roles": "member"}
SHARED, EXTERNAL = "access_as_shared", "access_as_external"
ZERO = "00000000-0000-0000-0000-000000000000"


class Sharing:
    """Alice's network with a subnet, and what she and administrators grant on it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.network = api.make("network", {"name": "hers"}, TENANT)["id"]
        self.subnet = self.on(self.network, "10.0.0.0/24", TENANT)

    def on(self, network_id: str, cidr: str, headers: dict[str, str]) -> str:
        subnet = {"network_id": network_id, "ip_version": 4, "cidr": cidr}
        return str(self.api.make("subnet", subnet, headers)["id"])

    def outside(self, **attributes: Any) -> str:
        """A network of administrators with a subnet for gateways."""
        network_id = str(self.api.make("network", attributes)["id"])
        self.on(network_id, "203.0.113.0/24", ADMIN)
        return network_id

    def grant(self, target: str, headers: dict[str, str] = TENANT, status: int = 201, **more: str) -> Any:
        """The id of the new policy, or the error's type."""
        body = {"object_type": "network", "object_id": self.network, "action": SHARED, "target_tenant": target, **more}
        answer = self.api.ask("POST", "/v2.0/rbac-policies", {"rbac_policy": body}, headers)
        assert answer.status_int == status, answer.text
        return answer.json["rbac_policy"]["id"] if status == 201 else answer.json["NeutronError"]["type"]

    def take(self, policy_id: str, status: int = 204, headers: dict[str, str] = TENANT) -> None:
        answer = self.api.ask("DELETE", f"/v2.0/rbac-policies/{policy_id}", None, headers)
        assert answer.status_int == status, answer.text
        if status == 409:
            assert answer.json["NeutronError"]["type"] == "RbacPolicyInUse"

    def turn(self, policy_id: str, target: str, status: int = 200, headers: dict[str, str] = TENANT) -> Any:
        body = {"rbac_policy": {"target_tenant": target}}
        answer = self.api.ask("PUT", f"/v2.0/rbac-policies/{policy_id}", body, headers)
        assert answer.status_int == status, answer.text
        return answer.json

    def policies(self, query: str = "", headers: dict[str, str] = TENANT) -> list[Object]:
        found: list[Object] = self.api.ask("GET", f"/v2.0/rbac-policies{query}", None, headers).json["rbac_policies"]
        return found

    def show(self, headers: dict[str, str], network_id: str = "") -> Object:
        answer = self.api.ask("GET", f"/v2.0/networks/{network_id or self.network}", None, headers)
        return answer.json["network"] if answer.status_int == 200 else {"status": answer.status_int}

    def port(self, headers: dict[str, str]) -> str:
        return str(self.api.make("port", {"network_id": self.network}, headers)["id"])

    def sees(self, headers: dict[str, str], query: str = "") -> list[str]:
        """Ids of networks."""
        found = self.api.ask("GET", f"/v2.0/networks?fields=id&{query}", None, headers).json["networks"]
        return [network["id"] for network in found]


@pytest.fixture
def sharing(api: Api) -> Sharing:
    return Sharing(api)


def test_a_network_shared_with_one_project_is_seen_by_that_one(sharing: Sharing) -> None:
    assert sharing.show(OTHER) == {"status": 404}
    policy = sharing.grant("bob")
    assert sharing.show(OTHER)["shared"] and sharing.show(CAROL) == {"status": 404}
    assert not sharing.show(TENANT)["shared"] and not sharing.show(ADMIN)["shared"]
    for query, expected in (("", True), ("shared=true", True), ("shared=false", False), ("name=hers", True)):
        assert (sharing.network in sharing.sees(OTHER, query)) is expected, query
        assert sharing.network not in sharing.sees(CAROL, query)
    assert sharing.api.ask("GET", f"/v2.0/subnets/{sharing.subnet}", None, OTHER).status_int == 200
    assert sharing.api.ask("GET", f"/v2.0/subnets/{sharing.subnet}", None, CAROL).status_int == 404
    for who, value in ((OTHER, "true"), (TENANT, "false"), (ADMIN, "false")):
        found = sharing.api.ask("GET", f"/v2.0/subnets?shared={value}", None, who).json["subnets"]
        assert [one["id"] for one in found] == [sharing.subnet]
        assert "shared" not in found[0]
    change = {"network": {"name": "his"}}
    assert sharing.api.ask("PUT", f"/v2.0/networks/{sharing.network}", change, OTHER).status_int == 404
    port = sharing.port(OTHER)
    body = {"port": {"network_id": sharing.network}}
    assert sharing.api.ask("POST", "/v2.0/ports", body, CAROL).status_int == 404
    sharing.take(policy, 409)
    sharing.turn(policy, "carol", 409)
    sharing.api.ask("DELETE", f"/v2.0/ports/{port}", None, OTHER)
    assert sharing.turn(policy, "carol")["rbac_policy"]["target_tenant"] == "carol"
    assert sharing.show(OTHER) == {"status": 404} and sharing.show(CAROL)["shared"]
    sharing.take(policy)
    assert sharing.show(CAROL) == {"status": 404}


def test_a_grant_to_all_and_one_by_name_stand_in_for_each_other(sharing: Sharing) -> None:
    by_name, to_all = sharing.grant("bob"), sharing.grant("*", ADMIN)
    assert sharing.show(TENANT)["shared"] and sharing.show(CAROL)["shared"]
    port = sharing.port(OTHER)
    sharing.take(by_name)
    sharing.take(to_all, 409, ADMIN)
    again = sharing.grant("bob")
    sharing.take(to_all, 204, ADMIN)
    assert not sharing.show(TENANT)["shared"] and sharing.show(OTHER)["shared"]
    sharing.take(again, 409)
    sharing.grant("*", ADMIN)
    sharing.take(again)
    sharing.api.ask("DELETE", f"/v2.0/ports/{port}", None, OTHER)
    sharing.api.ask("DELETE", f"/v2.0/networks/{sharing.network}", None, TENANT)
    assert sharing.policies("", ADMIN) == []


def test_the_attribute_shared_is_a_grant_to_all(sharing: Sharing) -> None:
    def put(value: bool) -> int:
        body = {"network": {"shared": value}}
        return int(sharing.api.ask("PUT", f"/v2.0/networks/{sharing.network}", body, ADMIN).status_int)

    assert put(True) == put(True) == 200
    (policy,) = sharing.policies()  # the owner's, whoever wrote it
    assert policy["target_tenant"] == "*" and policy["project_id"] == policy["tenant_id"] == "alice"
    sharing.port(OTHER)
    assert put(False) == 409
    sharing.grant("bob")
    assert put(False) == 200 and [one["target_tenant"] for one in sharing.policies()] == ["bob"]
    made = sharing.api.make("network", {"shared": True, "router:external": True})["id"]
    assert {one["action"] for one in sharing.policies(f"?object_id={made}", ADMIN)} == {SHARED, EXTERNAL}
    for policy in sharing.policies(f"?object_id={made}", ADMIN):
        sharing.take(policy["id"], headers=ADMIN)
    assert not sharing.show(ADMIN, made)["shared"] and not sharing.show(ADMIN, made)["router:external"]


def test_an_external_network_for_one_project(sharing: Sharing) -> None:
    outside = sharing.outside()
    before = sharing.show(ADMIN, outside)
    policy = sharing.grant("bob", ADMIN, object_id=outside, action=EXTERNAL)
    after = sharing.show(ADMIN, outside)
    assert not before["router:external"] and after["router:external"]  # the first grant makes it so
    assert after["revision_number"] > before["revision_number"]
    assert sharing.show(CAROL, outside) == {"status": 404} and sharing.show(OTHER, outside)["router:external"]
    assert outside in sharing.sees(OTHER, "router:external=true") and outside not in sharing.sees(CAROL)
    gateway = {"router": {"external_gateway_info": {"network_id": outside}}}
    address = {"floatingip": {"floating_network_id": outside}}
    for body in (gateway, address):
        (kind,) = body
        assert sharing.api.ask("POST", f"/v2.0/{kind}s", body, CAROL).status_int == 404
        made = sharing.api.ask("POST", f"/v2.0/{kind}s", body, OTHER)
        assert made.status_int == 201, made.text
        sharing.take(policy, 409, ADMIN)
        sharing.turn(policy, "carol", 409, ADMIN)
        sharing.api.ask("DELETE", f"/v2.0/{kind}s/{made.json[kind]['id']}", None, OTHER)
    assert sharing.api.ask("POST", "/v2.0/ports", {"port": {"network_id": outside}}, OTHER).status_int == 403
    pools = [sharing.api.ask("GET", "/v2.0/floatingip_pools", None, who).json for who in (OTHER, CAROL)]
    assert [len(found["floatingip_pools"]) for found in pools] == [1, 0]
    sharing.take(policy, headers=ADMIN)
    assert not sharing.show(ADMIN, outside)["router:external"]


def test_a_grant_to_all_of_an_external_network_can_become_one_of_its_only_user(sharing: Sharing) -> None:
    outside = sharing.outside(**{"router:external": True})
    (policy,) = sharing.policies(f"?object_id={outside}", ADMIN)
    gateway = {"external_gateway_info": {"network_id": outside}}
    router = sharing.api.make("router", gateway, OTHER)["id"]
    sharing.turn(policy["id"], "carol", 409, ADMIN)
    sharing.turn(policy["id"], "bob", 200, ADMIN)
    assert sharing.show(CAROL, outside) == {"status": 404}
    sharing.take(policy["id"], 409, ADMIN)
    sharing.api.ask("DELETE", f"/v2.0/routers/{router}", None, OTHER)
    internal = {"network": {"router:external": False}}
    assert sharing.api.ask("PUT", f"/v2.0/networks/{outside}", internal, ADMIN).status_int == 200
    assert sharing.policies(f"?object_id={outside}", ADMIN) == []


def test_the_default_external_network_is_everybodys(sharing: Sharing) -> None:
    outside = sharing.outside(**{"router:external": True, "is_default": True})
    (policy,) = sharing.policies(f"?object_id={outside}", ADMIN)
    sharing.take(policy["id"], 409, ADMIN)
    sharing.turn(policy["id"], "bob", 409, ADMIN)
    other = {"network": {"is_default": False}}
    assert sharing.api.ask("PUT", f"/v2.0/networks/{outside}", other, ADMIN).status_int == 200
    sharing.take(policy["id"], 204, ADMIN)


def test_who_may_grant_what(sharing: Sharing) -> None:
    assert sharing.grant("*", status=403) == "PolicyNotAuthorized"
    mine = sharing.grant("bob")
    sharing.turn(mine, "*", 403)
    assert sharing.grant("bob", status=409) == "DuplicateRbacPolicy"
    other = sharing.grant("carol")
    assert sharing.turn(other, "bob", 409)["NeutronError"]["type"] == "DuplicateRbacPolicy"
    # Bob sees the network, and is told that it is not his; of Carol's and of none he hears the same.
    assert sharing.grant("carol", OTHER, 400) == "InvalidInput"
    hidden = sharing.api.make("network", {}, CAROL)["id"]
    assert sharing.grant("bob", OTHER, 400, object_id=hidden) == "InvalidInput"
    assert sharing.grant("bob", OTHER, 400, object_id=ZERO) == "InvalidInput"
    assert sharing.grant("bob", status=400, action="access_as_king") == "InvalidActionForType"
    assert sharing.grant("bob", status=400, object_type="nonsense") == "InvalidInput"
    assert sharing.grant(" ", status=400) == "HTTPBadRequest"
    assert sharing.policies(headers=OTHER) == []
    for method, body in (("GET", None), ("PUT", {"rbac_policy": {"target_tenant": "x"}}), ("DELETE", None)):
        answer = sharing.api.ask(method, f"/v2.0/rbac-policies/{mine}", body, OTHER)
        assert (answer.status_int, answer.json["NeutronError"]["type"]) == (404, "RbacPolicyNotFound")
    reader = {**TENANT, "X-Roles": "reader"}
    assert len(sharing.policies(headers=reader)) == 2
    sharing.take(mine, 403, reader)
    read_only = sharing.api.ask("PUT", f"/v2.0/rbac-policies/{mine}", {"rbac_policy": {"action": EXTERNAL}}, TENANT)
    assert read_only.json["NeutronError"]["message"] == "Cannot update read-only attribute action"
    sharing.take(mine)
    sharing.take(mine, 404)


def test_agents_are_told_of_a_network_that_becomes_external(sharing: Sharing) -> None:
    """Those of its routers as well: its revision is another."""
    router = sharing.api.make("router", {}, TENANT)["id"]
    path = f"/v2.0/routers/{router}/add_router_interface"
    assert sharing.api.ask("PUT", path, {"subnet_id": sharing.subnet}, TENANT).status_int == 200

    def told() -> list[str]:
        with sharing.api.database.read() as connection:
            mine = sa.select(log.c.scope).where(log.c.kind == "network", log.c.object_id == sharing.network)
            return list(connection.execute(mine.order_by(log.c.id)).scalars())

    before = told()
    sharing.grant("bob", action=EXTERNAL)
    assert set(told()[len(before) :]) == {f"network/{sharing.network}", f"router/{router}"}


def test_a_policy_is_not_the_object(sharing: Sharing) -> None:
    """An administrator may give a project a policy on another's network; whom it is for it cannot change."""
    hers = sharing.grant("carol", ADMIN, project_id="bob")
    assert sharing.turn(hers, "dave", 400, OTHER)["NeutronError"]["type"] == "InvalidInput"
    assert sharing.show(CAROL)["shared"]
    sharing.take(hers, headers=OTHER)


def test_policies_are_found_by_each_attribute(sharing: Sharing) -> None:
    mine = sharing.grant("bob")
    sharing.grant("carol", object_id=sharing.api.make("network", {}, TENANT)["id"], action=EXTERNAL)
    (shown,) = sharing.policies(f"?id={mine}")
    for name, value in shown.items():
        found = sharing.policies(f"?{name}={value}")
        assert shown in found and len(found) == (2 if name in ("project_id", "tenant_id", "object_type") else 1), name
    assert sharing.api.ask("GET", "/v2.0/rbac-policies?nonsense=1", None, TENANT).status_int == 400
    targets = [one["target_tenant"] for one in sharing.policies("?sort_key=target_tenant&sort_dir=desc")]
    assert targets == ["carol", "bob"]


def test_quota_and_bulk_are_all_or_nothing(sharing: Sharing) -> None:
    grant = {"object_type": "network", "object_id": sharing.network, "action": SHARED}
    many = {"rbac_policies": [grant | {"target_tenant": f"p{n}"} for n in range(11)]}
    answer = sharing.api.ask("POST", "/v2.0/rbac-policies", many, TENANT)
    assert (answer.status_int, answer.json["NeutronError"]["type"]) == (409, "OverQuota")
    twice = {"rbac_policies": [grant | {"target_tenant": "bob"}] * 2}
    answer = sharing.api.ask("POST", "/v2.0/rbac-policies", twice, TENANT)
    assert (answer.status_int, answer.json["NeutronError"]["type"]) == (409, "DuplicateRbacPolicy")
    assert sharing.policies() == []
    with counted(sharing.api.database) as sent:
        answer = sharing.api.ask("POST", "/v2.0/rbac-policies", {"rbac_policies": many["rbac_policies"][:10]}, TENANT)
    assert answer.status_int == 201 and len(sent) <= 12, sent
    assert len(sharing.policies()) == 10


def test_pools_and_address_scopes(sharing: Sharing) -> None:
    api = sharing.api
    scope = api.ask("POST", "/v2.0/address-scopes", {"address_scope": {"name": "s", "ip_version": 4}}, TENANT)
    scope_id = scope.json["address_scope"]["id"]
    body = {"name": "p", "prefixes": ["10.1.0.0/16"], "address_scope_id": scope_id, "default_prefixlen": 24}
    pool_id = api.ask("POST", "/v2.0/subnetpools", {"subnetpool": body}, TENANT).json["subnetpool"]["id"]
    of_pool: dict[str, str] = {"object_type": "subnetpool", "object_id": pool_id}
    assert sharing.grant("bob", status=400, **of_pool) == "InvalidInput"  # a pool without its scope
    assert sharing.grant("bob", status=400, **of_pool, action=EXTERNAL) == "InvalidActionForType"
    on_scope = sharing.grant("bob", object_type="address_scope", object_id=scope_id)
    on_pool = sharing.grant("bob", **of_pool)
    for path in (f"subnetpools/{pool_id}", f"address-scopes/{scope_id}"):
        (found,) = api.ask("GET", f"/v2.0/{path}", None, OTHER).json.values()
        assert found["shared"]
        assert api.ask("GET", f"/v2.0/{path}", None, CAROL).status_int == 404
    his = api.make("network", {}, OTHER)["id"]
    subnet = api.make("subnet", {"network_id": his, "ip_version": 4, "subnetpool_id": pool_id}, OTHER)["id"]
    sharing.take(on_pool, 409)
    api.ask("DELETE", f"/v2.0/subnets/{subnet}", None, OTHER)
    sharing.take(on_pool)
    sharing.take(on_scope)


def test_groups(sharing: Sharing) -> None:
    api = sharing.api
    body = {"address_group": {"name": "g", "addresses": ["10.9.0.0/24"]}}
    addresses = api.ask("POST", "/v2.0/address-groups", body, TENANT).json["address_group"]["id"]
    body = {"security_group": {"name": "hers"}}
    group = api.ask("POST", "/v2.0/security-groups", body, TENANT).json["security_group"]["id"]
    his = api.ask("POST", "/v2.0/security-groups", body, OTHER).json["security_group"]["id"]
    rule = {"security_group_id": his, "direction": "ingress", "remote_address_group_id": addresses}
    network = api.make("network", {}, OTHER)["id"]
    uses = {
        ("address_group", addresses, "address-groups"): ("security-group-rules", "security_group_rule", rule),
        ("security_group", group, "security-groups"): (
            "ports", "port", {"network_id": network, "security_groups": [group]},
        ),
    }  # fmt: skip
    for (kind, object_id, path), (collection, name, attributes) in uses.items():
        assert api.ask("POST", f"/v2.0/{collection}", {name: attributes}, OTHER).status_int == 404
        policy = sharing.grant("bob", object_type=kind, object_id=object_id)
        assert api.ask("GET", f"/v2.0/{path}/{object_id}", None, OTHER).json[kind]["shared"]
        assert api.ask("GET", f"/v2.0/{path}/{object_id}", None, CAROL).status_int == 404
        made = api.ask("POST", f"/v2.0/{collection}", {name: attributes}, OTHER)
        assert made.status_int == 201, made.text
        sharing.take(policy, 409)
        gone = api.ask("DELETE", f"/v2.0/{collection}/{made.json[name]['id']}", None, OTHER)
        assert gone.status_int == 204
        sharing.take(policy)
        assert api.ask("POST", f"/v2.0/{collection}", {name: attributes}, OTHER).status_int == 404


@pytest.mark.parametrize("reader", [TENANT, OTHER, ADMIN], ids=["owner", "target", "administrator"])
def test_lists_cost_the_same_however_much_is_shared(sharing: Sharing, reader: dict[str, str]) -> None:
    def cost(path: str) -> int:
        with counted(sharing.api.database) as sent:
            assert sharing.api.ask("GET", f"/v2.0/{path}", None, reader).status_int == 200
        return len(sent)

    def share(number: int) -> None:
        for _ in range(number):
            network = sharing.api.make("network", {}, TENANT)["id"]
            sharing.on(network, "10.0.0.0/24", TENANT)
            sharing.grant("bob", ADMIN, object_id=network)
            sharing.grant("bob", ADMIN, object_id=network, action=EXTERNAL)

    paths = ("networks", "networks?shared=true", "networks?router:external=true", "subnets", "floatingip_pools")
    share(1)
    few = [cost(path) for path in paths]
    share(8)
    assert [cost(path) for path in paths] == few and max(few) <= 3


def test_a_port_on_anothers_network_costs_two_statements_more(sharing: Sharing) -> None:
    sharing.grant("bob")
    mine = sharing.api.make("network", {}, OTHER)["id"]
    sharing.on(mine, "10.1.0.0/24", OTHER)
    costs = []
    for network_id in (mine, sharing.network):
        one: Object = {"port": {"network_id": network_id}}
        many: Object = {"ports": [{"network_id": network_id}] * 20}
        for body in (one, one, many):  # the first one makes the project's default security group
            with counted(sharing.api.database) as sent:
                assert sharing.api.ask("POST", "/v2.0/ports", body, OTHER).status_int == 201
            costs.append(len(sent))
    assert costs[4] == costs[1] + 2 and costs[5] == costs[2] + 2 and costs[1] <= 14
