"""Alembic's entry: runs the migrations on the connection, and in the transaction, that `migrate` hands over."""

from __future__ import annotations

from alembic import context

from sequencer.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # true of SQLite as well, once its transactions are ours
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
