"""What each event makes of an enrollment. Which events can happen in which status is the table's business."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import assert_never

from sequencer.core import events as e
from sequencer.core.copying import changed
from sequencer.core.model import BACK_OFF, Away, Enrollment, InFlight, OpenTask, Position


def names_a_place(event: e.Event) -> bool:
    """Whether the event names a place by the live file, be it the same as before."""
    match event:
        case e.AttemptStarted() | e.TaskCreated():
            return event.position is not None
        case e.Snoozed():
            return event.to is not None
        case _:
            return isinstance(event, e.Branched)


def applied(en: Enrollment, event: e.Event) -> Enrollment:
    """The enrollment with what this event changes, but for its status and version. Raises ValueError for a second
    `Enrolled`."""
    match event:
        case e.AttemptStarted():
            here = event.position or en.position
            flight = InFlight(event.step, event.message_id, event.attempt, event.variant, here)
            asked_at = event.at if event.step == BACK_OFF else en.asked_at
            return changed(en, in_flight=flight, retry_at=None, position=here, asked_at=asked_at)
        case e.Accepted() | e.InDoubt():
            return _touched_by_mail(en, event)
        case e.Deferred():
            landed = changed(en, in_flight=None, sent_variants=_handed_over(en, event.step))
            return changed(landed, retry_at=event.retry_at, tries=en.tries + 1) if _stands_there(en) else landed
        case e.Rejected():
            return changed(en, in_flight=None)
        case e.NotDelivered() | e.Recovered():
            return _returned(en, event) if isinstance(event, e.NotDelivered) else _recovered(en, event)
        case e.TaskCreated():
            here = event.position or en.position
            return changed(en, task=OpenTask(event.step, event.kind, event.task, here), position=here)
        case e.TaskDone():
            return _task_done(en, event)
        case e.Skipped():
            return changed(_advance(en, event.next), not_before=event.not_before)
        case e.Branched():
            return _branched(en, event)
        case e.Relabelled():
            return changed(en, last_sign_at=event.last_sign_at, interested=event.interested, away=event.away)
        case e.Enrolled():
            raise ValueError("enrolled twice")
        case _:
            return _turned(en, event)


def _turned(
    en: Enrollment,
    event: e.Replied
    | e.NoticeReceived
    | e.HandWritten
    | e.Paused
    | e.Resumed
    | e.Snoozed
    | e.Moved
    | e.Stopped
    | e.Finished,
) -> Enrollment:
    match event:
        case e.Replied():
            return changed(
                _with_newest(en, event.message_id),
                last_sign_at=_latest(en.last_sign_at, event.at),
                away=_until(en.away, event.at),
                interested=en.interested or event.kind == "interested",
            )
        case e.HandWritten():
            newest = _with_newest(en, event.message_id)
            return changed(newest, last_touch_at=_latest(en.last_touch_at, event.at))
        case e.NoticeReceived():
            if event.away_until is None:
                return en
            return changed(en, away=(*en.away[-9:], Away(event.at, event.away_until)))
        case e.Paused():
            return changed(en, reason=event.reason, snoozed_until=None)
        case e.Resumed():
            return _resumed(en, event)
        case e.Snoozed():
            asleep = changed(en, snoozed_until=event.until, reason=event.reason)
            if event.to is None:
                return asleep
            there = changed(_advance(asleep, event.to), task=None, ready_at=event.until)
            there = changed(there, taken=_without(en.taken, event.to.line, event.again))
            return there if event.returns is None else changed(there, returns=event.returns)
        case e.Moved():
            return changed(en, reason=f"moved to {event.to}", task=None, snoozed_until=None)
        case e.Stopped():
            return changed(en, reason=event.reason, task=None, snoozed_until=None)
        case e.Finished():
            return changed(en, reason=event.outcome or event.reason, task=None, snoozed_until=None)
        case _:
            assert_never(event)


def _branched(en: Enrollment, event: e.Branched) -> Enrollment:
    awake = changed(en, returns=event.returns, task=None, snoozed_until=None)
    if event.to.line == en.position.line and event.again == ():
        # by an edited file: it has not gone on, and is due when it was
        return changed(awake, position=event.to, not_before=event.not_before or en.not_before)
    there = changed(_advance(awake, event.to), not_before=event.not_before)
    return changed(there, taken=_without(en.taken, event.to.line, event.again))


def _resumed(en: Enrollment, event: e.Resumed) -> Enrollment:
    """On the way again. Back at the place before a mistake, what was taken stays taken."""
    woken = en.snoozed_until is not None and en.snoozed_until <= event.at
    not_before = en.snoozed_until if woken else event.at
    if event.to is not None:
        back = changed(_advance(en, event.to), returns=event.returns or (), task=None)
        return changed(back, snoozed_until=None, not_before=event.at)
    ready = min(en.ready_at, event.at) if en.ready_at is not None else None
    return changed(en, snoozed_until=None, not_before=not_before, ready_at=ready, retry_at=None, tries=0)


def _touched_by_mail(en: Enrollment, event: e.Accepted | e.InDoubt) -> Enrollment:
    """What an e-mail that left, or may have left, changes. The evidence for a doubt comes as a second event."""
    if en.in_flight is None or en.in_flight.message_id != event.message_id:
        return en
    sent = changed(
        en,
        in_flight=None,
        last_touch_at=event.at,
        thread=event.thread,
        emails_sent=en.emails_sent + 1,
        sent_variants=_handed_over(en, event.step),
        backed_off=en.backed_off or event.step == BACK_OFF,
        taken={**en.taken, event.step: en.in_flight.position.line},
    )
    return _onwards(sent, en.in_flight.position, event.next)


def _handed_over(en: Enrollment, step: str) -> Mapping[str, str]:
    """Whoever was to get a variant keeps it, also when the server took it only at the second try."""
    return en.sent_variants if en.in_flight is None else {**en.sent_variants, step: en.in_flight.variant}


def _recovered(en: Enrollment, event: e.Recovered) -> Enrollment:
    """A touch that was taken and forgotten. A task that the plan waited for before it was done then, or passed over."""
    moved = event.next != en.position
    sent = changed(
        en,
        last_touch_at=_latest(en.last_touch_at, event.sent_at),
        thread=event.thread or en.thread,
        emails_sent=en.emails_sent + 1,
        sent_variants={**en.sent_variants, event.step: event.variant} if event.variant else en.sent_variants,
        backed_off=en.backed_off or event.step == BACK_OFF,
        asked_at=event.sent_at if event.step == BACK_OFF else en.asked_at,
        taken={**en.taken, event.step: event.line} if event.line else en.taken,
        returns=event.returns,
        task=None if moved else en.task,
    )
    return _advance(sent, event.next) if moved else sent


def _task_done(en: Enrollment, event: e.TaskDone) -> Enrollment:
    """A task that the plan no longer waits for is a touch all the same."""
    touched = changed(en, last_touch_at=event.at if event.touched else en.last_touch_at)
    task = en.task
    if task is None or task.task != event.task:
        return touched
    done = changed(touched, task=None, taken={**en.taken, event.step: task.position.line})
    return _onwards(done, task.position, event.next)


def _onwards(en: Enrollment, taken_at: Position, following: Position) -> Enrollment:
    """Past a step that was taken; somebody may have branched or snoozed to another one meanwhile."""
    if en.returns:
        en = changed(en, returns=tuple(following if back == taken_at else back for back in en.returns))
    return _advance(en, following) if en.position == taken_at else en


def _stands_there(en: Enrollment) -> bool:
    """Whether the plan still stands where the message in the air left; elsewhere nothing has to wait for its server."""
    return en.in_flight is None or en.in_flight.position == en.position


def _advance(en: Enrollment, position: Position) -> Enrollment:
    return changed(en, position=position, ready_at=None, not_before=None, retry_at=None, tries=0)


def _returned(en: Enrollment, event: e.NotDelivered) -> Enrollment:
    if not event.again:
        return changed(en, returned=en.returned + 1)
    flying = en.in_flight is not None and en.in_flight.message_id == event.message_id
    again = changed(en, returned=en.returned + 1, taken={s: line for s, line in en.taken.items() if s != event.step})
    if flying:
        return changed(again, in_flight=None, retry_at=event.retry_at if _stands_there(en) else en.retry_at)
    if en.in_flight is None and event.step == BACK_OFF and en.backed_off:
        again = changed(again, backed_off=False, retry_at=None, tries=0)
    elif en.in_flight is None and (en.position.line, en.position.after) == (event.position.line, event.step):
        again = _advance(again, event.position)
    else:
        return changed(en, returned=en.returned + 1)  # the plan has gone on since: it is not taken back
    sent = max(0, en.emails_sent - 1)
    # Nobody has seen a thread whose only message came back: the next one begins it anew, without “Re:”.
    thread = en.thread if sent else None
    return changed(again, ready_at=event.retry_at, retry_at=event.retry_at, emails_sent=sent, thread=thread)


def _until(away: tuple[Away, ...], at: datetime) -> tuple[Away, ...]:
    """Who writes is there: the absences that had begun end with it."""
    return tuple(Away(each.since, min(each.until, at)) if each.since < at else each for each in away)


def _latest(known: datetime | None, at: datetime) -> datetime:
    """Mail is not always read in the order in which it was written."""
    return at if known is None else max(known, at)


def _without(taken: Mapping[str, str], line: str, again: tuple[str, ...] | None) -> Mapping[str, str]:
    """What counts as taken for who was sent to a line on purpose."""
    if again is None:
        return {step: home for step, home in taken.items() if home != line}
    return {step: home for step, home in taken.items() if step not in again}


def _with_newest(en: Enrollment, message_id: str) -> Enrollment:
    if en.thread is None or not message_id:
        return en
    references = (*(r for r in en.thread.references if r != message_id), message_id)
    return changed(en, thread=changed(en.thread, last_message_id=message_id, references=references))
