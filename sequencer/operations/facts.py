"""What `decide` needs to know about many enrollments at once, read in a few statements."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.decide import decide
from sequencer.core.decisions import Decision, Facts, Held, Wait
from sequencer.core.model import Contact, Enrollment, Sequence
from sequencer.core.timing import Calendar
from sequencer.operations.live import Live
from sequencer.store import contacts, mailboxes, suppressions
from sequencer.store.conversations import in_conversation
from sequencer.store.mailboxes import MailboxRow, MailboxState
from sequencer.workspace.calendars import UnknownPlace, calendar_for
from sequencer.workspace.config import Mailbox

STOPPED_ITSELF: Final = "the mailbox {} has stopped itself"


@dataclass(frozen=True, slots=True)
class Question:
    """All that `decide` is asked about one enrollment; `trouble` when it cannot be asked."""

    sequence: Sequence | None
    facts: Facts | None
    trouble: str = ""


def answer(question: Question, enrollment: Enrollment, now: datetime) -> Decision:
    """The decision; an enrollment whose file or mailbox is gone is held with that reason."""
    if question.sequence is None or question.facts is None:
        if enrollment.status.ended:
            return Wait(None, f"{enrollment.status}: {enrollment.reason}")
        return Held(question.trouble, None, enrollment.position.step)
    return decide(question.sequence, enrollment, question.facts, now)


async def gather(
    conn: AsyncConnection, live: Live, people: Collection[Enrollment], now: datetime
) -> dict[int, Question]:
    """The question to put about each of these enrollments, by its id."""
    ids = {enrollment.contact_id for enrollment in people}
    known = await contacts.by_ids(conn, ids, live.defaults)
    touches = await contacts.last_touch_of(conn, ids)
    refused = await suppressions.reasons_for(conn, {contact.email for contact in known.values()})
    talking = await in_conversation(conn, ids)
    boxes = {row.name: row for row in await mailboxes.listing(conn)}
    questions: dict[int, Question] = {}
    for enrollment in people:
        contact = known.get(enrollment.contact_id)
        if contact is None:
            questions[enrollment.id] = Question(None, None, "the contact is gone")
            continue
        elsewhere = [name for id_, name in talking.get(contact.id, ()) if id_ != enrollment.id]
        questions[enrollment.id] = await _question(
            conn,
            live,
            enrollment,
            contact,
            boxes.get(enrollment.mailbox),
            touches.get(contact.id),
            refused.get(contact.email, ""),
            elsewhere,
        )
    return questions


async def _question(
    conn: AsyncConnection,
    live: Live,
    enrollment: Enrollment,
    contact: Contact,
    box: MailboxRow | None,
    last_touch: datetime | None,
    suppressed: str,
    elsewhere: list[str],
) -> Question:
    sequence, mailbox = live.sequence(enrollment.sequence), live.mailbox(enrollment.mailbox)
    if sequence is None:
        return Question(None, None, f"sequences/{enrollment.sequence}.yaml is no longer in the workspace")
    if mailbox is None:
        return Question(None, None, f"the mailbox {enrollment.mailbox} is no longer in config.yaml")
    try:
        calendar = calendar_for(contact, sequence, mailbox)
    except UnknownPlace as error:  # a zone that this machine does not know (any more) is one person's trouble
        return Question(None, None, f"{error.message}; {error.hint}")
    earlier = await live.earlier(conn, enrollment)
    config = live.workspace.config
    facts = Facts(
        contact=contact,
        calendar=calendar,
        inbox_read_at=box.inbox_read_at if box is not None else None,
        suppressed=suppressed,
        hold=_hold(box),
        last_touch_to_contact=last_touch,
        min_gap=config.contacts.min_gap,
        spread=config.spread,
        earlier=earlier,
        edited_at=await _edited_at(conn, live, enrollment, sequence),
        earlier_calendar=_earlier_calendar(contact, sequence, earlier, mailbox),
        open_elsewhere=f"they are in conversation in {', '.join(elsewhere)}" if elsewhere else "",
    )
    return Question(sequence, facts)


def _earlier_calendar(
    contact: Contact, sequence: Sequence, earlier: Sequence | None, mailbox: Mailbox
) -> Calendar | None:
    if earlier is None or earlier.hours == sequence.hours:
        return None
    return calendar_for(contact, earlier, mailbox)


def _hold(box: MailboxRow | None) -> str:
    """What holds everybody who is written to from this mailbox."""
    if box is None or box.state is MailboxState.OK:
        return ""
    return STOPPED_ITSELF.format(box.name) if box.state is MailboxState.HALTED else box.reason


async def _edited_at(conn: AsyncConnection, live: Live, enrollment: Enrollment, sequence: Sequence) -> datetime | None:
    if enrollment.definition == sequence.version:
        return None
    return await live.applied_at(conn, sequence)
