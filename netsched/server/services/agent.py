"""Agents as operators see and steer them: list, show, disable, describe, delete."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from typing import Any

from netsched import errors
from netsched.db import agent as agents
from netsched.db import base, decision, manual
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model.principal import Principal
from netsched.model.query import Query

LOG = logging.getLogger(__name__)


class AgentService:
    """Filters, sorts and pages in Python: `alive` and `state` are no columns, and agents are few thousands at most."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, principal: Principal, query: Query) -> list[dict[str, Any]]:
        with self._database.read() as connection:
            found = agents.list_(connection)
        for name, accepted in query.filters.items():
            found = [agent for agent in found if _matches(name, agent, accepted)]
        return _page(found, query)

    def get(self, principal: Principal, agent_id: str) -> dict[str, Any]:
        with self._database.read() as connection:
            found = agents.by_ids(connection, [agent_id])
        if agent_id not in found:
            raise errors.AgentNotFound(id=agent_id)
        return found[agent_id]

    def update(
        self, principal: Principal, agent_id: str, changes: dict[str, Any], if_match: int | None = None
    ) -> dict[str, Any]:
        """Agents have no revision number, so `if_match` guards nothing here. Disabling moves nothing by itself.

        One that is forced down is dead for everybody from the next scheduler's round on, whatever it says.
        """

        def work(tx: Transaction) -> None:
            stored = changes
            if "forced_down" in changes:
                stored = {**changes, "forced_down": _by(principal, tx.now) if changes["forced_down"] else None}
            if not agents.update(tx, agent_id, stored):
                raise errors.AgentNotFound(id=agent_id)
            record = {"changes": changes}
            made = [
                decision.Decision("agent", agent_id, None, action, 0, agent_id, None, record, principal)
                for action in _actions(changes)
            ]
            decision.insert(tx, made)

        if changes:
            self._database.write(work)
            LOG.info("agent %s: %s by user %s", agent_id, ", ".join(_actions(changes)), principal.user_id)
        return self.get(principal, agent_id)

    def delete(self, principal: Principal, agent_id: str, if_match: int | None = None) -> None:
        """What it held goes back to the scheduler in the same transaction. An agent that lives comes back, empty."""
        if not self._database.write(lambda tx: manual.delete_agent(tx, agent_id, principal)):
            raise errors.AgentNotFound(id=agent_id)


def _actions(changes: dict[str, Any]) -> list[str]:
    """What an operator did, as decisions name it."""
    words = {"admin_state_up": ("agent-disable", "agent-enable"), "forced_down": ("agent-force-up", "agent-force-down")}
    return [words[name][value] for name, value in changes.items() if name in words] or ["agent-update"]


def _by(principal: Principal, at: datetime.datetime) -> dict[str, str]:
    return {
        "user_id": principal.user_id,
        "project_id": principal.project_id,
        "request_id": principal.request_id,
        "at": base.timestamp(at),
    }


def _matches(name: str, agent: dict[str, Any], accepted: tuple[Any, ...]) -> bool:
    if name not in agent:
        raise errors.HTTPBadRequest(reason=f"['{name}'] is invalid attribute for filtering")
    return any(_text(agent[name]) == _text(value) for value in accepted)


def _text(value: Any) -> str:
    """Filters come as text or as values; "True" and True, and null and the empty string, are one to a client."""
    if value is None:
        return ""
    return str(value).lower() if str(value).lower() in ("true", "false") else str(value)


def _page(found: list[dict[str, Any]], query: Query) -> list[dict[str, Any]]:
    """Sorted by `query.sorts`, then by id; the page behind the marker, or before it for page_reverse."""
    ordered = sorted(found, key=lambda agent: str(agent["id"]))
    for name, ascending in reversed(query.sorts):
        if found and name not in found[0]:
            raise errors.InvalidInput(reason=f"sort_key: '{name}' is invalid attribute for sorting")
        ordered.sort(key=_key(name), reverse=not ascending)
    start, end = 0, len(ordered)
    if query.marker is not None:
        at = next((n for n, agent in enumerate(ordered) if agent["id"] == query.marker), None)
        if at is None:
            raise errors.InvalidInput(reason=f"marker: '{query.marker}' could not be found")
        start, end = (0, at) if query.page_reverse else (at + 1, end)
    if query.limit is not None and query.page_reverse:
        start = max(start, end - query.limit)
    elif query.limit is not None:
        end = min(end, start + query.limit)
    return ordered[start:end]


def _key(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda agent: _text(agent[name])
