"""What a rep can do with the people in sequences: pause, resume, snooze, branch, move, stop, close.

Each takes addresses and changes what these contacts have open, everything or one sequence of it; one transaction a
contact, one answer an enrollment. A reply may have paused several sequences of one person: whatever the rep then
decides holds for all of them, unless a sequence is named.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.lines import destination, locate, repeated_from
from sequencer.core.model import MAIN_LINE, Contact, Enrollment, Position, Span, Status
from sequencer.core.model import Sequence as Plan
from sequencer.core.react import local_midnight
from sequencer.core.timing import Calendar, add_span
from sequencer.core.when import PhraseError, parse_span
from sequencer.operations.enrollments import Kept, move_on, plan_named
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal, change_in
from sequencer.operations.values import order_of, parse_date
from sequencer.store import contacts, enrollments, suppressions, tasks
from sequencer.workspace.calendars import UnknownPlace, calendar_for, zone_of
from sequencer.workspace.source import did_you_mean

BY_HAND: Final = "by hand"
"""The reason of a change for which nobody gave one."""

LONGEST_SNOOZE: Final = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class Turned:
    """An enrollment that was changed, as it is now. `onto`: the new one, when the contact moved on."""

    email: str
    enrollment: Enrollment
    onto: Enrollment | None = None


@dataclass(frozen=True, slots=True)
class Who:
    """Whom a change is for: these addresses, in every sequence or in one. `by` stands in the history."""

    emails: tuple[str, ...]
    sequence: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class _Case:
    """One enrollment about to be changed."""

    live: Live
    contact: Contact
    enrollment: Enrollment
    plan: Plan | None
    earlier: Plan | None
    now: datetime

    @property
    def calendar(self) -> Calendar:
        mailbox = self.live.mailbox(self.enrollment.mailbox)
        try:
            if self.plan is not None and mailbox is not None:
                return calendar_for(self.contact, self.plan, mailbox)
            return Calendar(zone_of(self.contact.timezone))
        except UnknownPlace:
            return Calendar(zone_of("UTC"))

    def again_from(self, to: Position) -> tuple[str, ...] | None:
        """The steps that going there on purpose repeats."""
        return repeated_from(self.plan, to) if self.plan is not None else None

    def lead_to(self, target: str) -> tuple[Position, tuple[Position, ...]] | Refusal:
        """Where a step or branch of this plan is, and where the plan goes on afterwards."""
        if self.plan is None:
            return Refusal(f"sequences/{self.enrollment.sequence}.yaml is no longer in the workspace")
        stand, _ = locate(self.plan, self.enrollment.position, self.earlier, self.enrollment.taken)
        try:
            return destination(self.plan, target, stand, self.enrollment.returns)
        except KeyError:
            hint = did_you_mean(target, targets_of(self.plan))
            return Refusal(f"{self.plan.name} has no step or branch “{target}”" + (f"; {hint}" if hint else ""))


_Events = tuple[e.Event, ...] | Refusal
_Maker = Callable[[_Case], _Events]
_Choice = Callable[[Sequence[Enrollment]], list[Enrollment] | Refusal]


def targets_of(plan: Plan) -> list[str]:
    """The names that a branch or a snooze can lead to: the branches, and the ids of all steps."""
    branches = [line for line in plan.lines if line != MAIN_LINE]
    return [*branches, *(step.id for steps in plan.lines.values() for step in steps)]


# The changes --------------------------------------------------------------------------------------


async def pause(live: Live, who: Who, now: datetime, reason: str = "") -> list[Turned | Kept]:
    """Send nothing more until somebody resumes."""

    def make(case: _Case) -> _Events:
        if case.enrollment.status is Status.PAUSED:
            return Refusal(f"{case.enrollment.sequence} is paused already: {case.enrollment.reason}")
        return (e.Paused(at=now, reason=reason or BY_HAND, by=who.by),)

    return await _turn_each(live, who, now, _open, make)


async def resume(live: Live, who: Who, now: datetime) -> list[Turned | Kept]:
    """Go on where the plan stood, also before a snooze is over."""

    def make(case: _Case) -> _Events:
        if case.enrollment.status is Status.ACTIVE:
            return Refusal(f"{case.enrollment.sequence} is neither paused nor snoozed")
        return (e.Resumed(at=now, by=who.by),)

    return await _turn_each(live, who, now, _open, make)


async def snooze(
    live: Live, who: Who, now: datetime, until: date | Span, *, to: str = "", reason: str = ""
) -> list[Turned | Kept]:
    """Stay silent until a day begins in the contact's zone, or for a while; then go on, with the step or branch `to`
    if one is named."""

    def make(case: _Case) -> _Events:
        calendar = case.calendar
        end = add_span(now, until, calendar) if isinstance(until, Span) else local_midnight(until, calendar)
        if end <= now:
            return Refusal(f"{until} lies in the past")
        if end > now + LONGEST_SNOOZE:
            return Refusal(f"{until} is more than ten years ahead; stop them instead")
        why = reason or BY_HAND
        if not to:
            return (e.Snoozed(at=now, until=end, reason=why, by=who.by),)
        place = case.lead_to(to)
        if isinstance(place, Refusal):
            return place
        again = case.again_from(place[0])
        return (e.Snoozed(at=now, until=end, reason=why, to=place[0], returns=place[1], by=who.by, again=again),)

    return await _turn_each(live, who, now, _open, make)


async def branch(live: Live, who: Who, now: datetime, target: str, reason: str = "") -> list[Turned | Kept]:
    """Go on at a step or branch of the plan; after a branch, where it stood."""

    def choose(history: Sequence[Enrollment]) -> list[Enrollment] | Refusal:
        chosen = _open(history)
        if isinstance(chosen, Refusal) or len(chosen) == 1:
            return chosen
        plans = {enrollment.id: live.sequence(enrollment.sequence) for enrollment in chosen}
        fit = [en for en in chosen if (plan := plans[en.id]) is not None and target in targets_of(plan)]
        return fit if len(fit) == 1 else _ambiguous(fit or chosen)

    def make(case: _Case) -> _Events:
        place = case.lead_to(target)
        if isinstance(place, Refusal):
            return place
        again = case.again_from(place[0])
        why = reason or BY_HAND
        return (e.Branched(at=now, to=place[0], returns=place[1], reason=why, by=who.by, again=again),)

    return await _turn_each(live, who, now, choose, make)


async def stop(live: Live, who: Who, now: datetime, reason: str = "") -> list[Turned | Kept]:
    """End the plan before its end."""

    def make(case: _Case) -> _Events:
        return (e.Stopped(at=now, reason=reason or BY_HAND, by=who.by),)

    return await _turn_each(live, who, now, _open, make)


async def close(
    live: Live, who: Who, now: datetime, outcome: Literal["won", "lost"], reason: str = ""
) -> list[Turned | Kept]:
    """Won or lost. May be learned after the end: without an open enrollment it goes to the latest one."""

    def choose(history: Sequence[Enrollment]) -> list[Enrollment] | Refusal:
        chosen = _open(history)
        return list(history[-1:]) if isinstance(chosen, Refusal) and history else chosen

    def make(case: _Case) -> _Events:
        return (e.Finished(at=now, reason=reason, outcome=outcome, by=who.by),)

    return await _turn_each(live, who, now, choose, make)


async def move(live: Live, who: Who, now: datetime, sequence: str, reason: str = "") -> list[Turned | Kept]:
    """Finish here and go on in another sequence."""
    plan = plan_named(live, sequence)
    if isinstance(plan, Refusal):
        return [Kept(email, plan.reason) for email in who.emails]

    def choose(history: Sequence[Enrollment]) -> list[Enrollment] | Refusal:
        chosen = _open(history)
        return chosen if isinstance(chosen, Refusal) or len(chosen) == 1 else _ambiguous(chosen)

    def make(case: _Case) -> _Events:
        if case.enrollment.sequence == sequence:
            return Refusal(f"they are in {sequence} already")
        return (e.Moved(at=now, to=sequence, reason=reason or BY_HAND, by=who.by),)

    return await _turn_each(live, who, now, choose, make)


def parse_until(text: str, live: Live) -> date | Span | Refusal:
    """The end of a snooze as people type it: a date (2026-12-01) or a length of time (3 weeks)."""
    ours = live.workspace.config.contacts
    day = parse_date(text, order_of(ours.holidays, ours.timezone))
    if day is not None:
        return day
    try:
        return parse_span(text)
    except PhraseError:
        return Refusal(f"“{text}” is neither a date nor a length of time: write 2026-12-01 or “3 weeks”")


# Common ground ------------------------------------------------------------------------------------


def _open(history: Sequence[Enrollment]) -> list[Enrollment] | Refusal:
    chosen = [enrollment for enrollment in history if not enrollment.status.ended]
    if chosen:
        return chosen
    if not history:
        return Refusal("they were never in a sequence")
    last = history[-1]
    why = f": {last.reason}" if last.reason else ""
    return Refusal(f"nothing of theirs is open; {last.sequence} is {last.status}{why}")


def _ambiguous(chosen: Sequence[Enrollment]) -> Refusal:
    names = " and ".join(enrollment.sequence for enrollment in chosen)
    return Refusal(f"they are in {names}: say which with --sequence")


async def _turn_each(live: Live, who: Who, now: datetime, choose: _Choice, make: _Maker) -> list[Turned | Kept]:
    answers: list[Turned | Kept] = []
    for email in dict.fromkeys(who.emails):

        async def turn(conn: AsyncConnection, email: str = email) -> list[Turned | Kept]:
            return await _turn(conn, live, who, email, now, choose, make)

        answers += await _undoable(live, email, turn)
    return answers


class _UndoneError(Exception):
    """Rolls a transaction back."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


