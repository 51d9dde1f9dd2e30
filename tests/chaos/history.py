"""What the tables went through, written down by triggers: every change of a holder, every claim beyond capacity.

A sampler would miss what lasts less than its period; a trigger misses nothing, and the product does not know of it.
Times come out as of times.now(): the database's clock is this machine's.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tests.chaos.times import now

EPOCH = datetime.datetime(1970, 1, 1)
COLUMNS = "at, resource_type, resource_id, slot, old_agent, new_agent, epoch"
TABLES = (
    "CREATE TABLE chaos_holder (id {id} PRIMARY KEY, at {time} NOT NULL, resource_type VARCHAR(50), "
    "resource_id VARCHAR(36), slot INTEGER, old_agent VARCHAR(36), new_agent VARCHAR(36), epoch BIGINT)",
    "CREATE TABLE chaos_over (id {id} PRIMARY KEY, agent_id VARCHAR(36), used BIGINT, capacity BIGINT)",
)
HOLDER = (
    f"INSERT INTO chaos_holder ({COLUMNS}) VALUES ({{now}}, NEW.resource_type, NEW.resource_id, NEW.slot, "
    "OLD.agent_id, NEW.agent_id, NEW.epoch);"
)
OVER = "INSERT INTO chaos_over (agent_id, used, capacity) VALUES (NEW.agent_id, NEW.used, NEW.capacity);"
POSTGRESQL = (
    "CREATE FUNCTION chaos_holder() RETURNS trigger AS $$ BEGIN "
    + HOLDER.format(now="clock_timestamp() AT TIME ZONE 'utc'")
    + " RETURN NULL; END $$ LANGUAGE plpgsql",
    f"CREATE FUNCTION chaos_over() RETURNS trigger AS $$ BEGIN {OVER} RETURN NULL; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER chaos_holder AFTER UPDATE ON binding FOR EACH ROW "
    "WHEN (OLD.agent_id IS DISTINCT FROM NEW.agent_id) EXECUTE FUNCTION chaos_holder()",
    "CREATE TRIGGER chaos_over AFTER UPDATE ON agent_claim FOR EACH ROW "
    "WHEN (NEW.used > NEW.capacity AND NEW.used > OLD.used) EXECUTE FUNCTION chaos_over()",
)
MARIADB = (
    "CREATE TRIGGER chaos_holder AFTER UPDATE ON binding FOR EACH ROW BEGIN IF NOT (OLD.agent_id <=> NEW.agent_id) "
    "THEN " + HOLDER.format(now="UTC_TIMESTAMP(6)") + " END IF; END",
    "CREATE TRIGGER chaos_over AFTER UPDATE ON agent_claim FOR EACH ROW BEGIN "
    f"IF NEW.used > NEW.capacity AND NEW.used > OLD.used THEN {OVER} END IF; END",
)


@dataclass(frozen=True)
class Change:
    """A slot got another holder, or none. `at` as of times.now()."""

    at: float
    resource_type: str
    resource_id: str
    slot: int
    old: str | None
    new: str | None
    epoch: int


class History:
    def __init__(self, url: str) -> None:
        """`url` leads to the database itself, not by the proxy."""
        limits: dict[str, Any] = {"connect_timeout": 2}
        if not url.startswith("postgresql"):
            limits["read_timeout"] = 20
        self.engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=limits, isolation_level="AUTOCOMMIT")

    def begin(self) -> None:
        """From here on everything is written down."""
        postgresql = self.engine.dialect.name == "postgresql"
        words = {
            "id": "BIGSERIAL" if postgresql else "BIGINT AUTO_INCREMENT",
            "time": "TIMESTAMP(6)" if postgresql else "DATETIME(6)",
        }
        with self.engine.connect() as connection:
            for statement in (*(table.format(**words) for table in TABLES), *(POSTGRESQL if postgresql else MARIADB)):
                connection.exec_driver_sql(statement)

    def changes(self) -> list[Change]:
        rows = self.rows(f"SELECT {COLUMNS} FROM chaos_holder ORDER BY id")
        return [Change(moment(at), *rest) for at, *rest in rows]

    def exceeded(self) -> list[Any]:
        return self.rows("SELECT agent_id, used, capacity FROM chaos_over")

    def heard_after(self, host: str, when: float) -> list[tuple[str, float]]:
        """[(agent, seconds)] of those agents of the host whose newest beat counts as sent after `when`.

        [] also when the database does not answer: then another fault is under way, and the next one asks again.
        """
        statement = (
            "SELECT agent_type, sent_at FROM agent JOIN agent_beat ON agent_beat.agent_id = agent.id WHERE host = :host"
        )
        try:
            rows = self.rows(statement, host=host)
        except sa.exc.DBAPIError:
            return []
        return [(f"{kind}@{host}", moment(at) - when) for kind, at in rows if at is not None and moment(at) > when]

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(statement), values).all())


def moment(at: datetime.datetime) -> float:
    """A time of the database, as of times.now()."""
    return (at - EPOCH).total_seconds() - (time.time() - now())


def moves(changes: Sequence[Change]) -> list[Change]:
    return [one for one in changes if one.old and one.new]
