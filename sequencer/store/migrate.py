"""Bringing a database to the tables of this version: Alembic, driven from here, without its ini file or its logging."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from sequencer.store import secrets
from sequencer.store.database import CannotOpen, Database

_SCRIPTS: Final = Path(__file__).with_name("migrations")

# Two daemons that start at once on one PostgreSQL must not both migrate it; any fixed number will do.
_ADVISORY_LOCK: Final = 7_365_716_500


async def upgrade(url: str) -> tuple[str, ...]:
    """Run the migrations that are missing, in one transaction, and make the signing key when there is none.

    Returns the revisions that were run, oldest first. Safe to call from several processes at once. Raises CannotOpen,
    also when a newer version of the program has already changed the tables.
    """
    async with Database.opened(url, patient=True) as database:
        async with database.begin() as conn:
            if database.dialect == "postgresql":
                await conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            missing = await conn.run_sync(_missing)
            if missing:
                await conn.run_sync(_run)
            await secrets.signing_key(conn)
        return missing


async def pending(url: str) -> tuple[str, ...]:
    """The revisions that `upgrade` would run, oldest first; empty when the tables are up to date. Raises CannotOpen."""
    async with Database.opened(url) as database, database.read() as conn:
        return await conn.run_sync(_missing)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _missing(connection: Connection) -> tuple[str, ...]:
    scripts = ScriptDirectory.from_config(_config(connection))
    present = MigrationContext.configure(connection).get_current_heads()
    revisions = [script.revision for script in scripts.walk_revisions()]
    if unknown := [head for head in present if head not in revisions]:
        raise CannotOpen(
            f"the database was changed by a newer version of the sequencer (revision {unknown[0]}); upgrade the program"
        )
    done = {script.revision for script in scripts.iterate_revisions(present, "base")} if present else set()
    return tuple(revision for revision in reversed(revisions) if revision not in done)


def _run(connection: Connection) -> None:
    command.upgrade(_config(connection), "head")
