"""Mistakes in sequences/*.test.yaml: those of each file, and names that the sequence and the config do not have.

They never keep a workspace from being used: whoever only rehearses must not stop what is live.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from sequencer.core.lines import emails_of
from sequencer.core.model import BACK_OFF, Email, Sequence, Task
from sequencer.core.react import HUMAN_KINDS
from sequencer.workspace.calendars import UnknownPlace, holidays_of, zone_of
from sequencer.workspace.draft import Draft
from sequencer.workspace.expectations import Expectation, What
from sequencer.workspace.rehearsal_schema import EVERY_TASK
from sequencer.workspace.rehearsals import Rehearsal, RehearsalDraft, read_rehearsals, rehearsal_paths
from sequencer.workspace.sequences import KINDS
from sequencer.workspace.source import Problem, did_you_mean, shown

_ADDRESS: Final = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;.]+")
_STATES: Final = ("nothing", "snoozed", "paused", "stopped", "finished")


def rehearsal_mistakes(folder: Path, draft: Draft) -> Iterator[Problem]:
    """Every mistake in the files of rehearsals of a workspace."""
    plans = {name: each.sequence for name, each in draft.sequences.items()}
    known = {name: plans.get(name) for name in draft.sequence_names}
    for path in rehearsal_paths(folder):
        read, mistakes = read_rehearsals(path, f"sequences/{path.name}")
        yield from mistakes
        yield from mistakes_in(read, known, draft.mailbox_names())


def mistakes_in(read: RehearsalDraft, plans: Mapping[str, Sequence | None], mailboxes: frozenset[str]) -> list[Problem]:
    """What one file names and is not there. A sequence is None when it cannot be read itself."""
    return list(_of_file(read, plans, mailboxes))


def _of_file(
    read: RehearsalDraft, plans: Mapping[str, Sequence | None], mailboxes: frozenset[str]
) -> Iterator[Problem]:
    if read.sequence not in plans:
        message = f"there is no sequence `{shown(read.sequence)}` to rehearse"
        hint = did_you_mean(read.sequence, plans)
        yield Problem(read.document.file, 0, 0, "error", "unknown-sequence", message, hint)
        return
    plan = plans[read.sequence]
    for rehearsal in read.rehearsals or read.in_part:
        yield from _of_contact(read, rehearsal)
        if rehearsal.mailbox and mailboxes and rehearsal.mailbox not in mailboxes:
            message = f"there is no mailbox `{shown(rehearsal.mailbox)}` in config.yaml"
            hint = did_you_mean(rehearsal.mailbox, mailboxes)
            yield read.document.problem((*rehearsal.route, "mailbox"), "unknown-mailbox", message, hint)
        if plan is not None:
            yield from _of_answers(read, rehearsal, plan)
            yield from _of_tasks(read, rehearsal, plan)
            yield from _of_expectations(read, rehearsal, plan, plans)


def _of_contact(read: RehearsalDraft, rehearsal: Rehearsal) -> Iterator[Problem]:
    contact, route = rehearsal.contact, (*rehearsal.route, "contact")
    if "email" in contact and not _ADDRESS.fullmatch(contact["email"].strip()):
        message = f"`{shown(contact['email'])}` is no e-mail address"
        yield read.document.problem((*route, "email"), "address", message, "for example carla@example.com")
    try:
        zone_of(contact.get("timezone", "UTC"))
    except UnknownPlace as error:
        yield read.document.problem((*route, "timezone"), "timezone", error.message, error.hint)
    try:
        holidays_of(contact.get("holidays", ""))
    except UnknownPlace as error:
        yield read.document.problem((*route, "holidays"), "holidays", error.message, error.hint)
    language = contact.get("language", "en")
    if not re.fullmatch(r"[A-Za-z]{2}", language):
        message = f"`{shown(language)}` is no language"
        yield read.document.problem((*route, "language"), "language", message, "write it as in en, de or fr")
    for index, name in enumerate(rehearsal.without):
        if name in contact or name in rehearsal.fields:
            message = f"`{shown(name)}` is given and taken away"
            yield read.document.problem(
                (*rehearsal.route, "without", index), "without", message, "delete one of the two"
            )


def _of_answers(read: RehearsalDraft, rehearsal: Rehearsal, plan: Sequence) -> Iterator[Problem]:
    known = touches_of(plan)
    for index, answer in enumerate(rehearsal.answers):
        route = (*rehearsal.route, "reply", index)
        if answer.step not in known:
            message = f"{plan.name} has no touch `{shown(answer.step)}` to answer"
            yield read.document.problem((*route, "after"), "unknown-step", message, did_you_mean(answer.step, known))
        kinds = {*KINDS, *plan.labels}
        if answer.kind and answer.kind not in kinds:
            message = f"`{shown(answer.kind)}` is neither a kind of reply nor one of your labels"
            hint = did_you_mean(answer.kind, {*HUMAN_KINDS, *plan.labels})
            near = did_you_mean(answer.kind, kinds)
            yield read.document.problem(
                (*route, "kind"), "unknown-kind", message, near if near.startswith("did") else hint
            )


def _of_tasks(read: RehearsalDraft, rehearsal: Rehearsal, plan: Sequence) -> Iterator[Problem]:
    known = [step.id for line in plan.lines.values() for step in line if isinstance(step.do, Task)]
    for step in rehearsal.tasks:
        if step not in (*known, EVERY_TASK):
            message = f"{plan.name} has no task `{shown(step)}`"
            yield read.document.problem(
                (*rehearsal.route, "tasks", step), "unknown-step", message, did_you_mean(step, known), key=True
            )


def _of_expectations(
    read: RehearsalDraft, rehearsal: Rehearsal, plan: Sequence, sequences: Iterable[str]
) -> Iterator[Problem]:
    for index, expected in enumerate(rehearsal.expect):
        found = _mistaken(expected, plan, sequences)
        if found is not None:
            code, message, hint = found
            yield read.document.problem((*rehearsal.route, "expect", index), code, message, hint)


def _mistaken(expected: Expectation, plan: Sequence, sequences: Iterable[str]) -> tuple[str, str, str] | None:
    """The code, message and hint of what an expectation names and nothing has."""
    if expected.what is What.MOVED and expected.words not in sequences:
        return (
            "unknown-sequence",
            f"there is no sequence `{shown(expected.words)}`",
            did_you_mean(expected.words, sequences),
        )
    kinds = {*KINDS, *plan.labels}
    if expected.what is What.READ and expected.words not in kinds:
        message = f"`{shown(expected.words)}` is neither a kind of reply nor one of your labels"
        return "unknown-kind", message, did_you_mean(expected.words, kinds)
    if not expected.step:
        return None
    ids = [step.id for line in plan.lines.values() for step in line] + ([BACK_OFF] if plan.back_off else [])
    known: list[str]
    mails = [step for step, _ in emails_of(plan)]
    match expected.what:
        case What.SUBJECT:
            known, what = mails, "e-mail"
        case What.WAITS:
            known, what = [each for each in touches_of(plan) if each not in mails], "task"
        case What.SKIPPED:
            known, what = ids, "step"
        case _:
            known, what = touches_of(plan), "touch"
    if expected.step in known:
        return None
    bare = [*known, *_STATES] if expected.text == expected.step else known
    return "unknown-step", f"{plan.name} has no {what} `{shown(expected.step)}`", did_you_mean(expected.step, bare)


def touches_of(plan: Sequence) -> list[str]:
    """The ids of everything that reaches somebody, the back-off included."""
    steps = [step.id for line in plan.lines.values() for step in line if isinstance(step.do, Email | Task)]
    return [*steps, BACK_OFF] if plan.back_off is not None else steps
