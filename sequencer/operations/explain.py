"""Explaining: why somebody gets what when, how everything stands, and the conversations that wait for the rep.

`why` asks the same `decide` as the daemon, so that what it says is what will happen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, assert_never
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.decisions import (
    Continue,
    CreateTask,
    Decision,
    End,
    Held,
    MoveOn,
    SendEmail,
    Skip,
    Wait,
    Wake,
)
from sequencer.core.due import FRESH_FOR, NOT_READ_SINCE, READ_TOO_LONG_AGO
from sequencer.core.model import BACK_OFF, Contact, Email, Enrollment, Status, Task
from sequencer.core.model import Sequence as Plan
from sequencer.operations.facts import STOPPED_ITSELF, answer, gather
from sequencer.operations.freshness import last_read
from sequencer.operations.history import moment, told
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.operations.variants import Dealt, dealt
from sequencer.store import attempts, contacts, enrollments, mailboxes, suppressions
from sequencer.store.attempts import Attempt
from sequencer.store.enrollments import Standing
from sequencer.store.mailboxes import MailboxRow
from sequencer.workspace.calendars import UnknownPlace, zone_of

RESOLVE: Final = "sequencer resolve"
"""The command by which the owner settles what is in doubt."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What holds somebody whose time has come; `until` is None when nobody knows."""

    reason: str
    until: datetime | None = None

    @property
    def way_out(self) -> str:
        """What a person can do about it; empty when it passes by itself."""
        stopped = re.match(STOPPED_ITSELF.format(r"(\S+)"), self.reason)
        if stopped is not None:
            return f"once that is seen to: `sequencer reopen {stopped[1]}`"
        found = re.match(r"the template (\S+) needs (\w+)", self.reason)
        if found is None:
            return ""
        return (
            f'import them again with a column {found[2]}; or write {{{{ {found[2]} | default("…") }}}} in '
            f"templates/{found[1]}.md"
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the log, with its sentence."""

    at: datetime
    event: str
    step: str
    detail: str


@dataclass(frozen=True, slots=True)
class Way:
    """Where one enrollment stands: what is next, when, why not earlier, and what holds it."""

    enrollment: Enrollment
    step: str
    due_at: datetime | None
    next: str
    shifts: tuple[str, ...]
    held: Hold | None
    history: tuple[Moment, ...]
    doubts: tuple[Attempt, ...] = ()
    dealt: Dealt | None = None  # of an e-mail with several variants, the one that they get


@dataclass(frozen=True, slots=True)
class Explanation:
    """All there is to say about one contact. `suppressed` is the reason, empty when they are not."""

    contact: Contact
    zone: ZoneInfo
    suppressed: str
    ways: tuple[Way, ...]


async def why(conn: AsyncConnection, live: Live, email: str, now: datetime) -> Explanation | Refusal:
    """What happened with a contact, what is next, when, and what holds it. The latest enrollment comes first."""
    contact = await contacts.by_email(conn, email, live.defaults)
    suppressed = await suppressions.reason_for(conn, email) or ""
    if contact is None:
        told_too = f"; the address is suppressed: {suppressed}" if suppressed else ""
        return Refusal(f"there is no contact {email}{told_too}")
    zone = zone_for(contact)
    standings = await enrollments.by_contact(conn, contact.id)
    questions = await gather(conn, live, [standing.enrollment for standing in standings], now)
    doubts = await attempts.doubts(conn, [standing.enrollment.id for standing in standings])
    boxes = {row.name: row for row in await mailboxes.some(conn, {one.enrollment.mailbox for one in standings})}
    ways = []
    for standing in reversed(standings):
        enrollment = standing.enrollment
        question = questions[enrollment.id]
        decision = answer(question, enrollment, now)
        log = await enrollments.events_of(conn, enrollment.id)
        history = tuple(
            Moment(line.event.at, type(line.event).__name__, getattr(line.event, "step", ""), told(line.event, zone))
            for line in log
        )
        way = _way(standing, question.sequence, decision, zone, history)
        unsure = tuple(one.attempt for one in doubts if one.attempt.enrollment_id == enrollment.id)
        held = _by_the_inbox(way.held, boxes.get(enrollment.mailbox), now)
        plan = None if enrollment.status.ended else question.sequence
        variant = dealt(plan, enrollment, way.step, live.splits) if plan is not None else None
        ways.append(replace(way, held=held, doubts=unsure, dealt=variant))
    return Explanation(contact, zone, suppressed, tuple(ways))


async def outlook(conn: AsyncConnection, live: Live, people: Sequence[Enrollment], now: datetime) -> dict[int, str]:
    """What is next for each of these enrollments, in one sentence, by its id."""
    questions = await gather(conn, live, people, now)
    answers = {}
    for enrollment in people:
        question = questions[enrollment.id]
        zone = zone_for(question.facts.contact) if question.facts is not None else ZoneInfo("UTC")
        decision = answer(question, enrollment, now)
        answers[enrollment.id] = _next(decision, enrollment, question.sequence, zone)[2]
        if isinstance(decision, Held) and decision.reason == NOT_READ_SINCE:
            what = _named(question.sequence, decision.step)
            answers[enrollment.id] = f"{what} is due; it leaves once the daemon has read the inbox"
        elif isinstance(decision, Held):
            answers[enrollment.id] += f": {decision.reason}"
    return answers


def zone_for(contact: Contact) -> ZoneInfo:
    """The contact's zone; UTC when it is none."""
    try:
        return zone_of(contact.timezone)
    except UnknownPlace:
        return ZoneInfo("UTC")


def _way(standing: Standing, plan: Plan | None, decision: Decision, zone: ZoneInfo, history: tuple[Moment, ...]) -> Way:
    enrollment = standing.enrollment
    step, due_at, words, shifts = _next(decision, enrollment, plan, zone)
    held = _hold(decision, standing)
    return Way(enrollment, step, due_at, words, shifts, held, history)


def _hold(decision: Decision, standing: Standing) -> Hold | None:
    """What `decide` holds it for; else what the daemon found when it tried (a missing variable, the pace)."""
    if isinstance(decision, Held):
        return Hold(decision.reason, decision.until)
    noted = standing.hold
    if isinstance(decision, SendEmail) and noted is not None:
        return Hold(noted.reason, noted.until)
    return None


def _by_the_inbox(hold: Hold | None, box: MailboxRow | None, now: datetime) -> Hold | None:
    """A hold for want of a fresh reading names the mailbox, when it was last read, and what is wrong with it."""
    if hold is None or box is None:
        return hold
    if hold.reason == STOPPED_ITSELF.format(box.name):
        return replace(hold, reason=f"{hold.reason}: {box.reason}")
    waits = hold.reason in (NOT_READ_SINCE, READ_TOO_LONG_AGO)
    stale = box.inbox_read_at is None or now - box.inbox_read_at > FRESH_FOR
    if not waits and not (stale and hold.reason == box.reason):
        return hold
    read = last_read(box.name, box.inbox_read_at, now)
    reason = f"{read}, and this fell due since" if hold.reason == NOT_READ_SINCE and not stale else read
    return replace(hold, reason=f"{reason}: {box.reason}" if box.reason else reason)


_Next = tuple[str, datetime | None, str, tuple[str, ...]]


def _next(decision: Decision, enrollment: Enrollment, plan: Plan | None, zone: ZoneInfo) -> _Next:
    """The step that is next, when it is due, a sentence about it, and why it is not earlier."""
    match decision:
        case SendEmail() | CreateTask():
            what = _named(plan, decision.step)
            return decision.step, decision.due_at, f"{what} has been due since {moment(decision.due_at, zone)}", ()
        case Held():
            what = _named(plan, decision.step)
            return decision.step, decision.due_at, f"{what} is due and held", ()
        case Wait(until=None) if enrollment.status is Status.PAUSED:
            step = decision.step or enrollment.position.step
            return step, None, f"nothing until somebody resumes; then {_named(plan, step)}", ()
        case Wait(until=None):
            return decision.step or enrollment.position.step, None, _sentence(decision.reason), ()
        case Wait(until=datetime() as until):
            step = decision.step or enrollment.position.step
            if enrollment.status is Status.SNOOZED:
                return step, until, f"{decision.reason}; it goes on {moment(until, zone)}", ()
            when = moment(until, zone)
            coming = f"leaves {when} or soon after" if _is_email(plan, step) else f"is due {when}"
            return step, until, f"{_named(plan, step)} {coming}", decision.shifts
        case _:
            return enrollment.position.step, None, _at_once(decision), ()


def _at_once(decision: Skip | Wake | Continue | MoveOn | End | Wait) -> str:
    match decision:
        case Skip():
            return f"“{decision.step}” is about to be passed over: {decision.reason}"
        case Wake():
            return "the snooze is over; it is about to go on"
        case Continue():
            return f"it is about to go on at “{decision.to.step or decision.to.line}”: {decision.reason}"
        case MoveOn():
            return f"it is about to move to {decision.sequence}: {decision.reason}"
        case End():
            return f"it is about to end: {decision.reason}"
        case Wait():
            return _sentence(decision.reason)
        case _:
            assert_never(decision)


def _sentence(reason: str) -> str:
    return reason or "nothing more happens by itself"


def _is_email(plan: Plan | None, step_id: str) -> bool:
    place = plan.find(step_id) if plan is not None else None
    if plan is None or place is None:
        return step_id == BACK_OFF
    return isinstance(plan.lines[place[0]][place[1]].do, Email)


def _named(plan: Plan | None, step_id: str) -> str:
    """What a step is, for people: `the e-mail “story”`, `the task “first-call” (call)`."""
    if step_id == BACK_OFF:
        return "the back-off message"
    place = plan.find(step_id) if plan is not None else None
    if plan is None or place is None:
        return f"“{step_id}”" if step_id else "the next step"
    match plan.lines[place[0]][place[1]].do:
        case Email():
            return f"the e-mail “{step_id}”"
        case Task(kind=kind):
            return f"the task “{step_id}” ({kind})"
        case _:
            return f"“{step_id}”"


# JSON ---------------------------------------------------------------------------------------------


def why_json(explanation: Explanation) -> dict[str, Any]:
    """DESIGN §6, `why`."""
    return {
        "contact": explanation.contact.email,
        "suppressed": bool(explanation.suppressed),
        "suppressed_reason": explanation.suppressed or None,
        "fields": {name: _plain(value) for name, value in explanation.contact.fields.items()},
        "timezone": explanation.contact.timezone,
        "enrollments": [_way_json(way) for way in explanation.ways],
    }


def _way_json(way: Way) -> dict[str, Any]:
    enrollment = way.enrollment
    return {
        "id": enrollment.id,
        "sequence": enrollment.sequence,
        "mailbox": enrollment.mailbox,
        "status": str(enrollment.status),
        "reason": enrollment.reason,
        "step": way.step,
        "due_at": iso(way.due_at),
        "next": way.next,
        "shifts": list(way.shifts),
        "variant": way.dealt.template if way.dealt is not None else None,
        "held": {"reason": way.held.reason, "until": iso(way.held.until)} if way.held is not None else None,
        "history": [
            {"at": iso(line.at), "event": line.event, "step": line.step, "detail": line.detail} for line in way.history
        ],
        "in_doubt": [doubt_json(attempt) for attempt in way.doubts],
    }


def doubt_json(attempt: Attempt) -> dict[str, Any]:
    """A message in doubt, why it is so, and the command that settles it."""
    return {
        "attempt": attempt.id,
        "mailbox": attempt.mailbox,
        "step": attempt.step,
        "at": iso(attempt.started_at),
        "reason": attempt.answer,
        "command": f"{RESOLVE} {attempt.id} --delivered|--not-delivered",
    }


def iso(instant: datetime | None) -> str | None:
    """ISO 8601 with offset, UTC."""
    return instant.astimezone(UTC).isoformat() if instant is not None else None


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
