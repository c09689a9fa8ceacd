"""A person says what a received message really is: the correction is kept, and acts at once.

What the reader's mistake had set in motion is taken back where nothing else has happened since, and what the right
kind asks for is done instead, by the same reactions as if it had been read so. What a person has decided since
stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.decide import fold
from sequencer.core.model import Contact, Continue, Enrollment, Status
from sequencer.core.model import Sequence as Plan
from sequencer.core.react import FINAL_KINDS, Heard, away_until, caused_by, react, reaction_to
from sequencer.core.timing import Calendar
from sequencer.inbox.kinds import Kind
from sequencer.inbox.match import company_domain
from sequencer.operations.effects import Effect, effect_of, is_notice, put_right, undone
from sequencer.operations.enrollments import move_on
from sequencer.operations.live import Live
from sequencer.operations.matching import contact_of
from sequencer.operations.record import TRIES, Refusal, record
from sequencer.operations.steering import Turned
from sequencer.operations.suppression import reason_to_suppress
from sequencer.store import contacts, enrollments, messages, suppressions, tasks
from sequencer.store.messages import Direction, Message
from sequencer.workspace.calendars import UnknownPlace, calendar_for, zone_of
from sequencer.workspace.source import did_you_mean


@dataclass(slots=True)
class Corrected:
    """A correction that is kept: the message as it is now, and what the reader had made of it.

    `changed` is false when it was taken for that already, and nothing was done. `suppressed` and `lifted` are
    addresses; `turned` are the enrollments that were changed.
    """

    message: Message
    read_as: str
    changed: bool
    suppressed: list[str] = field(default_factory=list)
    lifted: list[str] = field(default_factory=list)
    turned: list[Turned] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class UnknownKind(Refusal):
    """A word that is neither a kind nor a label."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One correction. `was` is the kind it was taken for until now; `contact` is the one whose thread it is in."""

    live: Live
    message: Message
    was: str
    contact: Contact | None
    plan: Plan | None
    now: datetime
    by: str
    result: Corrected

    @property
    def kind(self) -> str:
        return self.message.kind

    @property
    def shown(self) -> str:
        return shown_kind(self.message)

    @property
    def heard(self) -> Heard:
        message = self.message
        return Heard(message.kind, message.label, message.named_date, message.date_words)

    @property
    def reason(self) -> str:
        return f"the message was {_words(self.shown)}, not {_words(self.result.read_as)}"


def shown_kind(message: Message) -> str:
    """What a message is taken for: the author's label, else its kind."""
    return message.label or message.kind


async def relabel(
    live: Live, message_id: int, kind: str, now: datetime, *, day: date | None = None, by: str = ""
) -> Corrected | Refusal:
    """Keep a correction and act on it. `kind` is a kind, or a label of the sequence; `day` the day they named."""
    async with live.database.begin() as conn:
        message = await messages.get(conn, message_id)
        if message is None:
            return Refusal(f"there is no message {message_id}; `sequencer threads` and `thread ID` show their numbers")
        if message.direction is Direction.HAND_WRITTEN:
            return Refusal(f"message {message_id} is one that you wrote yourself")
        enrollment = await enrollments.get(conn, message.enrollment_id) if message.enrollment_id is not None else None
        plan = live.sequence(enrollment.sequence) if enrollment is not None else None
        wanted = _kind_named(kind, message, plan)
        if isinstance(wanted, UnknownKind):
            return wanted
        read_as = message.kind_read or shown_kind(message)
        if wanted == (message.kind, message.label) and day in (None, message.named_date):
            return Corrected(message, read_as, changed=False)
        direction = Direction.NOTICE if is_notice(wanted[0]) else Direction.RECEIVED
        await messages.relabel(conn, message_id, wanted[0], label=wanted[1], direction=direction, named_date=day)
        after = await messages.get(conn, message_id)
        assert after is not None
        contact = await _whose(conn, live, after, enrollment)
        case = _Case(live, after, message.kind, contact, plan, now, by, Corrected(after, read_as, changed=True))
        await _act(conn, case)
        return case.result


