"""Every route and method, asked by a reader, a member, another project and an administrator; and every rule."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

from netsched import errors, wire
from netsched.model.principal import Principal
from netsched.server.api.collection import FOR_OTHERS
from netsched.server.api.routing import Route
from netsched.server.api.v2 import root
from netsched.server.policies import list_rules
from netsched.server.policies.enforcer import Rights
from netsched.wire.resource import Definition
from tests.api.every_route import MINE, World, in_order
from tests.api.ground import ADMIN, OTHER, TENANT, Api
from tests.statements import counted

MODULES = [importlib.import_module(f"netsched.wire.{one.name}") for one in pkgutil.iter_modules(wire.__path__)]
DEFINITIONS = {one.name: one for module in MODULES for one in vars(module).values() if isinstance(one, Definition)}
READER = {"X-Project-Id": "alice", "X-User-Id": "alice-2", "X-Roles": "reader"}
WHO = {"reader": READER, "member": TENANT, "other": OTHER, "admin": ADMIN}
ROW = re.compile(r"^``(?P<route>[A-Z]+ /\S*)`` +(?P<statuses>[1-5]\d\d(?: +[1-5]\d\d){3})$", re.MULTILINE)
TABLE = Path(__file__).parents[2] / "docs/policies.rst"


def documented() -> dict[str, dict[str, int]]:
    """What docs/policies.rst says: by method and path, the statuses by who asks."""
    rows = [(row["route"], row["statuses"].split()) for row in ROW.finditer(TABLE.read_text())]
    return {route: dict(zip(WHO, map(int, statuses), strict=True)) for route, statuses in rows}


def row_of(route: Route) -> str:
    """What the table calls a route: tags are alike on all that have them."""
    path = re.sub(r"^/v2.0/[a-z-]+/{id}/tags", "/v2.0/{collection}/{id}/tags", route.path)
    return f"{route.method} {path}"


@pytest.mark.parametrize("who", WHO)
def test_every_route_answers_as_documented(api: Api, who: str) -> None:
    world, table, wrong = World(api), documented(), []
    for route in in_order(root.routes(api.services, 0, "test")):
        path, body = world.sent(route)
        answer = api.ask(route.method, path, body, WHO[who])
        expected = table.get(row_of(route), {}).get(who)
        if answer.status_int != expected:
            wrong.append(
                f"{row_of(route)}: {expected} is documented, {answer.status_int} answered: {answer.text[:200]}"
            )
        if answer.status_int in (403, 404):
            assert set(answer.json["NeutronError"]) == {"type", "message", "detail", "code"}
        if who == "other":
            assert MINE not in answer.text, path
    assert not wrong, f"as {who}, not as the table in docs/policies.rst says:\n" + "\n".join(wrong)


def test_the_table_has_every_route(api: Api) -> None:
    routes = {row_of(route) for route in root.routes(api.services, 0, "test")}
    for route in sorted(routes - set(documented())):
        pytest.fail(f"docs/policies.rst has no row for {route}: add the answers to {', '.join(WHO)}")
    assert not set(documented()) - routes, "docs/policies.rst has rows for routes that are no more"


def test_a_reader_changes_nothing(api: Api) -> None:
    """By each rule as it comes, so that none is forgotten."""
    reader = Rights(api.policy, Principal("u", "alice", ("reader",), False, "req-1"))
    target = {"project_id": "alice", "network:project_id": "alice", "shared": True, "target_tenant": "bob"}
    for rule in list_rules():
        if getattr(rule, "operations", None) and not rule.name.startswith("get_") and ":" not in rule.name:
            assert not reader.allows(rule.name, target), rule.name


@pytest.mark.parametrize(
    "kind", ["networks", "subnets", "ports", "routers", "floatingips", "subnetpools", "security-groups"]
)
def test_lists_show_only_ones_own(api: Api, kind: str) -> None:
    World(api)
    assert MINE in api.ask("GET", f"/v2.0/{kind}", headers=TENANT).text
    assert MINE not in api.ask("GET", f"/v2.0/{kind}", headers=OTHER).text
    assert api.ask("GET", f"/v2.0/{kind}?project_id=alice", headers=OTHER).json[kind.replace("-", "_")] == []
    assert MINE in api.ask("GET", f"/v2.0/{kind}", headers=ADMIN).text


def test_shared_network_with_its_subnets_but_not_its_ports(api: Api) -> None:
    world = World(api)
    network, subnet = world.ids["networks"], world.ids["subnets"]
    api.ask("PUT", f"/v2.0/networks/{network}", {"network": {"shared": True}}, ADMIN)
    seen = {one["id"] for one in api.ask("GET", "/v2.0/networks", headers=OTHER).json["networks"]}
    assert seen == {network, world.external}
    assert api.ask("GET", f"/v2.0/subnets/{subnet}", headers=OTHER).status_int == 200
    for path, name in ((f"networks/{network}", "network"), (f"subnets/{subnet}", "subnet")):
        assert api.ask("PUT", f"/v2.0/{path}", {name: {"name": "mine"}}, OTHER).status_int == 404
        assert api.ask("DELETE", f"/v2.0/{path}", headers=OTHER).status_int == 404
    assert api.ask("GET", f"/v2.0/ports/{world.ids['ports']}", headers=OTHER).status_int == 404


def test_a_network_s_owner_sees_and_deletes_others_ports_and_changes_none(api: Api) -> None:
    network = World(api).ids["networks"]
    api.ask("PUT", f"/v2.0/networks/{network}", {"network": {"shared": True}}, ADMIN)
    theirs = f"/v2.0/ports/{api.make('port', {'network_id': network}, OTHER)['id']}"
    assert api.ask("GET", theirs, headers=TENANT).status_int == 200
    assert api.ask("PUT", theirs, {"port": {"name": "mine"}}, TENANT).status_int == 404
    assert api.ask("DELETE", theirs, None, READER).status_int == 404
    assert api.ask("DELETE", theirs, None, TENANT).status_int == 204


def test_guarded_parts_of_a_gateway(api: Api) -> None:
    world = World(api)
    for name, value in (("enable_snat", True), ("external_fixed_ips", [{"ip_address": "203.0.113.99"}])):
        body = {"router": {"external_gateway_info": {"network_id": world.external, name: value}}}
        for verb, method, path in (
            ("create", "POST", "/v2.0/routers"),
            ("update", "PUT", f"/v2.0/routers/{world.ids['routers']}"),
        ):
            answer = api.ask(method, path, body, TENANT)
            assert answer.status_int == 403
            rule = f"rule:{verb}_router:external_gateway_info:{name}"
            assert answer.json["NeutronError"]["message"] == f"{rule} is disallowed by policy"
        assert api.ask("PUT", f"/v2.0/routers/{world.ids['routers']}", body, ADMIN).status_int == 200
    plain = {"router": {"external_gateway_info": {"network_id": world.external}}}
    assert api.ask("POST", "/v2.0/routers", plain, TENANT).status_int == 201
    answer = api.ask("POST", "/v2.0/routers", {"router": {"project_id": "bob"}}, TENANT)
    assert answer.json["NeutronError"]["message"] == FOR_OTHERS


def test_guarded_attributes_of_floating_ips(api: Api) -> None:
    world = World(api)
    chosen = "rule:create_floatingip:floating_ip_address is disallowed by policy"
    for attribute, value, status, message in (
        ("floating_ip_address", "203.0.113.77", 403, chosen),
        ("project_id", "bob", 400, FOR_OTHERS),
        ("tenant_id", "bob", 400, FOR_OTHERS),
    ):
        body = {"floatingip": {"floating_network_id": world.external, attribute: value}}
        answer = api.ask("POST", "/v2.0/floatingips", body, TENANT)
        assert (answer.status_int, answer.json["NeutronError"]["message"]) == (status, message)
        assert api.ask("POST", "/v2.0/floatingips", body, ADMIN).status_int == 201


# What a member sends of attributes that are for administrators, by resource.
GUARDED: dict[str, dict[str, Any]] = {
    "network": {
        "shared": True,
        "router:external": True,
        "is_default": True,
        "provider:network_type": "vxlan",
        "provider:physical_network": "physnet1",
        "provider:segmentation_id": 77,
    },
    "port": {
        "device_owner": "network:dhcp",
        "mac_address": "fa:16:3e:00:00:99",
        "binding:host_id": "node-1",
        "binding:profile": {"a": 1},
    },
    "router": {"external_gateway_info:enable_snat": False, "external_gateway_info:external_fixed_ips": []},
    "floatingip": {"floating_ip_address": "203.0.113.50"},
    "subnetpool": {"shared": True, "is_default": True},
    "address_scope": {"shared": True},
    "address_group": {"shared": True},
}


def test_attributes_for_administrators_are_set_and_seen_by_nobody_else(api: Api) -> None:
    """By each rule as it comes, on objects that are the member's own."""
    world = World(api)
    created = {name: (f"/v2.0/{collection}", body) for collection, (name, body) in world.created().items()}
    for rule in list_rules():
        action, _, attribute = rule.name.partition(":")
        verb, _, kind = action.partition("_")
        if rule.check_str != "rule:context_is_admin" or not attribute:
            continue
        path, body = created[kind]
        one = f"{path}/{world.ids[path.rsplit('/', 1)[1]]}"
        if verb == "get":
            assert attribute in api.ask("GET", one, headers=ADMIN).json[kind], rule.name
            assert attribute not in api.ask("GET", one, headers=TENANT).json[kind], rule.name
            continue
        wanted = {"project_id": "bob"} if attribute == "project_id" else _guarded(kind, attribute, world.external)
        method, where, more = ("POST", path, body) if verb == "create" else ("PUT", one, {})
        answer = api.ask(method, where, {kind: {**more, **wanted}}, TENANT)
        others = attribute == "project_id"
        assert answer.status_int == (400 if others else 403), (rule.name, answer.text)
        expected = FOR_OTHERS if others else f"rule:{rule.name} is disallowed by policy"
        assert answer.json["NeutronError"]["message"] == expected


