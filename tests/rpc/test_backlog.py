"""Beats that waited in a real queue, and a server's messages to itself through it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netsched import errors
from netsched.db import agent as agents
from netsched.db import schema
from netsched.db.session import Database
from netsched.model.liveness import State
from netsched.rpc import agent as rpc
from netsched.rpc import transport
from netsched.rpc.echo import Echo
from netsched.server.services.pace import Pace
from tests.rpc.conftest import Link, open_amqp
from tests.servers import RabbitMQ
from tests.services.ground import Ground


def wait(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_beats_held_in_the_broker_beyond_the_dead_limit_revive_nobody(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/netsched.sqlite")
    schema.metadata().create_all(database.engines[0])
    ground = Ground(database, pace=Pace(0.5))
    url = rabbitmq.transport_url()
    agent_end, server_end = open_amqp(url), open_amqp(url)
    handler = rpc.server_handler(ground.heartbeats.receive, ground.delivery.pull)
    received = ground.heartbeats.beats

    def state() -> str:
        with database.read() as connection:
            return str(agents.list_(connection)[0]["state"])

    def beat(echo: float) -> None:
        one = rpc.Beat(agent_type="DHCP agent", host="h1", binary="b", address="a", echo=echo, interval=0.5)
        rpc.ToServer(agent_end).beat(one)

    server_end.serve(transport.SERVER, handler).stop()  # so that there is a queue
    opened = ground.beat("h1")
    told, started = opened.time, time.monotonic()
    ground.beat("h1", echo=told)
    for _ in range(3):
        beat(told + time.monotonic() - started)
    wait(lambda: state() == State.DEAD)
    before = received.total()
    serving = server_end.serve(transport.SERVER, handler)
    wait(lambda: received.total() >= before + 3)
    ground.heartbeats.write_batch()
    assert state() == State.DEAD
    opened = ground.cast.said[-1]
    beat(opened.time)
    wait(lambda: ground.heartbeats.write_batch() > 0)
    assert state() != State.DEAD
    serving.stop()
    for end in (agent_end, server_end):
        end.close()
    database.dispose()


@pytest.mark.parametrize("link", ["direct", "amqp"], indirect=True)
def test_a_message_of_the_server_to_itself_comes_back(link: Link) -> None:
    handler = rpc.server_handler(lambda beat: None, lambda request: rpc.PullAnswer(incarnation="", scopes=[]))
    serving = link.server.serve(transport.SERVER, handler)
    Echo(link.server, 30.0).ping()
    serving.stop()
    with pytest.raises(errors.Unavailable):
        Echo(link.server, 0.5).ping()


def test_a_server_that_knows_no_ping_has_answered_all_the_same(link: Link) -> None:
    def earlier(method: str, payload: transport.Message) -> transport.Message | None:
        raise errors.UnknownCode(message=f"the server knows no method {method!r}")

    if link.kind == "unix":
        return  # there is one server, and no broker
    serving = link.server.serve(transport.SERVER, earlier)
    Echo(link.server, 30.0).ping()
    serving.stop()
