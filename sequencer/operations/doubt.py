"""Messages whose outcome is not known: found after a crash, and resolved by evidence.

Evidence that a message left is our Message-ID in the Sent folder, or a mail that quotes it; evidence that it did not,
its absence from a Sent folder which the provider itself fills. Without evidence it counts as delivered and is shown to
the owner. It is never blindly sent again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.decide import next_position
from sequencer.core.model import BACK_OFF, Enrollment, Position, Status, Thread
from sequencer.core.model import Sequence as Plan
from sequencer.mail.incoming import Incoming
from sequencer.mail.threads import follow_up_thread, new_thread
from sequencer.operations.advance import happening_of
from sequencer.operations.copies import wants_copies
from sequencer.operations.explain import outlook
from sequencer.operations.happenings import Happening
from sequencer.operations.history import SAID_DELIVERED
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal, change_in, is_outage, touches_of
from sequencer.store import agenda, aliases, attempts, contacts, enrollments, mailboxes, sent_copies, set_aside
from sequencer.store.aliases import Alias
from sequencer.store.attempts import Attempt, AttemptState
from sequencer.store.sent_copies import Sighting
from sequencer.workspace.config import Mailbox

LOST_TRACK: Final = "the sequencer stopped before the server's answer was recorded"
NOT_THERE: Final = "the provider has no copy of it in Sent, where it has those of other messages"

SAID_NOT_DELIVERED: Final = "the owner says so"

_STATES: Final = {
    AttemptState.STARTED: "on its way",
    AttemptState.ACCEPTED: "known to have left",
    AttemptState.DEFERRED: "known to have been put off",
    AttemptState.REJECTED: "known to have been refused",
    AttemptState.IN_DOUBT: "being settled by somebody else right now",
    AttemptState.NOT_DELIVERED: "known never to have left",
}

TELLING_AFTER: Final = timedelta(minutes=15)
"""So long after the attempt the provider has put its copy into Sent, if it took the message."""

TELLING_UNTIL: Final = timedelta(days=2)
"""Later the rep may have tidied up: absence says nothing any more."""


async def take_stock(live: Live, mailbox: str, lease: int, now: datetime) -> list[Happening]:
    """What an earlier owner of this mailbox left in the air is in doubt from now on.

    One that cannot be recorded is set aside; it stays in the air, so that nothing more is sent to that person.
    """
    async with live.database.read() as conn:
        left = await attempts.orphans(conn, mailbox, lease)
    told: list[Happening] = []
    for attempt in left:
        try:
            async with live.database.begin() as conn:
                told += await _doubt(conn, live, attempt, now)
        except Exception as error:
            if is_outage(error):
                raise
            what = f"attempt {attempt.id} of enrollment {attempt.enrollment_id}"
            reason = f"{type(error).__name__}: {error}"
            async with live.database.begin() as conn:
                await set_aside.add(conn, mailbox, what, reason, now)
            told.append(Happening("set_aside", now, mailbox, attempt.enrollment_id, detail=f"{what}: {reason}"))
    return told


async def take_stock_of_others(
    live: Live, ours: Collection[str], owner: str, seconds: float, now: datetime, *, evict: bool
) -> list[Happening]:
    """The same for mailboxes that have left config.yaml and that nobody owns: else what they left in the air would keep
    everybody waiting for ever. `ours` are those that `owner` works for; `seconds` and `evict`: see `mailboxes.take`."""
    async with live.database.read() as conn:
        names = [name for name in await attempts.in_the_air(conn) if name not in ours and live.mailbox(name) is None]
    told: list[Happening] = []
    for name in names:
        async with live.database.begin() as conn:
            lease = await mailboxes.take(conn, name, owner, seconds, evict=evict)
        if lease is not None:
            told += await take_stock(live, name, lease, now)
            async with live.database.begin() as conn:
                await mailboxes.release_many(conn, {name: lease}, owner)
    return told


async def _doubt(conn: AsyncConnection, live: Live, attempt: Attempt, now: datetime) -> list[Happening]:
    made: list[e.InDoubt] = []
    known = await enrollments.get(conn, attempt.enrollment_id)
    earlier = await live.earlier(conn, known) if known is not None else None

    def make(enrollment: Enrollment) -> Sequence[e.Event]:
        flight = enrollment.in_flight
        in_the_air = flight is not None and flight.attempt == attempt.id
        made[:] = [_in_doubt(live, enrollment, earlier, attempt, now)] if in_the_air else []
        return tuple(made)

    after = await change_in(conn, live, attempt.enrollment_id, now, make)
    outcome = attempts.Outcome(attempt.id, AttemptState.IN_DOUBT, LOST_TRACK, now)
    await attempts.finish_many(conn, [outcome])
    if not isinstance(after, Enrollment):
        return []
    return [happening_of(event, after, attempt.recipient) for event in made]


def _in_doubt(live: Live, enrollment: Enrollment, earlier: Plan | None, attempt: Attempt, now: datetime) -> e.InDoubt:
    message_id = f"<{attempt.message_id}>"
    return e.InDoubt(
        at=now,
        step=attempt.step,
        message_id=message_id,
        next=_next(live, enrollment, earlier, attempt.step),
        thread=_thread(enrollment, attempt, message_id),
        reason=LOST_TRACK,
    )


def _next(live: Live, enrollment: Enrollment, earlier: Plan | None, step: str) -> Position:
    """Where the plan goes on behind the step whose message was in the air, by the file as it is now."""
    flight = enrollment.in_flight
    stand = flight.position if flight is not None else enrollment.position
    sequence = live.sequence(enrollment.sequence)
    if sequence is None or step == BACK_OFF:
        return stand
    return next_position(sequence, replace(enrollment, position=stand, task=None), earlier)


def _thread(enrollment: Enrollment, attempt: Attempt, message_id: str) -> Thread:
    """The thread as it was to become; a subject of its own tells a new thread from a follow-up."""
    thread = enrollment.thread
    if thread is None or attempt.subject != f"Re: {thread.subject}":
        return new_thread(message_id, attempt.subject, attempt.started_at)
    return follow_up_thread(thread, message_id, attempt.started_at)


async def settle_by_copy(
    conn: AsyncConnection, live: Live, message_id: str, gmail_thread: str, now: datetime
) -> list[Happening]:
    """Our own message stands in Sent: it left. Its copy need not be made, and Gmail's thread is learned from it."""
    attempt = await attempts.by_message_id(conn, message_id)
    if attempt is None:
        return []
    if gmail_thread:
        alias = Alias(gmail_thread, attempt.enrollment_id, "gmail thread", attempt.id)
        await aliases.add_many(conn, [alias])
    told = await _settle(conn, live, attempt, "its copy is in the Sent folder", now)
    # Last: everybody locks contacts, then enrollments, then attempts.
    sighting = await sent_copies.sighted(conn, attempt.id)
    if attempt.state is AttemptState.IN_DOUBT or sighting is Sighting.ITS_OWN:
        await mailboxes.saw_sent(conn, attempt.mailbox, filled=True)
    elif sighting is Sighting.ONE_MORE:
        await mailboxes.unlearn_sent(conn, attempt.mailbox)
    return told


