"""One project against another: what it may not see, touch or attach; and hostile values in every field.

Refused is refused as a whole: the tables are compared row by row.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.ground import ADMIN, OTHER, TENANT, Api
from tests.api.test_policy import DEFINITIONS

Object = dict[str, Any]
ZERO = "00000000-0000-0000-0000-000000000000"
HIDDEN_OF_NETWORKS = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")
HIDDEN_OF_PORTS = ("host_id", "profile", "vif_type", "vif_details")


class Project:
    """A network with a machine's port, behind a router to the world, and a floating IP for it; a free one as well."""

    def __init__(self, api: Api, name: str, headers: dict[str, str], external: Object, number: int) -> None:
        self.headers = headers
        self.words = (f"{name}-made-this", f"10.{number}.0.")  # in no answer to others
        self.network = api.make("network", {"name": self.words[0]}, headers)
        cidr = f"{self.words[1]}0/24"
        self.subnet = api.make(
            "subnet", {"network_id": self.network["id"], "ip_version": 4, "cidr": cidr, "name": self.words[0]}, headers
        )
        self.port = api.make("port", {"network_id": self.network["id"], "name": self.words[0]}, headers)
        gateway = {"network_id": external["id"]}
        self.router = api.make("router", {"name": self.words[0], "external_gateway_info": gateway}, headers)
        path = f"/v2.0/routers/{self.router['id']}/add_router_interface"
        added = api.ask("PUT", path, {"subnet_id": self.subnet["id"]}, headers)
        self.interface = added.json["port_id"]
        body = {"floating_network_id": external["id"], "description": self.words[0]}
        self.floatingip = api.make("floatingip", {**body, "port_id": self.port["id"]}, headers)
        self.free = api.make("floatingip", body, headers)

    def objects(self) -> dict[str, Object]:
        return {name: getattr(self, name) for name in ("network", "subnet", "port", "router", "floatingip")}


class World:
    """Alice and Bob have the same, and share nothing but the external network."""

    def __init__(self, api: Api) -> None:
        self.api = api
        reaches = {"reaches": ["vxlan", "flat:physnet1"]}
        api.agent("node-1", agent_type="Linux bridge agent", **reaches)
        provider = {"provider:network_type": "flat", "provider:physical_network": "physnet1"}
        self.external = api.make("network", {"router:external": True, **provider})
        api.make("subnet", {"network_id": self.external["id"], "ip_version": 4, "cidr": "203.0.113.0/24"})
        self.mine = Project(api, "alice", TENANT, self.external, 1)
        self.theirs = Project(api, "bob", OTHER, self.external, 2)
        self.nobodys = [
            port["id"] for port in api.ask("GET", "/v2.0/ports").json["ports"] if port["project_id"] == ""
        ]  # gateways', and those that hold floating addresses

    def rows(self) -> list[str]:
        with self.api.database.read() as connection:
            return list(connection.connection.driver_connection.iterdump())

    def refused(self, method: str, path: str, body: Any, *statuses: int) -> str:
        """Alice asks; the message. No word of Bob's in it, and not a row has changed."""
        before = self.rows()
        answer = self.api.ask(method, f"/v2.0/{path}", body, TENANT)
        assert answer.status_int in statuses, (method, path, body, answer.text)
        assert not [word for word in (*self.theirs.words, "bob") if word in answer.text], answer.text
        assert self.rows() == before, (method, path, body)
        return str(answer.json["NeutronError"]["message"])


@pytest.fixture
def world(api: Api) -> World:
    return World(api)


def test_what_is_not_ones_own_looks_as_if_it_did_not_exist(world: World) -> None:
    foreign = [(kind, one["id"]) for kind, one in world.theirs.objects().items()]
    foreign += [("port", world.theirs.interface), *(("port", id_) for id_ in world.nobodys)]
    for kind, id_ in foreign:
        for method, body in (("GET", None), ("PUT", {kind: {"description": "mine"}}), ("DELETE", None)):
            said = world.refused(method, f"{kind}s/{id_}", body, 404)
            assert said == world.refused(method, f"{kind}s/{ZERO}", body, 404).replace(ZERO, id_)
        marker = world.api.ask("GET", f"/v2.0/{kind}s?marker={id_}", headers=TENANT)
        nothing = world.api.ask("GET", f"/v2.0/{kind}s?marker={ZERO}", headers=TENANT)
        assert (marker.status_int, marker.text) == (nothing.status_int, nothing.text.replace(ZERO, id_))
    for kind in ("subnets", "ports", "routers", "floatingips"):
        for query in ("", f"?network_id={world.theirs.network['id']}", "?project_id=bob", f"?id={foreign[2][1]}"):
            if "network_id" in query and kind not in ("subnets", "ports"):
                continue
            said = world.api.ask("GET", f"/v2.0/{kind}{query}", headers=TENANT)
            assert not [word for word in world.theirs.words if word in said.text]


