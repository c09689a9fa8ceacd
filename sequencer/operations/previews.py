"""The mails of a sequence for everybody in a CSV file, and who would be held and why. Nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from sequencer.core.model import Contact, Fields
from sequencer.core.model import Sequence as Plan
from sequencer.operations.contact_file import Refused, Survey, Unreadable, people_in, survey_file
from sequencer.operations.foresight import Letter, Subject, letters, mailbox_of
from sequencer.operations.record import Refusal
from sequencer.store.contacts import Incoming
from sequencer.workspace.config import ContactDefaults, Mailbox
from sequencer.workspace.source import nearest
from sequencer.workspace.workspace import Workspace

NOBODYS_KEY: Final = b"nobody's key"
"""Signs the ids of mails that never leave."""


@dataclass(frozen=True, slots=True)
class ListPreview:
    """A CSV file that was looked through and is ready to be previewed for a plan, from one mailbox."""

    workspace: Workspace
    plan: Plan
    mailbox: Mailbox
    survey: Survey
    fields: Fields | None = None


@dataclass(frozen=True, slots=True)
class Previewed:
    """The mails for one row of the file, each variant of each step."""

    line: int
    subject: Subject
    letters: tuple[Letter, ...]

    @property
    def held(self) -> tuple[Letter, ...]:
        """Those that could not be written."""
        return tuple(letter for letter in self.letters if letter.held)


@dataclass(slots=True)
class Cause:
    """What holds people: a variable, or another reason. `lines` are those of the people in the file."""

    variable: str
    reason: str
    steps: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Overview:
    """What a file comes to: how many people, how many of them would be held somewhere, why, and the rows refused."""

    people: int = 0
    held: int = 0
    causes: dict[str, Cause] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)

    def take(self, one: Previewed | Refused) -> None:
        """Count one more row."""
        if isinstance(one, Refused):
            self.refused.append(one)
            return
        self.people += 1
        self.held += bool(one.held)
        for letter in one.held:
            for variable in letter.missing or ("",):
                cause = self.causes.setdefault(variable or letter.trouble, Cause(variable, letter.trouble))
                if letter.step not in cause.steps:
                    cause.steps.append(letter.step)
                if not cause.lines or cause.lines[-1] != one.line:
                    cause.lines.append(one.line)

    def by_weight(self) -> list[Cause]:
        """What holds most people first."""
        return sorted(self.causes.values(), key=lambda cause: (-len(cause.lines), cause.variable, cause.reason))


def open_list(
    workspace: Workspace, plan: Plan, path: Path, fields: Fields | None = None
) -> ListPreview | Unreadable | Refusal:
    """Look a file through. `fields` are those of the enrollment, the same for everybody."""
    mailbox = mailbox_of(workspace, plan)
    if isinstance(mailbox, Refusal):
        return mailbox
    survey = survey_file(path, workspace.config.contacts)
    if isinstance(survey, Unreadable):
        return survey
    return ListPreview(workspace, plan, mailbox, survey, fields)


def previews(listed: ListPreview, now: datetime, *, step: str = "") -> Iterator[Previewed | Refused]:
    """One answer a row, in order: the mails as they would leave now, or those of one step."""
    for one in people_in(listed.survey):
        if isinstance(one, Refused):
            yield one
            continue
        subject = subject_of_row(one.incoming, listed)
        found = letters(listed.workspace, listed.plan, subject, now, NOBODYS_KEY, step=step)
        yield Previewed(one.line, subject, tuple(found))


def subject_of_row(incoming: Incoming, listed: ListPreview) -> Subject:
    """The contact that a row would become, had nobody known them before."""
    contact = contact_of(incoming, listed.workspace.config.contacts)
    return Subject(contact, listed.mailbox, fields=listed.fields)


def contact_of(incoming: Incoming, defaults: ContactDefaults) -> Contact:
    """A new contact as an import would make it, the workspace's defaults filled in."""
    return Contact(
        0,
        incoming.email,
        {name: value for name, value in incoming.fields.items() if value is not None},
        incoming.timezone or defaults.timezone,
        defaults.holidays if incoming.holidays is None else incoming.holidays,
        incoming.language or defaults.language,
    )


def column_meant(listed: ListPreview, variable: str) -> str:
    """The column of the file that is probably meant by a variable that is missing; empty when none is like it."""
    columns = [name for name in listed.survey.columns.names if name]
    if variable in columns:
        return ""
    return nearest(variable, columns)
