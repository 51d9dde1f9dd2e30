"""What every transport must do, on each of them: in-process, Unix socket, RabbitMQ."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from netsched import errors
from netsched.rpc.transport import SERVER, Message
from tests.rpc.conftest import Link
from tests.rpc.receiver import Receiver

PAYLOADS: list[Message] = [
    {},
    {"none": None, "true": True, "float": 0.1, "big": 2**53, "negative": -1, "empty": [], "object": {}},
    {"text": "Grüße, 世界, \U0001f980, \x00 and \n", "ключ": "значение"},
    {"deep": {"a": [{"b": [[["c", None, {"d": 1}]]]}]}},
    {"method": "not a method", "address": "nor an address", "kind": "cast", "id": 7},
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: next(iter(payload), "empty"))
def test_cast_and_call_carry_equal_payloads(link: Link, payload: Message) -> None:
    receiver = Receiver()
    serving = link.agent.serve(link.address, receiver)
    link.server.cast(link.address, "nothing", payload)
    assert link.server.call(link.address, "echo", payload, 10) == payload
    assert sorted(receiver.wait(2), key=lambda message: message[0]) == [("echo", payload), ("nothing", payload)]
    serving.stop()


def test_agent_to_server(link: Link) -> None:
    receiver = Receiver()
    serving = link.server.serve(SERVER, receiver)
    link.agent.cast(SERVER, "echo", {"beat": 1})
    receiver.wait(1)
    assert link.agent.call(SERVER, "echo", {"pull": 1}, 10) == {"pull": 1}
    assert link.server.call(SERVER, "echo", {"own": 1}, 10) == {"own": 1}
    link.server.cast(SERVER, "echo", {"own": 2})
    receiver.wait(4)
    serving.stop()


def test_each_cast_arrives_once(link: Link) -> None:
    receiver = Receiver()
    serving = link.agent.serve(link.address, receiver)
    for number in range(200):
        link.server.cast(link.address, "echo", {"number": number})
    receiver.wait(200)
    time.sleep(0.2)
    assert sorted(payload["number"] for _, payload in receiver.messages) == list(range(200))
    serving.stop()


def test_big_payload(link: Link) -> None:
    serving = link.agent.serve(link.address, Receiver())
    payload = {"ports": [{"id": str(number), "name": "x" * 1000} for number in range(5000)]}
    assert link.server.call(link.address, "echo", payload, 60) == payload
    serving.stop()


def test_payload_is_not_shared(link: Link) -> None:
    payload: Message = {"list": [1]}
    serving = link.agent.serve(link.address, lambda method, got: got["list"].append(2))
    link.server.call(link.address, "change", payload, 10)
    assert payload == {"list": [1]}
    serving.stop()


def test_no_answer_is_an_empty_answer(link: Link) -> None:
    serving = link.agent.serve(link.address, Receiver())
    assert link.server.call(link.address, "nothing", {}, 10) == {}
    serving.stop()


def test_the_handlers_error_comes_back(link: Link) -> None:
    serving = link.agent.serve(link.address, Receiver())
    with pytest.raises(errors.NetworkNotFound) as caught:
        link.server.call(link.address, "fail", {"id": "n-1"}, 10)
    assert str(caught.value) == "Network n-1 could not be found."
    assert caught.value.facts == {"id": "n-1"}
    serving.stop()


def test_unknown_method(link: Link) -> None:
    serving = link.agent.serve(link.address, Receiver())
    with pytest.raises(errors.UnknownCode, match="no method juggle"):
        link.server.call(link.address, "juggle", {}, 10)
    serving.stop()


def test_a_failing_cast_hurts_nobody(link: Link) -> None:
    receiver = Receiver()
    serving = link.agent.serve(link.address, receiver)
    link.server.cast(link.address, "fail", {"id": "n-1"})
    link.server.cast(link.address, "juggle", {})
    receiver.wait(2)
    assert link.server.call(link.address, "echo", {}, 10) == {}
    serving.stop()


@pytest.mark.parametrize("link", ["unix", "amqp"], indirect=True)  # direct lets it through, so that tests fail on it
def test_a_bug_in_a_handler_is_answered_without_its_text(link: Link, caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver()
    serving = link.agent.serve(link.address, receiver)
    with pytest.raises(errors.NetschedError, match="An unexpected condition: bug: KeyError") as caught:
        link.server.call(link.address, "bug", {}, 10)
    assert type(caught.value) is errors.NetschedError
    link.server.cast(link.address, "bug", {})
    receiver.wait(2)
    assert link.server.call(link.address, "echo", {}, 10) == {}
    assert "Traceback" in caplog.text
    serving.stop()


@pytest.mark.parametrize("link", ["unix", "amqp"], indirect=True)  # direct runs the handler in the caller's thread
def test_call_times_out_and_the_late_answer_is_dropped(link: Link) -> None:
    receiver = Receiver()
    serving = link.agent.serve(link.address, receiver)
    started = time.monotonic()
    with pytest.raises(errors.Unavailable):
        link.server.call(link.address, "slow", {}, 0.5)
    assert 0.4 < time.monotonic() - started < 5
    receiver.release.set()
    assert link.server.call(link.address, "echo", {"after": 1}, 10) == {"after": 1}
    serving.stop()


def test_a_slow_call_does_not_block_another(link: Link) -> None:
    receiver = Receiver()
    serving = link.agent.serve(link.address, receiver)
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(link.server.call, link.address, "slow", {}, 20) for _ in range(2)]
        receiver.wait(2)
        assert link.server.call(link.address, "echo", {"quick": 1}, 10) == {"quick": 1}
        assert not any(future.done() for future in slow)
        receiver.release.set()
        assert [future.result() for future in slow] == [{"slow": True}] * 2
    assert receiver.most_at_once == 3
    serving.stop()


def test_a_handler_may_call_back(link: Link) -> None:
    """A beat is answered by a message of its own, and a notice makes its receiver pull."""
    receiver = Receiver()
    server_side = link.server.serve(SERVER, receiver)
    agent_side = link.agent.serve(link.address, lambda method, payload: link.agent.call(SERVER, "echo", payload, 10))
    assert link.server.call(link.address, "relay", {"there": "and back"}, 10) == {"there": "and back"}
    agent_side.stop()
    server_side.stop()


def test_many_callers_get_their_own_answers(link: Link) -> None:
    serving = link.agent.serve(link.address, Receiver())
    with ThreadPoolExecutor(8) as pool:
        sent = [{"number": number} for number in range(100)]
        assert list(pool.map(lambda payload: link.server.call(link.address, "echo", payload, 30), sent)) == sent
    serving.stop()


def test_cast_to_nobody_is_lost_in_silence(link: Link) -> None:
    link.server.cast(link.address, "echo", {})


def test_call_to_nobody_is_unavailable(link: Link) -> None:
    with pytest.raises(errors.Unavailable):
        link.server.call(link.address, "echo", {}, 0.5)


def test_stop_finishes_what_is_under_way_and_takes_no_more(link: Link) -> None:
    receiver = Receiver()
    serving = link.agent.serve(link.address, receiver)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(link.server.call, link.address, "slow", {}, 20)
        receiver.wait(1)
        stopper = threading.Thread(target=serving.stop)
        stopper.start()
        stopper.join(0.3)
        assert link.kind == "direct" or stopper.is_alive()  # waits for the slow one
        receiver.release.set()
        assert slow.result() == {"slow": True}
        stopper.join(15)
        assert not stopper.is_alive()
    link.server.cast(link.address, "echo", {"too": "late"})
    time.sleep(0.3)
    assert len(receiver.messages) == 1


def test_serving_again_after_a_stop(link: Link) -> None:
    link.agent.serve(link.address, Receiver()).stop()
    serving = link.agent.serve(link.address, Receiver())
    assert link.server.call(link.address, "echo", {"again": 1}, 10) == {"again": 1}
    serving.stop()
