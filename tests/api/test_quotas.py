"""Quotas on the wire: who sees and sets whose, and the refusals."""

from __future__ import annotations

import pytest

from netsched.conf import quotas
from tests.api.ground import ADMIN, OTHER, QUOTAS, TENANT, Api

LIMITS = dict(QUOTAS)


def test_a_project_sees_its_limits_and_what_it_has(api: Api) -> None:
    api.make("network", {}, TENANT)
    assert api.ask("GET", "/v2.0/quotas/alice", headers=TENANT).json == {"quota": LIMITS}
    assert api.ask("GET", "/v2.0/quotas/alice/default", headers=TENANT).json == {"quota": LIMITS}
    for path in ("/v2.0/quotas/alice/details.json", "/v2.0/quotas/alice/details"):
        details = api.ask("GET", path, headers=TENANT).json["quota"]
        assert details["network"] == {"limit": LIMITS["network"], "used": 1, "reserved": 0}
        assert details["port"]["used"] == 0 and set(details) == set(quotas.DEFAULTS)
    only = api.ask("GET", "/v2.0/quotas/alice?fields=network,port", headers=TENANT).json
    assert only == {"quota": {name: LIMITS[name] for name in ("network", "port")}}
    assert api.ask("GET", "/v2.0/quotas/tenant", headers=TENANT).json == {"tenant": {"tenant_id": "alice"}}
    assert api.ask("GET", "/v2.0/quotas/project.json", headers=TENANT).json == {"project": {"project_id": "alice"}}


def test_others_limits_are_for_administrators(api: Api) -> None:
    for path in ("", "/alice", "/alice/default", "/alice/details.json"):
        assert api.ask("GET", f"/v2.0/quotas{path}", headers=OTHER).status_int == 403
        assert api.ask("GET", f"/v2.0/quotas{path}", headers=ADMIN).status_int == 200
    for headers in (OTHER, TENANT):
        body = {"quota": {"network": 1}}
        assert api.ask("PUT", "/v2.0/quotas/alice", body, headers).status_int == 403
        assert api.ask("DELETE", "/v2.0/quotas/alice", headers=headers).status_int == 403


def test_limits_are_set_listed_enforced_and_reset(api: Api) -> None:
    assert api.ask("GET", "/v2.0/quotas").json == {"quotas": []}
    put = api.ask("PUT", "/v2.0/quotas/alice", {"quota": {"network": "1", "port": -1}})
    assert put.json == {"quota": LIMITS | {"network": 1, "port": -1}}
    own = LIMITS | {"network": 1, "port": -1, "project_id": "alice", "tenant_id": "alice"}
    assert api.ask("GET", "/v2.0/quotas").json == {"quotas": [own]}
    api.make("network", {}, TENANT)
    refused = api.ask("POST", "/v2.0/networks", {"network": {}}, TENANT)
    assert refused.status_int == 409
    error = refused.json["NeutronError"]
    assert (error["type"], error["message"]) == ("OverQuota", "Quota exceeded for resources: ['network'].")
    bulk = {"networks": [{}, {}]}
    assert api.ask("POST", "/v2.0/networks", bulk, TENANT).json["NeutronError"]["type"] == "OverQuota"
    assert api.ask("POST", "/v2.0/networks", bulk, OTHER).status_int == 201
    assert api.ask("DELETE", "/v2.0/quotas/alice").status_int == 204
    again = api.ask("DELETE", "/v2.0/quotas/alice")
    assert (again.status_int, again.json["NeutronError"]["type"]) == (404, "ProjectQuotaNotFound")
    assert again.json["NeutronError"]["message"] == "Quota for project alice could not be found."
    api.make("network", {}, TENANT)


def test_a_limit_below_what_is_there_is_refused_when_asked_to_check(api: Api) -> None:
    api.make("network", {}, TENANT), api.make("network", {}, TENANT)
    checked = api.ask("PUT", "/v2.0/quotas/alice", {"quota": {"network": 1, "check_limit": True}})
    assert checked.status_int == 400
    expected = "Quota limit 1 for network must be greater than or equal to already used 2"
    assert checked.json["NeutronError"]["message"] == expected
    assert api.ask("GET", "/v2.0/quotas/alice").json["quota"]["network"] == LIMITS["network"]
    for more in ({}, {"check_limit": False}, {"force": True}):
        assert api.ask("PUT", "/v2.0/quotas/alice", {"quota": {"network": 1, **more}}).json["quota"]["network"] == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"quota": {"nonsense": 1}}, "Unrecognized attribute(s) 'nonsense'"),
        ({"quota": {"network": "many"}}, "Invalid input for network. Reason: 'many' is not an integer."),
        ({"quota": {"network": -2}}, "Invalid input for network. Reason: -2 is not in range -1..2147483647."),
        ({"network": 1}, "Unable to find 'quota' in request body"),
        ({"quota": 1}, "Unable to find 'quota' in request body"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(api: Api, body: object, message: str) -> None:
    answer = api.ask("PUT", "/v2.0/quotas/alice", body)
    assert (answer.status_int, answer.json["NeutronError"]["message"]) == (400, message)


def test_the_routes_of_each_router_are_limited(api: Api) -> None:
    network = api.make("network", {}, TENANT)["id"]
    subnet = api.make("subnet", {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}, TENANT)["id"]
    path = f"/v2.0/routers/{api.make('router', {}, TENANT)['id']}"
    assert api.ask("PUT", f"{path}/add_router_interface", {"subnet_id": subnet}, TENANT).status_int == 200
    routes = [{"destination": f"192.0.2.{n}/32", "nexthop": "10.0.0.9"} for n in range(31)]
    assert api.ask("PUT", path, {"router": {"routes": routes}}, TENANT).status_int == 400
    for limit, wanted, status in ((2, 3, 400), (2, 2, 200), (31, 31, 200), (-1, 31, 200)):
        assert api.ask("PUT", "/v2.0/quotas/alice", {"quota": {"router_route": limit}}).status_int == 200
        assert api.ask("PUT", path, {"router": {"routes": routes[:wanted]}}, TENANT).status_int == status
    more = {"router": {"routes": [{"destination": "198.51.100.0/24", "nexthop": "10.0.0.9"}]}}
    assert api.ask("PUT", f"{path}/add_extraroutes", more, TENANT).status_int == 200
    assert api.ask("PUT", "/v2.0/quotas/alice", {"quota": {"router_route": 32}}).status_int == 200
    again = {"router": {"routes": [{"destination": "203.0.113.0/24", "nexthop": "10.0.0.9"}]}}
    refused = api.ask("PUT", f"{path}/add_extraroutes", again, TENANT)
    assert (refused.status_int, refused.json["NeutronError"]["type"]) == (400, "RoutesExhausted")
