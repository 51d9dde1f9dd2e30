"""Passwords of the database and of the broker appear nowhere: real programs, through mistakes and failures, at --debug.

Everything that a program says is read: its output, its log with the debug lines of every library, the API's answers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.processes.deployment import Deployment, free_port
from tests.servers import MariaDB, RabbitMQ

pytestmark = pytest.mark.timeout(180)

DATABASE, BROKER = "s3cret-of-the-database", "s3cret-of-the-broker"
EVERYTHING = (
    "[DEFAULT]\ndebug = true\n"
    "default_log_levels = amqp=DEBUG,kombu=DEBUG,oslo.messaging=DEBUG,oslo_messaging=DEBUG,waitress=DEBUG\n"
)


def run(tmp_path: Path, program: str, database: str, transport: str, *arguments: str) -> tuple[int, str]:
    """Exit status and all output of a program that cannot work with this configuration."""
    config = tmp_path / "netsched.conf"
    config.write_text(
        f"{EVERYTHING}[database]\nconnection = {database}\n[messaging]\ntransport = {transport}\n"
        f"[api]\nbind_port = {free_port()}\n[agent]\nhost = h\ndriver = noop\nstate_dir = {tmp_path}\n"
        "[linux_bridge]\nlocal_ip = 127.0.0.1\n"
    )
    command = [sys.executable, "-m", f"netsched.cmd.{program}", f"--config-file={config}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "url",
    [
        f"mysql+pymsql://netsched:{DATABASE}@127.0.0.1/netsched",
        f"mysql+pymysql://netsched:{DATABASE}@127.0.0.1:port/netsched",
        f"mysql+pymysql://netsched:{DATABASE}@127.0.0.1:1/netsched",
        f"mysql+pymysql://netsched:{DATABASE}@127.0.0.1/netsched?no_such=option",
        f"mysql+pymysql://netsched:{DATABASE}@127.0.0.1/netsched?ssl_ca=/no/such/file",
        f"postgresql+psycopg2://netsched:{DATABASE}@127.0.0.1:1/netsched",
        f"postgresql+psycopg2://netsched:{DATABASE}@127.0.0.1/netsched?no_such=option",
    ],
)
def test_mistakes_in_the_database_url(tmp_path: Path, url: str) -> None:
    status, said = run(tmp_path, "manage", url, "rabbit://guest:guest@127.0.0.1/", "db", "current")
    assert status == 1 and "error: " in said and "Traceback" not in said
    assert DATABASE not in said


@pytest.mark.parametrize(
    "url",
    [
        f"rabit://netsched:{BROKER}@127.0.0.1:5672/netsched",
        f"rabbit://netsched:{BROKER}@127.0.0.1:port/netsched",
        f"rabbit://netsched:{BROKER}@[::1:5672/netsched",
    ],
)
def test_mistakes_in_the_transport_url(tmp_path: Path, url: str) -> None:
    status, said = run(tmp_path, "dhcp_agent", "sqlite://", url)
    assert status == 1 and "error: " in said and "Traceback" not in said
    assert BROKER not in said


def answer(deployment: Deployment, path: str) -> str:
    try:
        with urllib.request.urlopen(f"{deployment.url}{path}", timeout=60) as found:
            return str(found.read().decode())
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.headers} {error.read().decode()}"


def test_a_deployment_that_is_locked_out_of_database_and_broker(
    tmp_path: Path, mariadb: MariaDB, rabbitmq: RabbitMQ
) -> None:
    """It works, then both passwords are changed: every way in which it complains is looked at."""
    everything, url = rabbitmq.transport_url(), mariadb.url()
    vhost = everything.rsplit("/", 1)[1]
    user = f"u{free_port()}"
    mariadb.execute(f"CREATE USER {user}@'127.0.0.1' IDENTIFIED BY '{DATABASE}'")
    mariadb.execute(f"GRANT ALL ON *.* TO {user}@'127.0.0.1'")
    rabbitmq.ctl("add_user", user, BROKER)
    rabbitmq.ctl("set_permissions", "-p", vhost, user, ".*", ".*", ".*")
    deployment = Deployment(
        tmp_path,
        url.replace("root@", f"{user}:{DATABASE}@"),
        everything.replace("guest:guest", f"{user}:{BROKER}"),
        EVERYTHING,
    )
    paths = ("/v2.0/status", "/v2.0/servers", "/v2.0/networks", "/v2.0/agents", "/readyz", "/healthz", "/metrics")
    try:
        deployment.start_server()
        deployment.start_agent("node-1")
        deployment.wait("the agent is alive", lambda: deployment.alive() == ["node-1"])
        network = deployment.network()
        deployment.wait("it has its network", lambda: deployment.copies(network) == ["node-1"])
        said = [answer(deployment, path) for path in paths]
        assert json.loads(said[0])["status"]["broker"]["status"] == "ok"
        rabbitmq.ctl("change_password", user, "another")
        rabbitmq.ctl("close_all_connections", "--vhost", vhost, "a test")
        mariadb.execute(f"ALTER USER {user}@'127.0.0.1' IDENTIFIED BY 'another'")
        mariadb.execute(f"KILL USER {user}")

        def logged(name: str, text: str) -> bool:
            return text in (tmp_path / f"{name}.log").read_text()

        deployment.wait("the server is refused", lambda: answer(deployment, "/v2.0/networks").startswith("503"))
        deployment.wait("the log says so", lambda: logged("server", "Access denied"))
        deployment.wait("the agent is refused", lambda: logged("node-1", "ACCESS_REFUSED"))
        deployment.wait("so is the server", lambda: logged("server", "ACCESS_REFUSED"))
        said += [answer(deployment, path) for path in paths]
    finally:
        deployment.stop()
    said += [path.read_text(errors="replace") for path in tmp_path.glob("*.log")]
    assert [text for text in said if DATABASE in text or BROKER in text] == []
    assert any("DEBUG" in text for text in said)