def test_names_of_others_things_in_ones_own(world: World) -> None:
    """Each id of another project in each place that takes an id: as little comes of it as of an id of nothing."""
    mine, theirs = world.mine, world.theirs
    router, free = f"routers/{mine.router['id']}", f"floatingips/{mine.free['id']}"
    closed = world.api.make("router", {}, TENANT)["id"]  # without a way out
    external = {"floating_network_id": world.external["id"]}
    asked: list[tuple[str, str, Any]] = [
        ("PUT", f"{router}/add_router_interface", {"subnet_id": theirs.subnet["id"]}),
        ("PUT", f"{router}/add_router_interface", {"port_id": theirs.port["id"]}),
        ("PUT", f"{router}/add_router_interface", {"port_id": theirs.interface}),
        ("PUT", f"{router}/remove_router_interface", {"subnet_id": theirs.subnet["id"]}),
        ("PUT", f"{router}/remove_router_interface", {"port_id": theirs.interface}),
        ("PUT", f"routers/{theirs.router['id']}/add_router_interface", {"subnet_id": mine.subnet["id"]}),
        ("PUT", f"routers/{theirs.router['id']}/remove_router_interface", {"port_id": theirs.interface}),
        ("PUT", f"routers/{theirs.router['id']}/add_extraroutes", {"router": {"routes": []}}),
        ("PUT", f"routers/{closed}", {"router": {"external_gateway_info": {"network_id": theirs.network["id"]}}}),
        ("POST", "routers", {"router": {"external_gateway_info": {"network_id": theirs.network["id"]}}}),
        ("PUT", free, {"floatingip": {"port_id": theirs.port["id"]}}),
        ("POST", "floatingips", {"floatingip": {**external, "port_id": theirs.port["id"]}}),
        ("POST", "floatingips", {"floatingip": {"floating_network_id": theirs.network["id"]}}),
        ("POST", "ports", {"port": {"network_id": theirs.network["id"]}}),
        ("POST", "ports", {"ports": [{"network_id": mine.network["id"]}, {"network_id": theirs.network["id"]}]}),
        (
            "POST",
            "ports",
            {"port": {"network_id": mine.network["id"], "fixed_ips": [{"subnet_id": theirs.subnet["id"]}]}},
        ),
        ("PUT", f"ports/{mine.port['id']}", {"port": {"fixed_ips": [{"subnet_id": theirs.subnet["id"]}]}}),
        ("POST", "subnets", {"subnet": {"network_id": theirs.network["id"], "ip_version": 4, "cidr": "10.9.0.0/24"}}),
    ]
    asked += [("PUT", free, {"floatingip": {"port_id": id_}}) for id_ in world.nobodys]
    asked += [("PUT", f"{router}/add_router_interface", {"port_id": id_}) for id_ in world.nobodys]
    asked += [("PUT", f"{router}/remove_router_interface", {"port_id": id_}) for id_ in world.nobodys]
    ids = [one["id"] for one in theirs.objects().values()] + [theirs.interface, *world.nobodys]
    for method, path, body in asked:
        said = world.refused(method, path, body, 400, 404)
        named = [id_ for id_ in ids if id_ in path + json.dumps(body)]
        assert any(id_ in said for id_ in named), said
        nothing = json.loads(_without(json.dumps([path, body]), named))
        expected = world.refused(method, *nothing, 400, 404)
        assert _without(said, named) == expected


def _without(text: str, ids: list[str]) -> str:
    for id_ in ids:
        text = text.replace(id_, ZERO)
    return text


