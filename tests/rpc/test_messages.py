"""Messages keep their meaning between versions: what 1.0 put on the wire decodes, and what is new to us is ignored.

tests/rpc/recorded/<version>/ holds messages as that version sent them: {"method", "payload"} and of calls "answer".
They are never edited; a new version adds a directory. schema.json, where there is one, lists a version's fields.
"""

from __future__ import annotations

import inspect
import json
import string
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from netsched import errors
from netsched.rpc import agent, outcome
from netsched.rpc.direct import DirectTransport
from netsched.rpc.transport import SERVER
from tests.fakes.clock import FakeClock

RECORDED = sorted(p for p in (Path(__file__).parent / "recorded").glob("*/*.json") if p.stem != "schema")
SERVER_METHODS = {"beat", "pull"}
AGENT_METHODS = {"answers", "notices"}


class Both:
    """Decodes messages of both directions and keeps what came out."""

    def __init__(self, pulled: agent.PullAnswer | None = None) -> None:
        self.decoded: list[tuple[str, BaseModel]] = []
        self._pulled = pulled
        self._server = agent.server_handler(self._keep_beat, self._answer_pull)
        self._agent = agent.agent_handler(self._keep_answer, self._keep_notices)

    def handle(self, method: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        return self._server(method, payload) if method in SERVER_METHODS else self._agent(method, payload)

    def _keep_beat(self, beat: agent.Beat) -> None:
        self.decoded.append(("", beat))

    def _answer_pull(self, request: agent.PullRequest) -> agent.PullAnswer:
        self.decoded.append(("", request))
        assert self._pulled is not None
        return self._pulled

    def _keep_answer(self, answer: agent.BeatAnswer) -> None:
        self.decoded.append(("", answer))

    def _keep_notices(self, to: str, notices: list[agent.Notice]) -> None:
        self.decoded.extend((to, notice) for notice in notices)


def decode(message: dict[str, Any]) -> list[tuple[str, BaseModel]]:
    pulled = agent.PullAnswer.model_validate(message["answer"]) if "answer" in message else None
    both = Both(pulled)
    both.handle(message["method"], message["payload"])
    return both.decoded + ([("", pulled)] if pulled else [])


def with_news(value: Any) -> Any:
    """The message as a newer version might send it: every object of ours has fields that we have never heard of.

    Objects in REST format and free-form mappings are left alone: their keys are data.
    """
    if isinstance(value, list):
        return [with_news(item) for item in value]
    if not isinstance(value, dict):
        return value
    free = {"upserts", "removals", "configurations", "load", "settings", "resources"}
    grown = {key: item if key in free else with_news(item) for key, item in value.items()}
    return grown | {"x_new": {"nested": [1]}, "x_null": None}


def grow(message: dict[str, Any]) -> dict[str, Any]:
    payload = message["payload"]
    if message["method"] == "notices":  # its keys are recipients
        named = {to: with_news(notices) for to, notices in payload["notices"].items()}
        return message | {"payload": {"notices": named, "x_new": 1}}
    return {key: with_news(value) if key != "method" else value for key, value in message.items()}


def assert_contains(whole: Any, part: Any, where: str = "") -> None:
    """`whole` may have grown since; nothing that was recorded is lost or different."""
    if isinstance(part, dict):
        for key, value in part.items():
            assert key in whole, f"{where}.{key} is lost"
            assert_contains(whole[key], value, f"{where}.{key}")
    elif isinstance(part, list):
        assert len(whole) == len(part), where
        for number, (a, b) in enumerate(zip(whole, part, strict=True)):
            assert_contains(a, b, f"{where}[{number}]")
    else:
        assert whole == part, where


def load(path: Path) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(path.read_text())
    return message


def test_every_method_is_recorded() -> None:
    for version in {path.parent for path in RECORDED}:
        recorded = {load(path)["method"] for path in RECORDED if path.parent == version}
        assert recorded == SERVER_METHODS | AGENT_METHODS


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_recorded_messages_decode_without_loss(path: Path) -> None:
    message = load(path)
    decoded = [model.model_dump(mode="json") for _, model in decode(message)]
    payload = message["payload"]
    if message["method"] == "answers":
        recorded = payload["answers"]
    elif message["method"] == "notices":
        recorded = [notice for notices in payload["notices"].values() for notice in notices]
    else:
        recorded = [payload] + ([message["answer"]] if "answer" in message else [])
    assert_contains(decoded, recorded, message["method"])


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_is_new_to_us_is_ignored(path: Path) -> None:
    message = load(path)
    grown = grow(message)
    assert json.dumps(grown).count("x_new") >= 1
    assert decode(grown) == decode(message)


def test_recipients_of_notices() -> None:
    message = load(Path(__file__).parent / "recorded" / "1.0" / "notices.json")
    assert [to for to, _ in decode(message)] == ["DHCP agent@node1", "DHCP agent@node1", "DHCP agent@node2"]


def test_a_new_servers_method_is_ignored_by_agents_and_a_new_agents_refused_by_servers() -> None:
    both = Both()
    ignoring = agent.agent_handler(lambda answer: None, lambda to, notices: None)
    assert ignoring("dance", {"x": 1}) is None
    refusing = agent.server_handler(lambda beat: None, lambda request: agent.PullAnswer(incarnation="", scopes=[]))
    with pytest.raises(errors.UnknownCode):
        refusing("dance", {"x": 1})
    assert both.decoded == []


MODELS: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (agent.Interest, {"type": "port"}),
    (agent.Capabilities, {}),
    (agent.Applied, {"scope": "network/1", "epoch": 1, "position": 2}),
    (agent.Fault, {"scope": "network/1", "epoch": 1}),
    (
        agent.State,
        {"scope": "network/1", "epoch": 1, "kind": "port", "id": "p", "revision": 3, "status": "ACTIVE"},
    ),
    (agent.Copies, {"count": 0, "checksum": 0}),
    (agent.Beat, {"agent_type": "DHCP agent", "host": "h", "binary": "b", "address": "a"}),
    (agent.Lagging, {"scope": "network/1", "epoch": 1, "position": 2}),
    (agent.Notice, {"scope": "network/1", "epoch": 1, "incarnation": "i", "previous": 1, "position": 2}),
    (
        agent.BeatAnswer,
        {
            "agent_type": "DHCP agent",
            "host": "h",
            "sequence": 1,
            "time": 1.5,
            "incarnation": "i",
            "interval": 10.0,
            "lease": 45.0,
        },
    ),
    (agent.PullItem, {"scope": "network/1"}),
    (agent.PullRequest, {"agent_type": "DHCP agent", "host": "h", "items": []}),
    (agent.PulledScope, {"scope": "network/1"}),
    (agent.PullAnswer, {"incarnation": "i", "scopes": []}),
]


