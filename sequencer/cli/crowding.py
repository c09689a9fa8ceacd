"""`simulate` for many people at once: what is asked for, and playing it with a progress bar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from sequencer.cli.context import load_workspace, now, print_json, problem_found, wrong_use
from sequencer.cli.progress import progress
from sequencer.cli.subjects import fields_set, plan_of
from sequencer.cli.text import instant, say
from sequencer.operations.counting import counted, headcount

if TYPE_CHECKING:
    from sequencer.operations.contact_file import Unreadable
    from sequencer.operations.crowds import Crowd, Outlook, Wanted
    from sequencer.workspace.workspace import Workspace

SLOW: Final = 200
"""From so many people on, a bar shows how far it is."""

_SHOWN: Final = 10  # rows refused


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says about a crowd."""

    sequence: str
    contacts: int | None
    csv: Path | None
    start: str
    until: str
    per_day: int | None
    answers: str
    zones: str
    seed: int
    warm: bool


def simulate_crowd(ctx: typer.Context, asked: Asked, sets: list[str] | None, *, as_json: bool) -> None:
    """Play a crowd, and print what it comes to."""
    from sequencer.operations import crowds
    from sequencer.operations.record import Refusal

    if asked.csv is not None and not asked.csv.exists():
        wrong_use(f"there is no file {asked.csv}")
    workspace = load_workspace(ctx)
    plan = plan_of(workspace, asked.sequence)
    wanted = crowds.Wanted(
        _instant(workspace, asked.start) or now(),
        asked.per_day,
        _share(asked.answers),
        asked.seed,
        fields_set(sets, workspace),
    )
    if asked.csv is not None:
        crowd = crowds.listed(workspace, plan, asked.csv, wanted)
    else:
        zones = [zone.strip() for zone in asked.zones.split(",") if zone.strip()]
        crowd = crowds.invented(workspace, plan, asked.contacts or 0, wanted, zones)
    match crowd:
        case crowds.Crowd():
            pass
        case Refusal(reason=reason):
            wrong_use(reason)
        case _:
            _unreadable(crowd)
    until = _instant(workspace, asked.until)
    if until is not None and until < wanted.start:
        wrong_use(f"--until {asked.until} is before they enter: name a later day, or an earlier --start")
    with progress("playing", SLOW) as show:
        total = len(crowd.people)
        tell = (lambda done: show(done, total)) if show is not None else (lambda _: None)
        outlook = crowds.look_ahead(workspace, crowd, warm=asked.warm, until=until, tell=tell)
    if as_json:
        print_json(crowds.outlook_json(outlook))
    else:
        _print(outlook, asked, wanted)


def _print(outlook: Outlook, asked: Asked, wanted: Wanted) -> None:
    from sequencer.cli.load_chart import print_outlook

    crowd = outlook.crowd
    _print_file(crowd, asked.csv)
    number = len(crowd.people)
    people = headcount(number)
    who = f"{people} of {asked.csv.name}" if asked.csv is not None else f"{people}, invented"
    enter = f"{asked.per_day} of them enter every working day from" if asked.per_day is not None else "they enter on"
    answer = f"{outlook.load.answered:,} answer" if wanted.answers else "nobody answers"
    zone = crowd.calendar.zone
    say(f"{crowd.plan.name} for {who}; {enter} {instant(wanted.start, zone)}, {answer}, every task is done at once.")
    say(f"Days as in {zone.key}. Nothing is sent, nothing is stored.")
    print_outlook(outlook)


def _print_file(crowd: Crowd, path: Path | None) -> None:
    for one in crowd.refused[:_SHOWN]:
        say(f"{path}:{one.line}: refused: {one.reason}", err=True)
    if len(crowd.refused) > _SHOWN:
        say(f"and {counted(len(crowd.refused) - _SHOWN, 'more row')} refused", err=True)
    for note in crowd.notes:
        say(f"note: {note}", err=True)


def _unreadable(found: Unreadable) -> NoReturn:
    place = f":{found.line}:{found.column}" if found.line else ""
    problem_found(f"{found.file}{place}: {found.reason}" + (f"; {found.hint}" if found.hint else ""))


def _instant(workspace: Workspace, text: str) -> datetime | None:
    """A day or an instant, in the zone of who has none of their own. Ends with code 2 for what is none."""
    from sequencer.core.model import Contact
    from sequencer.operations.foresight import parse_start
    from sequencer.operations.record import Refusal

    if not text:
        return None
    parsed = parse_start(text, Contact(0, "", timezone=workspace.config.contacts.timezone))
    if isinstance(parsed, Refusal):
        wrong_use(parsed.reason)
    return parsed


def _share(text: str) -> float:
    """`8%` as 0.08. Ends with code 2 for what is no share."""
    if not text:
        return 0.0
    try:
        percent = float(text.strip().removesuffix("%").replace(",", "."))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        wrong_use(f"“{text}” is no share: write it as in --answers 8%")
    return percent / 100
