"""How long a database is waited for, and how each driver is told: a server that hangs must not hang a thread for ever.

A dead server resets its connections. One that is stopped, or whose machine is unplugged, says nothing: its kernel may
even acknowledge what it is sent. PyMySQL has time-outs on its socket. libpq has none for reading, so psycopg2 is given
a callback to wait with (green mode, meant for coroutines); measured, it costs 3 to 8 us a statement.
"""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg2
from psycopg2 import extensions

CONNECT_TIMEOUT = 10  # s
STATEMENT_TIMEOUT = 30.0  # s without any answer; the longest statements of a server take a few
# s of silence of the other machine after which the kernel ends a connection, also one that nobody is waiting for.
KEEPALIVE = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}
WSREP_NOT_READY = 1047


class Unanswered(psycopg2.OperationalError):
    """The server did not answer in time. The connection is closed by that."""


class Connection(extensions.connection):
    """`limit`: seconds that the server may take to answer, None for as long as it likes."""

    limit: float | None = CONNECT_TIMEOUT


def prepare(dialect: str) -> None:
    """Have the driver wait with time-outs. For the whole process, since psycopg2 knows nothing smaller."""
    if dialect == "postgresql":
        extensions.set_wait_callback(_wait)


def connect_args(dialect: str, statement_timeout: float | None) -> dict[str, Any]:
    """What SQLAlchemy passes on to the driver's `connect`."""
    if dialect == "sqlite":
        return {"timeout": 30, "check_same_thread": False}
    if dialect == "postgresql":
        return {"connection_factory": Connection, "connect_timeout": CONNECT_TIMEOUT, **KEEPALIVE}
    limits = {"read_timeout": statement_timeout, "write_timeout": statement_timeout}
    return {"charset": "utf8mb4", "connect_timeout": CONNECT_TIMEOUT, **limits}


def connect(dialect: Any, record: Any, arguments: Any, parameters: Any) -> Any:
    """Connect as SQLAlchemy would; what an option in the URL breaks (no such file, no such option) is one of the
    driver's errors, as an unreachable server is."""
    dbapi = dialect.loaded_dbapi
    try:
        return dbapi.connect(*arguments, **parameters)
    except (TypeError, OSError, dbapi.ProgrammingError) as error:
        raise dbapi.OperationalError(f"an option in [database] connection does not work: {error}") from error


def connected(dbapi: Any, statement_timeout: float | None) -> None:
    """A connection is there: from now on statements' limit is its own."""
    if isinstance(dbapi, Connection):
        dbapi.limit = statement_timeout


def judge(context: Any) -> None:
    """A Galera node that has lost the others refuses every statement (1047). To SQLAlchemy that is no lost connection,
    but it is of no more use than one: another may lead to another node."""
    if context.original_exception.args[:1] == (WSREP_NOT_READY,):
        context.is_disconnect = True


def timed_out(error: BaseException | None) -> bool:
    """Was this raised since the server did not answer in time?"""
    return isinstance(error, Unanswered) or "timed out" in str(error)  # PyMySQL's has no type of its own


def _wait(connection: Any) -> None:
    limit = getattr(connection, "limit", None)  # connections that others opened have none
    end = None if limit is None else time.monotonic() + limit
    while (state := connection.poll()) != extensions.POLL_OK:
        left = None if end is None else max(0.0, end - time.monotonic())
        if not _is_ready(connection.fileno(), state == extensions.POLL_READ, left):
            raise Unanswered(f"no answer within {limit:g} s")


def _is_ready(descriptor: int, reads: bool, timeout: float | None) -> bool:
    if not hasattr(select, "poll"):  # eventlet took it away, and made select.select let others have a turn
        wanted: tuple[list[int], list[int], list[int]] = ([descriptor], [], []) if reads else ([], [descriptor], [])
        return any(select.select(*wanted, timeout))
    poll = select.poll()
    poll.register(descriptor, select.POLLIN if reads else select.POLLOUT)
    return bool(poll.poll(None if timeout is None else timeout * 1000))
