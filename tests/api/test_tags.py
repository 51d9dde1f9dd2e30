"""Tags of every object that has them: read, set, added, removed, searched for; none is lost between two clients."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from netsched.db.session import Database
from netsched.server.api.v2 import root
from tests.api.ground import OTHER, TENANT, Api


def tagged(api: Api) -> list[str]:
    """The collections whose objects have tags, by the routes."""
    paths = [route.path for route in root.routes(api.services, 0, "test") if route.path.endswith("{id}/tags")]
    return sorted({path.split("/")[2] for path in paths})


@pytest.fixture
def objects(api: Api) -> dict[str, str]:
    """The path of an object of each kind."""
    outside = api.make("network", {"router:external": True})["id"]
    api.make("subnet", {"network_id": outside, "ip_version": 4, "cidr": "203.0.113.0/24"})
    network = api.make("network", {}, TENANT)["id"]
    made = {
        "networks": network,
        "subnets": api.make("subnet", {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}, TENANT)["id"],
        "ports": api.make("port", {"network_id": network}, TENANT)["id"],
        "routers": api.make("router", {}, TENANT)["id"],
        "subnetpools": api.make("subnetpool", {"name": "pool", "prefixes": ["10.0.0.0/8"]}, TENANT)["id"],
        "floatingips": api.make("floatingip", {"floating_network_id": outside}, TENANT)["id"],
    }
    group = api.ask("POST", "/v2.0/security-groups", {"security_group": {"name": "web"}}, TENANT)
    made["security-groups"] = group.json["security_group"]["id"]
    return {plural: f"/v2.0/{plural}/{id}" for plural, id in made.items()}


def test_all_that_has_tags_has_the_routes(api: Api, objects: dict[str, str]) -> None:
    assert set(objects) == set(tagged(api))


def test_tags_from_the_first_to_the_last(api: Api, objects: dict[str, str]) -> None:
    for plural, path in objects.items():

        def ask(method: str, what: str = "", body: Any = None, path: str = path) -> tuple[int, Any]:
            answer = api.ask(method, f"{path}/tags{what}", body, TENANT)
            return answer.status_int, answer.json if answer.body else None

        before = api.ask("GET", path, headers=TENANT).json[plural[:-1].replace("-", "_")]
        assert ask("GET") == (200, {"tags": []})
        assert ask("PUT", "/red") == (201, None)
        assert ask("PUT", "/caf%C3%A9") == (201, None)
        assert ask("PUT", "/red") == (201, None)
        assert ask("GET", "/red") == (204, None)
        assert ask("GET", "/blue")[0] == 404
        after = api.ask("GET", path, headers=TENANT).json[plural[:-1].replace("-", "_")]
        assert after["tags"] == ["café", "red"] and after["revision_number"] == before["revision_number"] + 2
        assert {**after, "tags": [], "revision_number": 0} == {**before, "revision_number": 0} | {
            "updated_at": after["updated_at"]
        }
        assert ask("POST", body={"tags": ["blue", "red"]}) == (201, {"tags": ["blue", "café", "red"]})
        assert ask("DELETE", "/red") == (204, None)
        status, refused = ask("DELETE", "/red")
        assert (status, refused["NeutronError"]["type"]) == (404, "TagNotFound")
        assert refused["NeutronError"]["message"] == "Tag red could not be found."
        assert ask("PUT", body={"tags": ["a", "b"]}) == (200, {"tags": ["a", "b"]})
        assert ask("GET") == (200, {"tags": ["a", "b"]})
        assert ask("DELETE") == (204, None)
        assert ask("GET") == (200, {"tags": []})


@pytest.mark.parametrize(
    "body", [{"tags": ["a", "a"]}, {"tags": [""]}, {"tags": ["x" * 256]}, {"tags": "a"}, {"tag": ["a"]}, {}]
)
def test_bad_tags_are_refused(api: Api, objects: dict[str, str], body: Any) -> None:
    for method in ("PUT", "POST"):
        answer = api.ask(method, f"{objects['networks']}/tags", body, TENANT)
        assert (answer.status_int, answer.json["NeutronError"]["type"]) == (400, "InvalidInput")


def test_others_neither_see_nor_change_them(api: Api, objects: dict[str, str]) -> None:
    for path in objects.values():
        for method, what in (("GET", ""), ("PUT", "/a"), ("DELETE", ""), ("GET", "/a"), ("DELETE", "/a")):
            assert api.ask(method, f"{path}/tags{what}", None, OTHER).status_int == 404
        assert api.ask("PUT", f"{path}/tags", {"tags": ["a"]}, OTHER).status_int == 404


def test_a_revision_can_be_insisted_on(api: Api, objects: dict[str, str]) -> None:
    path = f"{objects['routers']}/tags/a"
    assert api.ask("PUT", path, headers={**TENANT, "If-Match": "revision_number=7"}).status_int == 412
    assert api.ask("PUT", path, headers={**TENANT, "If-Match": "revision_number=0"}).status_int == 201


def test_no_tag_is_lost_between_clients(database: Database) -> None:
    api = Api(database)
    path = f"/v2.0/networks/{api.make('network', {})['id']}/tags"
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda n: api.ask("PUT", f"{path}/t{n}").status_int, range(8)))
    assert set(statuses) == {201}
    assert sorted(api.ask("GET", path).json["tags"]) == [f"t{n}" for n in range(8)]


@pytest.fixture
def shop(database: Database) -> Iterator[Api]:
    api = Api(database)
    for name, tags in {"none": [], "red": ["red"], "both": ["red", "blue"], "odd": ["Red", 'a"b', "50%", "é"]}.items():
        api.make("network", {"name": name, "tags": tags}, TENANT)
    yield api


def test_tags_are_searched_for(shop: Api) -> None:
    def names(query: str) -> set[str]:
        return {one["name"] for one in shop.ask("GET", f"/v2.0/networks?{query}", headers=TENANT).json["networks"]}

    assert names("tags=red") == {"red", "both"}
    assert names("tags=red,blue") == names("tags=blue&tags=red") == {"both"}
    assert names("tags-any=blue,Red") == {"both", "odd"}
    assert names("not-tags=red,blue") == {"none", "red", "odd"}
    assert names("not-tags=red") == {"none", "odd"}
    assert names("not-tags-any=red,Red") == {"none"}
    assert names("tags=re") == names("tags=RED") == names("tags=%25") == names("tags=_ed") == set()
    assert names("tags=a%22b") == names("tags=50%25") == names("tags=%C3%A9") == {"odd"}
    assert names("tags=red&not-tags=blue&name=red") == {"red"}
