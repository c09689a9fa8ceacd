"""What would happen: the exact messages of a sequence, and its time line, before anything leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.condition import condition_holds
from sequencer.core.decisions import SendEmail
from sequencer.core.lines import emails_of, start_of
from sequencer.core.model import (
    BACK_OFF,
    MAIN_LINE,
    Base,
    Condition,
    Contact,
    Email,
    Enrollment,
    Fields,
    FieldValue,
    When,
)
from sequencer.core.model import Sequence as Plan
from sequencer.core.shifts import Shift
from sequencer.core.variants import NO_SPLITS, Splits, choose_variant
from sequencer.mail.threads import new_thread
from sequencer.operations.enrollments import choose_mailbox
from sequencer.operations.explain import iso, zone_for
from sequencer.operations.letters import Prepared, Unready, has_had, prepare
from sequencer.operations.live import Live
from sequencer.operations.playing import SAMPLE_WORDS, Person, play
from sequencer.operations.quoting import said_by
from sequencer.operations.record import Refusal
from sequencer.store import contacts, enrollments
from sequencer.workspace.config import Mailbox
from sequencer.workspace.rehearsal_schema import YEARS
from sequencer.workspace.rehearsals import Answer
from sequencer.workspace.templates import THEY_SAID
from sequencer.workspace.workspace import Workspace

SAMPLE_FIELDS: Final[Mapping[str, FieldValue]] = {
    "first_name": "Anna",
    "last_name": "Example",
    "full_name": "Anna Example",
    "company": "Example & Daughters",
    "phone": "+1 406 555 0100",
    "rating": "A",
}
MORNING: Final = time(9)
"""When somebody enters a sequence on a day that is named without a time, in their own zone."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom to look ahead for, and from which mailbox. `made_up`: nobody real."""

    contact: Contact
    mailbox: Mailbox
    enrollment: Enrollment | None = None
    made_up: bool = False
    fields: Fields | None = None
    said: str = ""  # what they wrote last
    splits: Splits | None = None  # how variants are dealt at present; None: equally


@dataclass(frozen=True, slots=True)
class Letter:
    """One message as it would leave: `data` are its exact bytes; without them, `trouble` says what holds it.

    `only_if` is the condition of its step; `skipped` says that it does not hold for this person.
    """

    line: str
    step: str
    template: str
    chosen: bool  # of several variants, the one for this person
    data: bytes
    trouble: str = ""
    missing: tuple[str, ...] = ()  # the variables that hold it
    only_if: str = ""
    skipped: bool = False

    @property
    def held(self) -> bool:
        """Whether its person would be held here."""
        return not self.data and not self.skipped


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One line of a time line; `detail` is the template, the kind of task, or where to.

    `due_at` is the instant that the `when:` of its step names; `shifts` lead from there to `at`.
    """

    at: datetime
    step: str
    action: str
    subject: str
    detail: str
    reason: str
    due_at: datetime | None = None
    shifts: tuple[Shift, ...] = ()


def sample_contact(workspace: Workspace, plan: Plan, today: date) -> Contact:
    """A made-up contact who has everything that the plan's templates and dates ask for."""
    ours = workspace.config.contacts
    fields: dict[str, FieldValue] = dict(SAMPLE_FIELDS)
    for _, email in emails_of(plan):
        for name in email.variants:
            template = workspace.templates.get(name)
            for field in sorted(template.needs) if template is not None else ():
                fields.setdefault(field, f"[{field}]")
    for when in _whens(plan):
        if when.base is Base.FIELD:
            fields[when.field] = today + timedelta(days=30)
    for field in ("email", "timezone", "language", "holidays"):
        fields.pop(field, None)
    return Contact(0, "anna@example.com", fields, ours.timezone, ours.holidays or "", ours.language)


def _whens(plan: Plan) -> Iterator[When]:
    for steps in plan.lines.values():
        yield from (step.when for step in steps)


def made_up(workspace: Workspace, plan: Plan, today: date, fields: Fields | None = None) -> Subject | Refusal:
    """Nobody real, for those who only want to look at a plan."""
    mailbox = mailbox_of(workspace, plan)
    if isinstance(mailbox, Refusal):
        return mailbox
    return Subject(sample_contact(workspace, plan, today), mailbox, made_up=True, fields=fields, said=SAMPLE_WORDS)


