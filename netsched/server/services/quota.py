"""How many objects of each kind a project may have, and that it gets no more of them, however many ask at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from netsched import errors
from netsched.db import quota
from netsched.db.session import Database
from netsched.db.transaction import Transaction

UNLIMITED = quota.UNLIMITED
Limits = dict[str, int]


class Quotas:
    """Other services ask it in the transaction that creates. `defaults`: limits by kind of object, -1 for none.

    A kind that is not among them is never limited.
    """

    def __init__(self, defaults: Mapping[str, int] | None = None) -> None:
        self.defaults = dict(defaults or {})

    def claim(self, tx: Transaction, resource: str, projects: Iterable[str]) -> None:
        """Before new objects are written, one project for each of them: raises OverQuota if it may not have so many.

        What is there is counted with the project's count of that kind locked, so two of these follow one another. Two
        statements at most, and none where nobody's project ("") gets them.
        """
        wanted = Counter(project for project in projects if project)
        if not wanted or resource not in self.defaults:
            return
        found = quota.claim(tx, resource, wanted, self.defaults[resource])
        if any(usage.used + wanted[project] > usage.limit for project, usage in found.items()):
            raise errors.OverQuota(overs=[resource])

    def limit(self, tx: Transaction, resource: str, project_id: str, otherwise: int) -> int:
        """A limit that is on no count of objects, such as that of a router's routes; -1 for none.

        `otherwise`: where it is not among the defaults. One statement, unless it is nobody's project.
        """
        if not project_id or resource not in self.defaults:
            return self.defaults.get(resource, otherwise)
        own = quota.limit(tx.connection, project_id, resource)
        return self.defaults[resource] if own is None else own


class QuotaService:
    """Limits as administrators set them and projects read them. Whose they may be read or set is policy's question."""

    def __init__(self, database: Database, quotas: Quotas) -> None:
        self._database = database
        self._defaults = quotas.defaults

    @property
    def resources(self) -> tuple[str, ...]:
        """Kinds of objects that can be limited."""
        return tuple(sorted(self._defaults))

    def list(self) -> list[dict[str, Any]]:
        """All limits of the projects that have some of their own."""
        with self._database.read() as connection:
            found = quota.overrides(connection)
        return [{**self._limits(own), "project_id": project, "tenant_id": project} for project, own in found.items()]

    def get(self, project_id: str) -> Limits:
        with self._database.read() as connection:
            return self._limits(quota.overrides(connection, project_id).get(project_id, {}))

    def default(self) -> Limits:
        return self._limits({})

    def details(self, project_id: str) -> dict[str, dict[str, int]]:
        """Nothing is ever reserved: a transaction that creates either has or has not."""
        with self._database.read() as connection:
            limits = self._limits(quota.overrides(connection, project_id).get(project_id, {}))
            used = quota.used(connection, project_id, limits)
        return {name: {"limit": limit, "used": used[name], "reserved": 0} for name, limit in limits.items()}

    def update(self, project_id: str, limits: Mapping[str, int], check: bool) -> Limits:
        """`check`: raises HTTPBadRequest for a limit below what is there already."""

        def work(tx: Transaction) -> Limits:
            quota.write(tx, project_id, limits)
            if check:
                _check_used(limits, quota.used(tx.connection, project_id, limits))
            return self._limits(quota.overrides(tx.connection, project_id).get(project_id, {}))

        return self._database.write(work)

    def delete(self, project_id: str) -> None:
        """Back to the defaults. Raises QuotaNotFound for a project that has no limits of its own."""
        if not self._database.write(lambda tx: quota.reset(tx, project_id)):
            raise errors.QuotaNotFound(project_id=project_id)

    def _limits(self, own: Mapping[str, int]) -> Limits:
        return {name: own.get(name, self._defaults[name]) for name in self.resources}


def _check_used(limits: Mapping[str, int], used: Mapping[str, int]) -> None:
    for name, limit in limits.items():
        if UNLIMITED < limit < used[name]:
            raise errors.HTTPBadRequest(
                reason=f"Quota limit {limit} for {name} must be greater than or equal to already used {used[name]}"
            )