def test_no_model_is_forgotten() -> None:
    assert {model for model, _ in MODELS} == set(agent._Message.__subclasses__())


@pytest.mark.parametrize(("model", "least"), MODELS, ids=lambda value: getattr(value, "__name__", ""))
def test_models_round_trip_from_the_least_that_1_0_sends(model: type[BaseModel], least: dict[str, Any]) -> None:
    made = model.model_validate(least)
    assert model.model_validate_json(json.dumps(made.model_dump(mode="json"))) == made
    assert model.model_validate(made.model_dump(mode="json", exclude_none=True)) == made
    for missing in least:
        with pytest.raises(ValidationError, match=missing):
            model.model_validate({key: value for key, value in least.items() if key != missing})


def test_a_beat_and_its_answer_through_both_hands() -> None:
    network, both = DirectTransport(), Both(agent.PullAnswer(incarnation="i", scopes=[]))
    network.serve(SERVER, both.handle)
    network.serve("node1", both.handle)
    beat = agent.Beat(agent_type="DHCP agent", host="h", binary="b", address="node1", sequence=3)
    answer = agent.BeatAnswer.model_validate(dict(next(least for model, least in MODELS if model is agent.BeatAnswer)))
    notice = agent.Notice(scope="network/1", epoch=1, incarnation="i", previous=1, position=2, upserts={"port": []})
    agent.ToServer(network).beat(beat)
    agent.ToAgent(network).answers("node1", [answer, answer])
    agent.ToAgent(network).notices("node1", {"L2@h": [notice]})
    request = agent.PullRequest(agent_type="DHCP agent", host="h", items=[agent.PullItem(scope="network/1")])
    assert agent.ToServer(network).pull(request) == agent.PullAnswer(incarnation="i", scopes=[])
    assert both.decoded == [("", beat), ("", answer), ("", answer), ("L2@h", notice), ("", request)]


class Flaky(DirectTransport):
    away = True

    def cast(self, address: str, method: str, payload: dict[str, Any]) -> None:
        if self.away:
            raise errors.Unavailable(reason="no broker")
        super().cast(address, method, payload)


def test_health_tells_how_old_it_is() -> None:
    network, clock = Flaky(), FakeClock()
    hand = agent.ToAgent(network, clock)
    assert hand.health() == "nothing sent yet"
    with pytest.raises(errors.Unavailable):
        hand.answers("node1", [])
    assert "no broker" in hand.health()
    network.away = False
    hand.answers("node1", [])
    assert hand.health() == "ok"
    clock.advance(75)
    assert hand.health() == "ok 75 s ago, nothing sent since"


def test_a_payload_that_does_not_decode_is_the_senders_mistake() -> None:
    network = DirectTransport()
    network.serve(SERVER, Both().handle)
    with pytest.raises(errors.Invalid, match=r"pull: items\.0\.scope: Field required") as caught:
        network.call(SERVER, "pull", {"agent_type": "a", "host": "h", "items": [{"secret": "hunter2"}]}, 1)
    assert "hunter2" not in str(caught.value)


def test_errors_of_another_version() -> None:
    with pytest.raises(errors.UnknownCode, match="Comet 7 is in the way"):
        outcome.unwrap({"error": {"code": "comet.in_the_way", "message": "Comet 7 is in the way", "facts": {}}})
    with pytest.raises(errors.UnknownCode, match="No network 7"):  # the same code, with facts of other names
        outcome.unwrap({"error": {"code": "network.not_found", "message": "No network 7", "facts": {"net": "7"}}})


def test_every_error_travels() -> None:
    for kind in errors._subclasses(errors.NetschedError):
        if "code" not in vars(kind):
            continue  # arrives as its parent
        names = [name for _, name, _, _ in string.Formatter().parse(inspect.cleandoc(kind.__doc__ or "")) if name]
        error = kind(**{name: f"the {name}" for name in names})
        with pytest.raises(kind) as caught:
            outcome.unwrap(json.loads(json.dumps({"error": errors.to_wire(error)})))
        assert type(caught.value) is kind
        assert str(caught.value) == str(error)