async def settle_by_answer(
    conn: AsyncConnection, live: Live, message_ids: Sequence[str], now: datetime
) -> list[Happening]:
    """A mail quotes one of our messages: that one left."""
    told: list[Happening] = []
    for message_id in message_ids:
        attempt = await attempts.by_message_id(conn, message_id)
        if attempt is not None:
            copy = wants_copies(live, attempt.mailbox)
            told += await _settle(conn, live, attempt, "a mail that came back quotes it", now, copy=copy)
    return told


async def settle_first_hand(
    conn: AsyncConnection, live: Live, attempt_id: int, state: AttemptState, answer: str, now: datetime, *, copy: bool
) -> list[Happening]:
    """An earlier owner, overtaken while its message was in the air, knows after all what became of it. What others have
    settled meanwhile stays."""
    attempt = await attempts.get(conn, attempt_id)
    match state:
        case _ if attempt is None:
            return []
        case AttemptState.ACCEPTED:
            return await _settle(conn, live, attempt, answer, now, copy=copy)
        case AttemptState.DEFERRED | AttemptState.REJECTED | AttemptState.NOT_DELIVERED:
            return await _take_back(conn, live, attempt, now, answer, note=True)
        case AttemptState.IN_DOUBT | AttemptState.STARTED:
            return []
        case _:
            assert_never(state)


