"""The three transports as tests see them: a server's end and an agent's end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from oslo_config import cfg

from netsched.rpc import amqp
from netsched.rpc.direct import DirectTransport
from netsched.rpc.transport import Transport
from netsched.rpc.unix import UnixAgentTransport, UnixServerTransport
from tests.servers import RabbitMQ


@dataclass
class Link:
    kind: str
    server: Transport
    agent: Transport
    address: str  # for the agent's end to serve; a new one for each test


@pytest.fixture(scope="session")
def amqp_url(rabbitmq: RabbitMQ) -> str:
    """One virtual host for all tests that neither stop the broker nor look at all its queues: making one costs 1 s."""
    return rabbitmq.transport_url()


def open_amqp(url: str, threads: int = 16, cast_ttl: float = 120.0) -> amqp.AmqpTransport:
    amqp.set_defaults(cfg.CONF)  # the global one: oslo.messaging looks there
    return amqp.AmqpTransport(cfg.CONF, url, threads=threads, cast_ttl=cast_ttl)


def _open(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Transport, Transport]:
    if kind == "direct":
        both = DirectTransport()
        return both, both
    if kind == "unix":
        path = str(tmp_path / "rpc.sock")
        return UnixServerTransport(path), UnixAgentTransport(path)
    url = request.getfixturevalue("amqp_url")
    return open_amqp(url), open_amqp(url)


@pytest.fixture(params=["direct", "unix", "amqp"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Link]:
    server, agent = _open(request.param, request, tmp_path)
    yield Link(request.param, server, agent, f"agent-{uuid.uuid4()}")
    agent.close()
    server.close()