async def _undoable(
    live: Live, email: str, work: Callable[[AsyncConnection], Awaitable[list[Turned | Kept]]]
) -> list[Turned | Kept]:
    try:
        async with live.database.begin() as conn:
            return await work(conn)
    except _UndoneError as undone:
        return [Kept(email, undone.refusal.reason)]


async def _turn(
    conn: AsyncConnection, live: Live, who: Who, email: str, now: datetime, choose: _Choice, make: _Maker
) -> list[Turned | Kept]:
    contact = await contacts.by_email(conn, email, live.defaults)
    if contact is None:
        return [Kept(email, "there is no contact with this address")]
    history = [standing.enrollment for standing in await enrollments.by_contact(conn, contact.id)]
    if who.sequence:
        history = [enrollment for enrollment in history if enrollment.sequence == who.sequence]
        if not history:
            return [Kept(email, f"they were never in {who.sequence}")]
    chosen = choose(history)
    if isinstance(chosen, Refusal):
        return [Kept(email, chosen.reason)]
    return [await _turn_one(conn, live, contact, enrollment, now, make) for enrollment in chosen]


async def _turn_one(
    conn: AsyncConnection, live: Live, contact: Contact, enrollment: Enrollment, now: datetime, make: _Maker
) -> Turned | Kept:
    plan = live.sequence(enrollment.sequence)
    earlier = await live.earlier(conn, enrollment)
    made: list[e.Event] = []

    def make_events(present: Enrollment) -> tuple[e.Event, ...] | Refusal:
        events = make(_Case(live, contact, present, plan, earlier, now))
        made[:] = () if isinstance(events, Refusal) else events
        return events

    after = await change_in(conn, live, enrollment.id, now, make_events)
    if isinstance(after, Refusal):
        return Kept(contact.email, after.reason)
    if after.task is None:
        await tasks.drop(conn, after.id, "the plan does not wait for it any more", now)
    for event in made:
        if isinstance(event, e.Moved):
            return await _moved(conn, live, contact, after, event, now)
    return Turned(contact.email, after)


async def _moved(
    conn: AsyncConnection, live: Live, contact: Contact, after: Enrollment, event: e.Moved, now: datetime
) -> Turned | Kept:
    """The other end of a move. One that cannot be entered undoes the whole: somebody is there to be told."""
    refused = await suppressions.reason_for(conn, contact.email)
    if refused is not None:
        raise _UndoneError(Refusal(f"they are suppressed: {refused}"))
    onto = await move_on(conn, live, after, event.to, now)
    if isinstance(onto, Refusal):
        raise _UndoneError(onto)
    return Turned(contact.email, after, onto)
