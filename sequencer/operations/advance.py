"""One look at everybody whose time has come: decide, do what touches nobody, hand back the e-mails that may leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.decide import evolve
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
    event_of,
)
from sequencer.core.model import Contact, Enrollment
from sequencer.operations.enrollments import move_on
from sequencer.operations.facts import Question, answer, gather
from sequencer.operations.happenings import Happening, What
from sequencer.operations.live import Live
from sequencer.operations.record import is_outage
from sequencer.store import agenda, enrollments, set_aside, tasks
from sequencer.store.agenda import Sleep
from sequencer.store.enrollments import Change, Standing

MOST_TURNS: Final = 50
"""Actions of the plan in a row without a wait: more is a loop, which the checker should have refused."""

HELD_AGAIN: Final = timedelta(minutes=15)
"""When to look again at what is held, nobody knows how long; what ends the hold wakes it earlier."""

SET_ASIDE_FOR: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Ready:
    """An e-mail whose time has come and which nothing forbids; `question` is what was known when that was decided."""

    seen: Standing
    enrollment: Enrollment
    action: SendEmail
    contact: Contact
    question: Question


@dataclass(slots=True)
class Advance:
    """What one look came to. `more`: there were more people due than one look takes."""

    ready: list[Ready] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    more: bool = False


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Where one person stands once everything that touches nobody is done."""

    seen: Standing
    enrollment: Enrollment
    events: tuple[e.Event, ...]
    decision: Decision
    question: Question

    @property
    def definition(self) -> str:
        """The version of the sequence that decided it."""
        return self.question.sequence.version if self.question.sequence is not None else self.enrollment.definition


async def advance(live: Live, mailbox: str, now: datetime, limit: int) -> Advance:
    """Bring everybody of a mailbox who is due at `now` as far as they get without a message, `limit` at most."""
    async with live.database.read() as conn:
        due, unreadable = await agenda.due(conn, mailbox, now, limit)
    try:
        result = await _advance(live, due, now)
    except Exception as error:
        if is_outage(error):
            raise
        result = await _one_by_one(live, due, now)
    if unreadable:
        async with live.database.begin() as conn:
            for row in unreadable:
                await agenda.lay_aside(conn, mailbox, row, now)
                result.happenings.append(Happening("set_aside", now, mailbox, row.enrollment_id, detail=row.error))
    result.more = len(due) + len(unreadable) == limit
    result.ready.sort(key=lambda ready: ready.action.due_at)
    return result


async def _advance(live: Live, due: Sequence[Standing], now: datetime) -> Advance:
    """All of them in one transaction."""
    result = Advance()
    if due:
        async with live.database.begin(brief=True) as conn:
            questions = await gather(conn, live, [standing.enrollment for standing in due], now)
            outcomes = [_think(standing, questions[standing.enrollment.id], now) for standing in due]
            await _write(conn, live, outcomes, now, result)
    return result


async def _one_by_one(live: Live, due: Sequence[Standing], now: datetime) -> Advance:
    """One of them cannot be processed: it is set aside, and the others go on."""
    whole = Advance()
    for standing in due:
        try:
            result = await _advance(live, [standing], now)
        except Exception as error:
            if is_outage(error):
                raise
            async with live.database.begin() as conn:
                whole.happenings.append(await put_aside(conn, standing, error, now))
        else:
            whole.ready += result.ready
            whole.happenings += result.happenings
    return whole


def _think(standing: Standing, question: Question, now: datetime) -> _Outcome:
    enrollment = standing.enrollment
    version = question.sequence.version if question.sequence is not None else ""
    events: list[e.Event] = []
    for _ in range(MOST_TURNS):
        decision = answer(question, enrollment, now)
        match decision:
            case SendEmail() | CreateTask() | Wait() | Held():
                return _Outcome(standing, enrollment, tuple(events), decision, question)
            case Skip() | Wake() | Continue() | MoveOn() | End():
                event = event_of(decision, now)
                enrollment = evolve(enrollment, event, version)
                events.append(event)
            case _:
                assert_never(decision)
    raise RuntimeError(f"{MOST_TURNS} actions in a row without a wait, the last at step {enrollment.position.step}")


async def _write(
    conn: AsyncConnection, live: Live, outcomes: Sequence[_Outcome], now: datetime, result: Advance
) -> None:
    changes: list[Change] = []
    sleeps: list[Sleep] = []
    pending: list[_Outcome] = []
    for outcome in outcomes:
        if isinstance(outcome.decision, CreateTask):
            outcome = await _with_task(conn, outcome, outcome.decision, now)
        pending.append(outcome)
        if outcome.events:
            changes.append(_change(outcome, now))
        elif (sleep := _sleep(outcome, now)) is not None:
            sleeps.append(sleep)
    lost = await enrollments.append_many(conn, changes)
    await agenda.sleep_many(conn, sleeps)
    for outcome in pending:
        if outcome.seen.enrollment.id in lost:
            continue
        await _follow_up(conn, live, outcome, now, result)


