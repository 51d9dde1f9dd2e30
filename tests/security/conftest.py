"""Servers that speak TLS, with certificates for `localhost`: 127.0.0.1 leads to them, too, and is the wrong name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority, Certificate
from tests.servers import MariaDB, PostgreSQL, RabbitMQ


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Authority(tmp_path_factory.mktemp("ca")).issue("localhost")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of an authority that nobody here should believe."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger").path


@pytest.fixture(scope="session")
def tls_rabbitmq(certificate: Certificate) -> Iterator[RabbitMQ]:
    with RabbitMQ(tls=certificate) as server:
        yield server


@pytest.fixture(scope="session")
def tls_postgresql(certificate: Certificate) -> Iterator[PostgreSQL]:
    with PostgreSQL(tls=certificate) as server:
        yield server


@pytest.fixture(scope="session")
def tls_mariadb(certificate: Certificate) -> Iterator[MariaDB]:
    with MariaDB(tls=certificate) as server:
        yield server
