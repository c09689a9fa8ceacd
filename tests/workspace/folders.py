"""Small workspaces on disk, and what `check` says about them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sequencer.workspace.check import check
from sequencer.workspace.source import Problem
from sequencer.workspace.warning_names import CRAFT

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRON = {"MARK_PASSWORD": "correct horse battery staple"}

CONFIG = """\
company: {name: Flathead RV, address: "12 Main St, Kalispell MT 59901"}
contacts: {timezone: America/Denver, holidays: US}
mailboxes:
  mark:
    from: Mark Riffey <mark@flatheadrv.example>
    smtp: {host: smtp.flatheadrv.example, username: mark, password: "${MARK_PASSWORD}"}
    imap: {host: imap.flatheadrv.example, username: mark, password: "${MARK_PASSWORD}"}
    hours: Mon-Fri 08:30-17:00
"""

HELLO = """\
---
subject: Are you still looking?
---
{{ first_name }}, are you still looking?
"""

PLAN = """\
from: mark
steps:
  - step: hello
    email: hello
"""


def write_workspace(
    folder: Path,
    *,
    config: str | None = CONFIG,
    sequences: Mapping[str, str] | None = None,
    templates: Mapping[str, str] | None = None,
) -> Path:
    """A workspace with these files (one plan and one template unless told otherwise)."""
    folder.mkdir(parents=True, exist_ok=True)
    if config is not None:
        (folder / "config.yaml").write_text(config, "utf-8")
    for kind, suffix, files in (
        ("sequences", ".yaml", {"plan": PLAN} if sequences is None else sequences),
        ("templates", ".md", {"hello": HELLO} if templates is None else templates),
    ):
        for name, text in files.items():
            path = folder / kind / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    return folder


def problems_of(folder: Path, known_fields: frozenset[str] | None = None) -> list[Problem]:
    """What `check` finds there, with the usual environment; craft aside, of which these small plans know nothing."""
    return [problem for problem in check(folder, ENVIRON, known_fields) if problem.code not in CRAFT]


def codes(problems: list[Problem]) -> list[str]:
    """Only the codes, in order."""
    return [problem.code for problem in problems]