async def _with_task(conn: AsyncConnection, outcome: _Outcome, action: CreateTask, now: datetime) -> _Outcome:
    """The task, its event, and what is decided after it. A task whose event loses the race is withdrawn with it."""
    enrollment, task = outcome.enrollment, action.task
    stale = await enrollments.outrun(conn, {enrollment.id: outcome.seen.enrollment.version})
    if stale:
        return replace(outcome, events=(), decision=Wait(now, "changed meanwhile"))
    number = await tasks.create(conn, enrollment.id, action.step, task.kind, task.note, action.due_at, now)
    event = e.TaskCreated(
        at=now, step=action.step, task=number, kind=task.kind, note=task.note, position=action.position
    )
    after = evolve(enrollment, event, outcome.definition)
    decision = answer(outcome.question, after, now)
    return replace(outcome, enrollment=after, events=(*outcome.events, event), decision=decision)


def look_again(decision: Decision, now: datetime) -> datetime | None:
    """When somebody is to be decided on anew; None: not before something happens."""
    match decision:
        case Wait(until=until):
            return until
        case Held(until=until):
            return until or now + HELD_AGAIN
        case _:
            return now


def _change(outcome: _Outcome, now: datetime) -> Change:
    seen, wake_at = outcome.seen, look_again(outcome.decision, now)
    return Change(seen.enrollment, outcome.enrollment, outcome.events, outcome.definition, wake_at, seen.wakes)


def _sleep(outcome: _Outcome, now: datetime) -> Sleep | None:
    match outcome.decision:
        case Wait():
            return Sleep(outcome.seen, look_again(outcome.decision, now))
        case Held(reason=reason, until=until):
            return Sleep(outcome.seen, look_again(outcome.decision, now), reason, until, now)
        case _:
            return None


async def _follow_up(conn: AsyncConnection, live: Live, outcome: _Outcome, now: datetime, result: Advance) -> None:
    """After the events are written: where people moved to, what is told, and what may leave."""
    facts = outcome.question.facts
    contact = facts.contact if facts is not None else None
    for event in outcome.events:
        result.happenings.append(happening_of(event, outcome.enrollment, contact.email if contact else ""))
        if isinstance(event, e.Moved):
            await move_on(conn, live, outcome.enrollment, event.to, now)
    if isinstance(outcome.decision, Held) and (
        outcome.seen.hold is None or outcome.seen.hold.reason != outcome.decision.reason
    ):
        result.happenings.append(_held(outcome, outcome.decision.reason, contact.email if contact else "", now))
    if isinstance(outcome.decision, SendEmail) and facts is not None:
        seen = outcome.seen if not outcome.events else replace(outcome.seen, enrollment=outcome.enrollment, wake_at=now)
        result.ready.append(Ready(seen, outcome.enrollment, outcome.decision, facts.contact, outcome.question))


def _held(outcome: _Outcome, reason: str, contact: str, now: datetime) -> Happening:
    enrollment = outcome.enrollment
    return Happening(
        "held",
        now,
        enrollment.mailbox,
        enrollment.id,
        contact,
        enrollment.sequence,
        enrollment.position.step,
        reason,
    )


async def put_aside(conn: AsyncConnection, standing: Standing, error: Exception, now: datetime) -> Happening:
    """Somebody who cannot be processed is kept with the error, shown, and looked at again after a day."""
    enrollment = standing.enrollment
    reason = f"set aside: {type(error).__name__}: {error}"
    await set_aside.add(conn, enrollment.mailbox, f"enrollment {enrollment.id}", reason, now)
    await agenda.sleep_many(conn, [Sleep(standing, now + SET_ASIDE_FOR, reason, None, now)])
    step = enrollment.position.step
    return Happening("set_aside", now, enrollment.mailbox, enrollment.id, "", enrollment.sequence, step, reason)


_WORDS: Final[dict[type, What]] = {
    e.Skipped: "skipped",
    e.Resumed: "resumed",
    e.Branched: "branched",
    e.Moved: "moved",
    e.Stopped: "stopped",
    e.Finished: "finished",
    e.TaskCreated: "task",
    e.Paused: "paused",
    e.Snoozed: "snoozed",
    e.NotDelivered: "retried",
    e.HandWritten: "hand_written",
    e.Replied: "replied",
    e.NoticeReceived: "notice",
    e.Accepted: "sent",
    e.InDoubt: "in_doubt",
    e.Recovered: "recovered",
    e.Deferred: "deferred",
    e.Rejected: "rejected",
}


def happening_of(event: e.Event, enrollment: Enrollment, contact: str, attempt: int = 0) -> Happening:
    """An event, told. `attempt` is the number of the attempt that it is the outcome of."""
    never_left = isinstance(event, e.NotDelivered) and not event.again
    return Happening(
        "never_left" if never_left else _WORDS[type(event)],
        event.at,
        enrollment.mailbox,
        enrollment.id,
        contact,
        enrollment.sequence,
        getattr(event, "step", ""),
        _detail(event),
        attempt,
    )


def _detail(event: e.Event) -> str:
    match event:
        case e.Moved():
            return event.to
        case e.TaskCreated():
            return event.note or event.kind
        case e.Snoozed():
            return f"until {event.until:%Y-%m-%d}: {event.reason}"
        case e.Replied() | e.NoticeReceived():
            return event.kind
        case e.Deferred() | e.Rejected() | e.Accepted():
            return event.answer
        case e.Recovered():
            return event.evidence
        case e.Finished():
            return event.outcome or event.reason
        case e.Branched():
            return f"to {event.to.step or event.to.line}: {event.reason}"
        case _:
            return str(getattr(event, "reason", ""))
