"""Grants that several clients make, use and take back at the same moment, on each database."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from netsched.db.session import Database
from tests.api.ground import OTHER, TENANT, Api
from tests.api.test_races import CLIENTS, ROUNDS, outcome, race

pytestmark = pytest.mark.three

SHARED, EXTERNAL = "access_as_shared", "access_as_external"


@pytest.fixture
def api(database: Database) -> Api:
    return Api(database)


def grant(network_id: str, action: str) -> dict[str, Any]:
    policy = {"object_type": "network", "object_id": network_id, "action": action, "target_tenant": "bob"}
    return {"rbac_policy": policy}


def test_the_same_grant(api: Api) -> None:
    network = api.make("network", {}, TENANT)["id"]
    works = [partial(api.ask, "POST", "/v2.0/rbac-policies", grant(network, SHARED), TENANT)] * CLIENTS
    assert outcome(race(works)) == {(201, ""): 1, (409, "DuplicateRbacPolicy"): CLIENTS - 1}


@pytest.mark.parametrize("action", [SHARED, EXTERNAL])
def test_what_is_taken_back_is_not_used_after_that(api: Api, action: str) -> None:
    """Either the grant is gone and nobody uses the network, or somebody does and the grant is still there."""
    for number in range(ROUNDS):
        network = api.make("network", {})["id"]
        api.make("subnet", {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"})
        made = api.ask("POST", "/v2.0/rbac-policies", grant(network, action))
        policy = f"/v2.0/rbac-policies/{made.json['rbac_policy']['id']}"
        use: tuple[str, Any] = ("ports", {"port": {"network_id": network, **({"fixed_ips": []} if number % 2 else {})}})
        if action == EXTERNAL:
            use = ("routers", {"router": {"external_gateway_info": {"network_id": network}}})
        uses = [partial(api.ask, "POST", f"/v2.0/{use[0]}", use[1], OTHER)] * CLIENTS
        *used, taken = race([*uses, partial(api.ask, "DELETE", policy)])
        statuses = {answer.status_int for answer in used}
        assert statuses <= {201, 400, 404} and taken.status_int in (204, 409), [a.text for a in (*used, taken)]
        assert (201 in statuses) is (taken.status_int == 409)
