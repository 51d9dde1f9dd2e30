"""A world in which every route of the API can be asked, and what to ask of each: for test_policy.py."""

from __future__ import annotations

import datetime
from typing import Any

from netsched.db import brake
from netsched.model.brake import Brake
from netsched.server.api.routing import Route
from tests.api.ground import ADMIN, TENANT, Api

Object = dict[str, Any]
MINE = "made-by-alice"  # in the name of all that the owner makes
TAG = "red"
ORDER = ("GET", "POST", "PUT", "DELETE")  # who may, reads what is there, and takes it away last


class World:
    """One project's objects, of each collection one that is used and one (`spare`) that nothing needs.

    `sent` says how a route is asked. For a new collection, make its objects here, and say in `created` what a POST
    sends. A PUT changes the description, where `_body` does not say otherwise.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self.ids: dict[str, str] = {}  # of the object in use, by the collection's path
        self.spare: dict[str, str] = {}
        self._agents()
        self._make_networks()
        self._make_routers()
        self._make_security()
        self._make_sharing()
        on = Brake("nova", "DHCP agent", datetime.datetime(2026, 1, 1), None, silent=3, total=4)
        assert api.database.write(lambda tx: brake.store(tx, None, on))

    def sent(self, route: Route) -> tuple[str, Any]:
        """Path and body. Raises KeyError with what is missing here."""
        return self._path(route), self._body(route)

    def _two(self, collection: str, name: str, more: Object, who: dict[str, str] = TENANT) -> None:
        """The one in use, and the spare one."""
        for where in (self.ids, self.spare):
            answer = self._api.ask("POST", f"/v2.0/{collection}", {name: more}, who)
            assert answer.status_int == 201, answer.text
            where[collection] = answer.json[name]["id"]

    def _agents(self) -> None:
        self.ids["agents"], self.spare["agents"] = self._api.agent("node-1"), self._api.agent("node-2")
        self._l3 = self._api.agent("node-1", agent_type="L3 agent")

    def _make_networks(self) -> None:
        self._two("networks", "network", {"name": MINE, "tags": [TAG]})
        self.ids["network-ip-availabilities"] = network = self.ids["networks"]
        of = {"network_id": network, "ip_version": 4, "name": MINE, "tags": [TAG]}
        self.ids["subnets"], self.spare["subnets"] = (
            self._api.make("subnet", {**of, "cidr": f"10.0.{n}.0/24"}, TENANT)["id"] for n in range(2)
        )
        self._two("ports", "port", {"network_id": network, "name": MINE, "fixed_ips": [], "tags": [TAG]})
        self._two("address-scopes", "address_scope", {"name": MINE, "ip_version": 4})
        pool = {"name": MINE, "prefixes": ["10.128.0.0/16"], "tags": [TAG]}
        self._two("subnetpools", "subnetpool", pool)
        scoped = {"address_scope_id": self.ids["address-scopes"]}
        self._onboarded = self._api.make("network", {"name": MINE}, TENANT)["id"]
        subnet = {"network_id": self._onboarded, "ip_version": 4, "cidr": "10.200.0.0/24", "name": MINE}
        self._api.make("subnet", subnet, TENANT)
        answer = self._api.ask("PUT", f"/v2.0/subnetpools/{self.ids['subnetpools']}", {"subnetpool": scoped}, TENANT)
        assert answer.status_int == 200, answer.text

    def _make_routers(self) -> None:
        self._two("routers", "router", {"name": MINE, "tags": [TAG]})
        self.external = self._api.make("network", {"router:external": True})["id"]
        self._api.make("subnet", {"network_id": self.external, "ip_version": 4, "cidr": "203.0.113.0/24"})
        floating = {"floating_network_id": self.external, "description": MINE, "tags": [TAG]}
        self._two("floatingips", "floatingip", floating)

    def _make_security(self) -> None:
        self._two("security-groups", "security_group", {"name": MINE, "tags": [TAG]})
        group, of_rule = self.ids["security-groups"], {"direction": "ingress", "protocol": "tcp"}
        for number, where in enumerate((self.ids, self.spare)):
            rule = {"security_group_id": group, **of_rule, "port_range_min": 80 + number, "port_range_max": 80 + number}
            for name, more in (
                ("security_group_rule", rule),
                ("default_security_group_rule", {**of_rule, **_of(rule)}),
            ):
                path = f"{name.replace('_', '-')}s"
                answer = self._api.ask("POST", f"/v2.0/{path}", {name: more}, TENANT if name[0] == "s" else ADMIN)
                assert answer.status_int == 201, answer.text
                where[path] = answer.json[name]["id"]
        self._two("address-groups", "address_group", {"name": MINE, "addresses": ["192.0.2.0/24"]})

    def _make_sharing(self) -> None:
        for where, target in ((self.ids, "carol"), (self.spare, "dave")):
            answer = self._api.ask("POST", "/v2.0/rbac-policies", {"rbac_policy": self._grant(target)}, TENANT)
            assert answer.status_int == 201, answer.text
            where["rbac-policies"] = answer.json["rbac_policy"]["id"]
        self.ids["quotas"] = self.spare["quotas"] = TENANT["X-Project-Id"]

    def _grant(self, target: str) -> Object:
        shared = {"object_type": "network", "object_id": self.ids["networks"]}
        return {**shared, "action": "access_as_shared", "target_tenant": target}

    def _path(self, route: Route) -> str:
        collection = route.path.split("/")[2] if route.path.count("/") > 1 else ""
        ids = self.spare if route.method == "DELETE" and route.path.endswith("/{id}") else self.ids
        known = {"alias": "agent", "zone": "nova", "tag": TAG, "network_id": self.ids["networks"]}
        known |= {"router_id": self.ids["routers"]}
        if collection in ids:
            known["id"] = self._l3 if "/l3-" in route.path and collection == "agents" else ids[collection]
        try:
            return route.path.format(**known)
        except KeyError as missing:
            raise KeyError(f"tests/api/every_route.py: World has nothing for {missing} in {route.path}") from None

    def _body(self, route: Route) -> Any:
        if route.method in ("GET", "DELETE"):
            return None
        collection, last = route.path.split("/")[2], route.path.rsplit("/", 1)[1]
        if last == "{tag}":
            return None
        actions = self._actions()
        if last in actions:
            return actions[last]
        created = self.created()
        if collection not in created:
            raise KeyError(f"tests/api/every_route.py: World.created does not say what a POST to {collection} sends")
        name, body = created[collection]
        if route.method == "POST":
            return {name: body}
        changes: dict[str, Object] = {  # of what has no description
            "address-scopes": {"name": "changed"},
            "rbac-policies": {"target_tenant": "erin"},
            "quotas": {"network": 7},
        }
        return {name: changes.get(collection, {"description": "changed"})}

    def _actions(self) -> dict[str, Any]:
        """Bodies by the last word of the path."""
        interface = {"subnet_id": self.ids["subnets"]}
        addresses = {"addresses": ["198.51.100.0/24"]}
        return {
            "tags": {"tags": [TAG]},
            "dhcp-networks": {"network_id": self.ids["networks"]},
            "l3-routers": {"router_id": self.ids["routers"]},
            "add_router_interface": interface,
            "remove_router_interface": interface,
            "add_extraroutes": {"router": {"routes": []}},
            "remove_extraroutes": {"router": {"routes": []}},
            "add_prefixes": {"prefixes": ["10.129.0.0/16"]},
            "remove_prefixes": {"prefixes": ["10.129.0.0/16"]},
            "onboard_network_subnets": {"network_id": self._onboarded},
            "add_addresses": addresses,
            "remove_addresses": addresses,
            "{zone}": {"brake": {"released": True}},
        }

    def created(self) -> dict[str, tuple[str, Object]]:
        """By collection: the key of a body, and what a POST sends."""
        on = {"network_id": self.ids["networks"]}
        rule = {"direction": "ingress", "protocol": "udp"}
        return {
            "networks": ("network", {}),
            "subnets": ("subnet", {**on, "ip_version": 4, "cidr": "10.9.0.0/24"}),
            "ports": ("port", on),
            "subnetpools": ("subnetpool", {"name": "p", "prefixes": ["10.64.0.0/16"]}),
            "address-scopes": ("address_scope", {"name": "s", "ip_version": 4}),
            "routers": ("router", {}),
            "floatingips": ("floatingip", {"floating_network_id": self.external}),
            "security-groups": ("security_group", {"name": "g"}),
            "security-group-rules": ("security_group_rule", {**rule, "security_group_id": self.ids["security-groups"]}),
            "default-security-group-rules": ("default_security_group_rule", rule),
            "address-groups": ("address_group", {"name": "a"}),
            "rbac-policies": ("rbac_policy", self._grant("frank")),
            "quotas": ("quota", {}),
            "agents": ("agent", {}),
        }


def _of(rule: Object) -> Object:
    return {name: value for name, value in rule.items() if name.startswith("port_range")}


def in_order(routes: list[Route]) -> list[Route]:
    """So that each can be asked after the ones before it: what is deeper in an object goes before the object."""

    def key(route: Route) -> tuple[int, int]:
        return ORDER.index(route.method), -route.path.count("/") if route.method == "DELETE" else 0

    return sorted(routes, key=key)