def _kind_named(text: str, message: Message, plan: Plan | None) -> tuple[str, str] | UnknownKind:
    """The kind and label that somebody means. A label leaves the kind of a human message as it is."""
    labels = plan.labels if plan is not None else {}
    if text.strip() in labels:
        return (str(Kind.REPLY) if is_notice(message.kind) else message.kind), text.strip()
    word = text.strip().lower().replace(" ", "_").replace("-", "_")
    if word in list(Kind):
        return word, ""
    return UnknownKind(f"“{text[:60]}” is no kind of message; {did_you_mean(word, [*map(str, Kind), *labels])}")


async def _whose(conn: AsyncConnection, live: Live, message: Message, enrollment: Enrollment | None) -> Contact | None:
    if enrollment is not None:
        return await contacts.by_id(conn, enrollment.contact_id, live.defaults)
    return await contact_of(conn, live, message.sender)


async def _act(conn: AsyncConnection, case: _Case) -> None:
    lifted = await _lift(conn, case) if case.was in FINAL_KINDS else {}
    people = await _suppress(conn, case) if case.kind in FINAL_KINDS else []
    case.result.lifted = [target for target in lifted if target not in case.result.suppressed]
    main = case.message.enrollment_id
    if main is not None:
        await _apply(conn, case, main, lambda effect, present, log: _of_their_own(case, effect, present, log))
    for other in await enrollments.concerned_by(conn, case.message.id):
        if other != main:
            await _apply(conn, case, other, lambda effect, present, _: _of_another(case, effect, present))
    for person in people:
        for enrollment in await enrollments.active_of(conn, person.id):
            await _apply(conn, case, enrollment.id, lambda _, present, __: _stop(case, present))
    for target in case.result.lifted:
        await _reopen(conn, case, target, lifted[target])
    if is_notice(case.was) and not is_notice(case.kind):
        await _pause_the_others(conn, case, colleagues=True)
    elif any(turned.enrollment.status is Status.PAUSED for turned in case.result.turned) and not is_notice(case.kind):
        await _pause_the_others(conn, case, colleagues=False)


# Suppressions -------------------------------------------------------------------------------------


async def _suppress(conn: AsyncConnection, case: _Case) -> list[Contact]:
    """Never mail them again; who asked for it in somebody else's thread means themselves as well."""
    people = [case.contact] if case.contact is not None else []
    sender = await contact_of(conn, case.live, case.message.sender)
    if case.kind == Kind.UNSUBSCRIBE and sender is not None and sender.id not in {person.id for person in people}:
        people.append(sender)
    message = case.message
    reason = reason_to_suppress(message.kind, message.received_at, message.text, message.evidence)
    for person in people:
        if await suppressions.add(conn, person.email, reason, _source(message.id), case.now):
            case.result.suppressed.append(person.email)
    return people


async def _lift(conn: AsyncConnection, case: _Case) -> dict[str, str]:
    """Take back the suppressions that this very message made: the targets with their reasons. Where another message
    asks for the same, they stay, on its account."""
    lifted: dict[str, str] = {}
    for made in await suppressions.made_by(conn, _source(case.message.id)):
        person = await contacts.by_email(conn, made.target)
        theirs = await enrollments.by_contact(conn, person.id) if person is not None else []
        ids = [standing.enrollment.id for standing in theirs]
        others = await messages.others_like(conn, case.message.id, ids, made.target, FINAL_KINDS)
        await suppressions.remove(conn, made.target)
        if others:
            last = others[0]
            reason = reason_to_suppress(last.kind, last.received_at, last.text, last.evidence)
            await suppressions.add(conn, made.target, reason, _source(last.id), case.now)
        else:
            lifted[made.target] = made.reason
    return lifted


