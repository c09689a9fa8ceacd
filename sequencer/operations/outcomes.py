"""What the server's answer to a message means: events, a suppression, trouble for the whole mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.copying import changed
from sequencer.core.decide import allowed, evolve
from sequencer.core.model import Enrollment
from sequencer.core.pace import retry_after
from sequencer.mail.accounts import Unreachable
from sequencer.mail.smtp import Delivered, Doubtful, Outcome, Refused
from sequencer.operations.advance import happening_of, look_again
from sequencer.operations.doubt import settle_first_hand
from sequencer.operations.facts import Question, answer, gather
from sequencer.operations.happenings import Happening
from sequencer.operations.letters import Prepared
from sequencer.operations.live import Live
from sequencer.operations.record import TRIES, is_outage, touches_of
from sequencer.store import aliases, attempts, contacts, enrollments, strikes, suppressions
from sequencer.store.aliases import Alias
from sequencer.store.attempts import AttemptState
from sequencer.store.enrollments import Change
from sequencer.store.strikes import Strike

FIRST_RETRY: Final = timedelta(minutes=15)
LONGEST_RETRY: Final = timedelta(hours=6)
MOST_TRIES: Final = 12
"""Tries of one message that a server keeps deferring, about two days, before somebody has to look at it."""

AGAIN: Final = timedelta(minutes=1)
"""When a mailbox whose server had trouble tries again, the first time."""

REFUSED_AGAIN: Final = timedelta(hours=1)
"""When a mailbox that was itself refused tries again."""


LOGIN_AGAIN: Final = timedelta(minutes=10)
"""When a login that was refused is tried again, the first time: after a handful of them providers lock accounts."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a mailbox cannot send. `again`: when to try once more, as far as anybody knows.

    What speaks against the mailbox itself is counted (`breakers`): a `login` that was refused for good, a `refusal`
    that blames the sender; one that was `returned` by mail is counted where it is received.
    """

    reason: str
    temporary: bool
    again: timedelta
    against_us: Literal["", "login", "refusal", "returned"] = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """One message whose outcome is known, or known to be unknown. `attempt` is None when it was never committed."""

    enrollment: Enrollment
    contact: str
    definition: str
    events: tuple[e.Event, ...]
    attempt: int | None = None
    state: AttemptState = AttemptState.REJECTED
    answer: str = ""
    suppress: str = ""
    other_ids: tuple[str, ...] = ()  # Message-IDs that the server may have put in the place of ours
    question: Question | None = None  # what it was decided by; None: ask anew when it is to be looked at again
    wakes: int | None = None

    @property
    def delivered(self) -> bool:
        return self.state is AttemptState.ACCEPTED

    @property
    def reached(self) -> bool:
        """Whether it reached, or may have reached, the contact."""
        return self.state in (AttemptState.ACCEPTED, AttemptState.IN_DOUBT)


def trouble_of(failure: Unreachable | Refused | Delivered | Doubtful) -> Trouble | None:
    """What an answer means for the mailbox as a whole, if anything."""
    match failure:
        case Delivered():
            return None
        case Unreachable(why="auth", temporary=False):
            return Trouble(failure.message, False, LOGIN_AGAIN, "login")
        case Unreachable():
            again = AGAIN if failure.temporary else REFUSED_AGAIN
            return Trouble(failure.message, failure.temporary, again)
        case Doubtful():
            # A server that hangs up on every message must not make a whole backlog doubtful.
            return Trouble(f"it is not known whether a message has left: {failure.reason}", True, AGAIN)
        case Refused(blame="sender"):
            against_us: Literal["", "refusal"] = "" if failure.temporary else "refusal"
            return Trouble(f"the server refuses us: {_said(failure)}", failure.temporary, REFUSED_AGAIN, against_us)
        case Refused(blame="server"):
            return Trouble(f"the server does not take mail now: {_said(failure)}", failure.temporary, AGAIN)
        case Refused():
            return None
        case _:
            assert_never(failure)


def refused_early(letter: Prepared, refused: Refused, now: datetime) -> list[Ended]:
    """What a refusal before DATA comes to: nothing for the contact when their address was not even spoken of.

    After RCPT it is put off for them too, whoever is to blame: the next try is somebody else's turn, so one address
    that upsets the server does not stand in everybody's way.
    """
    if refused.blame in ("sender", "server") and refused.phase != "rcpt":
        return []
    events, state, suppress = _refusal(letter, letter.enrollment, refused, now)
    return [Ended(letter.enrollment, letter.contact.email, letter.definition, events, None, state, "", suppress)]


def ended_by(letter: Prepared, enrollment: Enrollment, attempt: int, outcome: Outcome, now: datetime) -> Ended:
    """What the answer to DATA comes to."""
    step, suppress = letter.action.step, ""
    events: tuple[e.Event, ...]
    match outcome:
        case Delivered():
            state, words = AttemptState.ACCEPTED, f"{outcome.code} {outcome.answer}"
            events = (
                e.Accepted(
                    at=now,
                    step=step,
                    message_id=letter.message_id,
                    next=letter.action.then,
                    thread=letter.thread,
                    answer=words,
                ),
            )
        case Doubtful():
            state, words = AttemptState.IN_DOUBT, outcome.reason
            events = (
                e.InDoubt(
                    at=now,
                    step=step,
                    message_id=letter.message_id,
                    next=letter.action.then,
                    thread=letter.thread,
                    reason=outcome.reason,
                ),
            )
        case Refused():
            words = _said(outcome)
            events, state, suppress = _refusal(letter, enrollment, outcome, now)
        case _:
            assert_never(outcome)
    return Ended(enrollment, letter.contact.email, letter.definition, events, attempt, state, words, suppress)


def _refusal(
    letter: Prepared, enrollment: Enrollment, refused: Refused, now: datetime
) -> tuple[tuple[e.Event, ...], AttemptState, str]:
    """The events of a refusal that concerns this message or its recipient, or that keeps them waiting."""
    step, said = letter.action.step, _said(refused)
    if refused.temporary or refused.blame in ("sender", "server"):
        if enrollment.tries + 1 < MOST_TRIES or refused.blame == "sender":
            retry_at = now + retry_after(FIRST_RETRY, LONGEST_RETRY, enrollment.tries, str(enrollment.id))
            deferred = e.Deferred(at=now, step=step, code=refused.code, answer=said, retry_at=retry_at)
            return (deferred,), AttemptState.DEFERRED, ""
        gave_up = e.Paused(at=now, reason=f"the server put it off {MOST_TRIES} times: {said}")
        return (e.Rejected(at=now, step=step, code=refused.code, answer=said), gave_up), AttemptState.REJECTED, ""
    rejected = e.Rejected(at=now, step=step, code=refused.code, answer=said)
    if refused.blame == "recipient":
        stopped = e.Stopped(at=now, reason=f"the address does not take mail: {said}")
        return (rejected, stopped), AttemptState.REJECTED, f"the address does not take mail: {said}"
    paused = e.Paused(at=now, reason=f"the server refused this message: {said}")
    return (rejected, paused), AttemptState.REJECTED, ""


def _said(refused: Refused) -> str:
    return f"{refused.code} {refused.answer}" if refused.code else refused.answer


# Committing ------------------------------------------------------------------------------------------


async def record_outcomes(live: Live, ended: Sequence[Ended], now: datetime, *, copy: bool) -> list[Happening]:
    """Commit the outcomes of a batch together; who was changed meanwhile (a rep paused) is recorded one by one.

    With `copy`, a copy of each accepted message is to be put into Sent. While the database is away its error is raised;
    then it may be called again with the same outcomes: what is recorded already stays as it is.
    """
    if not ended:
        return []
    told: list[Happening] = []
    try:
        told, late = await _record_together(live, ended, now, copy)
    except Exception as error:  # what the server said must not get lost because of one of them
        if is_outage(error):
            raise
        late = list(ended)
    failures: list[Exception] = []
    for one in late:
        try:
            told += await _record_alone(live, one, now, copy)
        except Exception as error:
            if is_outage(error):
                raise
            failures.append(error)
    if failures:
        # Their attempts stay open. Whoever takes over the mailbox finds them, and counts them as in doubt.
        raise ExceptionGroup("outcomes that could not be recorded", failures)
    return told


async def _record_together(
    live: Live, ended: Sequence[Ended], now: datetime, copy: bool
) -> tuple[list[Happening], list[Ended]]:
    async with live.database.begin(brief=True) as conn:
        await _touch(conn, ended)
        versions = {one.enrollment.id: one.enrollment.version for one in ended}
        locked = await enrollments.lock(conn, versions.keys())
        gone = enrollments.moved_on(locked, versions)
        told = await _record(conn, live, [one for one in ended if one.enrollment.id not in gone], now, copy, locked)
    return told, [one for one in ended if one.enrollment.id in gone]


async def _record_alone(live: Live, one: Ended, now: datetime, copy: bool) -> list[Happening]:
    """Somebody changed the enrollment while its message was in the air: the outcome is laid over what it is now."""
    async with live.database.begin() as conn:
        await _touch(conn, [one])
        for _ in range(TRIES):
            present = await enrollments.get(conn, one.enrollment.id)
            if present is None:
                return []  # erased meanwhile
            if one.attempt is not None and (present.in_flight is None or present.in_flight.attempt != one.attempt):
                return await _record_late(conn, live, one, one.attempt, now, copy)
            if not await enrollments.outrun(conn, {present.id: present.version}):
                anew = changed(one, enrollment=present, question=None, wakes=None)
                return await _record(conn, live, [anew], now, copy)
    raise RuntimeError(f"enrollment {one.enrollment.id} changes all the time")


async def _record_late(
    conn: AsyncConnection, live: Live, one: Ended, attempt: int, now: datetime, copy: bool
) -> list[Happening]:
    """We were frozen or cut off, and another owner has called this message in doubt; now the doubt has an answer."""
    if one.suppress:
        await suppressions.add(conn, one.contact, one.suppress, "the mail server", now)
    await aliases.add_many(conn, _other_ids([one]))
    return await settle_first_hand(conn, live, attempt, one.state, one.answer, now, copy=copy)


def _other_ids(ended: Sequence[Ended]) -> list[Alias]:
    return [Alias(i, one.enrollment.id, "smtp answer", one.attempt) for one in ended for i in one.other_ids]


async def _touch(conn: AsyncConnection, ended: Sequence[Ended]) -> None:
    """Contacts before enrollments: everybody locks them in this order."""
    touches: dict[int, datetime] = {}
    for one in ended:
        touches |= touches_of(one.enrollment, one.events)
    await contacts.touched(conn, touches)


async def _record(
    conn: AsyncConnection,
    live: Live,
    ended: Sequence[Ended],
    now: datetime,
    copy: bool,
    locked: enrollments.Locked | None = None,
) -> list[Happening]:
    folded = [_fold(one) for one in ended]
    for one in ended:
        if one.suppress:
            await suppressions.add(conn, one.contact, one.suppress, "the mail server", now)
            await strikes.add(conn, one.enrollment.mailbox, [Strike.BOUNCE], now)
    unasked = [after for one, (after, _) in zip(ended, folded, strict=True) if one.question is None]
    asked = await gather(conn, live, unasked, now) if unasked else {}
    changes = []
    for one, (after, events) in zip(ended, folded, strict=True):
        question = asked[after.id] if one.question is None else _carried_on(one.question, after, events)
        wake_at = look_again(answer(question, after, now), now)
        changes.append(Change(one.enrollment, after, events, one.definition, wake_at, one.wakes))
    await enrollments.append_many(conn, [change for change in changes if change.events], locked)
    await aliases.add_many(conn, _other_ids(ended))
    await attempts.finish_many(
        conn,
        [
            attempts.Outcome(one.attempt, one.state, one.answer, now, copy=copy and one.state is AttemptState.ACCEPTED)
            for one in ended
            if one.attempt is not None
        ],
    )
    return [
        happening_of(event, after, one.contact, one.attempt or 0)
        for one, (after, events) in zip(ended, folded, strict=True)
        for event in events
    ]


def _carried_on(question: Question, after: Enrollment, events: Sequence[e.Event]) -> Question:
    """The question as it stands after these events; good enough to say when to look again, which asks anew."""
    facts, sequence = question.facts, question.sequence
    if facts is None or sequence is None:
        return question
    touch = touches_of(after, events).get(after.contact_id, facts.last_touch_to_contact)
    if after.definition == sequence.version:
        return Question(sequence, changed(facts, earlier=None, edited_at=None, last_touch_to_contact=touch))
    return Question(sequence, changed(facts, last_touch_to_contact=touch))


def _fold(one: Ended) -> tuple[Enrollment, tuple[e.Event, ...]]:
    """The events that the present status allows: one that ended meanwhile cannot be paused, for example."""
    enrollment = one.enrollment
    kept: list[e.Event] = []
    for event in one.events:
        if allowed(enrollment, type(event)) and not (isinstance(event, e.Paused) and enrollment.status.ended):
            enrollment = evolve(enrollment, event, one.definition)
            kept.append(event)
    return enrollment, tuple(kept)
