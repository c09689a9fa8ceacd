"""What a mail program would show of a sequence: each mail as it arrives, in order, with the waits between. Values only;
`pages.preview` makes the page."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sequencer.core.condition import condition_holds
from sequencer.core.model import BACK_OFF, MAIN_LINE, Email, Fields, Step, Task
from sequencer.core.model import Sequence as Plan
from sequencer.operations.explain import zone_for
from sequencer.operations.foresight import Letter, Subject, made_up, time_line
from sequencer.operations.history import moment
from sequencer.operations.record import Refusal
from sequencer.operations.worst_case import Examined, Finding, worst_case
from sequencer.workspace.diagram import END, Answer, Diagram, branch_id, deed_of, diagram_of
from sequencer.workspace.templates import fill, variables_for
from sequencer.workspace.workspace import Workspace

SNIPPET: Final = 160
"""Characters of a mail that an inbox shows beside its subject, at most."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it arrives, or what holds it. `headers` are all of them, decoded; `html` is None for plain text."""

    template: str
    chosen: bool
    subject: str
    snippet: str
    to: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str | None
    trouble: str
    findings: tuple[Finding, ...] = ()

    @property
    def held(self) -> bool:
        return bool(self.trouble)


@dataclass(frozen=True, slots=True)
class Moment:
    """One step: how long it waits, when that would be for who stays silent, its mails (each variant) or its deed."""

    step: str
    wait: str
    at: str
    deed: str  # what happens where it is no mail: "call, by the rep", "go to price-objection"
    note: str
    only_if: str
    skipped: bool
    mails: tuple[Mail, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A line of the plan from its beginning to its end: what leads into it, its moments, what comes after it."""

    name: str
    entrance: str
    moments: tuple[Moment, ...]
    ending: str


@dataclass(frozen=True, slots=True)
class Showing:
    """A whole sequence for one person."""

    sequence: str
    about: str
    person: str  # what they stand for, or who they are
    address: str
    place: str  # "line 3" of the file that they stand in; empty for anybody else
    made_up: bool
    sender: str
    sender_address: str
    zone: str
    stretches: tuple[Stretch, ...]

    @property
    def mails(self) -> tuple[Mail, ...]:
        return tuple(mail for stretch in self.stretches for moment in stretch.moments for mail in moment.mails)

    @property
    def held(self) -> tuple[tuple[str, Mail], ...]:
        """The mails that cannot be written, with their steps."""
        return tuple(
            (moment.step, mail)
            for stretch in self.stretches
            for moment in stretch.moments
            for mail in moment.mails
            if mail.held and not moment.skipped
        )

    @property
    def looks(self) -> int:
        """How many mails somebody should look at."""
        return sum(any(finding.weight == "look" for finding in mail.findings) for mail in self.mails)


def showing(
    workspace: Workspace,
    plan: Plan,
    subject: Subject,
    letters: Sequence[Letter],
    now: datetime,
    *,
    person: str = "",
    place: str = "",
    step: str = "",
    examined: Sequence[Examined] = (),
) -> Showing:
    """The mails of a plan (`letters`, as `foresight.letters` makes them) as their recipient would see them.

    Dates are those of somebody who enters now and stays silent; who is in the plan already gets none. With `step`
    there is no more than that one.
    """
    findings = {(one.letter.step, one.letter.template): one.findings for one in examined}
    seen = _Seen(workspace, plan, subject, _mails(letters, findings), _dates(workspace, plan, subject, now))
    contact = subject.contact
    return Showing(
        plan.name,
        plan.about,
        person or str(contact.fields.get("full_name") or contact.fields.get("first_name") or contact.email),
        contact.email,
        place,
        subject.made_up,
        subject.mailbox.from_name,
        subject.mailbox.from_address,
        zone_for(contact).key,
        tuple(_only(step, _stretches(seen, diagram_of(plan)))),
    )


def showings_of_worst(
    workspace: Workspace, plan: Plan, now: datetime, fields: Fields | None = None, *, step: str = ""
) -> list[Showing] | Refusal:
    """The same for each made-up person of the worst case, with what is to be said about their mails."""
    usual = made_up(workspace, plan, now.date(), fields)
    if isinstance(usual, Refusal):
        return usual
    found = worst_case(workspace, plan, now, fields)
    if isinstance(found, Refusal):
        return found
    people: dict[str, list[Examined]] = {}
    for one in found:
        people.setdefault(one.person.name, []).append(one)
    return [
        showing(
            workspace,
            plan,
            replace(usual, contact=each[0].person.contact),
            [one.letter for one in each],
            now,
            person=name,
            step=step,
            examined=each,
        )
        for name, each in people.items()
    ]


@dataclass(frozen=True, slots=True)
class _Seen:
    workspace: Workspace
    plan: Plan
    subject: Subject
    mails: Mapping[str, tuple[tuple[Letter, Mail], ...]]  # by step
    dates: Mapping[str, str]


def _mails(
    letters: Sequence[Letter], findings: Mapping[tuple[str, str], tuple[Finding, ...]]
) -> dict[str, tuple[tuple[Letter, Mail], ...]]:
    found: dict[str, tuple[tuple[Letter, Mail], ...]] = {}
    for letter in letters:
        mail = mail_of(letter, findings.get((letter.step, letter.template), ()))
        found[letter.step] = (*found.get(letter.step, ()), (letter, mail))
    return found


def mail_of(letter: Letter, findings: tuple[Finding, ...] = ()) -> Mail:
    """A mail as it arrives: decoded by the standard library's parser, as a mail program would."""
    if not letter.data:
        return Mail(letter.template, letter.chosen, "", "", "", (), "", None, letter.trouble, findings)
    message = email.message_from_bytes(letter.data, policy=email.policy.default)
    plain, rich = message.get_body(("plain",)), message.get_body(("html",))
    text = str(plain.get_content()).replace("\r\n", "\n") if plain is not None else ""
    return Mail(
        letter.template,
        letter.chosen,
        str(message["Subject"] or ""),
        " ".join(text.split())[:SNIPPET],
        str(message["To"] or ""),
        tuple((name, str(value)) for name, value in message.items()),
        text,
        str(rich.get_content()) if rich is not None else None,
        "",
        findings,
    )


def _dates(workspace: Workspace, plan: Plan, subject: Subject, now: datetime) -> dict[str, str]:
    """When each step would happen to somebody who enters now and stays silent, in their zone."""
    if subject.enrollment is not None:
        return {}
    zone = zone_for(subject.contact)
    dates: dict[str, str] = {}
    for row in time_line(workspace, plan, subject, now):
        if row.step:
            dates.setdefault(row.step, moment(row.at, zone))
    return dates


def _stretches(seen: _Seen, drawn: Diagram) -> Iterator[Stretch]:
    plan = seen.plan
    end = "; ".join(drawn.node(END).details)
    moments = [_moment(seen, step) for step in plan.steps]
    back_off = plan.back_off
    if back_off is not None:
        mails = tuple(mail for _, mail in seen.mails.get(BACK_OFF, ()))
        wait = f"after {back_off.after.text}"
        moments.append(Moment(BACK_OFF, wait, seen.dates.get(BACK_OFF, ""), "", "", "", False, mails))
    yield Stretch("", f"Enrolled, from {seen.subject.mailbox.name}", tuple(moments), f"The end: {end}")
    for line, steps in plan.lines.items():
        if line != MAIN_LINE:
            kinds = _leading_to(drawn.answers, drawn, line)
            entrance = f"When they answer: {kinds}" if kinds else "When a step goes there"
            inner = tuple(_moment(seen, step) for step in steps)
            yield Stretch(f"branch {line}", entrance, inner, "Then back to where the plan stood")


def _only(step: str, stretches: Iterator[Stretch]) -> Iterator[Stretch]:
    for stretch in stretches:
        moments = tuple(moment for moment in stretch.moments if step in ("", moment.step))
        if moments:
            yield replace(stretch, moments=moments)


def _leading_to(answers: Sequence[Answer], drawn: Diagram, line: str) -> str:
    targets = {branch_id(line), *(node.id for node in drawn.nodes if node.line == line)}
    return ", ".join(kind.replace("_", " ") for each in answers if each.target in targets for kind in each.kinds)


def _moment(seen: _Seen, step: Step) -> Moment:
    mails = tuple(mail for _, mail in seen.mails.get(step.id, ()))
    skipped = step.only_if is not None and not condition_holds(
        step.only_if, seen.subject.contact, seen.subject.fields or {}
    )
    only_if = step.only_if.text if step.only_if is not None else ""
    deed = "" if mails else deed_of(step)[1]
    if not mails and isinstance(step.do, Email):
        deed = f"{deed}: sent already"
    note = _note(seen, step.do.note) if isinstance(step.do, Task) else ""
    return Moment(step.id, step.when.text, seen.dates.get(step.id, ""), deed, note, only_if, skipped, mails)


def _note(seen: _Seen, note: str) -> str:
    """The note with its variables filled in; as the file has it where one is missing."""
    subject, company = seen.subject, seen.workspace.config.company
    variables = variables_for(subject.contact, subject.fields or {}, subject.mailbox, company, unsubscribe="")
    filled = fill(note, variables)
    return filled if isinstance(filled, str) else note
