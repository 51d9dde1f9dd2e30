"""Which transport a URL opens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from oslo_config import cfg

from netsched import errors
from netsched.rpc import amqp, connect
from netsched.rpc.transport import SERVER
from netsched.rpc.unix import UnixAgentTransport, UnixServerTransport
from tests.rpc.receiver import Receiver


def test_unix(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/rpc.sock"
    server, agent = connect.server(url, cfg.CONF), connect.agent(url, cfg.CONF)
    assert isinstance(server, UnixServerTransport)
    assert isinstance(agent, UnixAgentTransport)
    server.serve(SERVER, Receiver())
    assert agent.call(SERVER, "echo", {"n": 1}, 10) == {"n": 1}
    agent.close()
    server.close()


def test_rabbit(amqp_url: str) -> None:
    server, agent = connect.server(amqp_url, cfg.CONF), connect.agent(amqp_url, cfg.CONF)
    assert isinstance(server, amqp.AmqpTransport)
    assert isinstance(agent, amqp.AmqpTransport)
    serving = server.serve(SERVER, Receiver())
    assert agent.call(SERVER, "echo", {"n": 1}, 10) == {"n": 1}
    serving.stop()
    agent.close()
    server.close()


@pytest.mark.parametrize("url", ["", "unix", "unix://relative", "kafka://user:secret@host/", "http://host"])
def test_other_urls_are_refused_without_repeating_their_password(url: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        connect.server(url, cfg.CONF)
    assert "secret" not in str(caught.value)
    with pytest.raises(errors.Invalid):
        connect.agent(url, cfg.CONF)


def test_a_unix_socket_needs_no_oslo_messaging() -> None:
    """In a process of its own, since tests have imported it here."""
    program = "import sys, netsched.rpc.connect; sys.exit('oslo_messaging' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
