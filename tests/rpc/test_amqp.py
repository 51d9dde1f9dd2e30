"""The RabbitMQ transport: what the broker holds, outages, bursts, and a process under eventlet."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable

import pytest
from oslo_config import cfg

from netsched import errors
from netsched.rpc import amqp
from netsched.rpc.transport import SERVER
from tests.rpc.conftest import open_amqp
from tests.rpc.receiver import Receiver
from tests.servers import RabbitMQ


@pytest.fixture
def url(rabbitmq: RabbitMQ) -> str:
    return rabbitmq.transport_url()


def queues(broker: RabbitMQ, url: str, *columns: str) -> dict[str, list[str]]:
    lines = broker.ctl("list_queues", "-p", url.rsplit("/", 1)[1], "--no-table-headers", "name", *columns).splitlines()
    return {line.split("\t")[0]: line.split("\t")[1:] for line in lines if line.strip()}


def until_available(attempt: Callable[[], object], timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            attempt()
            return
        except errors.Unavailable:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_two_servers_share_the_work(url: str) -> None:
    servers, agent = [open_amqp(url) for _ in range(2)], open_amqp(url)
    receivers = [Receiver(), Receiver()]
    servings = [server.serve(SERVER, receiver) for server, receiver in zip(servers, receivers, strict=True)]
    for number in range(100):
        agent.cast(SERVER, "echo", {"number": number})
    deadline = time.monotonic() + 15
    while sum(len(receiver.messages) for receiver in receivers) < 100 and time.monotonic() < deadline:
        time.sleep(0.05)
    got = [payload["number"] for receiver in receivers for _, payload in receiver.messages]
    assert sorted(got) == list(range(100))
    assert all(len(receiver.messages) > 20 for receiver in receivers)
    servings[0].stop()
    for number in range(10):
        assert agent.call(SERVER, "echo", {"number": number}, 10) == {"number": number}
    servings[1].stop()
    for transport in (*servers, agent):
        transport.close()


def test_queues_for_casts_are_quorum_queues_and_none_has_a_random_name_for_ever(rabbitmq: RabbitMQ, url: str) -> None:
    for _ in range(2):
        server, agent = open_amqp(url), open_amqp(url)
        serving, agent_serving = server.serve(SERVER, Receiver()), agent.serve("agent-1", Receiver())
        agent.call(SERVER, "echo", {}, 10)
        if _ == 0:
            serving.stop()
            agent_serving.stop()
            server.close()
            agent.close()
    found = queues(rabbitmq, url, "type", "arguments")
    lasting = {name for name, (_, arguments) in found.items() if "x-expires" not in arguments}
    assert {kind for name, (kind, _) in found.items() if name in lasting} == {"quorum"}
    assert lasting == {"netsched-server", "netsched-server.any", "netsched-agent", "netsched-agent.agent-1"}
    serving.stop()
    agent_serving.stop()
    server.close()
    agent.close()


def test_casts_to_an_agent_that_is_away_wait_and_then_expire(url: str) -> None:
    server, agent = open_amqp(url, cast_ttl=2), open_amqp(url)
    agent.serve("agent-1", Receiver()).stop()
    server.cast("agent-1", "echo", {"number": 1})
    receiver = Receiver()
    serving = agent.serve("agent-1", receiver)  # back in time
    receiver.wait(1)
    serving.stop()
    server.cast("agent-1", "echo", {"number": 2})
    time.sleep(3)
    late = Receiver()
    serving = agent.serve("agent-1", late)
    server.cast("agent-1", "echo", {"number": 3})
    assert [payload["number"] for _, payload in late.wait(1)] == [3]
    serving.stop()
    server.close()
    agent.close()


def test_a_burst_waits_in_the_broker_not_in_the_process(rabbitmq: RabbitMQ, url: str) -> None:
    threads, prefetch, burst = 4, 50, 5000
    server, agent = open_amqp(url, threads=threads), open_amqp(url)
    receiver = Receiver()
    serving = server.serve(SERVER, receiver)
    for number in range(burst):
        agent.cast(SERVER, "slow", {"number": number})
    receiver.wait(threads)
    deadline = time.monotonic() + 45
    expected = burst - 2 * threads - 1 - prefetch  # one is in the reader's hands
    while True:  # a queue counts itself every 5 s
        ready, unacknowledged = queues(rabbitmq, url, "messages_ready", "messages_unacknowledged")["netsched-server"]
        if (int(ready), int(unacknowledged)) == (expected, prefetch):
            break
        assert time.monotonic() < deadline, (ready, unacknowledged)
    assert len(receiver.messages) == threads
    receiver.release.set()
    receiver.wait(burst, timeout=60)
    serving.stop()
    server.close()
    agent.close()


def test_a_cast_that_the_broker_does_not_confirm_is_unavailable(rabbitmq: RabbitMQ, url: str) -> None:
    server, agent = open_amqp(url), open_amqp(url)
    agent.serve("agent-1", Receiver()).stop()
    limit = '{"max-length": 1, "overflow": "reject-publish"}'
    rabbitmq.ctl("set_policy", "-p", url.rsplit("/", 1)[1], "full", "^netsched-agent", limit, "--apply-to", "queues")
    with pytest.raises(errors.Unavailable):
        for _ in range(100):  # a queue takes a few more than its limit
            server.cast("agent-1", "echo", {})
    server.close()
    agent.close()


def test_what_was_confirmed_survives_a_crash_of_the_broker(rabbitmq: RabbitMQ, url: str) -> None:
    server, agent = open_amqp(url), open_amqp(url)
    agent.serve("agent-1", Receiver()).stop()  # its queue stays
    for number in range(200):
        server.cast("agent-1", "echo", {"number": number})
    rabbitmq.kill()
    rabbitmq.start()
    receiver = Receiver()
    serving = agent.serve("agent-1", receiver)
    receiver.wait(200, timeout=60)
    assert sorted(payload["number"] for _, payload in receiver.messages) == list(range(200))
    serving.stop()
    server.close()
    agent.close()


def test_the_broker_restarts(rabbitmq: RabbitMQ, url: str) -> None:
    server, agent = open_amqp(url), open_amqp(url)
    server_side = server.serve(SERVER, Receiver())
    agent_side = agent.serve("agent-1", Receiver())
    assert agent.call(SERVER, "echo", {}, 10) == {}
    rabbitmq.stop()
    started = time.monotonic()
    with pytest.raises(errors.Unavailable):
        agent.cast(SERVER, "echo", {})
    assert time.monotonic() - started < 60
    rabbitmq.start()
    until_available(lambda: agent.cast(SERVER, "echo", {}))
    until_available(lambda: server.cast("agent-1", "echo", {}))
    until_available(lambda: agent.call(SERVER, "echo", {}, 5))
    until_available(lambda: server.call("agent-1", "echo", {}, 5))
    for closing in (server_side.stop, agent_side.stop, server.close, agent.close):
        closing()


def test_the_broker_crashes_while_queues_for_answers_are_made(rabbitmq: RabbitMQ, url: str) -> None:
    """A quorum queue that it was making then would come back without a leader, and its process be deaf for ever."""
    server, agents = open_amqp(url), [open_amqp(url) for _ in range(10)]
    serving = server.serve(SERVER, Receiver())
    time.sleep(6)  # the broker takes seconds to have such a queue on disk, and servers' are older than that
    first = [threading.Timer(0.06 * n, _call_once, [agent]) for n, agent in enumerate(agents)]
    for timer in first:
        timer.start()
    time.sleep(0.35)
    rabbitmq.kill()
    rabbitmq.start()
    for timer in first:
        timer.join()
    for agent in agents:
        until_available(lambda agent=agent: agent.call(SERVER, "echo", {}, 5))  # type: ignore[misc]
    for closing in (serving.stop, server.close, *(agent.close for agent in agents)):
        closing()


def _call_once(agent: amqp.AmqpTransport) -> None:
    with contextlib.suppress(errors.Unavailable):
        agent.call(SERVER, "echo", {}, 5)


@pytest.mark.full
def test_the_broker_is_away_at_the_start(rabbitmq: RabbitMQ, url: str) -> None:
    rabbitmq.stop()
    server, agent = open_amqp(url), open_amqp(url)
    started = time.monotonic()
    serving = server.serve(SERVER, Receiver())
    abandoned = agent.serve("agent-1", Receiver())
    abandoned.stop()
    assert time.monotonic() - started < 25
    with pytest.raises(errors.Unavailable, match="no broker"):
        agent.call(SERVER, "echo", {}, 0.5)
    with pytest.raises(errors.Unavailable):
        agent.cast(SERVER, "echo", {})
    assert time.monotonic() - started < 60
    rabbitmq.start()
    until_available(lambda: agent.cast(SERVER, "echo", {}))
    until_available(lambda: agent.call(SERVER, "echo", {}, 5))
    for closing in (serving.stop, server.close, agent.close):
        closing()


@pytest.mark.full
def test_a_refused_login_is_unavailable_until_it_is_allowed(rabbitmq: RabbitMQ, url: str) -> None:
    name, vhost = f"agent{uuid.uuid4().hex[:8]}", url.rsplit("/", 1)[1]
    agent = open_amqp(url.replace("guest:guest@", f"{name}:hunter2@"))
    with pytest.raises(errors.Unavailable) as caught:
        agent.cast(SERVER, "echo", {})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(errors.Unavailable):
        agent.call(SERVER, "echo", {}, 0.5)
    serving = agent.serve(SERVER, Receiver())
    rabbitmq.ctl("add_user", name, "hunter2")
    rabbitmq.ctl("set_permissions", "-p", vhost, name, ".*", ".*", ".*")
    until_available(lambda: agent.call(SERVER, "echo", {}, 5))
    serving.stop()
    agent.close()


@pytest.mark.full
def test_the_broker_closes_all_connections(rabbitmq: RabbitMQ, url: str) -> None:
    server, agent = open_amqp(url), open_amqp(url)
    receiver = Receiver()
    serving = server.serve(SERVER, receiver)
    assert agent.call(SERVER, "echo", {}, 10) == {}
    rabbitmq.ctl("close_all_connections", "--vhost", url.rsplit("/", 1)[1], "a test")
    for number in range(20):  # the driver connects again by itself: no error reaches us
        agent.cast(SERVER, "note", {"number": number})
    receiver.wait(21, timeout=30)
    noted = [payload["number"] for method, payload in receiver.messages if method == "note"]
    assert sorted(noted) == list(range(20))  # each once
    serving.stop()
    server.close()
    agent.close()


def test_defaults_give_way_to_the_configuration() -> None:
    conf = cfg.ConfigOpts()
    amqp.set_defaults(conf)
    conf(["--config-file", "/dev/null"])
    assert conf.oslo_messaging_rabbit.rabbit_quorum_queue
    assert conf.oslo_messaging_rabbit.rabbit_qos_prefetch_count > 0
    assert conf.control_exchange == "netsched"
    amqp.set_defaults(conf)  # twice does no harm


def test_a_configuration_file_overrides_our_defaults(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("conf") / "netsched.conf"
    file.write_text("[oslo_messaging_rabbit]\nrabbit_quorum_queue = false\nrabbit_qos_prefetch_count = 7\n")
    conf = cfg.ConfigOpts()
    amqp.set_defaults(conf)
    conf(["--config-file", str(file)])
    assert not conf.oslo_messaging_rabbit.rabbit_quorum_queue
    assert conf.oslo_messaging_rabbit.rabbit_qos_prefetch_count == 7


def test_processes_reconnect_at_different_times() -> None:
    delays = set()
    for _ in range(10):
        conf = cfg.ConfigOpts()
        amqp.set_defaults(conf)
        conf([])
        delays.add(conf.oslo_messaging_rabbit.kombu_reconnect_delay)
    assert len(delays) > 3
    assert all(re.fullmatch(r"\d\.\d+", str(delay)) and 0.5 <= delay <= 2.0 for delay in delays)


EVENTLET = """
import eventlet
eventlet.monkey_patch()
import sys
from oslo_config import cfg
from netsched.rpc import amqp
from netsched.rpc.transport import SERVER

amqp.set_defaults(cfg.CONF)
server = amqp.AmqpTransport(cfg.CONF, sys.argv[1], executor="eventlet")
agent = amqp.AmqpTransport(cfg.CONF, sys.argv[1], executor="eventlet")
got = []

def handle(method, payload):
    got.append(payload["number"])
    eventlet.sleep(0.5)
    return payload

serving = server.serve(SERVER, handle)
for number in range(10):
    agent.cast(SERVER, "note", {"number": number})
greenlets = [eventlet.spawn(agent.call, SERVER, "echo", {"number": n}, 20) for n in range(10, 14)]
assert [g.wait() for g in greenlets] == [{"number": n} for n in range(10, 14)]
serving.stop()
assert sorted(got) == list(range(14)), got
agent.close()
server.close()
print("fine")
"""


def test_under_eventlet(url: str) -> None:
    """In a process of its own: monkey-patching this one would change every other test."""
    done = subprocess.run([sys.executable, "-c", EVENTLET, url], capture_output=True, text=True, timeout=90)
    assert done.stdout == "fine\n", done.stderr
