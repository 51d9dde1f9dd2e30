"""The Unix socket transport: the file, reconnecting, and what strangers may send."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netsched import errors
from netsched.rpc import unix_connection
from netsched.rpc.transport import SERVER
from netsched.rpc.unix import UnixAgentTransport, UnixServerTransport
from tests.rpc.receiver import Receiver


def eventually(attempt: Callable[[], bool], timeout: float = 15.0) -> None:
    deadline = time.monotonic() + timeout
    while not attempt():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def cast_works(agent: UnixAgentTransport) -> bool:
    try:
        agent.cast(SERVER, "echo", {})
    except errors.Unavailable:
        return False
    return True


def call_works(server: UnixServerTransport, address: str) -> bool:
    try:
        return server.call(address, "echo", {}, 5) == {}
    except errors.Unavailable:
        return False


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "rpc.sock")


@pytest.fixture
def server(path: str) -> Iterator[UnixServerTransport]:
    transport = UnixServerTransport(path)
    yield transport
    transport.close()


@pytest.fixture
def agent(path: str, server: UnixServerTransport) -> Iterator[UnixAgentTransport]:
    transport = UnixAgentTransport(path)
    yield transport
    transport.close()


def test_only_the_owner_may_connect(path: str, server: UnixServerTransport) -> None:
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_close_removes_the_socket(path: str) -> None:
    UnixServerTransport(path).close()
    assert not os.path.lexists(path)


def test_a_stale_socket_is_replaced(path: str) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.close()
    server = UnixServerTransport(path)
    agent = UnixAgentTransport(path)
    serving = server.serve(SERVER, Receiver())
    assert agent.call(SERVER, "echo", {"n": 1}, 10) == {"n": 1}
    serving.stop()
    agent.close()
    server.close()


def test_a_living_server_is_not_replaced(path: str, server: UnixServerTransport) -> None:
    with pytest.raises(errors.Unavailable, match="another server listens"):
        UnixServerTransport(path)
    assert os.path.exists(path)


def test_another_file_is_not_removed(path: str) -> None:
    Path(path).write_text("precious")
    with pytest.raises(FileExistsError):
        UnixServerTransport(path)
    assert Path(path).read_text() == "precious"


def test_an_address_is_served_once_in_a_process(agent: UnixAgentTransport) -> None:
    agent.serve("a", Receiver())
    with pytest.raises(errors.Conflict):
        agent.serve("a", Receiver())


def test_the_last_to_claim_an_address_gets_its_messages(
    path: str, server: UnixServerTransport, agent: UnixAgentTransport
) -> None:
    old, new = Receiver(), Receiver()
    agent.serve("a", old)
    second = UnixAgentTransport(path)
    second.serve("a", new)
    server.call("a", "echo", {}, 10)
    agent.close()  # must not take the address with it
    server.call("a", "echo", {}, 10)
    assert (len(old.messages), len(new.messages)) == (0, 2)
    second.close()
    eventually(lambda: not call_works(server, "a"))


def test_an_agent_that_starts_first_waits_for_the_server(path: str) -> None:
    agent = UnixAgentTransport(path)
    with pytest.raises(errors.Unavailable, match="no server at"):
        agent.cast(SERVER, "echo", {})
    with pytest.raises(errors.Unavailable, match="no server at"):
        agent.call(SERVER, "echo", {}, 1)
    agent.serve("a", Receiver())
    server = UnixServerTransport(path)
    eventually(lambda: call_works(server, "a"))
    agent.close()
    server.close()


def test_agents_come_back_after_the_server_restarts(path: str) -> None:
    server = UnixServerTransport(path)
    agents = [UnixAgentTransport(path) for _ in range(3)]
    for number, agent in enumerate(agents):
        agent.serve(f"a{number}", Receiver())
    server.close()
    eventually(lambda: not any(cast_works(agent) for agent in agents))
    server = UnixServerTransport(path)
    receiver = Receiver()
    server.serve(SERVER, receiver)
    eventually(lambda: all(cast_works(agent) for agent in agents))
    eventually(lambda: all(call_works(server, f"a{number}") for number in range(3)))
    for agent in agents:
        agent.close()
    server.close()


def test_a_lost_connection_ends_the_calls_on_it(
    path: str, server: UnixServerTransport, agent: UnixAgentTransport
) -> None:
    receiver = Receiver()
    agent.serve("a", receiver)
    failed: list[str] = []

    def call() -> None:
        try:
            server.call("a", "slow", {}, 60)
        except errors.Unavailable as error:
            failed.append(str(error))

    caller = threading.Thread(target=call)
    caller.start()
    receiver.wait(1)
    threading.Timer(0.2, receiver.release.set).start()
    assert agent._connection is not None
    agent._connection.close()  # as a crash of the agent would; there is no public way to have one
    caller.join(10)
    assert failed == ["the connection was lost"]


FRAME = struct.Struct("!I")
GARBAGE = {
    "a huge length": FRAME.pack(2**32 - 1) + b"x",
    "not JSON": FRAME.pack(3) + b"{{{",
    "not UTF-8": FRAME.pack(2) + b"\xff\xfe",
    "not an object": FRAME.pack(2) + b"[]",
    "no kind": FRAME.pack(2) + b"{}",
    "an unknown kind": FRAME.pack(16) + b'{"kind":"dance"}',
    "a wrong type": FRAME.pack(28) + b'{"kind":"cast","payload":[]}',
    "too deep": FRAME.pack(200_000) + b"[" * 200_000,
    "half a length": b"\x00\x00",
    "half a frame": FRAME.pack(100) + b'{"kind":',
    "an HTTP request": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_closes_the_connection_and_nothing_else(
    path: str, server: UnixServerTransport, agent: UnixAgentTransport, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server.serve(SERVER, Receiver())
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(10)
        stranger.connect(path)
        stranger.sendall(garbage)
        stranger.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):  # closed with some of it unread
            assert stranger.recv(1) == b""
    assert "malformed message" in caplog.text
    assert agent.call(SERVER, "echo", {"n": 1}, 10) == {"n": 1}


def test_an_answer_to_no_call_is_dropped(path: str, server: UnixServerTransport) -> None:
    server.serve(SERVER, Receiver())
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(10)
        stranger.connect(path)
        for frame in (
            {"kind": "answer", "id": 5, "outcome": {}},
            {"kind": "cast", "address": "nobody", "method": "echo"},
            {"kind": "call", "id": 9, "address": SERVER, "method": "echo", "payload": {"n": 1}, "novelty": 1},
        ):
            body = json.dumps(frame).encode()
            stranger.sendall(FRAME.pack(len(body)) + body)
        (size,) = FRAME.unpack(stranger.recv(4))
        assert json.loads(stranger.recv(size)) == {"kind": "answer", "id": 9, "outcome": {"answer": {"n": 1}}}


def test_too_long_to_send(
    server: UnixServerTransport, agent: UnixAgentTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unix_connection, "FRAME_MAX", 1000)  # 64 MiB would do as well, slower
    server.serve(SERVER, lambda method, payload: {"long": "x" * payload["size"]})
    with pytest.raises(errors.Invalid, match="longer than 1000"):
        agent.cast(SERVER, "echo", {"long": "x" * 1000})
    with pytest.raises(errors.Invalid, match="longer than 1000"):  # the answer
        agent.call(SERVER, "make", {"size": 1000}, 10)
    assert agent.call(SERVER, "make", {"size": 10}, 10) == {"long": "x" * 10}


def test_a_peer_that_does_not_read_is_hung_up_on(
    path: str, server: UnixServerTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unix_connection, "SEND_LIMIT", 1)  # instead of 10 s
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(path)
        body = json.dumps({"kind": "serve", "id": 1, "addresses": ["a"]}).encode()
        stranger.sendall(FRAME.pack(len(body)) + body)
        assert stranger.recv(4)
        with pytest.raises(errors.Unavailable, match="the connection was lost"):
            server.cast("a", "echo", {"big": "x" * 5_000_000})
        eventually(lambda: not call_works(server, "a"))


def test_a_flood_is_turned_away(
    server: UnixServerTransport, agent: UnixAgentTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unix_connection, "WAITING_MAX", 20)  # instead of 10,000
    receiver = Receiver()
    server.serve(SERVER, receiver)
    for _ in range(20):
        agent.cast(SERVER, "slow", {})
    with pytest.raises(errors.Unavailable, match="too busy"):
        agent.call(SERVER, "echo", {}, 10)
    receiver.release.set()
    receiver.wait(20)
    receiver.wait_idle()
    eventually(lambda: cast_works(agent))
    assert agent.call(SERVER, "echo", {"n": 1}, 10) == {"n": 1}