async def settle_by_absence(
    live: Live, mailbox: Mailbox, line: Incoming, folder: str, now: datetime
) -> list[Happening]:
    """What is in doubt and not in the Sent folder that the provider fills was never taken: the step is due again.

    Only where it was learned that it does (merely believed is not enough), and the newest message that it certainly
    took can be found there by its id: some replace ids, or fill the folder for a while only. Raises ConnectionLost.
    """
    async with live.database.read() as conn:
        row = await mailboxes.get(conn, mailbox.name)
        if row is None or not row.fills_sent:
            return []
        doubts = await attempts.in_doubt(conn, mailbox.name)
        doubts = [one for one in doubts if TELLING_AFTER <= now - one.started_at <= TELLING_UNTIL]
        certain = await attempts.last_accepted(conn, mailbox.name) if doubts else None
    if certain is None or not await line.uids_with_message_id(folder, f"<{certain.message_id}>"):
        return []
    told: list[Happening] = []
    for attempt in doubts:
        there = await line.uids_with_message_id(folder, f"<{attempt.message_id}>")
        async with live.database.begin() as conn:
            if there:
                told += await settle_by_copy(conn, live, attempt.message_id, "", now)
            else:
                told += await _take_back(conn, live, attempt, now)
    return told


# The owner decides -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the owner's word has changed. `again`: the step is due again; else the plan goes on from where it is."""

    attempt: Attempt
    enrollment: Enrollment
    not_delivered: bool
    again: bool = False


async def resolve(
    conn: AsyncConnection, live: Live, attempt_id: int, now: datetime, *, delivered: bool
) -> Resolved | Refusal:
    """The owner says what became of a message in doubt. Evidence that came first stands, and is a refusal here."""
    attempt = await attempts.get(conn, attempt_id)
    if attempt is None:
        return Refusal(f"there is no attempt {attempt_id}; `sequencer status` lists what is in doubt")
    before = await enrollments.get(conn, attempt.enrollment_id)
    if delivered:
        told = await _settle(conn, live, attempt, SAID_DELIVERED, now, copy=wants_copies(live, attempt.mailbox))
    else:
        told = await _take_back(conn, live, attempt, now, SAID_NOT_DELIVERED, note=True)
    after = await enrollments.get(conn, attempt.enrollment_id)
    if not told or before is None or after is None:
        return Refusal(await _settled_already(conn, attempt_id))
    stood = before.position, before.backed_off
    again = not delivered and (after.position, after.backed_off) != stood
    return Resolved(attempt, after, not_delivered=not delivered, again=again)


async def in_words(conn: AsyncConnection, live: Live, resolved: Resolved, now: datetime) -> str:
    """What the owner's word comes to, and what is next."""
    attempt, enrollment = resolved.attempt, resolved.enrollment
    what = f"{attempt.recipient}: “{attempt.step}” of {enrollment.sequence}"
    if not resolved.not_delivered:
        return f"{what} arrived, as you say."
    if not resolved.again:
        why = "the plan has ended" if enrollment.status.ended else "the plan has gone on since"
        return f"{what} never left, as you say; {why}, so that is noted and nothing is sent again."
    if enrollment.status is Status.PAUSED:
        return f"{what} never left, as you say; it is taken again once you resume it."
    ahead = await outlook(conn, live, [enrollment], now)
    return f"{what} never left, as you say; {ahead[enrollment.id]}."


async def _settled_already(conn: AsyncConnection, attempt_id: int) -> str:
    attempt = await attempts.get(conn, attempt_id)
    if attempt is None:
        return f"attempt {attempt_id} is gone"
    answer = f": {attempt.answer}" if attempt.answer else ""
    return f"attempt {attempt_id} is not in doubt; it is {_STATES[attempt.state]}{answer}"