def test_the_external_network_is_there_to_be_used_and_not_to_be_changed(world: World) -> None:
    network_id = world.external["id"]
    seen = world.api.ask("GET", f"/v2.0/networks/{network_id}", headers=TENANT).json["network"]
    assert seen["router:external"] and not set(HIDDEN_OF_NETWORKS) & set(seen)
    world.refused("PUT", f"networks/{network_id}", {"network": {"name": "mine"}}, 404)
    world.refused("DELETE", f"networks/{network_id}", None, 404)
    world.refused("POST", "ports", {"port": {"network_id": network_id}}, 403, 404)
    body = {"network_id": network_id, "ip_version": 4, "cidr": "198.51.100.0/24"}
    world.refused("POST", "subnets", {"subnet": body}, 403, 404)
    (subnet_id,) = seen["subnets"]
    for method, body in (("PUT", {"subnet": {"name": "mine"}}), ("DELETE", None)):
        world.refused(method, f"subnets/{subnet_id}", body, 404)
    path = f"routers/{world.mine.router['id']}/add_router_interface"
    world.refused("PUT", path, {"subnet_id": subnet_id}, 400, 403, 404)


def test_where_things_are_is_not_for_tenants(world: World) -> None:
    world.api.ask("PUT", f"/v2.0/ports/{world.mine.port['id']}", {"port": {"binding:host_id": "node-1"}}, ADMIN)
    shown = world.api.ask("GET", f"/v2.0/ports/{world.mine.port['id']}", headers=ADMIN).json["port"]
    assert shown["binding:host_id"] == "node-1"
    for path in ("ports", f"ports/{world.mine.port['id']}", "networks", f"networks/{world.mine.network['id']}"):
        for query in ("", "?fields=binding:host_id&fields=id", "?fields=provider:segmentation_id&fields=id"):
            said = world.api.ask("GET", f"/v2.0/{path}{query}", headers=TENANT).text
            hidden = [f"binding:{name}" for name in HIDDEN_OF_PORTS]
            assert not [word for word in ("node-1", "provider:", "tunnel", "physnet1", *hidden) if word in said]
    for kind, names in (("network", HIDDEN_OF_NETWORKS), ("port", [f"binding:{name}" for name in HIDDEN_OF_PORTS])):
        for name in names:
            for query in (f"{name}=x", f"{name}=1", f"sort_key={name}&sort_dir=asc"):
                world.refused("GET", f"{kind}s?{query}", None, 400)
    router = world.mine.router["id"]
    assert world.api.ask("GET", "/v2.0/agents", headers=TENANT).json == {"agents": []}
    for path in ("servers", "status", f"routers/{router}/l3-agents", f"routers/{router}/binding-reasons"):
        world.refused("GET", path, None, 403)
    agent = world.api.agent("node-2", agent_type="L3 agent")
    world.refused("POST", f"agents/{agent}/l3-routers", {"router_id": router}, 403)
    world.refused("DELETE", f"agents/{agent}/l3-routers/{router}", None, 403)


OWNERS = ("router_interface", "router_gateway", "floatingip", "dhcp", "router_interface ", "")


@pytest.mark.parametrize("owner", OWNERS)
def test_nobody_smuggles_a_port_into_a_router(world: World, owner: str) -> None:
    for router in (world.mine.router, world.theirs.router):
        device = {"device_owner": f"network:{owner}", "device_id": router["id"]}
        body = {"network_id": world.mine.network["id"], **device}
        assert "device_owner" in world.refused("POST", "ports", {"port": body}, 403)
        assert "device_owner" in world.refused("POST", "ports", {"ports": [{**body, "device_owner": ""}, body]}, 403)
        assert "device_owner" in world.refused("PUT", f"ports/{world.mine.port['id']}", {"port": device}, 403)
    device = {"device_owner": "compute:x", "device_id": world.theirs.router["id"]}
    assert world.api.ask("PUT", f"/v2.0/ports/{world.mine.port['id']}", {"port": device}, TENANT).status_int == 200
    path = f"routers/{world.mine.router['id']}/remove_router_interface"
    world.refused("PUT", path, {"port_id": world.mine.port["id"]}, 404)


def test_the_ports_of_ones_own_router_are_the_routers(world: World) -> None:
    path = f"ports/{world.mine.interface}"
    world.refused("DELETE", path, None, 409)
    other = [{"subnet_id": world.mine.subnet["id"], "ip_address": f"{world.mine.words[1]}77"}]
    for changes, statuses in (
        ({"device_id": ""}, (409,)),
        ({"device_id": world.theirs.router["id"]}, (409,)),
        ({"device_owner": ""}, (409,)),
        ({"fixed_ips": other}, (409,)),
        ({"fixed_ips": []}, (409,)),
        ({"mac_address": "fa:16:3e:00:00:99"}, (403,)),
        ({"binding:host_id": "node-1"}, (403,)),
    ):
        said = world.refused("PUT", path, {"port": changes}, *statuses)
        assert next(iter(changes)) in said
    world.refused("DELETE", f"networks/{world.mine.network['id']}", None, 409)
    world.refused("DELETE", f"subnets/{world.mine.subnet['id']}", None, 409)
    world.refused("DELETE", f"routers/{world.mine.router['id']}", None, 409)
    interface = {"subnet_id": world.mine.subnet["id"]}
    world.refused("PUT", f"routers/{world.mine.router['id']}/remove_router_interface", interface, 409)
    gateway = {"router": {"external_gateway_info": None}}
    world.refused("PUT", f"routers/{world.mine.router['id']}", gateway, 409)


