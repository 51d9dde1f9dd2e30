"""Every route and method, asked by an administrator, by the owner, and by another project."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from netsched import errors
from netsched.db import brake
from netsched.model.brake import Brake
from netsched.model.principal import Principal
from netsched.server.api.v2 import root
from netsched.server.policies import list_rules
from netsched.server.policies.enforcer import Rights
from netsched.wire.agent import AGENT
from netsched.wire.floatingip import FLOATINGIP
from netsched.wire.network import NETWORK
from netsched.wire.port import PORT
from netsched.wire.router import ROUTER
from netsched.wire.subnet import SUBNET
from tests.api.ground import ADMIN, OTHER, TENANT, Api
from tests.statements import counted

# (method, path): statuses for (administrator, owner, another project). The objects belong to the owner.
MATRIX: dict[tuple[str, str], tuple[int, int, int]] = {
    ("GET", "/"): (200, 200, 200),
    ("GET", "/healthz"): (200, 200, 200),
    ("GET", "/readyz"): (200, 200, 200),
    ("GET", "/metrics"): (200, 403, 403),
    ("GET", "/v2.0"): (200, 200, 200),
    ("GET", "/v2.0/openapi.json"): (200, 200, 200),
    ("GET", "/v2.0/extensions"): (200, 200, 200),
    ("GET", "/v2.0/extensions/{alias}"): (200, 200, 200),
    ("GET", "/v2.0/networks"): (200, 200, 200),
    ("POST", "/v2.0/networks"): (201, 201, 201),
    ("GET", "/v2.0/networks/{id}"): (200, 200, 404),
    ("PUT", "/v2.0/networks/{id}"): (200, 200, 404),
    ("DELETE", "/v2.0/networks/{id}"): (204, 204, 404),
    ("GET", "/v2.0/networks/{id}/dhcp-agents"): (200, 403, 403),
    ("GET", "/v2.0/networks/{id}/binding-reasons"): (200, 403, 403),
    ("GET", "/v2.0/networks/{id}/delivery"): (200, 403, 403),
    ("GET", "/v2.0/subnets"): (200, 200, 200),
    ("POST", "/v2.0/subnets"): (201, 201, 404),
    ("GET", "/v2.0/subnets/{id}"): (200, 200, 404),
    ("PUT", "/v2.0/subnets/{id}"): (200, 200, 404),
    ("DELETE", "/v2.0/subnets/{id}"): (204, 204, 404),
    ("GET", "/v2.0/ports"): (200, 200, 200),
    ("POST", "/v2.0/ports"): (201, 201, 404),
    ("GET", "/v2.0/ports/{id}"): (200, 200, 404),
    ("PUT", "/v2.0/ports/{id}"): (200, 200, 404),
    ("DELETE", "/v2.0/ports/{id}"): (204, 204, 404),
    ("GET", "/v2.0/routers"): (200, 200, 200),
    ("POST", "/v2.0/routers"): (201, 201, 201),
    ("GET", "/v2.0/routers/{id}"): (200, 200, 404),
    ("PUT", "/v2.0/routers/{id}"): (200, 200, 404),
    ("DELETE", "/v2.0/routers/{id}"): (204, 204, 404),
    ("PUT", "/v2.0/routers/{id}/add_router_interface"): (200, 200, 404),
    ("PUT", "/v2.0/routers/{id}/remove_router_interface"): (200, 200, 404),
    ("PUT", "/v2.0/routers/{id}/add_extraroutes"): (200, 200, 404),
    ("PUT", "/v2.0/routers/{id}/remove_extraroutes"): (200, 200, 404),
    ("GET", "/v2.0/routers/{id}/l3-agents"): (200, 403, 403),
    ("GET", "/v2.0/routers/{id}/binding-reasons"): (200, 403, 403),
    ("GET", "/v2.0/routers/{id}/delivery"): (200, 403, 403),
    ("GET", "/v2.0/floatingips"): (200, 200, 200),
    ("POST", "/v2.0/floatingips"): (201, 201, 201),
    ("GET", "/v2.0/floatingips/{id}"): (200, 200, 404),
    ("PUT", "/v2.0/floatingips/{id}"): (200, 200, 404),
    ("DELETE", "/v2.0/floatingips/{id}"): (204, 204, 404),
    ("GET", "/v2.0/agents"): (200, 403, 403),
    ("POST", "/v2.0/agents"): (400, 403, 403),
    ("GET", "/v2.0/agents/{id}"): (200, 403, 403),
    ("PUT", "/v2.0/agents/{id}"): (200, 403, 403),
    ("DELETE", "/v2.0/agents/{id}"): (204, 403, 403),
    ("GET", "/v2.0/agents/{id}/delivery"): (200, 403, 403),
    ("GET", "/v2.0/agents/{id}/dhcp-networks"): (200, 403, 403),
    ("POST", "/v2.0/agents/{id}/dhcp-networks"): (201, 403, 403),
    ("DELETE", "/v2.0/agents/{id}/dhcp-networks/{network_id}"): (204, 403, 403),
    ("GET", "/v2.0/agents/{id}/l3-routers"): (200, 403, 403),
    ("POST", "/v2.0/agents/{id}/l3-routers"): (201, 403, 403),
    ("DELETE", "/v2.0/agents/{id}/l3-routers/{router_id}"): (204, 403, 403),
    ("GET", "/v2.0/availability_zones"): (200, 200, 200),
    ("GET", "/v2.0/brakes"): (200, 403, 403),
    ("PUT", "/v2.0/brakes/{zone}"): (200, 403, 403),
    ("GET", "/v2.0/servers"): (200, 403, 403),
    ("GET", "/v2.0/status"): (200, 403, 403),
}
DEFINITIONS = {one.name: one for one in (NETWORK, SUBNET, PORT, ROUTER, FLOATINGIP, AGENT)}
WHO = {"administrator": (ADMIN, 0), "owner": (TENANT, 1), "another": (OTHER, 2)}


class World:
    """One object of each kind, the owner's; an agent that holds the network when that is needed."""

    def __init__(self, api: Api, bound: bool) -> None:
        self._api = api
        self.agent = api.agent("node-1")
        self.network = api.make("network", {"name": "n"}, TENANT)["id"]
        self.empty = api.make("network", {"name": "empty"}, TENANT)["id"]
        self.subnet = api.make("subnet", {"network_id": self.network, "ip_version": 4, "cidr": "10.0.0.0/24"}, TENANT)[
            "id"
        ]
        self.port = api.make("port", {"network_id": self.network, "fixed_ips": []}, TENANT)["id"]
        if bound:
            path = f"/v2.0/agents/{self.agent}/dhcp-networks"
            assert api.ask("POST", path, {"network_id": self.network}).status_int == 201

        self.l3_agent = api.agent("node-1", agent_type="L3 agent")
        self.router = api.make("router", {}, TENANT)["id"]
        self.external = self.floatingip = ""

    def float(self) -> None:
        """And a floating IP, on a network that everybody sees."""
        self.external = self._api.make("network", {"router:external": True})["id"]
        self._api.make("subnet", {"network_id": self.external, "ip_version": 4, "cidr": "203.0.113.0/24"})
        self.floatingip = self._api.make("floatingip", {"floating_network_id": self.external}, TENANT)["id"]

    def connect(self) -> None:
        """The router and the subnet."""
        answer = self._api.ask("PUT", f"/v2.0/routers/{self.router}/add_router_interface", {"subnet_id": self.subnet})
        assert answer.status_int == 200, answer.text

    def brake(self) -> None:
        """On, in the agents' zone."""
        on = Brake("nova", "DHCP agent", datetime.datetime(2026, 1, 1), None, silent=3, total=4)
        assert self._api.database.write(lambda tx: brake.store(tx, None, on))

    def path(self, method: str, template: str) -> str:
        kind = template.split("/")[2] if template.count("/") > 1 else ""
        ids = {"networks": self.empty if method == "DELETE" else self.network, "subnets": self.subnet}
        agent = self.l3_agent if "/l3-" in template else self.agent
        ids |= {"ports": self.port, "agents": agent, "routers": self.router, "floatingips": self.floatingip}
        more = {"network_id": self.network, "router_id": self.router, "zone": "nova"}
        return template.format(id=ids.get(kind, ""), alias="agent", **more)

    def body(self, method: str, template: str) -> Any:
        if template.endswith("/dhcp-networks") and method == "POST":
            return {"network_id": self.network}
        if template.endswith("/l3-routers") and method == "POST":
            return {"router_id": self.router}
        if template.endswith("_router_interface"):
            return {"subnet_id": self.subnet}
        if template.endswith("_extraroutes"):
            return {"router": {"routes": []}}
        if template.endswith("{zone}"):
            return {"brake": {"released": True}}
        name = template.split("/")[-1 if method == "POST" else 2].rstrip("s") if template.count("/") > 1 else ""
        bodies: dict[str, Any] = {
            "network": {},
            "subnet": {"network_id": self.network, "ip_version": 4, "cidr": "10.9.0.0/24"},
            "port": {"network_id": self.network},
            "router": {},
            "floatingip": {"floating_network_id": self.external},
            "agent": {},
        }
        if method == "POST":
            return {name: bodies[name]}
        return {name: {"description": "changed"}} if method == "PUT" else None


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("method", "template"), MATRIX, ids=lambda value: str(value))
def test_route(api: Api, who: str, method: str, template: str) -> None:
    headers, column = WHO[who]
    world = World(api, bound="{network_id}" in template)
    if template.endswith("remove_router_interface"):
        world.connect()
    if "floatingips" in template:
        world.float()
    if "brakes" in template:
        world.brake()
    answer = api.ask(method, world.path(method, template), world.body(method, template), headers)
    assert answer.status_int == MATRIX[method, template][column], answer.text
    if answer.status_int in (403, 404):
        assert set(answer.json["NeutronError"]) == {"type", "message", "detail", "code"}


