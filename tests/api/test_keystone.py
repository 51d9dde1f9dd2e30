"""Who asks, proved by a real Keystone."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config import cfg

from netsched import errors
from netsched.clock import SystemClock
from netsched.db.session import Database
from netsched.server.api.keystone import Keystone as Authenticator
from netsched.server.api.keystone import Tokens
from tests.api.ground import Api
from tests.fakes.clock import FakeClock
from tests.keystone import Keystone
from tests.servers import free_port

OPEN = ("/", "/healthz", "/healthz/", "/readyz", "/v2.0/openapi.json")
CLOSED = ("/v2.0", "/v2.0/", "/v2.0/networks", "/v2.0/extensions", "/metrics", "/v2.0/nothing", "/nothing")
FORGED = {
    "X-Roles": "admin",
    "X-Role": "admin",
    "X-Project-Id": "p",
    "X-Tenant-Id": "p",
    "X-User-Id": "u",
    "X-Identity-Status": "Confirmed",
    "X-Is-Admin-Project": "True",
}


def configuration(directory: Path, options: dict[str, str]) -> cfg.ConfigOpts:
    """As a server's file would have it."""
    file = directory / "netsched.conf"
    lines = ["[keystone_authtoken]", *(f"{name} = {value}" for name, value in options.items())]
    file.write_text("\n".join(lines) + "\n")
    conf = cfg.ConfigOpts()
    conf([f"--config-file={file}"], project="netsched")
    return conf


def guarded(tables: Database, directory: Path, **options: str) -> Api:
    return Api(tables, authenticator=Authenticator(configuration(directory, options), SystemClock()))


@pytest.fixture
def closed(tables: Database, tmp_path: Path, keystone: Keystone) -> Api:
    """An API that believes tokens only."""
    return guarded(tables, tmp_path, **keystone.service())


def test_open_routes_need_no_token(closed: Api) -> None:
    for path in OPEN:
        for method in ("GET", "HEAD"):
            assert closed.ask(method, path).status_int == 200, path
            assert closed.ask(method, path, headers={"X-Auth-Token": "nonsense"}).status_int == 200, path


def test_everything_else_needs_one(closed: Api, keystone: Keystone) -> None:
    asked = [("GET", path, None) for path in CLOSED]
    asked += [("POST", "/v2.0/networks", {"network": {}}), ("DELETE", "/healthz", None)]
    for token in ({}, {"X-Auth-Token": ""}, FORGED):
        for method, path, body in asked:
            answer = closed.ask(method, path, body, token)
            assert answer.status_int == 401, path
            assert answer.headers["WWW-Authenticate"] == f'Keystone uri="{keystone.url}"'
            assert answer.headers["x-openstack-request-id"].startswith("req-")
            message = "The request you have made requires authentication."
            assert answer.json == {"error": {"code": 401, "title": "Unauthorized", "message": message}}
    assert closed.ask("GET", "/v2.0/networks", headers={"X-Auth-Token": "nonsense"}).status_int == 401


def test_headers_of_clients_are_not_believed(closed: Api, keystone: Keystone) -> None:
    reader = {**FORGED, "X-Auth-Token": keystone.token(keystone.reader)}
    assert closed.ask("GET", "/v2.0/status", headers=reader).status_int == 403
    assert closed.ask("POST", "/v2.0/networks", {"network": {}}, reader).status_int == 403
    member = {**FORGED, "X-Auth-Token": keystone.token(keystone.member)}
    assert closed.make("network", {}, member)["project_id"] == keystone.member.project_id


def test_roles_are_those_of_the_token(closed: Api, keystone: Keystone) -> None:
    users = (keystone.admin, keystone.member, keystone.reader, keystone.other)
    admin, member, reader, other = ({"X-Auth-Token": keystone.token(user)} for user in users)
    network = closed.make("network", {"name": "alice's"}, member)
    path = f"/v2.0/networks/{network['id']}"
    assert "provider:network_type" not in network
    assert "provider:network_type" in closed.ask("GET", path, headers=admin).json["network"]
    assert closed.ask("GET", path, headers=reader).status_int == 200
    refused = closed.ask("PUT", path, {"network": {"name": "mine"}}, reader)
    assert refused.status_int == 403 and refused.json["NeutronError"]["type"] == "PolicyNotAuthorized"
    assert closed.ask("PUT", path, {"network": {"name": "ours"}}, member).status_int == 200
    for method, body in (("GET", None), ("PUT", {"network": {}}), ("DELETE", None)):
        assert closed.ask(method, path, body, other).status_int == 404
    assert closed.ask("DELETE", path, None, admin).status_int == 204


def test_a_token_is_asked_about_once_in_a_while(
    closed: Api, tables: Database, tmp_path: Path, keystone: Keystone
) -> None:
    revoked = {"X-Auth-Token": keystone.token(keystone.member)}
    assert closed.ask("GET", "/v2.0/networks", headers=revoked).status_int == 200
    keystone.revoke(revoked["X-Auth-Token"])
    assert closed.ask("GET", "/v2.0/networks", headers=revoked).status_int == 200
    another = guarded(tables, tmp_path, **keystone.service())
    assert another.ask("GET", "/v2.0/networks", headers=revoked).status_int == 401


def test_when_keystone_is_away_it_is_not_the_tokens_fault(tables: Database, tmp_path: Path, keystone: Keystone) -> None:
    nowhere = {"auth_url": f"http://127.0.0.1:{free_port()}/v3", "http_request_max_retries": "0"}
    api = guarded(tables, tmp_path, **keystone.service() | nowhere)
    answer = api.ask("GET", "/v2.0/networks", headers={"X-Auth-Token": "any"})
    assert answer.status_int == 503 and int(answer.headers["Retry-After"])
    assert answer.json["NeutronError"]["code"] == "identity.unavailable"
    assert api.ask("GET", "/v2.0/networks").status_int == 401
    assert api.ask("GET", "/readyz").status_int == 200


def test_a_service_user_who_cannot_log_in_is_not_the_clients_fault(
    tables: Database, tmp_path: Path, keystone: Keystone
) -> None:
    api = guarded(tables, tmp_path, **{**keystone.service(), "password": "wrong"})
    answer = api.ask("GET", "/v2.0/networks", headers={"X-Auth-Token": keystone.token(keystone.member)})
    assert answer.status_int == 503


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "auth_type is missing"),
        ({"auth_type": "password"}, "auth_url"),
        ({"auth_type": "guesswork"}, "guesswork"),
    ],
)
def test_a_section_that_cannot_work_is_refused_at_the_start(
    tables: Database, tmp_path: Path, options: dict[str, str], said: str
) -> None:
    with pytest.raises(errors.Invalid, match=said):
        guarded(tables, tmp_path, **options)


def test_tokens_are_remembered_for_a_time_and_only_so_many() -> None:
    clock = FakeClock()
    tokens = Tokens(clock, most=2)
    for name in ("a", "b", "c"):
        tokens.set(name, name.encode(), time=300)
    assert [tokens.get(name) for name in ("a", "b", "c")] == [None, b"b", b"c"]
    clock.advance(301)
    assert tokens.get("c") is None
    tokens.set("d", b"d", time=-1)  # token_cache_time that says not at all
    assert tokens.get("d") is None
