"""Messages whose outcome is not known: found after a crash, and resolved by evidence.

Evidence that a message left is our Message-ID in the Sent folder, or a mail that quotes it; evidence that it did not,
its absence from a Sent folder which the provider itself fills. Without evidence it counts as delivered and is shown to
the owner. It is never blindly sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.decide import next_position
from sequencer.core.model import BACK_OFF, Enrollment, Position, Thread
from sequencer.core.model import Sequence as Plan
from sequencer.mail.incoming import Incoming
from sequencer.mail.threads import follow_up_thread, new_thread
from sequencer.operations.advance import happening_of
from sequencer.operations.happenings import Happening
from sequencer.operations.live import Live
from sequencer.operations.record import change_in, is_outage
from sequencer.store import aliases, attempts, enrollments, sent_copies, set_aside
from sequencer.store.aliases import Alias
from sequencer.store.attempts import Attempt, AttemptState
from sequencer.workspace.config import Mailbox

LOST_TRACK: Final = "the sequencer stopped before the server's answer was recorded"
NOT_THERE: Final = "the provider has no copy of it in Sent, where it has those of other messages"

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
    await sent_copies.done(conn, [attempt.id])
    return await _settle(conn, live, attempt, "its copy is in the Sent folder", now)


async def settle_by_answer(
    conn: AsyncConnection, live: Live, message_ids: Sequence[str], now: datetime
) -> list[Happening]:
    """A mail quotes one of our messages: that one left."""
    told: list[Happening] = []
    for message_id in message_ids:
        attempt = await attempts.by_message_id(conn, message_id)
        if attempt is not None:
            mailbox = live.mailbox(attempt.mailbox)
            copy = mailbox is not None and not mailbox.fills_sent
            told += await _settle(conn, live, attempt, "a mail that came back quotes it", now, copy=copy)
    return told


async def settle_by_absence(
    live: Live, mailbox: Mailbox, line: Incoming, folder: str, now: datetime
) -> list[Happening]:
    """What is in doubt and not in the Sent folder that the provider fills was never taken: the step is due again.

    Only where the newest message that the provider certainly took can be found there by its id, since some providers
    replace ids or fill the folder for a while only. Raises ConnectionLost.
    """
    if not mailbox.fills_sent:
        return []
    async with live.database.read() as conn:
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


async def _take_back(conn: AsyncConnection, live: Live, attempt: Attempt, now: datetime) -> list[Happening]:
    """Only while the plan stands right behind the step; what has gone on since is not taken back."""
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
            reason=NOT_THERE,
            retry_at=now,
        )
        behind = (home is not None and enrollment.position.after == attempt.step) or attempt.step == BACK_OFF
        made[:] = [event] if behind and enrollment.in_flight is None and not enrollment.status.ended else []
        return tuple(made)

    after = await change_in(conn, live, attempt.enrollment_id, now, never_left)
    if not isinstance(after, Enrollment) or not made:
        return []
    outcome = attempts.Outcome(attempt.id, AttemptState.NOT_DELIVERED, NOT_THERE, now)
    await attempts.finish_many(conn, [outcome])
    return [happening_of(event, after, attempt.recipient) for event in made]


async def _settle(
    conn: AsyncConnection, live: Live, attempt: Attempt, evidence: str, now: datetime, *, copy: bool = False
) -> list[Happening]:
    if attempt.state is not AttemptState.IN_DOUBT:
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
