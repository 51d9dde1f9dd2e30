"""What flow tests rely on in the in-process transport: routes, the queue, the counters."""

from __future__ import annotations

import pytest

from netsched import errors
from netsched.rpc.direct import DirectTransport, Envelope
from netsched.rpc.transport import SERVER
from tests.rpc.receiver import Receiver


def numbers(receiver: Receiver) -> list[int]:
    return [payload["n"] for _, payload in receiver.messages]


def test_route_drops_doubles_and_keeps_back() -> None:
    kept: list[Envelope] = []

    def route(envelope: Envelope) -> list[Envelope]:
        number = envelope.payload["n"]
        if number == 1:
            return []
        if number == 2:
            return [envelope, envelope]
        if number == 3:
            kept.append(envelope)
            return []
        return [envelope]

    network, receiver = DirectTransport(route=route), Receiver()
    network.serve("a", receiver)
    for number in range(5):
        network.cast("a", "echo", {"n": number})
    assert numbers(receiver) == [0, 2, 2, 4]
    network.post(kept[0])
    assert numbers(receiver) == [0, 2, 2, 4, 3]


def test_calls_are_not_routed() -> None:
    network = DirectTransport(route=lambda envelope: [])
    network.serve("a", Receiver())
    assert network.call("a", "echo", {"n": 1}, 1) == {"n": 1}


def test_queued_casts_wait_for_deliver() -> None:
    network, receiver = DirectTransport(queued=True), Receiver()
    network.serve("a", receiver)
    for number in range(4):
        network.cast("a", "echo", {"n": number})
    assert numbers(receiver) == []
    network.pending.reverse()
    network.deliver()
    network.deliver(index=2)
    assert numbers(receiver) == [3, 0]
    assert network.deliver_all() == 2
    assert numbers(receiver) == [3, 0, 2, 1]
    assert network.deliver_all() == 0


def test_a_queued_cast_is_a_picture_of_the_moment() -> None:
    network, receiver = DirectTransport(queued=True), Receiver()
    network.serve("a", receiver)
    payload = {"n": 1}
    network.cast("a", "echo", payload)
    payload["n"] = 2
    network.deliver_all()
    assert numbers(receiver) == [1]


def test_deliver_all_delivers_what_handlers_cast() -> None:
    network, receiver = DirectTransport(queued=True), Receiver()
    network.serve("a", receiver)
    network.serve(SERVER, lambda method, payload: network.cast("a", "echo", payload))
    network.cast(SERVER, "beat", {"n": 1})
    assert network.deliver_all() == 2
    assert numbers(receiver) == [1]


def test_deliver_all_ends_an_endless_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    network = DirectTransport(queued=True)
    network.serve("a", lambda method, payload: network.cast("a", "echo", payload))
    network.cast("a", "echo", {})
    monkeypatch.setattr("netsched.rpc.direct.DELIVERIES_MAX", 50)  # 100,000 take a second
    with pytest.raises(RuntimeError, match="50 deliveries and no end"):
        network.deliver_all()


def test_servers_of_one_address_take_turns() -> None:
    network, first, second = DirectTransport(), Receiver(), Receiver()
    serving = network.serve(SERVER, first)
    network.serve(SERVER, second)
    for number in range(4):
        network.cast(SERVER, "echo", {"n": number})
    assert (numbers(first), numbers(second)) == ([0, 2], [1, 3])
    serving.stop()
    serving.stop()
    network.cast(SERVER, "echo", {"n": 4})
    assert numbers(second) == [1, 3, 4]


def test_counts_messages_and_bytes_by_address() -> None:
    network = DirectTransport()
    network.serve("a", Receiver())
    network.cast("a", "echo", {"n": 1})
    network.call("a", "echo", {"n": 2}, 1)
    network.cast("nobody", "echo", {})
    assert network.traffic["a"].messages == 2
    assert network.traffic["a"].size == 2 * len('{"n": 1}') + len('{"answer": {"n": 2}}')
    assert network.traffic["nobody"].messages == 1
    assert network.by_method["a", "echo"] == 2


def test_a_bug_in_a_handler_reaches_the_test() -> None:
    network = DirectTransport()
    network.serve("a", Receiver())
    with pytest.raises(KeyError):
        network.cast("a", "bug", {})
    with pytest.raises(KeyError):
        network.call("a", "bug", {}, 1)


def test_what_is_not_json_is_refused_at_once() -> None:
    network = DirectTransport()
    with pytest.raises(TypeError):
        network.cast("a", "echo", {"when": object()})


def test_closing_is_for_one_of_many() -> None:
    network = DirectTransport()
    network.serve("a", Receiver())
    network.close()
    assert network.call("a", "echo", {}, 1) == {}
    with pytest.raises(errors.Unavailable, match="nobody serves b"):
        network.call("b", "echo", {}, 1)