async def _take_back(
    conn: AsyncConnection, live: Live, attempt: Attempt, now: datetime, reason: str = NOT_THERE, *, note: bool = False
) -> list[Happening]:
    """Only while the plan stands right behind the step; what has gone on since is not taken back, but may be noted."""
    if not await _still_in_doubt(conn, attempt):
        return []
    taken_since = await _taken_since(conn, attempt)
    made: list[e.NotDelivered] = []

    def never_left(enrollment: Enrollment) -> Sequence[e.Event]:
        plan = live.sequence(enrollment.sequence)
        home = plan.find(attempt.step) if plan is not None else None
        stand = Position(home[0], attempt.step) if home is not None else enrollment.position
        event = e.NotDelivered(
            at=now,
            step=attempt.step,
            message_id=f"<{attempt.message_id}>",
            position=stand,
            reason=reason,
            retry_at=now,
        )
        behind = (home is not None and enrollment.position.after == attempt.step) or attempt.step == BACK_OFF
        behind = behind and not taken_since and enrollment.in_flight is None
        made[:] = [event] if behind and not enrollment.status.ended else []
        if note and not made:
            made[:] = [replace(event, again=False, retry_at=None)]
        return tuple(made)

    after = await change_in(conn, live, attempt.enrollment_id, now, never_left)
    if not isinstance(after, Enrollment) or not made:
        return []
    await _forget_touch(conn, after, attempt, now)
    outcome = attempts.Outcome(attempt.id, AttemptState.NOT_DELIVERED, reason, now)
    await attempts.finish_many(conn, [outcome])
    return [happening_of(event, after, attempt.recipient) for event in made]


async def _taken_since(conn: AsyncConnection, attempt: Attempt) -> bool:
    """Whether the step has reached, or may have reached, them by a later attempt: one that was found in Sent after a
    restore, or by a rep who sent them back to it."""
    every = await attempts.of_enrollment(conn, attempt.enrollment_id)
    return any(one.id > attempt.id and one.step == attempt.step and one.state in attempts.LIVE for one in every)


async def _forget_touch(conn: AsyncConnection, enrollment: Enrollment, attempt: Attempt, now: datetime) -> None:
    """What never left is no touch: the next one need not keep its distance from it."""
    mine = f"<{attempt.message_id}>"
    touches: list[datetime] = []
    for standing in await enrollments.by_contact(conn, enrollment.contact_id):
        log = await enrollments.events_of(conn, standing.enrollment.id)
        others = [line.event for line in log if getattr(line.event, "message_id", "") != mine]
        touches += touches_of(standing.enrollment, others).values()
    await contacts.set_touch(conn, enrollment.contact_id, max(touches, default=None))
    await agenda.wake_contacts(conn, [enrollment.contact_id], now)


async def _still_in_doubt(conn: AsyncConnection, attempt: Attempt) -> bool:
    """Whether nobody has settled it meanwhile. Nobody else can from now on: all who do lock the enrollment first."""
    enrollment = await enrollments.get(conn, attempt.enrollment_id)
    if enrollment is not None:
        await contacts.last_touch_of(conn, [enrollment.contact_id], lock=True)
        await enrollments.lock(conn, [enrollment.id])
    present = await attempts.get(conn, attempt.id)
    return present is not None and present.state is AttemptState.IN_DOUBT


async def _settle(
    conn: AsyncConnection, live: Live, attempt: Attempt, evidence: str, now: datetime, *, copy: bool = False
) -> list[Happening]:
    if attempt.state is not AttemptState.IN_DOUBT or not await _still_in_doubt(conn, attempt):
        return []

    def proof(enrollment: Enrollment) -> e.Accepted:
        message_id = f"<{attempt.message_id}>"
        thread = enrollment.thread or _thread(enrollment, attempt, message_id)
        return e.Accepted(
            at=now, step=attempt.step, message_id=message_id, next=enrollment.position, thread=thread, answer=evidence
        )

    after = await change_in(conn, live, attempt.enrollment_id, now, lambda enrollment: (proof(enrollment),))
    outcome = attempts.Outcome(attempt.id, AttemptState.ACCEPTED, evidence, now, copy=copy)
    await attempts.finish_many(conn, [outcome])
    return [happening_of(proof(after), after, attempt.recipient)] if isinstance(after, Enrollment) else []
