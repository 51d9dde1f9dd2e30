"""What is scraped against what the test itself counted: a whole deployment in one thread, its server's own /metrics."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from webob import Request, Response

from netsched.rpc.direct import Envelope
from tests.flow.world import DEATH, INTERVAL, World
from tests.statements import counted

Labels = tuple[tuple[str, str], ...]


def ask(world: World, method: str, path: str, body: Any = None, **headers: str) -> Response:
    options = {} if body is None else {"json_body": body}
    return Request.blank(path, method=method, headers=headers, **options).get_response(world.servers[0].application)


class Scrape:
    """All samples of one scrape, by name and labels."""

    def __init__(self, world: World) -> None:
        answer = ask(world, "GET", "/metrics")
        assert answer.status_int == 200 and answer.content_type == "text/plain", answer.text
        self.samples: dict[str, dict[Labels, float]] = {}
        self.families: set[str] = set()
        for family in text_string_to_metric_families(answer.text):
            self.families.add(family.name)
            for sample in family.samples:
                assert sample.name.startswith("netsched_") and not sample.name.endswith("_created")
                self.samples.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value

    def value(self, name: str, **labels: str) -> float:
        return self.samples.get(name, {}).get(tuple(sorted(labels.items())), 0.0)

    def total(self, name: str) -> float:
        return sum(self.samples.get(name, {}).values())


def test_requests_and_statements(tmp_path: Path) -> None:
    world = World(tmp_path)
    Scrape(world)
    before = Scrape(world)  # the gauges are a moment old and kept: this one sends no statement
    with counted(world.servers[0].database) as sent:
        network = ask(world, "POST", "/v2.0/networks", {"network": {"name": "blue"}}).json["network"]["id"]
        for _ in range(3):
            assert ask(world, "GET", f"/v2.0/networks/{network}").status_int == 200
        assert ask(world, "GET", "/v2.0/networks/nonsense").status_int == 404
        assert ask(world, "GET", "/v2.0/nowhere/at/all").status_int == 404
        assert ask(world, "PUT", f"/v2.0/networks/{network}", {"network": {"mtu": "wide"}}).status_int == 400
        world.run(2 * INTERVAL)
        number = len(sent)
        after = Scrape(world)

    def requests(route: str, method: str, status: str) -> float:
        labels = {"route": route, "method": method, "status": status}
        name = "netsched_http_requests_total"
        return after.value(name, **labels) - before.value(name, **labels)

    assert requests("/v2.0/networks", "POST", "201") == 1
    assert requests("/v2.0/networks/{id}", "GET", "200") == 3
    assert requests("/v2.0/networks/{id}", "GET", "404") == 1
    assert requests("/v2.0/networks/{id}", "PUT", "400") == 1
    assert requests("none", "GET", "404") == 1
    timed = after.value("netsched_http_request_seconds_count", route="/v2.0/networks/{id}", method="GET")
    assert timed == 4
    assert number > 20
    assert after.total("netsched_sql_statements_total") - before.total("netsched_sql_statements_total") == number


def test_labels_are_not_the_clients(tmp_path: Path) -> None:
    world = World(tmp_path, agents=0)
    for number in range(20):
        ask(world, "GET", f"/v2.0/made-up-{number}")
        ask(world, f"VERB{number}", "/v2.0/networks")
    series = Scrape(world).samples["netsched_http_requests_total"]
    assert len(series) == 2


def test_beats_answers_notices_and_pulls(tmp_path: Path) -> None:
    world = World(tmp_path)
    seen: Counter[str] = Counter()

    def count(envelope: Envelope) -> list[Envelope]:
        seen[envelope.method] += len(envelope.payload.get("answers", ["itself"]))
        if envelope.method == "notices":
            seen["each notice"] += sum(len(one) for one in envelope.payload["notices"].values())
        return [envelope]

    world.servers[0].heartbeats.write_batch()  # what is still in the queue
    world.transport.deliver_all()
    before = Scrape(world)
    world.transport.route = count
    network = world.network()
    world.run(5 * INTERVAL)
    world.port(network)
    world.run(5 * INTERVAL)
    world.servers[0].heartbeats.write_batch()
    world.transport.route = None
    after = Scrape(world)

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert seen["beat"] >= 24 and seen["each notice"] >= 1
    assert grown("netsched_beats_total", outcome="received") == seen["beat"]
    assert grown("netsched_beats_total", outcome="written") == seen["beat"]
    assert grown("netsched_beats_total", outcome="dropped") == 0
    assert grown("netsched_messages_total", kind="answers", outcome="sent") == seen["answers"]
    assert grown("netsched_messages_total", kind="notices", outcome="sent") == seen["each notice"]
    assert grown("netsched_pulls_total") >= 1  # calls go past the route


def test_agents_placements_and_moves(tmp_path: Path) -> None:
    world = World(tmp_path)
    networks = [world.network() for _ in range(6)]
    world.run(3 * INTERVAL)
    found = Scrape(world)
    assert found.value("netsched_placements_total", resource_type="network", cause="new") == len(networks)
    assert found.value("netsched_agents", agent_type="DHCP agent", zone="nova", state="alive") == 3
    assert found.value("netsched_agents", agent_type="DHCP agent", zone="nova", state="dead") == 0
    victim = world.holders(networks[0])[0]
    held = sum(world.holders(one) == [victim] for one in networks)
    world.nodes[victim].kill()
    world.run(DEATH)
    found = Scrape(world)
    assert found.value("netsched_moves_total", resource_type="network", cause="dead") == held
    assert found.value("netsched_agents", agent_type="DHCP agent", zone="nova", state="alive") == 2
    assert found.value("netsched_agents", agent_type="DHCP agent", zone="nova", state="dead") == 1
    assert found.value("netsched_brake_engaged", agent_type="DHCP agent", zone="nova") == 0


def test_brake(tmp_path: Path) -> None:
    world = World(tmp_path, agents=5)
    world.network()
    world.run(2 * DEATH)
    for node in list(world.nodes.values())[:4]:
        node.kill()
    world.run(DEATH)
    found = Scrape(world)
    assert found.value("netsched_brake_engaged", agent_type="DHCP agent", zone="nova") == 1
    assert found.total("netsched_moves_total") == 0


def test_backlog_and_lag(tmp_path: Path) -> None:
    world = World(tmp_path)
    network = world.network()
    world.port(network)  # the first of its project, with which its default security group comes
    world.run(3 * INTERVAL)
    assert Scrape(world).value("netsched_relay_unsent") == 0
    world.nodes[world.holders(network)[0]].kill()
    for _ in range(4):
        world.port(network)
    world.clock.advance(7.0)  # no worker has run: nothing is stamped
    found = Scrape(world)
    assert found.value("netsched_relay_unstamped") == found.value("netsched_relay_unsent") == 8  # network and group
    assert found.value("netsched_relay_oldest_seconds") == 7.0
    assert found.value("netsched_delivery_behind") == 0
    world.servers[0].delivery.relay()
    world.clock.advance(3.0)
    found = Scrape(world)
    assert found.value("netsched_relay_unsent") == 0
    assert found.value("netsched_delivery_behind") == 1
    assert found.value("netsched_delivery_oldest_seconds") == 3.0


def test_the_server_itself(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1)
    found = Scrape(world)
    server = world.servers[0]
    for worker in server.driver.workers:
        runs = found.value("netsched_worker_runs_total", worker=worker.name)
        assert runs == worker.status()["runs"]
        if runs:
            assert found.value("netsched_worker_last_run_age_seconds", worker=worker.name) < 1
        assert found.value("netsched_worker_failures_total", worker=worker.name) == 0
    for name in ("database_up", "broker_up", "trusted"):
        assert found.value(f"netsched_{name}") == 1, name
    assert found.value("netsched_stopping") == 0
    assert list(found.samples["netsched_build_info"].values()) == [1]
    server.drain()
    assert Scrape(world).value("netsched_stopping") == 1


def test_without_a_database(tmp_path: Path) -> None:
    """What needs none is there still, and the rest is absent, not zero."""
    world = World(tmp_path, agents=1)
    (tmp_path / "netsched.sqlite").unlink()
    for database in (world.servers[0].database, world.database):
        database.dispose()
    (tmp_path / "netsched.sqlite").mkdir()
    world.clock.advance(5.0)
    found = Scrape(world)
    assert found.value("netsched_database_up") == 0
    assert "netsched_agents" not in found.samples and "netsched_relay_unsent" not in found.samples
    assert found.total("netsched_beats_total") > 0


def test_who_may_read(tmp_path: Path) -> None:
    world = World(tmp_path, agents=0)
    tenant = {"X-Project-Id": "alice", "X-Roles": "member"}
    refused = ask(world, "GET", "/metrics", **tenant)
    assert refused.status_int == 403 and "rule:get_metrics" in refused.json["NeutronError"]["message"]


def test_the_documentation_has_them_all(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1)
    world.network()
    world.run(3 * INTERVAL)
    scraped = {
        name.removesuffix("_total") for name in Scrape(world).families if name != "netsched_http_request_seconds"
    }
    page = (Path(__file__).parent.parent.parent / "docs" / "monitoring.rst").read_text()
    named = {name.removesuffix("_total") for name in re.findall(r"^``(netsched_\w+)``", page, re.M)}
    assert named - {"netsched_http_request_seconds"} == scraped
