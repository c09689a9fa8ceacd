"""Messages that left and that the database does not know: it is a copy made before, and the Sent folder remembers.

Our Message-IDs are signed and an attempt is committed before its message leaves, so one of them in Sent without its
attempt proves that the database has gone back in time. The attempt is made anew from the copy, and the plan goes on
behind its step.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.lines import after_step, locate
from sequencer.core.model import BACK_OFF, MAIN_LINE, Contact, Email, Enrollment, Position, Thread
from sequencer.core.model import Sequence as Plan
from sequencer.core.variants import Splits, choose_variant
from sequencer.inbox.parse import Mail
from sequencer.mail.ids import read_message_id
from sequencer.mail.threads import follow_up_thread, new_thread
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal, change_in
from sequencer.store import attempts, contacts, enrollments, mailboxes, messages, tasks
from sequencer.store.addresses import normal
from sequencer.store.attempts import Lost
from sequencer.store.messages import Direction, Message, NewMessage

EVIDENCE: Final = "its copy is in the Sent folder"
ANSWERED: Final = "they answered before the database was restored; read it, and resume"


@dataclass(frozen=True, slots=True)
class Copy:
    """One of our own messages as it stands in Sent. `step` is what its id says of the step, see `mail.ids.Token`."""

    mailbox: str
    message_id: str
    step: str
    recipient: str
    subject: str
    references: tuple[str, ...]
    sent_at: datetime
    raw: bytes


def copy_of(live: Live, mailbox: str, mail: Mail, raw: bytes, sent_at: datetime) -> Copy | None:
    """The copy that a message of ours in Sent is; None when its id is not ours."""
    token = read_message_id(live.key, mail.message_id)
    if token is None:
        return None
    recipient = mail.to[0] if mail.to else ""
    return Copy(mailbox, mail.message_id, token.step, recipient, mail.subject, mail.references, sent_at, raw)


@dataclass(frozen=True, slots=True)
class Found:
    """A message that counts as sent again: its event, and the enrollment after it."""

    event: e.Recovered
    enrollment: Enrollment
    contact: str


async def take_in(conn: AsyncConnection, live: Live, copy: Copy, content: str, now: datetime) -> Found | None:
    """Take a copy in whose attempt is not known. One whose enrollment is not known either is kept for the day on which
    its recipient enters a sequence (again), as long as it is not known what has left since the database was copied."""
    token = read_message_id(live.key, copy.message_id)
    enrollment = await enrollments.get(conn, token.enrollment) if token is not None else None
    contact = await contacts.by_id(conn, enrollment.contact_id, live.defaults) if enrollment is not None else None
    if enrollment is not None and contact is not None and normal(contact.email) == normal(copy.recipient):
        return await _recover(conn, live, enrollment.id, contact, copy, now)
    if await mailboxes.is_copy(conn, copy.mailbox):
        await messages.record(conn, _kept(copy, content), now)
    return None


async def take_in_late(conn: AsyncConnection, live: Live, copy: Copy, known: int, now: datetime) -> Found | None:
    """A copy of a message that was said never to have left: it left after all."""
    attempt = await attempts.get(conn, known)
    enrollment = await enrollments.get(conn, attempt.enrollment_id) if attempt is not None else None
    contact = await contacts.by_id(conn, enrollment.contact_id, live.defaults) if enrollment is not None else None
    if attempt is None or enrollment is None or contact is None:
        return None
    again = [one for one in await attempts.of_enrollment(conn, enrollment.id) if one.step == attempt.step]
    if any(one.state in attempts.LIVE for one in again):
        return None  # the step has been taken again since: what is done is done
    copy = replace(copy, step=attempt.step, sent_at=attempt.started_at)
    return await _recover(conn, live, enrollment.id, contact, copy, now, known)


async def recall(
    conn: AsyncConnection, live: Live, entered: Sequence[Enrollment], people: Sequence[Contact], now: datetime
) -> dict[int, Enrollment]:
    """Who enters a sequence (again) after a restore may have had some of it: by the copies that were kept. Who has
    answered those is paused. The enrollments that this changed, by id."""
    by_address = {normal(person.email): person for person in people}
    kept = await messages.forgotten(conn, by_address.keys()) if by_address else []
    changed: dict[int, Enrollment] = {}
    for message in kept:
        person = by_address[normal(message.recipient)]
        enrollment = next((one for one in entered if one.contact_id == person.id), None)
        token = read_message_id(live.key, f"<{message.message_id}>")
        plan = live.sequence(enrollment.sequence) if enrollment is not None else None
        if enrollment is None or token is None or plan is None or _home(plan, enrollment, token.step) is None:
            continue
        found = await _recover(conn, live, enrollment.id, person, await _from_kept(conn, message, token.step), now)
        if found is not None:
            await messages.forget(conn, message.id)
            changed[enrollment.id] = found.enrollment
    for enrollment_id, enrollment in list(changed.items()):
        person = next(person for person in people if person.id == enrollment.contact_id)
        if (paused := await _answered(conn, live, enrollment, person, now)) is not None:
            changed[enrollment_id] = paused
    return changed


async def _answered(
    conn: AsyncConnection, live: Live, enrollment: Enrollment, person: Contact, now: datetime
) -> Enrollment | None:
    answers = await messages.unmatched_from(conn, person.email)
    if not answers:
        return None
    for answer in answers:
        await messages.attach(conn, answer.id, enrollment.id, "sender")
    paused = e.Paused(at=now, reason=ANSWERED, message=answers[0].id)
    after = await change_in(conn, live, enrollment.id, now, lambda _: (paused,))
    return after if isinstance(after, Enrollment) else None


async def _recover(
    conn: AsyncConnection,
    live: Live,
    enrollment_id: int,
    contact: Contact,
    copy: Copy,
    now: datetime,
    known: int | None = None,
) -> Found | None:
    await contacts.last_touch_of(conn, [contact.id], lock=True)
    enrollment = await enrollments.get(conn, enrollment_id)
    if enrollment is None:
        return None
    plan, earlier = live.sequence(enrollment.sequence), await live.earlier(conn, enrollment)
    step, line = (_home(plan, enrollment, copy.step) if plan is not None else None) or (copy.step, "")
    variant = _variant(plan, enrollment, line, step, live.splits)
    at = min(now, max(copy.sent_at, enrollment.enrolled_at))
    lost = Lost(enrollment_id, copy.mailbox, step, variant, copy.message_id, contact.email, copy.subject, at, copy.raw)
    attempt = await attempts.recover(conn, lost, EVIDENCE, now, known)
    made: list[e.Recovered] = []

    def touched(present: Enrollment) -> Sequence[e.Event]:
        onwards, returns = place_behind(plan, present, line, step, earlier)
        made[:] = [
            e.Recovered(
                at=now,
                step=step,
                sent_at=at,
                next=onwards,
                returns=returns,
                line=line,
                evidence=EVIDENCE,
                message_id=copy.message_id,
                attempt=attempt,
                variant=variant,
                thread=_thread(present, copy, at),
            )
        ]
        return made

    after = await change_in(conn, live, enrollment_id, now, touched)
    if isinstance(after, Refusal):
        raise RuntimeError(f"enrollment {enrollment_id}: {after.reason}")
    if enrollment.task is not None and after.task is None:
        await tasks.drop(conn, after.id, "the plan had gone on before the database was restored", now)
    return Found(made[0], after, contact.email)


# The place in the plan ----------------------------------------------------------------------------


def _home(plan: Plan, enrollment: Enrollment, hint: str) -> tuple[str, str] | None:
    """The step that an id names, and its line; among several the one nearest to where the plan stands."""
    steps = [(step.id, line) for line, steps in plan.lines.items() for step in steps if isinstance(step.do, Email)]
    if plan.back_off is not None:
        steps.append((BACK_OFF, ""))
    slugs = {step: re.sub(r"[^a-z0-9_-]", "-", step.lower()) for step, _ in steps}
    named = [(step, line) for step, line in steps if slugs[step] == hint]
    named = named or [(step, line) for step, line in steps if hint and slugs[step].startswith(hint)]
    here = [(step, line) for step, line in named if line == enrollment.position.line]
    return next(iter((*here, *named)), None)


def place_behind(
    plan: Plan | None, enrollment: Enrollment, line: str, step: str, earlier: Plan | None = None
) -> tuple[Position, tuple[Position, ...]]:
    """Where the plan stands, and what it returns to, once `step` of `line` is known to have been taken."""
    stand, returns = enrollment.position, enrollment.returns
    if plan is None:
        return stand, returns
    if step == BACK_OFF:
        used_up = plan.lines[MAIN_LINE][-1].id if plan.lines[MAIN_LINE] else ""
        return (Position(MAIN_LINE, "", used_up), ()) if stand.step else (stand, returns)
    if not line:
        return stand, returns
    behind = after_step(plan, Position(line, step))
    here = locate(plan, stand, earlier, enrollment.taken)[0]
    if here.line == line:
        return (behind if _reaches(plan, here, step) else stand), returns
    if any(back.line == line for back in returns):
        moved = (behind if back.line == line and _reaches(plan, back, step) else back for back in returns)
        return stand, tuple(moved)
    return behind, (() if line == MAIN_LINE else (*returns, stand))


def _reaches(plan: Plan, stand: Position, step: str) -> bool:
    """Whether the plan, standing there, has the step still before it."""
    ids = [one.id for one in plan.lines[stand.line]]
    return stand.step in ids and ids.index(stand.step) <= ids.index(step)


def _variant(plan: Plan | None, enrollment: Enrollment, line: str, step: str, splits: Splits) -> str:
    """The template that this person gets for the step: it follows from their number, unless the split has moved much
    since."""
    if plan is None:
        return ""
    if step == BACK_OFF:
        return choose_variant(plan.back_off.email, enrollment, step, splits) if plan.back_off is not None else ""
    do = next((one.do for one in plan.lines.get(line, ()) if one.id == step), None)
    return choose_variant(do, enrollment, step, splits) if isinstance(do, Email) else ""


def _thread(enrollment: Enrollment, copy: Copy, at: datetime) -> Thread:
    """The thread with this message as its newest of ours. Where its beginning is not known, it begins with what this
    one quotes."""
    known = enrollment.thread
    if known is not None and copy.subject == f"Re: {known.subject}":
        return follow_up_thread(known, copy.message_id, at)
    if known is None and copy.references and copy.subject.startswith("Re: "):
        root = new_thread(copy.references[0], copy.subject.removeprefix("Re: "), at)
        return follow_up_thread(root, copy.message_id, at)
    return new_thread(copy.message_id, copy.subject, at)


# Copies without an enrollment ---------------------------------------------------------------------


def _kept(copy: Copy, content: str) -> NewMessage:
    return NewMessage(
        mailbox=copy.mailbox,
        direction=Direction.OURS,
        content=content,
        received_at=copy.sent_at,
        raw=copy.raw,
        recipient=copy.recipient,
        subject=copy.subject,
        message_id=copy.message_id,
        in_reply_to=copy.references[0] if copy.references else "",
        evidence=EVIDENCE,
    )


async def _from_kept(conn: AsyncConnection, message: Message, step: str) -> Copy:
    raw = await messages.raw_of(conn, message.id) or b""
    root = (f"<{message.in_reply_to}>",) if message.in_reply_to else ()
    return Copy(
        message.mailbox,
        f"<{message.message_id}>",
        step,
        message.recipient,
        message.subject,
        root,
        message.received_at,
        raw,
    )
