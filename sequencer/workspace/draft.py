"""The files of a workspace, each read for itself: what they mean so far, where everything stands, and every mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sequencer.workspace.config import CONFIG_FILE, Config, read_config
from sequencer.workspace.phrases import FOLDER, PhraseFiles, read_phrase_files
from sequencer.workspace.sequences import SequenceDraft, read_sequence
from sequencer.workspace.source import Document, Problem, read_text
from sequencer.workspace.templates import Templates, read_templates

_SEQUENCE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A workspace in which some files may be wrong. `sequence_names` also has the files that cannot be read."""

    folder: Path
    config: Config | None
    config_document: Document
    sequences: Mapping[str, SequenceDraft]
    sequence_names: frozenset[str]
    templates: Templates
    problems: tuple[Problem, ...]
    phrases: PhraseFiles = field(default_factory=dict)

    def mailbox_names(self) -> frozenset[str]:
        """The names of the mailboxes, also of a config that has mistakes elsewhere."""
        if self.config is not None:
            return frozenset(self.config.mailboxes)
        data = self.config_document.data
        mailboxes = data.get("mailboxes") if isinstance(data, dict) else None
        return frozenset(mailboxes) if isinstance(mailboxes, dict) else frozenset()

    def complete(self) -> bool:
        """Whether every sequence could be read."""
        return all(name in self.sequences and self.sequences[name].sequence for name in self.sequence_names)


def read_draft(folder: Path, environ: Mapping[str, str], *, secrets_required: bool = True) -> Draft:
    """Everything in the folder, read. Never raises for what a person may have put there."""
    problems: list[Problem] = []
    document, config = Document(CONFIG_FILE), None
    text = read_text(folder / CONFIG_FILE, CONFIG_FILE) if (folder / CONFIG_FILE).exists() else _no_config(folder)
    if isinstance(text, Problem):
        problems.append(text)
    else:
        document, config, mistakes = read_config(text, folder, environ, secrets_required=secrets_required)
        problems += mistakes
    if not folder.is_dir():
        return Draft(folder, None, document, {}, frozenset(), read_templates(folder)[0], tuple(problems))
    sequences, names, mistakes = _read_sequences(folder / "sequences")
    templates, template_mistakes = read_templates(folder / "templates")
    phrases, phrase_mistakes = read_phrase_files(folder / FOLDER)
    problems += [*mistakes, *template_mistakes, *phrase_mistakes]
    return Draft(folder, config, document, sequences, names, templates, tuple(problems), phrases)


def _no_config(folder: Path) -> Problem:
    message = "there is no config.yaml in this folder" if folder.is_dir() else "there is no such folder"
    hint = "go to the folder of your workspace with `cd`; `sequencer init DIR` makes one to start from"
    return Problem(CONFIG_FILE, 0, 0, "error", "no-workspace", message, hint)


def _read_sequences(folder: Path) -> tuple[dict[str, SequenceDraft], frozenset[str], list[Problem]]:
    drafts: dict[str, SequenceDraft] = {}
    names: set[str] = set()
    problems: list[Problem] = []
    for path in (paths := _plans(folder)):
        name, file = path.stem, f"sequences/{path.name}"
        if name in names:
            hint = "delete one of the two files"
            problems.append(Problem(file, 0, 0, "error", "duplicate-name", f"a second sequence called {name}", hint))
            continue
        names.add(name)
        if not _SEQUENCE_NAME.fullmatch(name):
            hint = "rename it to letters, digits, - and _, at most 60"
            problems.append(
                Problem(file, 0, 0, "error", "sequence-name", "the name of this file names no sequence", hint)
            )
        text = read_text(path, file)
        if isinstance(text, Problem):
            problems.append(text)
            continue
        drafts[name], mistakes = read_sequence(name, text, file)
        problems += mistakes
    if not paths and (folder.parent / CONFIG_FILE).exists():
        hint = "write sequences/NAME.yaml; docs/sequences.md shows how"
        problems.append(Problem("sequences", 0, 0, "warning", "no-sequences", "there are no sequences yet", hint))
    return drafts, frozenset(names), problems


def _plans(folder: Path) -> list[Path]:
    """The files of the sequences. NAME.test.yaml beside them says what is expected of one, and is none."""
    found = [path for path in sorted(folder.glob("*.y*ml")) if path.suffix in (".yaml", ".yml")]
    return [path for path in found if path.name[0] != "." and not path.stem.endswith(".test")]
