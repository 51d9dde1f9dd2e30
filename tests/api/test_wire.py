"""What clients of the incumbent send and expect, beyond the plain case: ways of writing a value, types of errors,
whole collections at once, things deleted twice."""

from __future__ import annotations

from typing import Any

import pytest

from netsched.db.session import Database
from tests.api.ground import Api
from tests.statements import counted

ZERO = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def network(api: Api) -> dict[str, Any]:
    made = api.make("network", {"name": "web"})
    api.make("subnet", {"network_id": made["id"], "ip_version": 4, "cidr": "10.0.0.0/16"})
    return made


@pytest.mark.parametrize("text", ["true", "True", "1", "yes", "on", "t", "Y", 1, True])
def test_true_may_be_written_so(api: Api, text: Any) -> None:
    assert api.make("network", {"admin_state_up": text})["admin_state_up"] is True


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "off", "f", "N", 0, False])
def test_false_may_be_written_so(api: Api, text: Any) -> None:
    made = api.make("network", {"admin_state_up": text})
    assert made["admin_state_up"] is False
    found = api.ask("GET", f"/v2.0/networks?admin_state_up={text}").json["networks"]
    assert [one["id"] for one in found] == [made["id"]]


def test_numbers_may_be_text(api: Api) -> None:
    vxlan = {"provider:network_type": "vxlan", "provider:segmentation_id": "4711", "mtu": "1400"}
    made = api.make("network", vxlan)
    assert (made["provider:segmentation_id"], made["mtu"]) == (4711, 1400)
    assert api.make("subnet", {"network_id": made["id"], "ip_version": "4", "cidr": "10.0.0.0/24"})["ip_version"] == 4


# What may be null, and what it becomes.
NULLS: list[tuple[str, dict[str, Any], Any]] = [
    ("subnet", {"gateway_ip": None}, None),
    ("subnet", {"dns_nameservers": None}, []),
    ("subnet", {"host_routes": None}, []),
    ("port", {"binding:host_id": None}, ""),
    ("port", {"binding:profile": None}, {}),
    ("port", {"allowed_address_pairs": None}, []),
    ("port", {"extra_dhcp_opts": None}, []),
    ("router", {"external_gateway_info": None}, None),
    ("router", {"external_gateway_info": {}}, None),
]


@pytest.mark.parametrize(("resource", "attributes", "becomes"), NULLS)
def test_null(api: Api, network: dict[str, Any], resource: str, attributes: dict[str, Any], becomes: Any) -> None:
    (name,) = attributes
    base: dict[str, Any] = {
        "subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "10.9.0.0/24"},
        "port": {"network_id": network["id"]},
        "router": {},
    }[resource]
    made = api.make(resource, base | attributes)
    assert made[name] == becomes
    again = api.ask("PUT", f"/v2.0/{resource}s/{made['id']}", {resource: attributes})
    assert again.status_int == 200 and again.json[resource][name] == becomes


@pytest.mark.parametrize("name", ["", "x" * 255, "é" * 255, "小さな網 🚀", " spaces ", "100%", "a&b=c", "'; --", "\\"])
def test_names(api: Api, name: str) -> None:
    api.make("network", {"name": "another"})
    made = api.make("network", {"name": name, "description": name})
    shown = api.ask("GET", f"/v2.0/networks/{made['id']}").json["network"]
    assert (shown["name"], shown["description"]) == (name, name)