def _guarded(kind: str, attribute: str, network_id: str) -> dict[str, Any]:
    value = GUARDED.get(kind, {}).get(attribute)
    assert value is not None, f"GUARDED does not say what to send of {attribute} of a {kind}"
    outer, _, inner = attribute.partition(":")
    if outer == "external_gateway_info":
        return {outer: {"network_id": network_id, inner: value}}
    return {attribute: value}


def test_a_tenants_name_is_a_projects(api: Api) -> None:
    answer = api.ask("POST", "/v2.0/networks", {"network": {"tenant_id": "bob"}}, TENANT)
    assert answer.json["NeutronError"]["message"] == FOR_OTHERS


CHOSEN: list[tuple[dict[str, Any], str]] = [
    ({"mac_address": "fa:16:3e:00:00:77"}, "mac_address"),
    ({"fixed_ips": [{"ip_address": "10.0.0.77"}]}, "fixed_ips:ip_address"),
]


@pytest.mark.parametrize(("chosen", "rule"), CHOSEN)
def test_only_the_owner_of_a_shared_network_chooses_addresses(api: Api, chosen: dict[str, Any], rule: str) -> None:
    world = World(api)
    api.ask("PUT", f"/v2.0/networks/{world.ids['networks']}", {"network": {"shared": True}}, ADMIN)
    body = {"network_id": world.ids["networks"], **chosen}
    for wanted in ({"port": body}, {"ports": [{"network_id": world.ids["networks"]}, body]}):
        answer = api.ask("POST", "/v2.0/ports", wanted, OTHER)
        assert answer.status_int == 403
        assert answer.json["NeutronError"]["message"] == f"rule:create_port:{rule} is disallowed by policy"
    by_subnet = {"network_id": world.ids["networks"], "fixed_ips": [{"subnet_id": world.ids["subnets"]}]}
    theirs = api.make("port", by_subnet, OTHER)["id"]
    assert api.ask("PUT", f"/v2.0/ports/{theirs}", {"port": chosen}, OTHER).status_int == 403
    assert api.ask("PUT", f"/v2.0/ports/{theirs}", {"port": chosen}, ADMIN).status_int == 200
    api.ask("DELETE", f"/v2.0/ports/{theirs}", None, ADMIN)
    api.make("port", body, TENANT)