async def _reopen(conn: AsyncConnection, case: _Case, target: str, reason: str) -> None:
    """What the plan itself had ended because of the suppression that is lifted now."""
    person = await contacts.by_email(conn, target)
    for standing in await enrollments.by_contact(conn, person.id) if person is not None else ():
        enrollment = standing.enrollment
        if enrollment.status is Status.STOPPED and enrollment.reason == f"suppressed: {reason}":
            await _apply(conn, case, enrollment.id, lambda *_: (e.Paused(at=case.now, reason=case.reason),))


def _source(message_id: int) -> str:
    return f"message {message_id}"


# The turns ----------------------------------------------------------------------------------------


def _of_their_own(case: _Case, effect: Effect, present: Enrollment, log: Sequence[e.Event]) -> tuple[e.Event, ...]:
    """The enrollment that the message answers: the correction, and what follows from it."""
    away = None
    if case.kind == Kind.OUT_OF_OFFICE:
        away = away_until(case.message.named_date, _calendar(case, present), case.message.received_at)
    relabelled = put_right(
        log,
        present,
        effect,
        message=case.message.id,
        kind=case.shown,
        read_as=case.result.read_as,
        away_until=away,
        now=case.now,
        by=case.by,
    )
    return relabelled, *_turns(case, effect, fold(present, (relabelled,)))


def _turns(case: _Case, effect: Effect, present: Enrollment) -> tuple[e.Event, ...]:
    if case.kind in FINAL_KINDS:
        return _stop(case, present)
    if effect.decided:
        return ()
    if case.was in FINAL_KINDS and effect.turn is not None:
        return _reopened(case, effect, present)
    if effect.overtaken:
        return ()
    if case.plan is None:
        gone = e.Paused(at=case.now, reason="they replied, and the sequence's file is gone")
        return undone(effect, present, case.reason, case.now) if is_notice(case.kind) else (gone,)
    if isinstance(reaction_to(case.plan, case.heard), Continue):
        return undone(effect, present, case.reason, case.now)
    opened: tuple[e.Event, ...] = ()
    if present.status.ended and effect.stands and not effect.before.status.ended:
        opened = (e.Paused(at=case.now, reason=case.reason),)  # this message had ended it
    base = fold(present, opened)
    turns = react(case.plan, base, case.heard, _calendar(case, present), case.now, corrected=True)
    return (*opened, *turns)


def _of_another(case: _Case, effect: Effect, present: Enrollment) -> tuple[e.Event, ...]:
    """An enrollment that the message only concerned: another one of the contact's, or a colleague's."""
    theirs = case.contact is not None and present.contact_id == case.contact.id
    if case.kind in FINAL_KINDS and theirs:
        return _stop(case, present)
    if effect.decided or effect.overtaken:
        return ()
    if isinstance(effect.turn, e.Stopped) and case.was in FINAL_KINDS:
        return _reopened(case, effect, present)
    return undone(effect, present, case.reason, case.now) if is_notice(case.kind) else ()


def _stop(case: _Case, present: Enrollment) -> tuple[e.Event, ...]:
    if present.status.ended:
        return ()
    return (e.Stopped(at=case.now, reason=f"suppressed: {_words(case.kind)}"),)


def _reopened(case: _Case, effect: Effect, present: Enrollment) -> tuple[e.Event, ...]:
    """Whom a mistake had stopped for good: a person decides how to go on with them."""
    if present.status is Status.STOPPED and isinstance(effect.turn, e.Stopped) and effect.stands:
        return (e.Paused(at=case.now, reason=case.reason),)
    return ()


async def _pause_the_others(conn: AsyncConnection, case: _Case, *, colleagues: bool) -> None:
    """A person wrote after all: what else is open for them, and for their company, waits."""
    main = case.message.enrollment_id
    if case.contact is None or main is None:
        return
    enrollment = await enrollments.get(conn, main)
    where = f"they replied in {enrollment.sequence}" if enrollment is not None else "they replied"
    reasons = {other.id: where for other in await enrollments.active_of(conn, case.contact.id)}
    sender = case.message.sender
    domains = {company_domain(sender), sender.rpartition("@")[2].lower()} if company_domain(sender) else set()
    for domain in sorted(domains) if colleagues else ():
        for other in await enrollments.open_at_domain(conn, domain):
            reasons.setdefault(other.id, f"{sender}, of the same company, replied")
    for other_id, reason in reasons.items():
        if other_id != main:
            make = partial(_pause, case, reason)
            await _apply(conn, case, other_id, lambda effect, present, _, make=make: make(effect, present))