NOWHERE = {"network_id": ZERO, "ip_version": 4, "cidr": "10.0.0.0/24"}
ERRORS: list[tuple[str, str, Any, int, str]] = [
    ("GET", f"networks/{ZERO}", None, 404, "NetworkNotFound"),
    ("GET", f"subnets/{ZERO}", None, 404, "SubnetNotFound"),
    ("GET", f"ports/{ZERO}", None, 404, "PortNotFound"),
    ("GET", f"routers/{ZERO}", None, 404, "RouterNotFound"),
    ("GET", f"floatingips/{ZERO}", None, 404, "FloatingIPNotFound"),
    ("GET", f"agents/{ZERO}", None, 404, "AgentNotFound"),
    ("DELETE", "networks/no-id", None, 404, "NetworkNotFound"),
    ("GET", "nonsense", None, 404, "HTTPNotFound"),
    ("GET", "extensions/l3-ha", None, 404, "HTTPNotFound"),
    ("GET", "networks?nonsense=1", None, 400, "HTTPBadRequest"),
    ("GET", "networks?limit=x", None, 400, "BadRequest"),
    ("GET", "networks?admin_state_up=perhaps", None, 400, "InvalidInput"),
    ("POST", "networks", {"network": {"nonsense": 1}}, 400, "HTTPBadRequest"),
    ("POST", "networks", {"network": {"status": "ACTIVE"}}, 400, "HTTPBadRequest"),
    ("POST", "networks", {"network": {"admin_state_up": "x"}}, 400, "InvalidInput"),
    ("POST", "networks", {"network": {"provider:segmentation_id": "x"}}, 400, "InvalidInput"),
    ("POST", "networks", {"network": {"mtu": 100_000}}, 400, "HTTPBadRequest"),
    ("POST", "networks", {"network": {"mtu": 9000}}, 400, "InvalidInput"),
    ("POST", "networks", {"network": {"name": None}}, 400, "HTTPBadRequest"),
    ("POST", "networks", {"network": {"name": "x" * 256}}, 400, "HTTPBadRequest"),
    ("POST", "networks", {}, 400, "HTTPBadRequest"),
    ("POST", "ports", {"port": {}}, 400, "HTTPBadRequest"),
    ("POST", "ports", {"port": {"network_id": "x"}}, 400, "HTTPBadRequest"),
    ("POST", "ports", {"port": {"network_id": ZERO}}, 404, "NetworkNotFound"),
    (
        "POST",
        "subnets",
        {"subnet": {**NOWHERE, "ip_version": "x"}},
        400,
        "InvalidInput",
    ),
    (
        "POST",
        "subnets",
        {"subnet": {"network_id": ZERO, "ip_version": 4, "cidr": "10.0.0.0/24"}},
        404,
        "NetworkNotFound",
    ),
    ("POST", "floatingips", {"floatingip": {"floating_network_id": ZERO}}, 400, "BadRequest"),
    ("PUT", f"routers/{ZERO}/add_router_interface", {"subnet_id": ZERO}, 404, "RouterNotFound"),
    ("PUT", f"agents/{ZERO}", {"agent": {"description": "x"}}, 404, "AgentNotFound"),
    ("PUT", f"agents/{ZERO}", {"agent": {"host": "x"}}, 400, "HTTPBadRequest"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "kind"), ERRORS)
def test_error(api: Api, method: str, path: str, body: Any, status: int, kind: str) -> None:
    answer = api.ask(method, f"/v2.0/{path}", body)
    assert (answer.status_int, answer.json["NeutronError"]["type"]) == (status, kind), answer.text
    assert {"type", "message", "detail"} <= set(answer.json["NeutronError"])
    assert answer.content_type == "application/json"


def test_the_mtu_can_be_chosen_and_changed(api: Api, network: dict[str, Any]) -> None:
    path = f"/v2.0/networks/{network['id']}"
    assert network["mtu"] == 1450
    for wanted, becomes in ((1400, 1400), (0, 1450), ("1300", 1300), (None, 1450)):
        assert api.ask("PUT", path, {"network": {"mtu": wanted}}).json["network"]["mtu"] == becomes
    refused = api.ask("PUT", path, {"network": {"mtu": 1451}})
    assert refused.status_int == 400 and "maximum is 1450" in refused.json["NeutronError"]["message"]
    assert api.ask("GET", path).json["network"]["mtu"] == 1450


def test_filters_on_one_object_mean_nothing(api: Api, network: dict[str, Any]) -> None:
    """The SDK looks by id first, and sends along by what it would look among all."""
    path = f"/v2.0/networks/{network['id']}"
    found = api.ask("GET", f"{path}?name=other&router:external=True&fields=id")
    assert found.json == {"network": {"id": network["id"]}}
    assert api.ask("GET", f"{path}?nonsense=1").status_int == 400