def test_matrix_has_every_route(api: Api) -> None:
    assert set(MATRIX) == {(r.method, r.path) for r in root.routes(api.services, 0, "test")}


@pytest.mark.parametrize("kind", ["networks", "subnets", "ports", "routers", "floatingips"])
def test_lists_show_only_ones_own(api: Api, kind: str) -> None:
    world = World(api, bound=False)
    if kind == "floatingips":
        world.float()
    assert api.ask("GET", f"/v2.0/{kind}", headers=TENANT).json[kind]
    assert api.ask("GET", f"/v2.0/{kind}", headers=OTHER).json[kind] == []
    assert api.ask("GET", f"/v2.0/{kind}?project_id=alice", headers=OTHER).json[kind] == []
    assert api.ask("GET", f"/v2.0/{kind}", headers=ADMIN).json[kind]


def test_shared_network_with_its_subnets_but_not_its_ports(api: Api) -> None:
    world = World(api, bound=False)
    api.ask("PUT", f"/v2.0/networks/{world.network}", {"network": {"shared": True}}, ADMIN)
    assert [n["id"] for n in api.ask("GET", "/v2.0/networks", headers=OTHER).json["networks"]] == [world.network]
    assert api.ask("GET", f"/v2.0/subnets/{world.subnet}", headers=OTHER).status_int == 200
    assert api.ask("PUT", f"/v2.0/subnets/{world.subnet}", {"subnet": {}}, OTHER).status_int == 403
    assert api.ask("DELETE", f"/v2.0/subnets/{world.subnet}", headers=OTHER).status_int == 403
    assert api.ask("GET", f"/v2.0/ports/{world.port}", headers=OTHER).status_int == 404


