"""What a server does for the house: says that it lives, and throws old things away."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netsched.db import change, rbac_mend, retention
from netsched.db import server as server_table
from netsched.db.session import Database


@dataclass(frozen=True)
class Retention:
    """Seconds, and rows; `dead_agents` 0 keeps them for ever."""

    changes: float = 24 * 3600
    change_rows: int = 1_000_000
    decisions: float = 30 * 24 * 3600
    dead_agents: float = 0
    servers: float = 3600


@dataclass(frozen=True)
class Process:
    """This server process, as `netsched server list` shows it."""

    id: str
    host: str
    role: str
    version: str
    started_at: datetime.datetime


class UpkeepService:
    def __init__(self, database: Database, process: Process, keep: Retention) -> None:
        self._database = database
        self._process = process
        self._keep = keep

    def beat(self, workers: list[dict[str, Any]]) -> None:
        """Say that this process lives, with the status of its workers."""
        row = {**vars(self._process), "workers": workers}
        self._database.write(lambda tx: server_table.beat(tx.connection, row))

    def leave(self) -> None:
        """This process ends: take it off the list."""
        self._database.write(lambda tx: server_table.remove(tx.connection, self._process.id))

    def purge(self, on_batch: Callable[[str, int], None] = lambda what, count: None) -> dict[str, int]:
        """Delete what is older than the retention settings say; {what: rows}. `on_batch` hears of each batch."""
        keep = self._keep
        gone = {
            "changes": self._all(lambda tx: change.prune(tx, keep.changes, keep.change_rows), "changes", on_batch),
            "decisions": self._all(lambda tx: retention.decisions(tx, keep.decisions), "decisions", on_batch),
            "plans": self._all(lambda tx: retention.plans(tx, keep.decisions), "plans", on_batch),
            "servers": self._database.write(lambda tx: server_table.forget(tx.connection, keep.servers)),
        }
        self._all(rbac_mend.mend, "grants put right", on_batch)
        if keep.dead_agents:
            dead = self._all(lambda tx: retention.dead_agents(tx, keep.dead_agents), "dead agents", on_batch)
            gone["dead_agents"] = dead
        return gone

    def _all(self, batch: Callable[[Any], int], what: str, on_batch: Callable[[str, int], None]) -> int:
        total = 0
        while count := self._database.write(batch):
            total += count
            on_batch(what, total)
            if count < retention.BATCH:
                break
        return total