def _bodies(network: dict[str, Any], external: dict[str, Any], count: int) -> dict[str, list[dict[str, Any]]]:
    subnets = [{"network_id": network["id"], "ip_version": 4, "cidr": f"10.{n}.0.0/24"} for n in range(1, count + 1)]
    return {
        "network": [{"name": f"n{n}"} for n in range(count)],
        "subnet": subnets,
        "port": [{"network_id": network["id"]} for _ in range(count)],
        "router": [{"name": f"r{n}", "external_gateway_info": {"network_id": external["id"]}} for n in range(count)],
        "floatingip": [{"floating_network_id": external["id"]} for _ in range(count)],
    }


BROKEN: dict[str, dict[str, Any]] = {
    "network": {"mtu": 9000},
    "subnet": {"network_id": ZERO, "ip_version": 4, "cidr": "10.99.0.0/24"},
    "port": {"network_id": ZERO},
    "router": {"external_gateway_info": {"network_id": ZERO}},
    "floatingip": {"floating_network_id": ZERO},
}


@pytest.fixture
def external(api: Api) -> dict[str, Any]:
    made = api.make("network", {"router:external": True})
    api.make("subnet", {"network_id": made["id"], "ip_version": 4, "cidr": "203.0.0.0/16"})
    return made


@pytest.mark.parametrize("resource", list(BROKEN))
def test_a_hundred_in_one_request_all_or_nothing(
    api: Api, tables: Database, network: dict[str, Any], external: dict[str, Any], resource: str
) -> None:
    plural, bodies = f"{resource}s", _bodies(network, external, 100)[resource]
    before = api.ask("GET", f"/v2.0/{plural}").json[plural]
    refused = api.ask("POST", f"/v2.0/{plural}", {plural: [*bodies, BROKEN[resource]]})
    assert refused.status_int in (400, 404)
    assert api.ask("GET", f"/v2.0/{plural}").json[plural] == before
    with counted(tables) as sent:
        made = api.ask("POST", f"/v2.0/{plural}", {plural: bodies})
    assert made.status_int == 201, made.text
    assert len(sent) <= 30, sent
    created = made.json[plural]
    assert len({one["id"] for one in created}) == 100
    for given, one in zip(bodies, created, strict=True):  # in the order of the request
        assert given.items() <= one.items() or resource == "router", (given, one)
    now = {one["id"]: one for one in api.ask("GET", f"/v2.0/{plural}").json[plural]}
    assert len(now) == len(before) + 100 and all(now[one["id"]] == one for one in created)


@pytest.mark.parametrize("resource", list(BROKEN))
def test_deleted_twice(api: Api, network: dict[str, Any], external: dict[str, Any], resource: str) -> None:
    path = f"/v2.0/{resource}s/{api.make(resource, _bodies(network, external, 1)[resource][0])['id']}"
    first, second = api.ask("DELETE", path), api.ask("DELETE", path)
    assert (first.status_int, first.body) == (204, b"")
    assert (second.status_int, second.json["NeutronError"]["type"][-8:]) == (404, "NotFound")
    for method, body in (("GET", None), ("PUT", {resource: {}})):
        assert api.ask(method, path, body).status_int == 404


def test_pages_lead_through_everything_both_ways(api: Api) -> None:
    api.ask("POST", "/v2.0/networks", {"networks": [{"name": f"n{n:02}"} for n in range(25)]})
    for turn in ("", "&page_reverse=True"):
        answer = api.ask("GET", f"/v2.0/networks?limit=10&sort_key=name&sort_dir=asc&fields=name{turn}").json
        rel = "previous" if turn else "next"
        names: list[str] = []
        while answer["networks"]:
            assert set(answer["networks"][0]) == {"name"}
            page = [one["name"] for one in answer["networks"]]
            names = [*page, *names] if turn else [*names, *page]
            links = {link["rel"]: link["href"] for link in answer["networks_links"]}
            if rel not in links:
                break
            answer = api.ask("GET", links[rel]).json
        assert names == [f"n{n:02}" for n in range(25)]
