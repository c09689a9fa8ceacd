"""A crowd in a sequence, before anybody real is in it: invented people or those of a CSV file, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sequencer.core.model import Contact, Fields
from sequencer.core.model import Sequence as Plan
from sequencer.core.pace import Limits
from sequencer.core.timing import Calendar
from sequencer.operations.contact_file import Refused, Unreadable, people_in, survey_file
from sequencer.operations.enrollments import mailbox_by_hash
from sequencer.operations.explain import iso
from sequencer.operations.foresight import mailbox_of, sample_contact
from sequencer.operations.playing import SAMPLE_WORDS, Person, written
from sequencer.operations.previews import contact_of
from sequencer.operations.record import Refusal
from sequencer.workspace.calendars import UnknownPlace, calendar_for, zone_of
from sequencer.workspace.config import Mailbox
from sequencer.workspace.crowd import Entrant, Journey, play_crowd
from sequencer.workspace.crowd_advice import advice
from sequencer.workspace.crowd_load import Load, MailboxLoad, load_of
from sequencer.workspace.crowd_people import answers, entering, invent
from sequencer.workspace.simulate import Assumptions
from sequencer.workspace.workspace import Workspace

MOST_PEOPLE: Final = 100_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a crowd enters and answers: `per_day` on each working day (None: all at once), a share of `answers`, from 0
    to 1, in which `seed` decides who."""

    start: datetime
    per_day: int | None = None
    answers: float = 0.0
    seed: int = 1
    fields: Fields | None = None


