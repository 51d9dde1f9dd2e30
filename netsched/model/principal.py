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
