"""Every mistake in a workspace, with what only the database and the environment can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from sequencer.store import contacts
from sequencer.store.database import CannotOpen, Database, SqliteFile, locate
from sequencer.workspace.check import check
from sequencer.workspace.source import Problem
from sequencer.workspace.workspace import Workspace, load

_OF_THE_ENVIRONMENT: Final = frozenset({"secret-missing", "login-missing"})
_HINT: Final = "`sequencer run` needs it"


async def check_workspace(folder: Path, environ: Mapping[str, str], *, secrets_required: bool = False) -> list[Problem]:
    """All problems, sorted. A password that is not at hand is a warning, unless `secrets_required`: the files are
    right, and whoever looks at them need not know it."""
    loaded = load(folder, environ, secrets_required=False)
    fields = await known_fields(loaded.workspace) if loaded.workspace is not None else None
    if secrets_required:
        return check(folder, environ, fields)
    found = check(folder, environ, fields, secrets_required=False)
    missing = [
        replace(problem, severity="warning", hint=f"{problem.hint}; {_HINT}" if problem.hint else _HINT)
        for problem in check(folder, environ, fields)
        if problem.code in _OF_THE_ENVIRONMENT and problem not in found
    ]
    return sorted({*found, *missing}, key=lambda problem: (problem.file, problem.line, problem.column, problem.code))


async def known_fields(workspace: Workspace) -> frozenset[str] | None:
    """The names of the fields that contacts have; None when there is no database yet, or nobody in it."""
    try:
        location = locate(workspace.database_url)
        if isinstance(location, SqliteFile) and not location.path.exists():
            return None
        database = await Database.open(workspace.database_url)
    except CannotOpen:
        return None
    try:
        async with database.read() as conn:
            return await contacts.field_names(conn) if await contacts.count(conn) else None
    except DBAPIError:  # the tables are not there yet
        return None
    finally:
        await database.close()
