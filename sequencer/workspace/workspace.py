"""A workspace as the daemon uses it: every file read, nothing wrong, or the reasons why not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sequencer.core.model import Sequence
from sequencer.workspace.check import mistakes_between
from sequencer.workspace.config import CONFIG_FILE, Config
from sequencer.workspace.draft import Draft, read_draft
from sequencer.workspace.phrases import PhraseFiles
from sequencer.workspace.sequences import load_sequence_text
from sequencer.workspace.source import Plain, Problem
from sequencer.workspace.templates import Templates

__all__ = ["Loaded", "Workspace", "database_url", "load", "load_sequence_text", "load_what_is_right"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder whose files all check clean. `sources` holds the text of each sequence, to be kept by its version;
    `phrases` what people say in this trade, for the inbox reader; `settings` is config.yaml as it is written."""

    folder: Path
    config: Config
    sequences: Mapping[str, Sequence]
    templates: Templates
    sources: Mapping[str, str]
    phrases: PhraseFiles = field(default_factory=dict)
    settings: Plain = field(default=None, repr=False)

    @property
    def database_url(self) -> str:
        """Where the data lives."""
        return database_url(self.folder, self.config)


@dataclass(frozen=True, slots=True)
class Loaded:
    """`workspace` is None when any problem is an error; `problems` are sorted by place. `config` is None only when
    config.yaml has a mistake itself; `settings` is what is written there."""

    workspace: Workspace | None
    problems: tuple[Problem, ...]
    config: Config | None = None
    settings: Plain = field(default=None, repr=False)


def load(
    folder: Path,
    environ: Mapping[str, str],
    *,
    known_fields: frozenset[str] | None = None,
    secrets_required: bool = True,
) -> Loaded:
    """The workspace in a folder, or every reason why it cannot be used.

    `known_fields` are the fields that contacts in the store have. With `secrets_required=False` a password that is
    not at hand is None in the config instead of a mistake: for commands that only look at the files.
    """
    draft = read_draft(folder, environ, secrets_required=secrets_required)
    problems = mistakes_between(draft, known_fields)
    wrong = {problem.file for problem in problems if problem.severity == "error"}
    config = draft.config if CONFIG_FILE not in wrong else None
    workspace = None
    if config is not None and not wrong:
        workspace = _workspace(folder, draft, config, frozenset(draft.sequences))
    return Loaded(workspace, problems, config, draft.config_document.data)


def load_what_is_right(folder: Path, environ: Mapping[str, str]) -> tuple[Workspace, frozenset[str]] | None:
    """The workspace without the sequences and templates that have mistakes, and the names of those sequences.

    None when config.yaml itself has a mistake. For commands that must work while somebody is still writing.
    """
    draft = read_draft(folder, environ, secrets_required=False)
    wrong = {problem.file for problem in mistakes_between(draft, None) if problem.severity == "error"}
    if draft.config is None or CONFIG_FILE in wrong:
        return None
    broken = frozenset(name for name in draft.sequence_names if f"sequences/{name}.yaml" in wrong)
    broken |= {name for name in draft.sequence_names if f"sequences/{name}.yml" in wrong}
    return _workspace(folder, draft, draft.config, draft.sequences.keys() - broken), broken


def _workspace(folder: Path, draft: Draft, config: Config, names: Collection[str]) -> Workspace:
    kept = {name: each for name, each in draft.sequences.items() if name in names}
    sequences = {name: each.sequence for name, each in kept.items() if each.sequence is not None}
    sources = {name: each.text for name, each in kept.items()}
    return Workspace(folder, config, sequences, draft.templates, sources, draft.phrases, draft.config_document.data)


def database_url(folder: Path, config: Config) -> str:
    """Where the data lives; the path of an SQLite file counts from the workspace, not from where one stands."""
    url = config.database.strip()
    path = url.removeprefix("sqlite:///")
    if path == url or path.startswith(("/", ":memory:")) or not path:
        return url
    return f"sqlite:///{folder.absolute() / path}"
