"""Alembic's way in: run with the connection that `database._migrate` gives."""

from alembic import context

from cardiofusion.serve.store.tables import Table

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Table.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
