"""The published description: all routes, nothing else, and the schemas that validate."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from netsched.server.api.v2 import root
from tests.api.ground import Api


def routes(api: Api) -> list[Any]:
    return root.routes(api.services, 0, "test")


def test_routes_and_description_are_the_same(api: Api) -> None:
    described = api.ask("GET", "/v2.0/openapi.json").json
    listed = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert listed == {(route.method, route.path) for route in routes(api)}
    assert described["info"]["version"] == "test"


def test_operation_ids_are_unique(api: Api) -> None:
    ids = [route.operation.id for route in routes(api)]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere(api: Api) -> None:
    described = api.ask("GET", "/v2.0/openapi.json").json

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                assert node["$ref"].removeprefix("#/components/schemas/") in described["components"]["schemas"]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(described)


def test_paths_are_not_swallowed_by_parameters(api: Api) -> None:
    for route in routes(api):
        answer = api.ask(
            "OPTIONS", route.path.format(id="x", alias="x", network_id="x", router_id="x", zone="x", tag="x")
        )
        assert answer.status_int == 405
        assert route.method in answer.headers["Allow"]


NETWORK = {"network_id": "00000000-0000-0000-0000-000000000000"}
SAMPLES = [
    ("NetworkPost", {"name": "a"}, True),
    ("NetworkPost", {"name": "a\nb"}, False),
    ("NetworkPost", {"nonsense": 1}, False),
    ("NetworkPost", {"description": "a\nb"}, True),
    ("SubnetPost", {**NETWORK, "ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": None}, True),
    ("SubnetPost", {"ip_version": 4, "cidr": "10.0.0.0/24"}, False),
    ("PortPost", {**NETWORK, "mac_address": "fa:16:3e:00:00:01", "fixed_ips": [{"ip_address": "::1"}]}, True),
    ("PortPost", {**NETWORK, "extra_dhcp_opts": [{"opt_name": "a,b", "opt_value": "c"}]}, False),
    ("PortPut", {"mac_address": "fa:16:3e:00:00:01", "network_id": "x"}, False),
    ("RouterPost", {"external_gateway_info": {**NETWORK, "enable_snat": False}}, True),
    ("RouterPost", {"external_gateway_info": {"enable_snat": False}}, False),
    ("RouterPost", {"routes": []}, False),
    ("RouterPut", {"routes": [{"destination": "10.0.0.0/24", "nexthop": "10.0.0.9"}]}, True),
    ("RouterPut", {"external_gateway_info": None}, True),
    ("Router", {"external_gateway_info": {**NETWORK, "enable_snat": True, "external_fixed_ips": []}}, True),
    ("Router", {"external_gateway_info": None}, True),
    ("Router", {"external_gateway_info": "x"}, False),
]


@pytest.mark.parametrize(("schema", "body", "valid"), SAMPLES)
def test_schemas_say_what_validates(api: Api, schema: str, body: Any, valid: bool) -> None:
    described = api.ask("GET", "/v2.0/openapi.json").json
    validator = jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{schema}", **described})
    assert validator.is_valid(body) is valid
