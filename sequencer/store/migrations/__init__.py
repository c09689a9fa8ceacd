"""Alembic's scripts: run by `sequencer.store.migrate`."""
