"""Printing previews of many: everybody in a file, and the worst case."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from sequencer.cli.context import now, print_json
from sequencer.cli.previewing import letter_json, subject_line
from sequencer.cli.progress import progress
from sequencer.cli.text import columns, paragraph, person, say
from sequencer.operations.counting import counted, headcount

if TYPE_CHECKING:
    from sequencer.core.model import Sequence as Plan
    from sequencer.operations.contact_file import Refused
    from sequencer.operations.previews import ListPreview, Overview, Previewed
    from sequencer.operations.worst_case import Examined, Finding, MadeUp

FEW: Final = 20
"""People in a file up to which each of their mails is listed; beyond, only those who would be held."""

LONG: Final = 500
"""Rows from which on a progress bar is shown."""

MOST_LINES: Final = 12
"""Line numbers that are named one by one."""

WEIGHTS: Final = ("held", "look", "note")


# Everybody in a file ------------------------------------------------------------------------------


def show_list(listed: ListPreview, file: Path, step: str, *, as_json: bool) -> bool:
    """Print what a file comes to; whether anybody would be held, or a row was refused."""
    from sequencer.operations.previews import Overview

    overview = Overview()
    if as_json:
        _stream_json(listed, step, overview)
    else:
        lines = list(_lines(listed, file, step, overview))
        say(f"{listed.plan.name} for {headcount(overview.people)} in {file}, from the mailbox ", nl=False)
        say(f"{listed.mailbox.name}. Nothing is sent, nothing is stored.\n")
        for note in listed.survey.notes:
            say(f"note: {note}")
        for line in lines:
            say(line)
        for line in _summary(listed, overview, file):
            say(line)
    return bool(overview.held or overview.refused)


def _counted(listed: ListPreview, step: str, overview: Overview, *, bar: bool) -> Iterator[Previewed | Refused]:
    from sequencer.operations.previews import previews

    with progress("previewing", LONG if bar else sys.maxsize) as tell:
        for done, one in enumerate(previews(listed, now(), step=step), 1):
            overview.take(one)
            if tell is not None and done % 50 == 0:
                tell(done, listed.survey.rows)
            yield one


def _lines(listed: ListPreview, file: Path, step: str, overview: Overview) -> Iterator[str]:
    from sequencer.operations.contact_file import Refused

    every = listed.survey.rows <= FEW
    for one in _counted(listed, step, overview, bar=True):
        if isinstance(one, Refused):
            yield f"{file}:{one.line}: refused: {one.reason}"
        elif every or one.held:
            held = f": {counted(len(one.held), 'mail')} of {len(one.letters)} held" if one.held else ""
            yield f"{file}:{one.line}: {person(one.subject.contact)}{held}"
            shown = one.letters if every else one.held
            yield from columns([(letter.step, letter.template, subject_line(letter)) for letter in shown], "    ")


def _summary(listed: ListPreview, overview: Overview, file: Path) -> Iterator[str]:
    from sequencer.operations.previews import column_meant

    fine = overview.people - overview.held
    yield f"\n{headcount(overview.people)}: {fine} would get every mail, {overview.held} would be held."
    rows = [
        (
            f"{cause.variable} is missing" if cause.variable else cause.reason,
            f"for {headcount(len(cause.lines))}",
            f"in {', '.join(cause.steps)}",
            f"{'line' if len(cause.lines) == 1 else 'lines'} {_numbers(cause.lines)}",
        )
        for cause in overview.by_weight()
    ]
    yield from columns(rows, "    ")
    for cause in overview.by_weight():
        if cause.variable and (column := column_meant(listed, cause.variable)):
            yield f"There is a column {column}: call it {cause.variable}, or write {{{{ {column} }}}} in the template."
    if overview.refused:
        yield f"{counted(len(overview.refused), 'row')} refused; `sequencer import {file} --dry-run` refuses them too."
    if overview.held:
        yield 'Fill the gaps in the file, or write {{ variable | default("…") }} in the template.'


def _numbers(lines: list[int]) -> str:
    shown = ", ".join(map(str, lines[:MOST_LINES]))
    return f"{shown} and {len(lines) - MOST_LINES} more" if len(lines) > MOST_LINES else shown


def _stream_json(listed: ListPreview, step: str, overview: Overview) -> None:
    """One JSON value, written person by person: a long list need not fit into memory with all of its mails."""
    from sequencer.operations.contact_file import Refused

    typer.echo('{"people": [', nl=False)
    comma = ""
    for one in _counted(listed, step, overview, bar=not sys.stdout.isatty()):
        if not isinstance(one, Refused):
            typer.echo(comma + json.dumps(_person_json(one), ensure_ascii=False), nl=False)
            comma = ",\n"
    rest = {
        "refused": [{"line": one.line, "reason": one.reason} for one in overview.refused],
        "notes": listed.survey.notes,
        "summary": {
            "people": overview.people,
            "held": overview.held,
            "causes": [
                {"variable": each.variable, "reason": each.reason, "steps": each.steps, "lines": each.lines}
                for each in overview.by_weight()
            ],
        },
    }
    typer.echo(f"],\n{json.dumps(rest, ensure_ascii=False)[1:]}")


def _person_json(one: Previewed) -> dict[str, Any]:
    return {
        "line": one.line,
        "email": one.subject.contact.email,
        "held": bool(one.held),
        "letters": [letter_json(letter) for letter in one.letters],
    }


# The worst case -----------------------------------------------------------------------------------


def show_worst(plan: Plan, found: list[Examined], *, as_json: bool) -> None:
    """Print what the made-up people get, step by step: what is held, what to look at, what is good to know."""
    if as_json:
        print_json(_worst_json(found))
        return
    people = list(dict.fromkeys(one.person.name for one in found))
    say(f"{plan.name} in the worst case: {len(people)} made-up people. Nothing is sent.")
    mails: dict[tuple[str, str], list[Examined]] = {}
    for one in found:
        mails.setdefault((one.letter.step, one.letter.template), []).append(one)
    for (step, template), each in mails.items():
        say(f"\n──── {step}: templates/{template}.md")
        for line in _mail_lines(each):
            say(line)
    held = sum(one.letter.held for one in found)
    look = sum(any(finding.weight == "look" for finding in one.findings) for one in found)
    say(f"\n{counted(len(found), 'mail')}: {held} would be held, {look} should be looked at.")
    missing = Counter(variable for one in found if one.letter.held for variable in one.letter.missing)
    if missing:
        wanting = ", ".join(f"{variable} (in {counted(count, 'mail')})" for variable, count in missing.most_common())
        say(f"Held for want of {wanting}. A held mail waits until the gap is filled; nobody gets a blank.")


def _mail_lines(each: list[Examined]) -> Iterator[str]:
    """The findings of one mail, those that several people share told once."""
    names: dict[Finding, list[str]] = {}
    for one in each:
        for finding in one.findings:
            names.setdefault(finding, []).append(one.person.name)
    for finding, people in sorted(names.items(), key=lambda item: WEIGHTS.index(item[0].weight)):
        yield from paragraph(f"{finding.weight}  {'; '.join(people)}: {finding.text}", "", " " * 6)
        if finding.file:
            place = f"{finding.file}:{finding.line}" if finding.line else finding.file
            yield from paragraph(f"{place}: {finding.hint}", " " * 6, " " * 8)
    fine = [one.person.name for one in each if not any(finding.weight != "note" for finding in one.findings)]
    if fine:
        yield from paragraph(f"fine  {'; '.join(fine)}", "", " " * 6)


def _worst_json(found: list[Examined]) -> dict[str, Any]:
    people: dict[str, MadeUp] = {one.person.name: one.person for one in found}
    return {
        "people": [
            {
                "name": one.name,
                "email": one.contact.email,
                "fields": {name: _plain(value) for name, value in one.contact.fields.items()},
            }
            for one in people.values()
        ],
        "letters": [
            {
                "person": one.person.name,
                **letter_json(one.letter),
                "findings": [_finding_json(finding) for finding in one.findings],
            }
            for one in found
        ],
    }


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "weight": finding.weight,
        "text": finding.text,
        "variable": finding.variable,
        "file": finding.file,
        "line": finding.line,
        "hint": finding.hint,
    }