@dataclass(frozen=True, slots=True)
class Crowd:
    """People at the door of a sequence, and the limits of their mailboxes. `calendar` is that of whoever has no zone
    of their own; `refused` and `notes` tell of the file they come from."""

    plan: Plan
    people: tuple[Entrant, ...]
    limits: Mapping[str, Limits]
    calendar: Calendar
    refused: tuple[Refused, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a crowd comes to, and what that means."""

    crowd: Crowd
    journeys: tuple[Journey, ...]
    load: Load
    advice: tuple[str, ...]


def invented(
    workspace: Workspace, plan: Plan, count: int, wanted: Wanted, zones: Sequence[str] = ()
) -> Crowd | Refusal:
    """So many invented people, who have every field that the plan asks for; in these zones in equal parts."""
    if not 1 <= count <= MOST_PEOPLE:
        return Refusal(f"a crowd has between 1 and {MOST_PEOPLE:,} people")
    try:
        for zone in zones:
            zone_of(zone)
    except UnknownPlace as error:
        return Refusal(f"{error.message}; {error.hint}")
    sample = sample_contact(workspace, plan, wanted.start.date())
    return _crowd(workspace, plan, list(invent(sample, count, wanted.seed, zones)), wanted)


def listed(workspace: Workspace, plan: Plan, path: Path, wanted: Wanted) -> Crowd | Refusal | Unreadable:
    """The people of a CSV file, as `import` would read it; nothing is stored. What cannot be written for them holds
    them."""
    survey = survey_file(path, workspace.config.contacts)
    if isinstance(survey, Unreadable):
        return survey
    found: list[Contact] = []
    refused: list[Refused] = []
    for one in people_in(survey):
        if isinstance(one, Refused):
            refused.append(one)
        else:
            found.append(contact_of(one.incoming, workspace.config.contacts))
    if not found:
        return Refusal(f"nobody in {path.name} can be enrolled" if refused else f"nobody is in {path.name}")
    crowd = _crowd(workspace, plan, found, wanted, real=True)
    if isinstance(crowd, Refusal):
        return crowd
    return Crowd(plan, crowd.people, crowd.limits, crowd.calendar, tuple(refused), tuple(survey.notes))


def _crowd(
    workspace: Workspace, plan: Plan, people: Sequence[Contact], wanted: Wanted, *, real: bool = False
) -> Crowd | Refusal:
    first = mailbox_of(workspace, plan)
    if isinstance(first, Refusal):
        return first
    names = [name for name in plan.mailboxes if name in workspace.config.mailboxes]
    ours = workspace.config.contacts
    usual = Contact(0, "anna@example.com", {}, ours.timezone, ours.holidays or "", ours.language)
    calendars: dict[tuple[str, str, str], Calendar] = {}

    def calendar(contact: Contact, mailbox: Mailbox) -> Calendar:
        key = (contact.timezone, contact.holidays, mailbox.name)
        if key not in calendars:
            calendars[key] = calendar_for(contact, plan, mailbox)
        return calendars[key]

    entrants: list[Entrant] = []
    moments = entering(len(people), wanted.start, wanted.per_day, calendar(usual, first))
    for number, (contact, enters) in enumerate(zip(people, moments, strict=True), 1):
        mailbox = workspace.config.mailboxes[mailbox_by_hash(names, contact.email)]
        fields = wanted.fields or {}
        entrants.append(
            Entrant(
                contact,
                enters,
                mailbox.name,
                calendar(contact, mailbox),
                fields,
                answers(plan, number, wanted.seed, wanted.answers),
                _writer(workspace, Person(contact, mailbox, fields)) if real else None,
            )
        )
    limits = {name: workspace.config.mailboxes[name].limits for name in names}
    return Crowd(plan, tuple(entrants), limits, calendar(usual, first))


def _writer(workspace: Workspace, person: Person) -> Callable[[str], str]:
    """Whether their mails can be written, asked once a template."""
    known: dict[str, str] = {}

    def amiss(template: str) -> str:
        if template not in known:
            letter = written(workspace, person, template, SAMPLE_WORDS)
            known[template] = letter if isinstance(letter, str) else ""
        return known[template]

    return amiss


def look_ahead(
    workspace: Workspace,
    crowd: Crowd,
    *,
    warm: bool = False,
    until: datetime | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> Outlook:
    """Play it. `warm`: the mailboxes are past their ramp-up; else each is taken to be new. `tell` hears how many have
    ended so far."""
    config = workspace.config
    limits = {name: replace(ours, ramp_up=None) if warm else ours for name, ours in crowd.limits.items()}
    taken = Assumptions(min_gap=config.contacts.min_gap, spread=config.spread, until=until)
    journeys = play_crowd(crowd.plan, crowd.people, limits, assumptions=taken, tell=tell)
    load = load_of(journeys, limits, crowd.calendar.zone)
    return Outlook(crowd, journeys, load, tuple(advice(load, crowd.calendar)))


def outlook_json(outlook: Outlook) -> dict[str, Any]:
    """What a crowd comes to; lengths of time in seconds, days as in its zone."""
    load = outlook.load
    return {
        "sequence": outlook.crowd.plan.name,
        "people": load.people,
        "answered": load.answered,
        "zone": load.zone.key,
        "began": iso(load.began),
        "ended": iso(load.ended),
        "mailboxes": [_mailbox_json(mailbox) for mailbox in load.mailboxes],
        "rep": [{"day": str(day.day), "tasks": dict(day.tasks)} for day in load.rep],
        "ends": [{"reason": reason, "people": people} for reason, people in load.ends.items()],
        "skipped": [
            {"step": one.step, "reason": one.reason, "people": one.people, "waited": one.waited} for one in load.skipped
        ],
        "advice": list(outlook.advice),
        "refused": [{"line": one.line, "reason": one.reason} for one in outlook.crowd.refused],
        "notes": list(outlook.crowd.notes),
    }


def _mailbox_json(mailbox: MailboxLoad) -> dict[str, Any]:
    limits, peak = mailbox.limits, mailbox.peak
    return {
        "name": mailbox.name,
        "limits": {
            "per_hour": limits.per_hour,
            "per_day": limits.per_day,
            "gap": list(limits.gap) if limits.gap is not None else None,
            "ramp_up": limits.ramp_up,
        },
        "people": mailbox.people,
        "mails": mailbox.mails,
        "peak": {"day": str(peak.day), "sent": peak.sent} if peak is not None else None,
        "wait": {
            "median": round(mailbox.usual_wait.total_seconds()),
            "worst": round(mailbox.longest_wait.total_seconds()),
        },
        "waited_for": dict(mailbox.reasons),
        "first_due": iso(mailbox.first_due),
        "all_written": iso(mailbox.all_written),
        "days": [
            {"day": str(day.day), "sent": day.sent, "limit": day.limit, "waiting": day.waiting} for day in mailbox.days
        ],
    }