def _pause(case: _Case, reason: str, effect: Effect, present: Enrollment) -> tuple[e.Event, ...]:
    if present.status not in (Status.ACTIVE, Status.SNOOZED) or effect.decided:
        return ()
    return (e.Paused(at=case.now, reason=reason),)


# Common ground ------------------------------------------------------------------------------------

_Maker = Callable[..., tuple[e.Event, ...]]


async def _apply(conn: AsyncConnection, case: _Case, enrollment_id: int, make: _Maker) -> None:
    """Record what `make` answers for an enrollment, asked anew when somebody else was first."""
    for _ in range(TRIES):
        present = await enrollments.get(conn, enrollment_id)
        log = [line.event for line in await enrollments.events_of(conn, enrollment_id)]
        if present is None:
            return
        if present.version != len(log):
            continue
        effect = effect_of(log, present, case.message.id)
        if await _is_spoken_for(conn, case, effect, present):
            effect = replace(effect, overtaken=True)
        made = [caused_by(case.message.id, event) for event in make(effect, present, log)]
        after = await record(conn, case.live, present, made, case.now) if made else present
        if after is not None:
            if made:
                await _tell(conn, case, present, after, made)
            return
    raise RuntimeError(f"enrollment {enrollment_id} changes all the time")


async def _is_spoken_for(conn: AsyncConnection, case: _Case, effect: Effect, present: Enrollment) -> bool:
    """Whether something else holds this enrollment as well: they are suppressed on another account, or another
    message has come since that would have paused it, had it not been paused already."""
    person = await contacts.by_id(conn, present.contact_id, case.live.defaults)
    if person is None:
        return False
    if case.kind not in FINAL_KINDS and await suppressions.reason_for(conn, person.email) is not None:
        return True
    if not effect.stands:
        return False
    near = {standing.enrollment.id for standing in await enrollments.by_contact(conn, person.id)}
    if company_domain(person.email):
        near |= {other.id for other in await enrollments.open_at_domain(conn, person.domain)}
    return await messages.heard_since(conn, case.message.id, near, case.message.received_at)


async def _tell(
    conn: AsyncConnection, case: _Case, before: Enrollment, after: Enrollment, made: Sequence[e.Event]
) -> None:
    if before.task is not None and after.task is None:
        await tasks.drop(conn, after.id, after.reason or "the plan does not wait for it any more", case.now)
    person = await contacts.by_id(conn, after.contact_id, case.live.defaults)
    onto = None
    for event in made:
        if isinstance(event, e.Moved):
            moved = await move_on(conn, case.live, after, event.to, case.now)
            onto = moved if isinstance(moved, Enrollment) else None
    if len(made) > 1 or not isinstance(made[0], e.Relabelled):
        turned = [one for one in case.result.turned if one.enrollment.id != after.id]
        present = await enrollments.get(conn, after.id)
        case.result.turned = [*turned, Turned(person.email if person is not None else "", present or after, onto)]


def _calendar(case: _Case, enrollment: Enrollment) -> Calendar:
    mailbox = case.live.mailbox(enrollment.mailbox)
    zone = case.contact.timezone if case.contact is not None else "UTC"
    try:
        if case.plan is not None and case.contact is not None and mailbox is not None:
            return calendar_for(case.contact, case.plan, mailbox)
        return Calendar(zone_of(zone))
    except UnknownPlace:
        return Calendar(zone_of("UTC"))


def _words(kind: str) -> str:
    return kind.replace("_", " ")