def test_addresses_of_a_port_on_a_network_that_its_owner_does_not_see(api: Api) -> None:
    world = World(api)
    port = api.make("port", {"network_id": world.ids["networks"], "project_id": "bob"}, ADMIN)["id"]
    change = {"fixed_ips": [{"ip_address": "10.0.0.77"}]}
    assert api.ask("PUT", f"/v2.0/ports/{port}", {"port": change}, OTHER).status_int == 403
    assert api.ask("PUT", f"/v2.0/ports/{port}", {"port": {"name": "mine"}}, OTHER).status_int == 200


def test_asking_the_rules_costs_no_statement(api: Api) -> None:
    """What the budgets allow a use case is what a tenant's request costs as a whole."""
    network = api.make("network", {}, TENANT)["id"]
    api.make("port", {"network_id": network}, TENANT)  # a project's first one makes its default security group
    chosen = {"mac_address": "fa:16:3e:00:00:78", "fixed_ips": [{"ip_address": "10.0.0.78"}]}
    bulk = [{"network_id": network, "mac_address": f"fa:16:3e:00:01:{n:02x}"} for n in range(20)]
    for kind, body, budget in (
        ("subnet", {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}, 10),
        ("port", {"network_id": network, **chosen}, 14),
        ("port", bulk, 16),
    ):
        document = {f"{kind}s": body} if isinstance(body, list) else {kind: body}
        with counted(api.database) as sent:
            assert api.ask("POST", f"/v2.0/{kind}s", document, TENANT).status_int == 201
        assert len(sent) <= budget, sent


