"""Run by alembic: applies the migrations over the connection that schema.py hands in."""

from alembic import context

from netsched.db import schema

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=schema.metadata(), render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
