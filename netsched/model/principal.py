"""Who asks: the identity of one request, as every layer below the API sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Principal:
    user_id: str
    project_id: str
    roles: tuple[str, ...]
    is_admin: bool
    request_id: str

    @property
    def sees(self) -> str | None:
        """The project to whose own and shared objects a query is confined; None for an admin, who sees all."""
        return None if self.is_admin else self.project_id
