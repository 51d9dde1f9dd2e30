"""TLS to the broker and the databases with the options of docs/security.rst: believed, or refused with the reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from netsched.db import schema
from netsched.db.session import Database
from tests.certificates import Certificate
from tests.processes.deployment import Deployment
from tests.servers import MariaDB, PostgreSQL, RabbitMQ

pytestmark = pytest.mark.timeout(180)

# In a process of its own: oslo.messaging's options are global.
CAST = """
import sys
from oslo_config import cfg
from netsched import errors
from netsched.rpc import amqp, connect

amqp.set_defaults(cfg.CONF)
cfg.CONF(["--config-file", sys.argv[1]])
try:
    connect.agent(sys.argv[2], cfg.CONF).cast("server", "beat", {})
    print("sent")
except errors.NetschedError as error:
    print(error)
"""


def rabbit_options(authority: Path | None) -> str:
    return "[oslo_messaging_rabbit]\nssl = true\n" + (f"ssl_ca_file = {authority}\n" if authority else "")


def rabbit_url(broker: RabbitMQ, host: str = "localhost") -> str:
    return broker.transport_url().replace(f"127.0.0.1:{broker.port}", f"{host}:{broker.tls_port}")


def postgresql_url(server: PostgreSQL, authority: Path, host: str = "localhost") -> str:
    return server.url().replace("127.0.0.1", host) + f"?sslmode=verify-full&sslrootcert={authority}"


def mariadb_url(server: MariaDB, authority: Path, host: str = "localhost") -> str:
    return server.url().replace("127.0.0.1", host) + f"&ssl_ca={authority}&ssl_check_hostname=true"


def test_a_deployment_whose_every_connection_is_encrypted(
    tmp_path: Path, tls_rabbitmq: RabbitMQ, tls_postgresql: PostgreSQL, certificate: Certificate
) -> None:
    """A beat that is answered makes an agent alive, a pull and a notice bring it its network."""
    url = postgresql_url(tls_postgresql, certificate.authority)
    options = rabbit_options(certificate.authority)
    deployment = Deployment(tmp_path, url, rabbit_url(tls_rabbitmq), options)
    try:
        deployment.start_server()
        deployment.start_agent("node-1")
        deployment.wait("the agent is alive", lambda: deployment.alive() == ["node-1"])
        network = deployment.network()
        deployment.wait("it has its network", lambda: deployment.copies(network) == ["node-1"])
        # All peers, as the broker sees them, in one list of true and false.
        encrypted = tls_rabbitmq.ctl("list_connections", "--no-table-headers", "ssl").split()
        assert len(encrypted) >= 4 and set(encrypted) == {"true"}
        statement = sa.text(
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = :d"
        )
        with sa.create_engine(url).connect() as connection:
            assert connection.execute(statement, {"d": sa.make_url(url).database}).scalar_one() is True
    finally:
        deployment.stop()


def test_mariadb_is_written_to_over_tls(tls_mariadb: MariaDB, certificate: Certificate) -> None:
    database = Database(mariadb_url(tls_mariadb, certificate.authority))
    schema.upgrade(database)
    schema.check(database)
    for engine in database.engines:
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW STATUS LIKE 'Ssl_cipher'").one()[1].startswith("TLS_")
    database.dispose()


def cast(tmp_path: Path, url: str, options: str) -> str:
    config = tmp_path / "netsched.conf"
    config.write_text(options)
    done = subprocess.run([sys.executable, "-c", CAST, str(config), url], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_broker_is_verified(
    tmp_path: Path, tls_rabbitmq: RabbitMQ, certificate: Certificate, stranger: Path
) -> None:
    right, wrong = rabbit_options(certificate.authority), rabbit_options(stranger)
    url, misnamed = rabbit_url(tls_rabbitmq), rabbit_url(tls_rabbitmq, "127.0.0.1")
    assert cast(tmp_path, url, right) == "sent"
    assert "certificate verify failed" in cast(tmp_path, url, wrong)
    assert "certificate is not valid for '127.0.0.1'" in cast(tmp_path, misnamed, right)


def test_tls_that_would_not_look_at_the_name_is_refused(tmp_path: Path) -> None:
    """Without ssl_ca_file the library believes any certificate of any authority that the system knows."""
    said = cast(tmp_path, "rabbit://guest:hunter2@localhost/", rabbit_options(None))
    assert "ssl_ca_file" in said and "hunter2" not in said


def current(tmp_path: Path, url: str) -> tuple[int, str]:
    config = tmp_path / "netsched.conf"
    config.write_text(f"[database]\nconnection = {url}\n")
    command = [sys.executable, "-m", "netsched.cmd.manage", f"--config-file={config}", "db", "current"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_postgresql_is_verified(
    tmp_path: Path, tls_postgresql: PostgreSQL, certificate: Certificate, stranger: Path
) -> None:
    assert current(tmp_path, postgresql_url(tls_postgresql, certificate.authority))[0] == 0
    status, said = current(tmp_path, postgresql_url(tls_postgresql, stranger))
    assert status == 1 and "certificate verify failed" in said
    status, said = current(tmp_path, postgresql_url(tls_postgresql, certificate.authority, "127.0.0.1"))
    assert status == 1 and 'does not match host name "127.0.0.1"' in said


def test_mariadb_is_verified(tmp_path: Path, tls_mariadb: MariaDB, certificate: Certificate, stranger: Path) -> None:
    assert current(tmp_path, mariadb_url(tls_mariadb, certificate.authority))[0] == 0
    status, said = current(tmp_path, mariadb_url(tls_mariadb, stranger))
    assert status == 1 and "certificate verify failed" in said
    status, said = current(tmp_path, mariadb_url(tls_mariadb, certificate.authority, "127.0.0.1"))
    assert status == 1 and "certificate is not valid for '127.0.0.1'" in said
