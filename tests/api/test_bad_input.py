"""Whatever comes in: an error body that names the field, never a 500, nothing half written."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from webob import Request

from netsched.db.session import Database
from netsched.server.api.app import ApiSettings
from tests.api.ground import TENANT, Api

ZERO = "00000000-0000-0000-0000-000000000000"
NETWORKS = "/v2.0/networks"


def error(answer: Any, status: int) -> dict[str, str]:
    assert answer.status_int == status, answer.text
    assert answer.content_type == "application/json"
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    found: dict[str, str] = answer.json["NeutronError"]
    assert set(found) == {"type", "message", "detail", "code"}
    assert found["message"].isprintable()
    return found


BODIES = {
    "empty": (b"", "JSON"),
    "not json": (b"{network", "JSON"),
    "a list": (b"[]", "object"),
    "a string": (b'"network"', "object"),
    "not utf-8": (b'{"network": {"name": "\xff\xfe"}}', "UTF-8"),
    "nan": (b'{"network": {"name": NaN}}', "NaN"),
    "huge number": (b'{"network": {"name": 99999999999999999999}}', "64 bits"),
    "not finite": (b'{"network": {"name": 1e999}}', "finite"),
    "deep": (b'{"network": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deep"),
    "deep objects": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "deep"),
    "surrogate": (b'{"network": {"name": "\\udc00"}}', "surrogate"),
    "nul": (b'{"network": {"name": "a\\u0000"}}', "NUL"),
    "no key": (b"{}", "network"),
    "null": (b'{"network": null}', "network"),
    "number": (b'{"network": 1}', "network"),
    "wrong key": (b'{"subnet": {}}', "network"),
    "two keys": (b'{"network": {}, "more": 1}', "more"),
    "empty bulk": (b'{"networks": []}', "networks"),
    "bulk of nothing": (b'{"networks": null}', "networks"),
    "bulk of numbers": (b'{"networks": [1]}', "network"),
    "bulk in one": (b'{"network": [{}]}', "network"),
    "unknown attribute": (b'{"network": {"nonsense": 1}}', "nonsense"),
    "read-only": (b'{"network": {"status": "ACTIVE"}}', "status"),
    "wrong type": (b'{"network": {"admin_state_up": "perhaps"}}', "admin_state_up"),
    "name of 256": (b'{"network": {"name": "' + b"x" * 256 + b'"}}', "name"),
    "newline in a name": (b'{"network": {"name": "a\\nb"}}', "name"),
    "escape in a name": (b'{"network": {"name": "\\u001b[2J"}}', "name"),
    "separator in a zone": (b'{"network": {"availability_zone_hints": ["a,b"]}}', "availability_zone_hints[0]"),
    "name twice": (b'{"network": {"name": "a", "name": "b"}}', "twice"),
}


@pytest.mark.parametrize(("body", "named"), BODIES.values(), ids=BODIES.keys())
def test_body(api: Api, body: bytes, named: str) -> None:
    found = error(api.ask("POST", NETWORKS, body), 400)
    assert named in found["message"]
    assert api.ask("GET", NETWORKS).json == {"networks": []}


def test_255_characters_are_not_bytes(api: Api) -> None:
    assert api.make("network", {"name": "é" * 255})["name"] == "é" * 255


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_large_body(api: Api, method: str) -> None:
    path = NETWORKS if method == "POST" else f"{NETWORKS}/{api.make('network', {})['id']}"
    body = json.dumps({"network": {"name": "x" * (1 << 20)}}).encode()
    assert error(api.ask(method, path, body), 413)["type"] == "HTTPRequestEntityTooLarge"


def test_large_body_that_does_not_say_so(api: Api) -> None:
    request = Request.blank(NETWORKS, method="POST", body=b" " * (2 << 20), content_type="application/json")
    request.environ["CONTENT_LENGTH"] = ""
    request.environ["wsgi.input_terminated"] = True
    error(request.get_response(api.application), 413)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_content_type(api: Api, kind: str) -> None:
    request = Request.blank(NETWORKS, method="POST", body=b"{}", content_type=kind)
    assert error(request.get_response(api.application), 415)["type"] == "HTTPUnsupportedMediaType"


def test_content_type_with_charset_and_without(api: Api) -> None:
    for kind in ("application/json; charset=UTF-8", ""):
        request = Request.blank(NETWORKS, method="POST", body=b'{"network": {}}')
        request.headers["Content-Type"] = kind
        assert request.get_response(api.application).status_int == 201


@pytest.mark.parametrize(
    "query", ["name=%ff", "%ff=1", "name=%00", "name=a%00b", "marker=%00", "sort_key=%ff", "&".join(["a=b"] * 2000)]
)
def test_query_string(api: Api, query: str) -> None:
    error(api.ask("GET", f"{NETWORKS}?{query}"), 400)


@pytest.mark.parametrize("id", ["x", "%00", "%ff", "a%0ab", "..", "x" * 5000, ZERO.replace("0", "%30"), f"{ZERO}%20"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_id_in_a_path(api: Api, method: str, id: str) -> None:
    body: dict[str, Any] | None = {"network": {}} if method == "PUT" else None
    assert api.ask(method, f"{NETWORKS}/{id}", body).status_int in (400, 404)


@pytest.mark.parametrize("header", ["X-Project-Id", "X-User-Id", "X-Roles"])
@pytest.mark.parametrize("value", ["x" * 256, "\xe9", "a\x01b"])
def test_identity(api: Api, header: str, value: str) -> None:
    assert header in error(api.ask("GET", NETWORKS, headers={header: value}), 400)["message"]


@pytest.mark.parametrize("value", ["*", "1", "revision_number=", "revision_number=x", "revision_number=" + "9" * 30])
def test_if_match(api: Api, value: str) -> None:
    network = api.make("network", {})
    for method, body in (("PUT", {"network": {}}), ("DELETE", None)):
        answer = api.ask(method, f"{NETWORKS}/{network['id']}", body, {"If-Match": value})
        assert "If-Match" in error(answer, 400)["message"]


def _subnet(**changes: Any) -> dict[str, Any]:
    return {"ip_version": 4, "cidr": "10.0.0.0/24", **changes}


SUBNETS = [
    (_subnet(cidr="10.0.0.0/33"), "cidr"),
    (_subnet(cidr="10.0.0.1"), "cidr"),
    (_subnet(cidr="x"), "cidr"),
    (_subnet(cidr=None), "cidr"),
    (_subnet(ip_version=5), "ip_version"),
    (_subnet(gateway_ip="10.0.0.1\n"), "gateway_ip"),
    (_subnet(gateway_ip="fe80::1%eth0"), "gateway_ip"),
    (_subnet(gateway_ip="10.0.0.255"), "ateway"),
    (_subnet(dns_nameservers=["8.8.8.8,1"]), "dns_nameservers[0]"),
    (_subnet(dns_nameservers="8.8.8.8"), "dns_nameservers"),
    (_subnet(dns_nameservers=["8.8.8.8"] * 2), "dns_nameservers"),
    (_subnet(host_routes=[{"destination": "10.1.0.0/24", "nexthop": "10.0.0.9\nx"}]), "host_routes[0].nexthop"),
    (_subnet(host_routes=[{"destination": "x", "nexthop": "10.0.0.9"}]), "host_routes[0].destination"),
    (_subnet(host_routes=[{"destination": "10.1.0.0/24"}]), "host_routes[0].nexthop"),
    (_subnet(allocation_pools=[{"start": "10.0.0.9", "end": "10.0.0.2"}]), "pool"),
    (_subnet(allocation_pools=[{"start": "10.0.0.2", "end": "x"}]), "allocation_pools[0].end"),
    (_subnet(allocation_pools={}), "allocation_pools"),
    (_subnet(ipv6_ra_mode="stateless"), "ipv6_ra_mode"),
    ({"ip_version": 4}, "cidr"),
    ({"cidr": "10.0.0.0/24"}, "ip_version"),
]


@pytest.mark.parametrize(("attributes", "named"), SUBNETS)
def test_subnet(api: Api, attributes: dict[str, Any], named: str) -> None:
    network = api.make("network", {})
    body = {"subnet": {"network_id": network["id"], **attributes}}
    assert named in error(api.ask("POST", "/v2.0/subnets", body), 400)["message"]
    assert api.ask("GET", "/v2.0/subnets").json == {"subnets": []}


OPTION = {"opt_name": "a", "opt_value": "b"}
PAIR = {"ip_address": "10.0.0.1"}
PORTS = [
    ({"fixed_ips": "x"}, "fixed_ips"),
    ({"fixed_ips": [{"ip_address": "10.0.0.x"}]}, "fixed_ips[0].ip_address"),
    ({"fixed_ips": [{"subnet_id": "x"}]}, "fixed_ips[0].subnet_id"),
    ({"fixed_ips": [{"subnet": ZERO}]}, "fixed_ips[0].subnet"),
    ({"fixed_ips": [{}]}, "fixed_ips[0]"),
    ({"mac_address": "00:00:00:00:00:00"}, "mac_address"),
    ({"mac_address": "fa:16:3e:00:00:01\n"}, "mac_address"),
    ({"mac_address": ""}, "mac_address"),
    ({"device_id": "a\nb"}, "device_id"),
    ({"device_owner": "x" * 256}, "device_owner"),
    ({"binding:host_id": "a,b"}, "binding:host_id"),
    ({"binding:vnic_type": "x"}, "binding:vnic_type"),
    ({"binding:profile": []}, "binding:profile"),
    ({"binding:profile": {"x": "y" * 4096}}, "binding:profile"),
    ({"binding:vif_type": "ovs"}, "binding:vif_type"),
    ({"extra_dhcp_opts": "x"}, "extra_dhcp_opts"),
    ({"extra_dhcp_opts": [{**OPTION, "opt_name": "a,b"}]}, "extra_dhcp_opts[0].opt_name"),
    ({"extra_dhcp_opts": [{**OPTION, "opt_value": "a\nserver=/x/"}]}, "extra_dhcp_opts[0].opt_value"),
    ({"extra_dhcp_opts": [{**OPTION, "ip_version": 5}]}, "extra_dhcp_opts[0].ip_version"),
    ({"extra_dhcp_opts": [OPTION] * 65}, "extra_dhcp_opts"),
    ({"allowed_address_pairs": "x"}, "allowed_address_pairs"),
    ({"allowed_address_pairs": [{}]}, "allowed_address_pairs[0].ip_address"),
    ({"allowed_address_pairs": [{"ip_address": "10.0.0.1\n"}]}, "allowed_address_pairs[0].ip_address"),
    ({"allowed_address_pairs": [{"ip_address": "10.0.0.1/33"}]}, "allowed_address_pairs[0].ip_address"),
    ({"allowed_address_pairs": [{"ip_address": "fe80::1%eth0"}]}, "allowed_address_pairs[0].ip_address"),
    ({"allowed_address_pairs": [{**PAIR, "mac_address": "x"}]}, "allowed_address_pairs[0].mac_address"),
    ({"allowed_address_pairs": [{**PAIR, "port": 1}]}, "allowed_address_pairs[0].port"),
    ({"allowed_address_pairs": [PAIR, PAIR]}, "allowed_address_pairs"),
    ({"allowed_address_pairs": [{"ip_address": f"10.0.0.{n}"} for n in range(65)]}, "allowed_address_pairs"),
    ({"port_security_enabled": "perhaps"}, "port_security_enabled"),
]


@pytest.mark.parametrize(("attributes", "named"), PORTS)
def test_port(api: Api, attributes: dict[str, Any], named: str) -> None:
    network = api.make("network", {})
    body = {"port": {"network_id": network["id"], **attributes}}
    assert named in error(api.ask("POST", "/v2.0/ports", body), 400)["message"]
    assert api.ask("GET", "/v2.0/ports").json == {"ports": []}


GATEWAY: dict[str, Any] = {"network_id": ZERO}
ROUTE = {"destination": "10.1.0.0/24", "nexthop": "10.0.0.9"}
ROUTERS = [
    ({"name": "a\nb"}, "name"),
    ({"admin_state_up": "perhaps"}, "admin_state_up"),
    ({"availability_zone_hints": ["a,b"]}, "availability_zone_hints[0]"),
    ({"routes": [ROUTE]}, "routes"),
    ({"status": "DOWN"}, "status"),
    ({"distributed": True}, "distributed"),
    ({"external_gateway_info": "x"}, "external_gateway_info"),
    ({"external_gateway_info": []}, "external_gateway_info"),
    ({"external_gateway_info": {"enable_snat": True}}, "external_gateway_info.network_id"),
    ({"external_gateway_info": {"network_id": "x"}}, "external_gateway_info.network_id"),
    ({"external_gateway_info": {"network_id": None}}, "external_gateway_info.network_id"),
    ({"external_gateway_info": {**GATEWAY, "enable_snat": "perhaps"}}, "external_gateway_info.enable_snat"),
    ({"external_gateway_info": {**GATEWAY, "qos_policy_id": ZERO}}, "external_gateway_info.qos_policy_id"),
    ({"external_gateway_info": {**GATEWAY, "external_fixed_ips": [{}]}}, "external_fixed_ips[0]"),
    (
        {"external_gateway_info": {**GATEWAY, "external_fixed_ips": [{"ip_address": "x"}]}},
        "external_fixed_ips[0].ip_address",
    ),
    (
        {"external_gateway_info": {**GATEWAY, "external_fixed_ips": [{"ip_address": "10.0.0.9\n"}]}},
        "external_fixed_ips[0].ip_address",
    ),
]


@pytest.mark.parametrize(("attributes", "named"), ROUTERS)
def test_router(api: Api, attributes: dict[str, Any], named: str) -> None:
    assert named in error(api.ask("POST", "/v2.0/routers", {"router": attributes}), 400)["message"]
    assert api.ask("GET", "/v2.0/routers").json == {"routers": []}


ROUTES = [
    ("x", "routes"),
    ([{}], "routes[0].destination"),
    ([{**ROUTE, "destination": "10.1.0.0/33"}], "routes[0].destination"),
    ([{**ROUTE, "destination": "10.1.0.1/24"}], "routes[0].destination"),
    ([{**ROUTE, "nexthop": "10.0.0.9;x"}], "routes[0].nexthop"),
    ([{**ROUTE, "nexthop": "fe80::1%eth0"}], "routes[0].nexthop"),
    ([{**ROUTE, "metric": 1}], "routes[0].metric"),
    ([ROUTE, ROUTE], "routes"),
    ([{**ROUTE, "nexthop": f"10.0.0.{n}"} for n in range(31)], "routes"),
    ([ROUTE], "not connected with router"),
]


@pytest.mark.parametrize(("routes", "named"), ROUTES)
def test_routes(api: Api, routes: Any, named: str) -> None:
    path = f"/v2.0/routers/{api.make('router', {})['id']}"
    for where in (path, f"{path}/add_extraroutes"):
        assert named in error(api.ask("PUT", where, {"router": {"routes": routes}}), 400)["message"]
    assert api.ask("GET", path).json["router"]["routes"] == []


INTERFACES = [
    ({}, "Either subnet_id or port_id must be specified"),
    ({"subnet_id": "x"}, "subnet_id"),
    ({"subnet_id": None}, "subnet_id"),
    ({"port_id": 1}, "port_id"),
    ({"subnet": ZERO}, "subnet"),
]


@pytest.mark.parametrize(("body", "named"), INTERFACES)
def test_interface(api: Api, body: Any, named: str) -> None:
    path = f"/v2.0/routers/{api.make('router', {})['id']}"
    for action in ("add_router_interface", "remove_router_interface"):
        assert named in error(api.ask("PUT", f"{path}/{action}", body), 400)["message"]
    both = {"subnet_id": ZERO, "port_id": ZERO}
    assert "both" in error(api.ask("PUT", f"{path}/add_router_interface", both), 400)["message"]
    for body in ({"router": {}}, {"router": {"routes": [], "name": "x"}}, {"routes": []}):
        assert "rout" in error(api.ask("PUT", f"{path}/add_extraroutes", body), 400)["message"]
    assert api.ask("GET", path).json["router"]["revision_number"] == 0


FLOATINGIPS = [
    ({"floating_network_id": None}, "floating_network_id"),
    ({"floating_network_id": "x"}, "floating_network_id"),
    ({"floating_network_id": ZERO}, ZERO),
    ({"floating_ip_address": "203.0.113"}, "floating_ip_address"),
    ({"floating_ip_address": "203.0.113.9\n"}, "floating_ip_address"),
    ({"floating_ip_address": "2001:db8::1"}, "floating_ip_address 2001:db8::1"),
    ({"floating_ip_address": ["203.0.113.9"]}, "floating_ip_address"),
    ({"subnet_id": "x"}, "subnet_id"),
    ({"subnet_id": ZERO}, f"subnet_id {ZERO}"),
    ({"port_id": "x"}, "port_id"),
    ({"port_id": {}}, "port_id"),
    ({"fixed_ip_address": "10.0.0.9"}, "fixed_ip_address"),
    ({"fixed_ip_address": "10.0.0.9/32"}, "fixed_ip_address"),
    ({"router_id": ZERO}, "router_id"),
    ({"status": "ACTIVE"}, "status"),
    ({"name": "x"}, "name"),
    ({"description": "a\u001b[2J"}, "description"),
    ({"description": "x" * 256}, "description"),
    ({"project_id": "a\nb"}, "project_id"),
    ({"project_id": "a", "tenant_id": "b"}, "tenant_id"),
]


@pytest.mark.parametrize(("attributes", "named"), FLOATINGIPS)
def test_floating_ip(api: Api, attributes: dict[str, Any], named: str) -> None:
    network = api.make("network", {"router:external": True})
    api.make("subnet", {"network_id": network["id"], "ip_version": 4, "cidr": "203.0.113.0/24"})
    body = {"floatingip": {"floating_network_id": network["id"], **attributes}}
    assert named in error(api.ask("POST", "/v2.0/floatingips", body), 400)["message"]
    assert api.ask("GET", "/v2.0/floatingips").json == {"floatingips": []}
    assert api.ask("GET", "/v2.0/ports").json == {"ports": []}


@pytest.mark.parametrize(
    "attribute", ["floating_network_id", "floating_ip_address", "subnet_id", "router_id", "status", "project_id"]
)
def test_floating_ip_keeps_what_it_was_made_with(api: Api, attribute: str) -> None:
    network = api.make("network", {"router:external": True})
    api.make("subnet", {"network_id": network["id"], "ip_version": 4, "cidr": "203.0.113.0/24"})
    made = api.make("floatingip", {"floating_network_id": network["id"]})
    changed = api.ask("PUT", f"/v2.0/floatingips/{made['id']}", {"floatingip": {attribute: ZERO}})
    assert attribute in error(changed, 400)["message"]


def test_bulk_that_fails_late_writes_nothing(api: Api) -> None:
    network = api.make("network", {})
    api.make("subnet", _subnet(network_id=network["id"]))
    ports = [{"network_id": network["id"], "fixed_ips": [{"ip_address": "10.0.0.9"}]}] * 2
    error(api.ask("POST", "/v2.0/ports", {"ports": ports}), 409)
    assert api.ask("GET", "/v2.0/ports").json == {"ports": []}


class Broken:
    """A service with a bug."""

    def list(self, principal: Any, query: Any) -> Any:
        raise ZeroDivisionError("secret of the house")


def test_bug_is_logged_and_not_told(tables: Database, caplog: pytest.LogCaptureFixture) -> None:
    api = Api(tables, replace={"network": Broken()})
    with caplog.at_level(logging.ERROR):
        found = error(api.ask("GET", NETWORKS), 500)
    assert "secret" not in json.dumps(found)
    assert "secret of the house" in caplog.text


def test_lost_database_is_503(api: Api) -> None:
    api.database.write(lambda tx: tx.connection.exec_driver_sql("ALTER TABLE network RENAME TO elsewhere"))
    assert error(api.ask("GET", NETWORKS), 503)["type"] == "Unavailable"


def test_limit_of_the_server(tables: Database) -> None:
    api = Api(tables, ApiSettings(max_limit=2, max_body=100))
    for _ in range(3):
        api.make("network", {})
    assert len(api.ask("GET", NETWORKS).json["networks"]) == 2
    assert len(api.ask("GET", f"{NETWORKS}?limit=50").json["networks"]) == 2
    assert len(api.ask("GET", f"{NETWORKS}?limit=1").json["networks"]) == 1
    error(api.ask("POST", NETWORKS, {"network": {"name": "x" * 100}}), 413)


def test_forwarded_headers_are_believed_only_when_told(tables: Database) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "api.example.org", "X-Forwarded-Prefix": "/networking"}
    for believed, expected in ((False, "http://localhost/v2.0/"), (True, "https://api.example.org/networking/v2.0/")):
        api = Api(tables, ApiSettings(forwarded=believed))
        assert api.ask("GET", "/", headers=headers).json["versions"][0]["links"][0]["href"] == expected


def test_tenant_without_project(api: Api) -> None:
    error(api.ask("GET", NETWORKS, headers={**TENANT, "X-Project-Id": ""}), 403)
