"""After a restore: what has left since the copy was made is found out before anything else leaves.

The Sent folder tells it. Where none is kept nobody can, and the mailbox is held until the owner has said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.decisions import Held, SendEmail
from sequencer.core.model import BACK_OFF, Enrollment, Status
from sequencer.operations.advance import happening_of
from sequencer.operations.facts import answer, gather
from sequencer.operations.happenings import Happening
from sequencer.operations.inbox import Watched
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal, change_in
from sequencer.operations.recovered import place_behind
from sequencer.store import attempts, contacts, enrollments, mailboxes
from sequencer.store.agenda import wake_held

MOST_STEPS: Final = 50
CLOCKS_DIFFER: Final = timedelta(days=1)
"""The copy may have been made on a machine whose clock was ahead of ours."""

SAID: Final = "the owner says so"
TAKEN_TWICE: Final = "“{step}” had left before the database was restored; resume to send it once more"


@dataclass(frozen=True, slots=True)
class LookedBack:
    """What came of it. `hold` is why nothing may leave; empty when it is known now what has left."""

    hold: str = ""
    recovered: int = 0
    happenings: tuple[Happening, ...] = ()


async def look_back(live: Live, mailbox: str, watched: Watched, now: datetime) -> LookedBack | None:
    """To be asked when the mailbox was read to its end. None: the database is no copy, or all is known already."""
    async with live.database.begin() as conn:
        await mailboxes.mark_restored(conn, mailbox, now)
        row = await mailboxes.get(conn, mailbox)
        if row is None or row.copied_at is None:
            return None
        if not watched.sent:
            return LookedBack(_hold(mailbox, row.copied_at))
        found = await attempts.recovered_since(conn, mailbox, min(row.copied_at, now - CLOCKS_DIFFER))
        told = await _keep_from_repeating(conn, live, found, now)
        await mailboxes.mark_proven(conn, mailbox)
        return LookedBack("", len(found), tuple(told))


def _hold(mailbox: str, copied_at: datetime) -> str:
    return (
        f"the database is a copy of {copied_at:%Y-%m-%d %H:%M} UTC, and no Sent folder tells what has left since: "
        f"say `sequencer resolve --mailbox {mailbox} --delivered`, or --not-delivered"
    )


async def _keep_from_repeating(
    conn: AsyncConnection, live: Live, found: Sequence[attempts.Attempt], now: datetime
) -> list[Happening]:
    """What was found in Sent and would all the same be sent again: a reply leads there that was read only now."""
    told: list[Happening] = []
    for attempt in found:
        paused = e.Paused(at=now, reason=TAKEN_TWICE.format(step=attempt.step))

        def pause(
            enrollment: Enrollment, attempt: attempts.Attempt = attempt, event: e.Event = paused
        ) -> list[e.Event]:
            known = enrollment.backed_off if attempt.step == BACK_OFF else attempt.step in enrollment.taken
            plan = live.sequence(enrollment.sequence)
            gone = plan is None or (attempt.step != BACK_OFF and plan.find(attempt.step) is None)
            return [] if known or gone or enrollment.status not in (Status.ACTIVE, Status.SNOOZED) else [event]

        before = await enrollments.get(conn, attempt.enrollment_id)
        after = await change_in(conn, live, attempt.enrollment_id, now, pause)
        if isinstance(after, Enrollment) and before is not None and after.version != before.version:
            told.append(happening_of(paused, after, attempt.recipient))
    return told


# The owner says what has left ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settled:
    """The owner's word about a mailbox: how many steps count as sent now. The mailbox goes on."""

    mailbox: str
    counted: int


async def settle(
    conn: AsyncConnection, live: Live, mailbox: str, now: datetime, *, delivered: bool
) -> Settled | Refusal:
    """What fell due until the restore did leave (each counts as sent when it was due), or did not (and leaves now)."""
    row = await mailboxes.get(conn, mailbox)
    if row is None or row.copied_at is None:
        return Refusal(
            f"there is nothing to say about {mailbox}: the database is no copy, or what has left since is known"
        )
    counted = 0
    if delivered:
        for enrollment in await enrollments.open_of_mailbox(conn, mailbox):
            counted += await _count_as_sent(conn, live, enrollment, row.restored_at or now, now)
    await mailboxes.mark_proven(conn, mailbox)
    await wake_held(conn, mailbox, now)
    return Settled(mailbox, counted)


async def _count_as_sent(
    conn: AsyncConnection, live: Live, enrollment: Enrollment, until: datetime, now: datetime
) -> int:
    """All e-mails of one person that were due by then, one after the other, as the plan has them."""
    await contacts.last_touch_of(conn, [enrollment.contact_id], lock=True)
    for counted in range(MOST_STEPS):
        question = (await gather(conn, live, [enrollment], until))[enrollment.id]
        decision = answer(question, enrollment, until)
        due_at = decision.due_at if isinstance(decision, (SendEmail, Held)) else None
        if question.sequence is None or due_at is None or due_at > until:
            return counted
        assert isinstance(decision, (SendEmail, Held))
        step, plan = decision.step, question.sequence
        home = plan.find(step)
        onwards, returns = place_behind(plan, enrollment, home[0] if home is not None else "", step)
        event = e.Recovered(
            at=now,
            step=step,
            sent_at=max(due_at, enrollment.enrolled_at),
            next=onwards,
            returns=returns,
            line=home[0] if home is not None else "",
            evidence=SAID,
        )
        after = await change_in(conn, live, enrollment.id, now, partial(_only, event))
        if isinstance(after, Refusal):
            return counted
        enrollment = after
    return MOST_STEPS


def _only(event: e.Event, _: Enrollment) -> tuple[e.Event, ...]:
    return (event,)