def test_network_owner_sees_others_ports_but_does_not_change_them(api: Api) -> None:
    world = World(api, bound=False)
    api.ask("PUT", f"/v2.0/networks/{world.network}", {"network": {"shared": True}}, ADMIN)
    theirs = api.make("port", {"network_id": world.network}, OTHER)["id"]
    assert api.ask("GET", f"/v2.0/ports/{theirs}", headers=TENANT).status_int == 200
    assert api.ask("PUT", f"/v2.0/ports/{theirs}", {"port": {"name": "mine"}}, TENANT).status_int == 403


def test_guarded_parts_of_a_gateway(api: Api) -> None:
    world = World(api, bound=False)
    world.float()
    for name, value in (("enable_snat", True), ("external_fixed_ips", [{"ip_address": "203.0.113.99"}])):
        body = {"router": {"external_gateway_info": {"network_id": world.external, name: value}}}
        for verb, method, path in (
            ("create", "POST", "/v2.0/routers"),
            ("update", "PUT", f"/v2.0/routers/{world.router}"),
        ):
            answer = api.ask(method, path, body, TENANT)
            assert answer.status_int == 403
            rule = f"rule:{verb}_router:external_gateway_info:{name}"
            assert answer.json["NeutronError"]["message"] == f"{rule} is disallowed by policy"
        assert api.ask("PUT", f"/v2.0/routers/{world.router}", body, ADMIN).status_int == 200
    plain = {"router": {"external_gateway_info": {"network_id": world.external}}}
    assert api.ask("POST", "/v2.0/routers", plain, TENANT).status_int == 201
    answer = api.ask("POST", "/v2.0/routers", {"router": {"project_id": "bob"}}, TENANT)
    assert answer.json["NeutronError"]["message"] == "rule:create_router:project_id is disallowed by policy"


def test_guarded_attributes_of_floating_ips(api: Api) -> None:
    world = World(api, bound=False)
    world.float()
    for attribute, value in (("floating_ip_address", "203.0.113.77"), ("project_id", "bob"), ("tenant_id", "bob")):
        body = {"floatingip": {"floating_network_id": world.external, attribute: value}}
        answer = api.ask("POST", "/v2.0/floatingips", body, TENANT)
        named = attribute.replace("tenant", "project")
        assert answer.status_int == 403
        assert answer.json["NeutronError"]["message"] == f"rule:create_floatingip:{named} is disallowed by policy"
        assert api.ask("POST", "/v2.0/floatingips", body, ADMIN).status_int == 201


