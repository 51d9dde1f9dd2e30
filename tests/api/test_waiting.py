"""?wait=applied over HTTP: what is accepted, what is answered, and who is told how much."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from webob import Response

from netsched.db.session import Database
from netsched.server.services.waiting import WaitingService, WaitSettings
from tests.api.ground import TENANT, Api
from tests.fakes.clock import FakeClock

APPLIED, LATE = "X-Netsched-Applied", "X-Netsched-Late"
NETWORK = {"network": {"name": "web"}}


def served(api: Api, headers: dict[str, str] | None = None) -> str:
    """A network with DHCP that an administrator gave to `secret-host`, which has yet to say that it has it."""
    agent = api.agent("secret-host")
    network = api.make("network", {"name": "web"}, headers)["id"]
    api.make("subnet", {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}, headers)
    assert api.ask("POST", f"/v2.0/agents/{agent}/dhcp-networks", {"network_id": network}).status_int == 201
    api.scheduling.run_once()
    api.relay()
    return str(network)


@pytest.mark.parametrize(
    "query",
    [
        "wait=yes",
        "wait=",
        "wait=applied&wait=applied",
        "timeout=5",
        "wait=applied&timeout=61",
        "wait=applied&timeout=-1",
    ]
    + ["wait=applied&timeout=1.5", "wait=applied&timeout=1&timeout=2", "wait=applied&timeout="],
)
def test_what_cannot_be_waited_for_is_refused_before_anything_is_written(api: Api, query: str) -> None:
    refused = api.ask("POST", f"/v2.0/networks?{query}", NETWORK)
    assert refused.status_int == 400 and refused.json["NeutronError"]["code"] == "request.bad"
    assert api.ask("GET", "/v2.0/networks").json["networks"] == []


def test_reads_do_not_wait(api: Api) -> None:
    assert api.ask("GET", "/v2.0/networks?wait=applied").status_int == 400
    network = api.make("network", {"name": "web"})["id"]
    assert api.ask("GET", f"/v2.0/networks/{network}?wait=applied").status_int == 400


def test_every_write_says_how_far_it_got(api: Api) -> None:
    def far(answer: Response, status: int) -> tuple[str, str | None]:
        assert answer.status_int == status, answer.text
        return answer.headers[APPLIED], answer.headers.get(LATE)

    def write(method: str, path: str, body: Any = None) -> Response:
        return api.ask(method, f"/v2.0/{path}?wait=applied&timeout=0", body)

    made = write("POST", "networks", {"networks": [{"name": "a"}, {"name": "b"}]})
    ids = [one["id"] for one in made.json["networks"]]
    told = "; ".join(f"network/{id}: not yet sent" for id in sorted(ids))
    assert far(made, 201) == ("false", told)
    api.relay()
    # Nobody holds them, so there is nobody to wait for.
    assert api.ask("GET", f"/v2.0/networks/{ids[0]}/delivery").json["delivery"] == {"applied": True, "late": []}
    router = api.make("router", {"name": "edge"})["id"]
    subnet = {"network_id": ids[0], "ip_version": 4, "cidr": "10.0.0.0/24"}
    subnet_id = write("POST", "subnets", {"subnet": subnet}).json["subnet"]["id"]
    api.relay()
    plugged = write("PUT", f"routers/{router}/add_router_interface", {"subnet_id": subnet_id})
    applied, late = far(plugged, 200)
    assert applied == "false" and late is not None and f"router/{router}: no agent" in late
    routes = {"router": {"routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]}}
    assert far(write("PUT", f"routers/{router}/add_extraroutes", routes), 200)[0] == "false"
    assert far(write("PUT", f"networks/{ids[1]}", {"network": {"name": "c"}}), 200)[0] == "false"
    assert far(write("DELETE", f"networks/{ids[1]}"), 204)[0] == "false"
    missing = write("DELETE", f"networks/{ids[1]}")
    assert missing.status_int == 404 and APPLIED not in missing.headers


def test_a_write_that_touches_no_scope_is_in_force_at_once(api: Api) -> None:
    outside = api.make("network", {"name": "ext", "router:external": True})["id"]
    api.make("subnet", {"network_id": outside, "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": False})
    floating = api.make("floatingip", {"floating_network_id": outside})["id"]
    body = {"floatingip": {"description": "spare"}}
    answer = api.ask("PUT", f"/v2.0/floatingips/{floating}?wait=applied", body)
    assert (answer.status_int, answer.headers[APPLIED]) == (200, "true") and LATE not in answer.headers


def test_tenants_learn_how_many_are_late_and_no_host(api: Api) -> None:
    network = served(api, TENANT)
    asked = ("PUT", f"/v2.0/networks/{network}?wait=applied&timeout=0", {"network": {"name": "x"}})
    own, all_ = api.ask(*asked, headers=TENANT), api.ask(*asked)
    assert own.headers[LATE] == "1 agent: not yet sent; 1 DHCP agent: on its way"
    assert "secret-host (DHCP agent): on its way" in all_.headers[LATE]
    assert api.ask("GET", f"/v2.0/networks/{network}/delivery", headers=TENANT).status_int == 403


def test_without_a_place_to_wait_nothing_is_written(api: Api) -> None:
    with contextlib.ExitStack() as taken:
        for _ in range(4):
            taken.enter_context(api.services.delivery.place())
        refused = api.ask("POST", "/v2.0/networks?wait=applied", NETWORK)
        assert refused.status_int == 503 and "Retry-After" in refused.headers
        assert refused.json["NeutronError"]["code"] == "request.too_many_waiters"
        assert "without wait=applied" in refused.json["NeutronError"]["message"]
        assert api.ask("GET", "/v2.0/networks").json["networks"] == []
        assert api.ask("POST", "/v2.0/networks", NETWORK).status_int == 201
    assert api.ask("POST", "/v2.0/networks?wait=applied&timeout=0", NETWORK).status_int == 201


def test_what_is_committed_is_no_error_if_it_cannot_be_watched(tables: Database, tmp_path: Path) -> None:
    away = WaitingService(
        Database(f"sqlite:///{tmp_path}/not/there/x.sqlite"), FakeClock(), WaitSettings(1, (1.0, 10.0))
    )
    api = Api(tables, replace={"delivery": away})
    answer = api.ask("POST", "/v2.0/networks?wait=applied&timeout=2", NETWORK)
    assert answer.status_int == 201 and answer.headers[APPLIED] == "false"
    assert "the server cannot tell" in answer.headers[LATE]


def test_an_agent_that_is_not_there(api: Api) -> None:
    for id in ("nobody", "11111111-2222-3333-4444-555555555555"):
        assert api.ask("GET", f"/v2.0/agents/{id}/delivery").status_int == 404