async def real(
    conn: AsyncConnection, live: Live, plan: Plan, email: str, fields: Fields | None = None
) -> Subject | Refusal:
    """A contact, with the mailbox they would hear from, and the enrollment they have in this plan."""
    contact = await contacts.by_email(conn, email, live.defaults)
    if contact is None:
        return Refusal(f"there is no contact {email}; import them first, or leave out --contact for a made-up one")
    history = await enrollments.by_contact(conn, contact.id)
    open_here = [s.enrollment for s in history if s.enrollment.sequence == plan.name and not s.enrollment.status.ended]
    enrollment = open_here[-1] if open_here else None
    name = enrollment.mailbox if enrollment is not None else choose_mailbox(live, plan, contact, history)
    mailbox = live.mailbox(name) or mailbox_of(live.workspace, plan)
    if isinstance(mailbox, Refusal):
        return mailbox
    if enrollment is not None and fields:
        enrollment = replace(enrollment, fields={**enrollment.fields, **fields})
    known = enrollment.fields if enrollment is not None else fields
    said = await said_by(conn, contact, enrollment) if enrollment is not None else ""
    return Subject(contact, mailbox, enrollment, fields=known, said=said, splits=live.splits)


def mailbox_of(workspace: Workspace, plan: Plan) -> Mailbox | Refusal:
    """The first of a plan's mailboxes that config.yaml has."""
    for name in plan.mailboxes:
        if name in workspace.config.mailboxes:
            return workspace.config.mailboxes[name]
    return Refusal(f"none of the mailboxes of {plan.name} ({', '.join(plan.mailboxes)}) is in config.yaml")


# The messages -------------------------------------------------------------------------------------


def letters(
    workspace: Workspace, plan: Plan, subject: Subject, now: datetime, key: bytes, *, step: str = ""
) -> list[Letter]:
    """Every e-mail of a plan, line by line, each variant of it, as it would leave now; or those of one step.

    Later ones continue the thread of the earlier ones, as if each were sent. What somebody had already is left out.
    """
    enrollment = subject.enrollment or _newcomer(plan, subject, now)
    found: list[Letter] = []
    for group, each in groupby(_in_lines(plan), key=lambda email: email[0]):
        follow = enrollment
        for _, step_id, email, only_if in each:
            if not has_had(enrollment, step_id):
                written, follow = _variants(workspace, subject, group, follow, (step_id, email, only_if), now, key)
                found += written
        if group == MAIN_LINE:  # branches and the back-off continue the line, not each other
            enrollment = follow
    return [letter for letter in found if step in ("", letter.step)]


def _variants(
    workspace: Workspace,
    subject: Subject,
    line: str,
    enrollment: Enrollment,
    mail: tuple[str, Email, Condition | None],
    now: datetime,
    key: bytes,
) -> tuple[list[Letter], Enrollment]:
    """The variants of one step, and the enrollment as if the chosen one had been sent."""
    step_id, email, only_if = mail
    skipped = only_if is not None and not condition_holds(only_if, subject.contact, enrollment.fields)
    chosen = choose_variant(email, enrollment, step_id, subject.splits or NO_SPLITS)
    retired = {name for name, percent in zip(email.variants, email.percent, strict=False) if not percent} - {chosen}
    follow = enrollment
    found: list[Letter] = []
    for variant in email.variants:
        if variant in retired:
            continue
        action = SendEmail(step_id, Email((variant,), email.thread), now, enrollment.position, enrollment.position)
        prepared = _prepared(workspace, subject, line, enrollment, action, now, key)
        letter = Letter(line, step_id, variant, variant == chosen, b"", only_if=_text(only_if), skipped=skipped)
        if isinstance(prepared, Unready):
            found.append(replace(letter, trouble=prepared.reason, missing=prepared.missing))
            follow = _as_if_sent(follow, email, workspace, variant, now)
            continue
        found.append(replace(letter, data=prepared.data))
        if variant == chosen and not skipped:
            follow = replace(enrollment, thread=prepared.thread)
    return found, follow


