"""Every mistake in a workspace, with what only the database and the environment can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from sequencer.store import contacts
from sequencer.store.database import CannotOpen, Database, SqliteFile, locate
from sequencer.workspace.check import check
from sequencer.workspace.config import CONFIG_FILE
from sequencer.workspace.source import Document, Problem, read_text, read_yaml
from sequencer.workspace.workspace import Workspace, load

_OF_THE_ENVIRONMENT: Final = frozenset({"secret-missing", "login-missing"})
_HINT: Final = "`sequencer run` needs it"


async def check_workspace(folder: Path, environ: Mapping[str, str], *, secrets_required: bool = False) -> list[Problem]:
    """All problems, sorted. A password that is not at hand is a warning, unless `secrets_required`: the files are
    right, and whoever looks at them need not know it."""
    loaded = load(folder, environ, secrets_required=False)
    fields, amiss = await _look_into(loaded.workspace) if loaded.workspace is not None else (None, [])
    if secrets_required:
        return _sorted(check(folder, environ, fields), amiss)
    found = check(folder, environ, fields, secrets_required=False)
    missing = [
        replace(problem, severity="warning", hint=f"{problem.hint}; {_HINT}" if problem.hint else _HINT)
        for problem in check(folder, environ, fields)
        if problem.code in _OF_THE_ENVIRONMENT and problem not in found
    ]
    once = {problem.message: problem for problem in reversed(_sorted(missing))}  # smtp and imap want the same password
    return _sorted(found, once.values(), amiss)


def _sorted(*found: Iterable[Problem]) -> list[Problem]:
    each = {problem for problems in found for problem in problems}
    return sorted(each, key=lambda problem: (problem.file, problem.line, problem.column, problem.code))


async def _look_into(workspace: Workspace) -> tuple[frozenset[str] | None, list[Problem]]:
    """The fields that contacts have, and what is wrong with the database."""
    try:
        locate(workspace.database_url)
    except CannotOpen as error:
        return None, [_of_database(workspace, str(error), warning=False)]
    try:
        return await known_fields(workspace), []
    except CannotOpen as error:
        return None, [_of_database(workspace, str(error), warning=True)]


def _of_database(workspace: Workspace, message: str, *, warning: bool) -> Problem:
    """At the line that names it. That it cannot be reached is no mistake of the file."""
    text = read_text(workspace.folder / CONFIG_FILE, CONFIG_FILE)
    document = read_yaml(CONFIG_FILE, text)[0] if isinstance(text, str) else Document(CONFIG_FILE)
    hint = "`sequencer run` needs it" if warning else "or delete the line: sqlite:///data/sequencer.db is the default"
    return document.problem(("database",), "database", message, hint, severity="warning" if warning else "error")


async def known_fields(workspace: Workspace) -> frozenset[str] | None:
    """The names of the fields that contacts have; None when there is no database yet, or nobody in it.

    Raises CannotOpen.
    """
    location = locate(workspace.database_url)
    if isinstance(location, SqliteFile) and not location.path.exists():
        return None
    try:
        async with Database.opened(workspace.database_url) as database, database.read() as conn:
            return await contacts.field_names(conn) if await contacts.count(conn) else None
    except DBAPIError:  # the tables are not there yet
        return None
