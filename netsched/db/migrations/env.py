"""Run by alembic: applies the migrations over the connection that schema.py hands in."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from netsched.db import base, schema


def render(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    """Our own types by their names in db/base.py, so that a migration reads like a table."""
    for name in ("Id", "DateTime", "BigId", "Text"):
        if kind == "type" and item is getattr(base, name):
            return f"base.{name}"
    return "base.Json" if kind == "type" and isinstance(item, base.Json) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=schema.metadata(),
    compare_type=True,
    render_item=render,
    user_module_prefix=None,
)
with context.begin_transaction():
    context.run_migrations()