def _as_if_sent(enrollment: Enrollment, email: Email, workspace: Workspace, template: str, now: datetime) -> Enrollment:
    """What holds the first mail of a thread is told of once, not again as a missing subject of those that follow."""
    known = workspace.templates.get(template)
    if (enrollment.thread is not None and email.thread == "reply") or known is None or not known.subject:
        return enrollment
    return replace(enrollment, thread=new_thread("<held@preview.invalid>", known.subject, now))


def _prepared(
    workspace: Workspace,
    subject: Subject,
    line: str,
    enrollment: Enrollment,
    action: SendEmail,
    now: datetime,
    key: bytes,
) -> Prepared | Unready:
    """Whoever is in a branch has answered; what they said there is made up where it is not known."""
    said = subject.said or (SAMPLE_WORDS if line not in (MAIN_LINE, BACK_OFF) else "")
    return prepare(
        enrollment,
        action,
        subject.contact,
        subject.mailbox,
        workspace.config,
        workspace.templates,
        key=key,
        nonce="preview",
        now=now,
        extra={THEY_SAID: said},
    )


def _text(condition: Condition | None) -> str:
    return condition.text if condition is not None else ""


def _in_lines(plan: Plan) -> Iterator[tuple[str, str, Email, Condition | None]]:
    """Every e-mail of a plan: its line (`back_off` for that message), its step, and on which condition it leaves."""
    for line, steps in plan.lines.items():
        yield from ((line, step.id, step.do, step.only_if) for step in steps if isinstance(step.do, Email))
    if plan.back_off is not None:
        yield "back_off", BACK_OFF, plan.back_off.email, None


def _newcomer(plan: Plan, subject: Subject, now: datetime) -> Enrollment:
    return Enrollment(
        id=0,
        contact_id=subject.contact.id,
        sequence=plan.name,
        mailbox=subject.mailbox.name,
        enrolled_at=now,
        position=start_of(plan),
        fields=subject.fields or {},
    )


# The time line ------------------------------------------------------------------------------------


def time_line(
    workspace: Workspace,
    plan: Plan,
    subject: Subject,
    start: datetime,
    answers: Sequence[Answer] = (),
    until: datetime | None = None,
) -> list[Foreseen]:
    """What happens with somebody who enters at `start` and answers so, by the real `decide` and the real reader."""
    person = Person(subject.contact, subject.mailbox, subject.fields or {}, subject.said, subject.splits or {})
    played = play(workspace, plan, person, start, answers, spread=workspace.config.spread, until=until)
    return [
        Foreseen(row.at, row.step, row.action, about, row.detail, row.reason, row.due_at, row.shifts)
        for row, about in zip(played.rows, played.subjects, strict=True)
    ]


def never_heard(answers: Sequence[Answer], seen: Sequence[Foreseen]) -> list[Answer]:
    """The answers to touches that do not happen: they never come."""
    touched = {line.step for line in seen if line.action in ("email", "task", "text", BACK_OFF)}
    return [answer for answer in answers if answer.step not in touched]


def parse_start(text: str, contact: Contact) -> datetime | Refusal:
    """A day (nine in the morning) or an instant, in the contact's zone unless it says otherwise; as UTC."""
    try:
        start = datetime.fromisoformat(text.strip())
    except ValueError:
        return Refusal(f"“{text}” is no date: write it as in 2026-12-01 or 2026-12-01T14:30")
    if start.year not in YEARS:
        return Refusal(f"the year {start.year} is too far away: write it as in 2026-12-01")
    if len(text.strip()) <= 10:
        start = datetime.combine(start.date(), MORNING)
    if start.tzinfo is None:
        start = start.replace(tzinfo=zone_for(contact))
    return start.astimezone(UTC)


def time_line_json(seen: Sequence[Foreseen]) -> list[dict[str, Any]]:
    """DESIGN §6, `simulate`."""
    return [
        {
            "at": iso(line.at),
            "step": line.step,
            "action": line.action,
            "subject": line.subject,
            "detail": line.detail,
            "reason": line.reason,
            "due_at": iso(line.due_at),
            "shifts": shifts_json(line.shifts),
        }
        for line in seen
    ]


def shifts_json(shifts: Sequence[Shift]) -> list[dict[str, str | None]]:
    """What moved a touch, from when to when."""
    return [
        {"cause": shift.cause, "reason": shift.reason, "from": iso(shift.since), "to": iso(shift.until)}
        for shift in shifts
    ]
