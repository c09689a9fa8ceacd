"""Every mistake in a workspace, at once, each with its place and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sequencer.workspace.allow import allow_mistakes, without_allowed
from sequencer.workspace.check_config import config_mistakes
from sequencer.workspace.check_fields import field_mistakes
from sequencer.workspace.check_flow import flow_mistakes
from sequencer.workspace.check_letters import letter_mistakes
from sequencer.workspace.check_names import name_mistakes
from sequencer.workspace.check_rehearsals import rehearsal_mistakes
from sequencer.workspace.craft import craft_warnings
from sequencer.workspace.draft import Draft, read_draft
from sequencer.workspace.schema import schema_mistakes
from sequencer.workspace.source import Problem


def check(
    folder: Path,
    environ: Mapping[str, str],
    known_fields: frozenset[str] | None = None,
    *,
    secrets_required: bool = True,
) -> list[Problem]:
    """All problems of the workspace in a folder, sorted by file and line.

    `known_fields` are the names of the fields that contacts in the store have; None when there is no store.
    """
    draft = read_draft(folder, environ, secrets_required=secrets_required)
    advice = without_allowed(draft, {*schema_mistakes(folder), *craft_warnings(draft, known_fields)})
    return list(_sorted({*mistakes_between(draft, known_fields), *rehearsal_mistakes(folder, draft), *advice}))


def mistakes_between(draft: Draft, known_fields: frozenset[str] | None) -> tuple[Problem, ...]:
    """The problems of each file for itself and of the files with one another, sorted, each once."""
    problems = {
        *draft.problems,
        *config_mistakes(draft),
        *name_mistakes(draft),
        *flow_mistakes(draft),
        *letter_mistakes(draft),
        *field_mistakes(draft, known_fields),
        *allow_mistakes(draft),
    }
    return _sorted(set(without_allowed(draft, problems)))


def _sorted(problems: set[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda p: (p.file, p.line, p.column, p.severity, p.code, p.message)))