def test_a_shared_network_does_not_open_its_routers(world: World) -> None:
    """Alice shares hers. Bob may have ports there, and an interface that is his port, but not the gateway's address."""
    api, mine = world.api, world.mine
    api.ask("PUT", f"/v2.0/networks/{mine.network['id']}", {"network": {"shared": True}}, ADMIN)
    interface = f"/v2.0/routers/{api.make('router', {}, OTHER)['id']}/add_router_interface"
    by_subnet = api.ask("PUT", interface, {"subnet_id": mine.subnet["id"]}, OTHER)
    assert by_subnet.status_int == 400 and "not owned by project" in by_subnet.text
    by_port = api.ask("PUT", interface, {"port_id": mine.port["id"]}, OTHER)
    assert by_port.status_int == 404
    own = api.make("port", {"network_id": mine.network["id"]}, OTHER)
    assert api.ask("PUT", interface, {"port_id": own["id"]}, OTHER).status_int == 200
    assert world.refused("PUT", f"ports/{own['id']}", {"port": {"name": "mine"}}, 404)
    assert world.refused("DELETE", f"ports/{own['id']}", None, 409)  # whoever owns the network may, but for a router's
    seen = api.ask("GET", "/v2.0/ports", headers=OTHER).json["ports"]
    assert mine.port["id"] not in [port["id"] for port in seen]


HOSTILE: list[Any] = [
    *(None, True, -1, 1 << 62, 1 << 70, 1.5, "", "x" * 256, "x" * 100_000, "a\u0000b", "a\nb", "\u2028", "\ud83d"),
    *([], {}, [None], [[]], [{}], {"a": {}}, ["x" * 300], "2001:db8::1", "fe80::1%eth0", "10.1.0.5/24", "::/0"),
    *([{"ip_address": "2001:db8::1"}], [{"destination": "::/0", "nexthop": "10.1.0.9"}], ZERO),
    *({"network_id": ZERO}, {"network_id": ZERO, "enable_snat": []}, [{"ip_address": "::/0", "mac_address": "x"}]),
]
# What is said of a field that is in order, and does not fit to others or to what is there.
RELATIONS = (
    "provider:network_type required",
    "Current gateway ip 10.1.0.1 already in use",
    "does not match the ip_version",
    "is not a valid IP for any of the subnets",
    "Gateway cannot be updated",
    "No default subnetpool found",
)


@pytest.mark.parametrize("kind", ["network", "subnet", "port", "router", "floatingip"])
def test_hostile_values_in_every_field(world: World, kind: str) -> None:
    """As an administrator, whom no rule stops before the field is read."""
    mine = world.mine.objects()[kind]["id"]
    more = {
        "subnet": {"network_id": world.mine.network["id"], "ip_version": 4, "cidr": "10.77.0.0/24"},
        "port": {"network_id": world.mine.network["id"]},
        "floatingip": {"floating_network_id": world.external["id"]},
    }.get(kind, {})
    for name in DEFINITIONS[kind].attributes:
        for method, path, body in (("POST", f"{kind}s", more), ("PUT", f"{kind}s/{mine}", {})):
            before = world.rows()
            for value in HOSTILE:
                document = json.dumps({kind: {**body, name: value}}).encode()
                answer = world.api.ask(method, f"/v2.0/{path}", document, ADMIN)
                if answer.status_int < 300:
                    before = _undone(world, method, kind, answer.json[kind])
                    continue
                assert 400 <= answer.status_int < 500, (name, value, answer.text)
                said = answer.json["NeutronError"]["message"]
                assert any(words in said for words in (name, ZERO, "JSON", *RELATIONS)), (name, value, said)
                assert said.isprintable() and len(said) < 400
            assert world.rows() == before, (kind, name, method)


def _undone(world: World, method: str, kind: str, made: Object) -> list[str]:
    if method == "POST":
        assert world.api.ask("DELETE", f"/v2.0/{kind}s/{made['id']}", None, ADMIN).status_int == 204
    return world.rows()
