"""Engines and transactions: one way to read, one way to write.

Reads run in autocommit, each statement on its own. Writes are short functions of a Transaction, run whole and
repeated whole after a deadlock or a connection lost before the commit, so they must not change anything outside.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from netsched import clock as clock_module
from netsched import errors, trace
from netsched.db import change, driver
from netsched.db.transaction import Repeat, Transaction
from netsched.tally import Tally

LOG = logging.getLogger(__name__)
T = TypeVar("T")
IDLE = 1.0  # s after which a pooled connection is asked whether it still lives
ATTEMPTS = 12
PATIENCE = 10.0  # s after which a transaction is not repeated any more: somebody waits for the answer
# MariaDB 1213 deadlock, 1205 lock wait; PostgreSQL 40001 serialisation, 40P01 deadlock. And what a row refers to was
# deleted since this transaction read it (1452, 23503): read again, it is gone.
RETRIED_CODES = {1213, 1205, "40001", "40P01", 1452, "23503"}


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
        parsed.get_dialect().import_dbapi()
    except (exc.ArgumentError, ImportError, ValueError):
        # Not repeated in the message: it may hold a password.
        kinds = (
            "sqlite:///PATH, postgresql+psycopg2://USER:PASSWORD@HOST/NAME or mysql+pymysql://USER:PASSWORD@HOST/NAME"
        )
        raise errors.Invalid(reason=f"[database] connection is none of {kinds}") from None
    return parsed


class Database:
    def __init__(
        self,
        url: str,
        clock: clock_module.Clock | None = None,
        pool_size: int = 20,
        statement_timeout: float | None = driver.STATEMENT_TIMEOUT,
    ) -> None:
        """Connects when first used. Raises Invalid for a URL of no database that we know.

        `statement_timeout`: seconds that a server may take to answer, None for migrations of large tables.
        """
        self._clock = clock or clock_module.SystemClock()
        self._url = _parsed(url)
        self.dialect = self._url.get_backend_name()
        self._write_lock = threading.Lock() if self.dialect == "sqlite" else contextlib.nullcontext()
        self._timeout = statement_timeout
        driver.prepare(self.dialect)
        self._nudges: list[Callable[[], None]] = []
        self.statements = Tally()  # by "read", "write"; begin and commit included
        self._writer = self._engine(pool_size, None if self.dialect == "sqlite" else "READ COMMITTED")
        self._reader = self._engine(pool_size, "AUTOCOMMIT")
        self._count_statements()
        if self.dialect == "sqlite":
            event.listen(self._writer, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))

    @property
    def engines(self) -> tuple[sa.Engine, sa.Engine]:
        """(writer, reader), for migrations and for tests that count statements."""
        return self._writer, self._reader

    def _engine(self, pool_size: int, isolation: str | None) -> sa.Engine:
        options: dict[str, Any] = {"pool_pre_ping": False, "pool_recycle": 1800}
        if isolation:
            options["isolation_level"] = isolation
        options["connect_args"] = driver.connect_args(self.dialect, self._timeout)
        options.update(pool_size=pool_size, max_overflow=pool_size)
        if self.dialect != "sqlite":
            options["pool_timeout"] = 30
        engine = sa.create_engine(self._url, insertmanyvalues_page_size=5000, **options)
        # Rows that are given beside an INSERT go in one statement, on all three; see base.insert.
        engine.dialect.use_insertmanyvalues_wo_returning = True
        if self.dialect == "sqlite":
            event.listen(engine, "connect", self._prepare_sqlite)
        else:
            event.listen(engine, "do_connect", driver.connect)
            event.listen(engine, "handle_error", driver.judge)
            event.listen(engine, "connect", lambda dbapi, _: driver.connected(dbapi, self._timeout))
            event.listen(engine, "checkin", self._note_use)
            event.listen(engine, "checkout", self._look_after_idleness)
        return engine

    def _count_statements(self) -> None:
        for kind, engine in (("read", self._reader), ("write", self._writer)):

            def count(_c: Any, _s: Any, _t: Any, rows: Any, _x: Any, many: bool, kind: str = kind) -> None:
                self.statements.add(kind, by=len(rows) if many and isinstance(rows, list) else 1)

            event.listen(engine, "before_cursor_execute", count)
        ends = ("commit", "rollback") if self.dialect == "sqlite" else ("begin", "commit", "rollback")
        for name in ends:  # SQLite is sent its begin as a statement
            event.listen(self._writer, name, lambda _: self.statements.add("write"))

    def _note_use(self, dbapi: Any, record: Any) -> None:
        record.info["used_at"] = self._clock.monotonic()

    def _look_after_idleness(self, dbapi: Any, record: Any, proxy: Any) -> None:
        """A connection that was idle may be dead since the database restarted. Asking each time would cost a round
        trip per transaction; asking the idle ones costs nothing under load."""
        idle_since = record.info.get("used_at")
        if idle_since is None or self._clock.monotonic() - idle_since < IDLE:
            return
        try:
            self._writer.dialect.do_ping(dbapi)
        except self._writer.dialect.loaded_dbapi.Error as error:
            raise exc.DisconnectionError from error  # the pool opens another one

    def _prepare_sqlite(self, dbapi: Any, record: Any) -> None:
        dbapi.isolation_level = None  # we say BEGIN IMMEDIATE ourselves; the driver's own BEGIN comes too late
        dbapi.create_function("netsched_now", -1, self._sqlite_now)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "case_sensitive_like=ON"):
            dbapi.execute(f"PRAGMA {pragma}")

    def _sqlite_now(self, ago: float | None = 0.0) -> str | None:
        if ago is None:
            return None  # as SQL has it
        return (self._clock.utcnow() - datetime.timedelta(seconds=ago)).isoformat(" ", "microseconds")

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection in autocommit: every statement sees the newest committed state."""
        try:
            with self._reader.connect() as connection:
                yield connection
        except (exc.DBAPIError, exc.TimeoutError) as error:
            raise self._unavailable(error) from error

    def on_commit(self, nudge: Callable[[], None]) -> None:
        """Call `nudge` after each commit that logged a change. Losing a nudge costs latency only."""
        self._nudges.append(nudge)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction and return its result, repeating it whole where the database asks for that.

        Raises Unavailable when the database cannot be reached, or when the connection was lost during the commit
        (then nobody knows whether it happened).
        """
        began = self._clock.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._once(work, attempt)
            except Repeat as lost:
                LOG.log(logging.ERROR if attempt == ATTEMPTS else logging.DEBUG, "transaction repeated: %s", lost)
            except exc.TimeoutError as error:
                raise self._unavailable(error) from error
            except exc.DBAPIError as error:
                too_late = self._clock.monotonic() - began > PATIENCE
                if attempt == ATTEMPTS or too_late or not self._repeatable(error):
                    raise self._unavailable(error) from error
                LOG.debug("transaction repeated: %s", error.orig)
            self._clock.sleep(random.uniform(0, min(0.01 * 2**attempt, 0.5)))
        raise errors.Unavailable(reason=f"The change lost {ATTEMPTS} races with others. Try again.")

    def _once(self, work: Callable[[Transaction], T], attempt: int) -> T:
        with self._write_lock, self._writer.connect() as connection, connection.begin() as transaction:
            open_transaction = Transaction(connection, self._clock.utcnow(), attempt)
            result = work(open_transaction)
            change.append(open_transaction, open_transaction.changes)
            try:
                transaction.commit()
            except exc.DBAPIError as error:
                if error.connection_invalidated:
                    raise errors.OutcomeUnknown() from error
                raise
        if open_transaction.changes:
            if request := trace.current():
                request.scopes.update(dict.fromkeys(entry.scope for entry in open_transaction.changes))
            for nudge in self._nudges:
                nudge()
        return result

    @staticmethod
    def _code(error: exc.DBAPIError) -> Any:
        original = error.orig
        return getattr(original, "pgcode", None) or (original.args[0] if original and original.args else None)

    def _repeatable(self, error: exc.DBAPIError) -> bool:
        if driver.timed_out(error.orig):
            return False
        code = self._code(error)
        return error.connection_invalidated or code in RETRIED_CODES or "database is locked" in str(error.orig)

    def _unavailable(self, error: exc.DBAPIError | exc.TimeoutError) -> Exception:
        if isinstance(error, exc.TimeoutError):
            LOG.error("no database connection became free: %s", error)
            return errors.Unavailable(reason="All connections to the database are in use. Try again.")
        if isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated:
            # The driver's text may hold the URL's user and host, so it goes to the log only.
            LOG.error("database error: %s", error.orig)
            return errors.Unavailable(reason="The database cannot be reached or does not answer; see the server's log.")
        return error

    def dispose(self) -> None:
        for engine in self.engines:
            engine.dispose()
