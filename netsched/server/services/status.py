"""How the server is, for operators: processes, workers, database, broker, change log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netsched import errors
from netsched.db import change
from netsched.db import server as server_table
from netsched.db.session import Database
from netsched.model.principal import Principal


class StatusService:
    def __init__(
        self,
        database: Database,
        version: str,
        workers: Callable[[], list[dict[str, Any]]],
        broker: Callable[[], str],
        brakes: Callable[[Principal], list[dict[str, Any]]],
        doubt: Callable[[], str | None],
    ) -> None:
        """`workers` tells the status of this process's workers, `broker` how the transport is, `brakes` which are on,
        `doubt` why this server does not believe that silent agents are dead, if it does not."""
        self._database = database
        self._version = version
        self._workers = workers
        self._broker = broker
        self._brakes = brakes
        self._doubt = doubt

    def servers(self, principal: Principal) -> list[dict[str, Any]]:
        with self._database.read() as connection:
            return server_table.list_(connection)

    def status(self, principal: Principal) -> dict[str, Any]:
        """{"server", "workers", "database", "broker", "change_log", "brakes", "doubt"}.

        Parts that fail say so instead of failing all.
        """
        found: dict[str, Any] = {"server": {"version": self._version}, "workers": self._workers()}
        try:
            with self._database.read() as connection:
                state = change.state(connection)
                found["change_log"] = {"position": state.position, **change.backlog(connection)}
            found["brakes"] = self._brakes(principal)
            found["database"] = {"dialect": self._database.dialect, "status": "ok"}
        except errors.Unavailable as error:
            found["database"] = {"dialect": self._database.dialect, "status": str(error)}
        found["broker"] = {"status": self._broker()}
        found["doubt"] = self._doubt()  # while there is one, nothing moves from silent agents
        return found