@pytest.mark.parametrize("where", ["binding:host_id=x", "sort_key=binding:host_id&sort_dir=asc"])
def test_hidden_attributes_cannot_be_asked_about(api: Api, where: str) -> None:
    assert api.ask("GET", f"/v2.0/ports?{where}", headers=TENANT).status_int == 400
    assert api.ask("GET", f"/v2.0/ports?{where}", headers=ADMIN).status_int == 200


def test_roles(api: Api) -> None:
    network = f"/v2.0/networks/{api.make('network', {}, TENANT)['id']}"
    for roles, sees, writes, rules in (
        ("admin", 200, 200, 200),
        ("member, admin", 200, 200, 200),
        ("member", 200, 200, 403),
        ("reader", 200, 403, 403),
        ("", 404, 404, 403),
        ("administrator", 404, 404, 403),
    ):
        headers = {"X-Project-Id": "alice", "X-Roles": roles}
        assert api.ask("GET", network, headers=headers).status_int == sees, roles
        assert api.ask("PUT", network, {"network": {"name": "n"}}, headers).status_int == writes, roles
        assert api.ask("GET", "/v2.0/status", headers=headers).status_int == rules, roles


def test_who_may_not_see_agents_finds_none_and_no_trace_of_one(api: Api) -> None:
    agents = [api.agent(f"node-{number}") for number in range(3)]
    said = api.ask("GET", "/v2.0/agents?limit=1", headers=TENANT)
    assert said.json == {"agents": []}
    missing = api.ask("GET", f"/v2.0/agents/{'0' * 8}-0000-0000-0000-{'0' * 12}", headers=TENANT)
    found = api.ask("GET", f"/v2.0/agents/{agents[0]}", headers=TENANT)
    assert missing.status_int == found.status_int == 404
    assert missing.json["NeutronError"]["type"] == found.json["NeutronError"]["type"] == "AgentNotFound"


def test_policy_file_overrides(api: Api, tmp_path: Path) -> None:
    overrides = tmp_path / "policy.yaml"
    overrides.write_text('"create_network": "role:builder"\n"get_port:binding:host_id": "rule:admin_or_reader"\n')
    strict = Api(api.database, policy_file=str(overrides))
    assert strict.ask("POST", "/v2.0/networks", {"network": {}}, TENANT).status_int == 403
    builder = {**TENANT, "X-Roles": "builder"}
    network = strict.make("network", {}, builder)
    port = strict.make("port", {"network_id": network["id"]}, TENANT)
    assert "binding:host_id" in port
    assert "binding:profile" not in port


def test_rules_name_attributes_that_exist() -> None:
    for rule in list_rules():
        action, _, attribute = rule.name.partition(":")
        if attribute:
            known = DEFINITIONS[action.partition("_")[2]].attributes
            assert attribute in known or attribute.rpartition(":")[0] in known, rule.name


def test_every_guarded_attribute_is_also_guarded_when_changed() -> None:
    names = {rule.name for rule in list_rules()}
    for name in names:
        action, _, attribute = name.partition(":")
        if not action.startswith("create_") or not attribute:
            continue
        resource = action.removeprefix("create_")
        known = DEFINITIONS[resource].attributes
        if (known.get(attribute) or known[attribute.rpartition(":")[0]]).attr.put:
            assert f"update_{resource}:{attribute}" in names, name


def test_decisions_are_remembered_per_project(api: Api) -> None:
    rights = Rights(api.policy, Principal("u", "alice", ("member",), False, "req-1"))
    assert rights.allows("update_port", {"project_id": "alice", "name": "a"})
    assert not rights.allows("update_port", {"project_id": "bob", "name": "a"})
    with pytest.raises(errors.PolicyNotAuthorized, match="rule:update_port is disallowed by policy"):
        rights.check("update_port", {"project_id": "bob"})