@pytest.mark.parametrize(
    ("kind", "attribute", "value"),
    [
        ("network", "shared", True),
        ("network", "router:external", True),
        ("network", "provider:network_type", "vxlan"),
        ("network", "project_id", "bob"),
        ("network", "tenant_id", "bob"),
        ("port", "binding:host_id", "node-1"),
        ("port", "binding:vnic_type", "direct"),
        ("port", "binding:profile", {"a": 1}),
        ("port", "device_owner", "network:dhcp"),
        ("port", "device_owner", "network:router_interface"),
    ],
)
def test_guarded_attributes(api: Api, kind: str, attribute: str, value: Any) -> None:
    network = api.make("network", {}, TENANT)
    body = {attribute: value, **({"network_id": network["id"]} if kind == "port" else {})}
    answer = api.ask("POST", f"/v2.0/{kind}s", {kind: body}, TENANT)
    assert answer.status_int == 403
    named = "project_id" if attribute == "tenant_id" else attribute
    assert answer.json["NeutronError"]["message"] == f"rule:create_{kind}:{named} is disallowed by policy"
    assert api.ask("POST", f"/v2.0/{kind}s", {kind: body}, ADMIN).status_int == 201


CHOSEN: list[tuple[dict[str, Any], str]] = [
    ({"mac_address": "fa:16:3e:00:00:77"}, "mac_address"),
    ({"fixed_ips": [{"ip_address": "10.0.0.77"}]}, "fixed_ips:ip_address"),
]


@pytest.mark.parametrize(("chosen", "rule"), CHOSEN)
def test_only_the_owner_of_a_shared_network_chooses_addresses(api: Api, chosen: dict[str, Any], rule: str) -> None:
    world = World(api, bound=False)
    api.ask("PUT", f"/v2.0/networks/{world.network}", {"network": {"shared": True}}, ADMIN)
    body = {"network_id": world.network, **chosen}
    for wanted in ({"port": body}, {"ports": [{"network_id": world.network}, body]}):
        answer = api.ask("POST", "/v2.0/ports", wanted, OTHER)
        assert answer.status_int == 403
        assert answer.json["NeutronError"]["message"] == f"rule:create_port:{rule} is disallowed by policy"
    by_subnet = {"network_id": world.network, "fixed_ips": [{"subnet_id": world.subnet}]}
    theirs = api.make("port", by_subnet, OTHER)["id"]
    assert api.ask("PUT", f"/v2.0/ports/{theirs}", {"port": chosen}, OTHER).status_int == 403
    assert api.ask("PUT", f"/v2.0/ports/{theirs}", {"port": chosen}, ADMIN).status_int == 200
    api.ask("DELETE", f"/v2.0/ports/{theirs}", None, ADMIN)
    api.make("port", body, TENANT)


def test_addresses_of_a_port_on_a_network_that_its_owner_does_not_see(api: Api) -> None:
    world = World(api, bound=False)
    port = api.make("port", {"network_id": world.network, "project_id": "bob"}, ADMIN)["id"]
    change = {"fixed_ips": [{"ip_address": "10.0.0.77"}]}
    assert api.ask("PUT", f"/v2.0/ports/{port}", {"port": change}, OTHER).status_int == 403
    assert api.ask("PUT", f"/v2.0/ports/{port}", {"port": {"name": "mine"}}, OTHER).status_int == 200


def test_asking_the_rules_costs_no_statement(api: Api) -> None:
    """What the budgets allow a use case is what a tenant's request costs as a whole."""
    network = api.make("network", {}, TENANT)["id"]
    chosen = {"mac_address": "fa:16:3e:00:00:78", "fixed_ips": [{"ip_address": "10.0.0.78"}]}
    bulk = [{"network_id": network, "mac_address": f"fa:16:3e:00:01:{n:02x}"} for n in range(20)]
    for kind, body, budget in (
        ("subnet", {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}, 8),
        ("port", {"network_id": network, **chosen}, 10),
        ("port", bulk, 12),
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
    for roles, expected in (("admin", 200), ("member, admin", 200), ("member", 403), ("", 403), ("administrator", 403)):
        headers = {"X-Project-Id": "alice", "X-Roles": roles}
        assert api.ask("GET", "/v2.0/agents", headers=headers).status_int == expected, roles


def test_policy_file_overrides(api: Api, tmp_path: Path) -> None:
    overrides = tmp_path / "policy.yaml"
    overrides.write_text('"create_network": "role:builder"\n"get_port:binding:host_id": "rule:admin_or_owner"\n')
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
