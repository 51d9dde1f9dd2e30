"""The servers that other tests rely on: they answer, survive a stop and a kill, and leave nothing behind."""

from __future__ import annotations

import os

import kombu
import pytest
import sqlalchemy as sa

from netsched.db.base import now
from netsched.db.session import Database
from tests.servers import MariaDB, PostgreSQL, RabbitMQ


def test_database_fixture_has_tables_and_a_clock(database: Database) -> None:
    assert sa.inspect(database.engines[0]).get_table_names()
    with database.read() as connection:
        assert connection.execute(sa.select(now())).scalar_one() is not None


@pytest.mark.parametrize("kind", [PostgreSQL, MariaDB])
def test_database_server_keeps_data_over_stop_and_kill(kind: type[PostgreSQL] | type[MariaDB]) -> None:
    with kind() as server:
        url = server.url()
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE t (a INTEGER)"))
            connection.execute(sa.text("INSERT INTO t VALUES (7)"))
        engine.dispose()
        for end in (server.stop, server.kill):
            end()
            with pytest.raises(sa.exc.OperationalError), engine.connect():
                pass
            server.start()
        with engine.connect() as connection:
            assert connection.execute(sa.text("SELECT a FROM t")).scalar_one() == 7
        engine.dispose()
        directory = server.directory
    assert not directory.exists()


def test_rabbitmq_gives_fresh_virtual_hosts_and_survives_a_kill(rabbitmq: RabbitMQ) -> None:
    urls = [rabbitmq.transport_url(), rabbitmq.transport_url()]
    assert urls[0] != urls[1]
    rabbitmq.kill()
    rabbitmq.start()
    for url in urls:
        with kombu.Connection(url.replace("rabbit://", "amqp://")) as connection:
            queue = connection.SimpleQueue("q")
            queue.put({"hello": os.getpid()})
            assert queue.get(timeout=10).payload == {"hello": os.getpid()}
            queue.close()
