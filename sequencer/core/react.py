"""What a received message changes: the table of reactions, and the events that a reaction makes.

The author's `on_reply:` comes first (label, then kind, then `any`), the product's defaults after it. Asking to be
left alone cannot be overruled by a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Final, assert_never

from sequencer.core import events as e
from sequencer.core.decide import allowed
from sequencer.core.lines import destination, locate, repeated_from
from sequencer.core.model import (
    BACK_OFF,
    Continue,
    Enrollment,
    GoTo,
    MoveTo,
    Pause,
    Position,
    Reaction,
    Sequence,
    Snooze,
    Span,
    Status,
    Stop,
    Suppress,
    Unit,
)
from sequencer.core.timing import Calendar, add_span

HUMAN_KINDS: Final = frozenset(
    {"interested", "question", "not_now", "not_interested", "unsubscribe", "wrong_person", "reply"}
)
FINAL_KINDS: Final[Mapping[str, Reaction]] = {
    "unsubscribe": Suppress("they asked not to be mailed again"),
    "complaint": Suppress("they reported the message as spam"),
    "bounce": Suppress("the address does not take mail"),
}
"""Kinds that no file can soften."""

NOTICE_DEFAULTS: Final[Mapping[str, Reaction]] = {
    "left_company": Pause("they are no longer with the company"),
    "challenge": Pause("their mailbox asks us to prove that we are human"),
    "calendar": Pause("they answered an invitation"),
    "out_of_office": Continue(),
    "auto_reply": Continue(),
    "soft_bounce": Continue(),
    "delayed": Continue(),
    "receipt": Continue(),
}

AWAY_WITHOUT_A_DATE: Final = Span(5, Unit.BUSINESS_DAYS)
"""How long an out-of-office reply that names no day holds the plan."""

SOFT_BOUNCE_RETRY: Final = Span(1, Unit.BUSINESS_DAYS)
MOST_RETURNS: Final = 3

_GOES_ON: Final = (e.Branched, e.Snoozed, e.Moved)
"""What leads to further messages by itself."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A received message, as far as a reaction depends on it."""

    kind: str
    label: str = ""
    date: date | None = None  # the day they named
    date_words: str = ""


def reaction_to(sequence: Sequence, heard: Heard) -> Reaction:
    """The one reaction to a message in this sequence."""
    if heard.kind in FINAL_KINDS:
        return FINAL_KINDS[heard.kind]
    wanted = [heard.label, heard.kind] if heard.label else [heard.kind]
    if heard.kind in HUMAN_KINDS:
        wanted.append("any")
    for key in wanted:
        if key in sequence.on_reply:
            return sequence.on_reply[key]
    return NOTICE_DEFAULTS.get(heard.kind, Pause(_paused_by(heard)))


def react(
    sequence: Sequence,
    enrollment: Enrollment,
    heard: Heard,
    calendar: Calendar,
    now: datetime,
    earlier: Sequence | None = None,
    *,
    corrected: bool = False,
) -> tuple[e.Event, ...]:
    """The events that follow a `Replied` or `NoticeReceived`. After the end, every human reply reopens as paused; and
    what is paused stays so until a person decides, unless that is what they just did (`corrected`).

    `earlier` is the definition that the enrollment's place comes from, when that is not the live one.
    """
    reaction = reaction_to(sequence, heard)
    if isinstance(reaction, Continue):
        return ()
    if enrollment.status.ended:
        if heard.kind in FINAL_KINDS or heard.kind not in HUMAN_KINDS:
            return ()
        return (e.Paused(at=now, reason=f"a late reply: {_paused_by(heard)}"),)
    stand, _ = locate(sequence, enrollment.position, earlier, enrollment.taken)
    placed = replace(enrollment, position=stand) if earlier is not None else enrollment
    event = _event_of(reaction, sequence, placed, heard, calendar, now)
    waits = enrollment.status is Status.PAUSED and not corrected and isinstance(event, _GOES_ON)
    if allowed(enrollment, type(event)) and not waits:
        return (event,)
    return (e.Paused(at=now, reason=_paused_by(heard)),)


def _event_of(
    reaction: Pause | Snooze | GoTo | MoveTo | Stop | Suppress,
    sequence: Sequence,
    enrollment: Enrollment,
    heard: Heard,
    calendar: Calendar,
    now: datetime,
) -> e.Event:
    match reaction:
        case Pause():
            return e.Paused(at=now, reason=reaction.reason or _paused_by(heard))
        case Snooze():
            return _snoozed(reaction, sequence, enrollment, heard, calendar, now)
        case GoTo():
            to, returns = destination(sequence, reaction.target, enrollment.position, enrollment.returns)
            again = repeated_from(sequence, to)
            return e.Branched(at=now, to=to, returns=returns, reason=_paused_by(heard), again=again)
        case MoveTo():
            return e.Moved(at=now, to=reaction.sequence, reason=_paused_by(heard))
        case Stop() | Suppress():
            return e.Stopped(at=now, reason=reaction.reason or _paused_by(heard))
        case _:
            assert_never(reaction)


def _snoozed(
    reaction: Snooze, sequence: Sequence, enrollment: Enrollment, heard: Heard, calendar: Calendar, now: datetime
) -> e.Snoozed:
    if reaction.until_they_say and heard.date is not None:
        until = local_midnight(heard.date, calendar)
        reason = f"they wrote “{heard.date_words}”" if heard.date_words else f"they named {heard.date}"
    else:
        until = add_span(now, reaction.otherwise, calendar)
        reason = f"{_paused_by(heard)}; {reaction.otherwise} of silence"
    until = max(until, now)
    if not reaction.then:
        return e.Snoozed(at=now, until=until, reason=reason)
    to, returns = destination(sequence, reaction.then, enrollment.position, enrollment.returns)
    again = repeated_from(sequence, to)
    return e.Snoozed(at=now, until=until, reason=reason, to=to, returns=returns, again=again)


def caused_by(message: int, event: e.Event) -> e.Event:
    """The event with the received message that brought it about, where it is a turn of the plan."""
    if isinstance(event, (e.Paused, e.Resumed, e.Snoozed, e.Branched, e.Moved, e.Stopped, e.Finished)):
        return replace(event, message=message)
    return event


def away_until(back: date | None, calendar: Calendar, now: datetime) -> datetime:
    """Until when an out-of-office reply holds the plan: the day they are back plus one business day."""
    if back is None:
        return add_span(now, AWAY_WITHOUT_A_DATE, calendar)
    return max(now, add_span(local_midnight(back, calendar), Span(1, Unit.BUSINESS_DAYS), calendar))


def returned(
    enrollment: Enrollment, step: str, position: Position, reason: str, calendar: Calendar, now: datetime
) -> e.Event | None:
    """What a soft bounce of `step` changes: it is taken again later, unless the plan has gone on since."""
    last = BACK_OFF if enrollment.backed_off else enrollment.position.after
    if not step or enrollment.status.ended or last != step or enrollment.in_flight is not None:
        return None
    if enrollment.returned >= MOST_RETURNS:
        return e.Paused(at=now, reason=f"{enrollment.returned} messages came back: {reason}")
    flown = enrollment.thread.last_message_id if enrollment.thread is not None else ""
    retry_at = add_span(now, SOFT_BOUNCE_RETRY, calendar)
    return e.NotDelivered(at=now, step=step, message_id=flown, position=position, reason=reason, retry_at=retry_at)


def noticed(
    sequence: Sequence,
    enrollment: Enrollment,
    heard: Heard,
    calendar: Calendar,
    now: datetime,
    earlier: Sequence | None = None,
    *,
    evidence: str = "",
    ours: bool = False,
) -> tuple[e.Event, ...]:
    """The events that follow a `NoticeReceived`: a soft bounce takes its step again, the others as `react` has them.

    `evidence` says why it came back; `ours` that the refusal blames us, not them: then no step is taken again.
    """
    if heard.kind != "soft_bounce" or ours:
        return react(sequence, enrollment, heard, calendar, now, earlier)
    step = enrollment.position.after
    home = sequence.find(step) if step else None
    if home is None:
        return ()
    again = returned(enrollment, step, Position(home[0], step), evidence, calendar, now)
    return () if again is None else (again,)


def local_midnight(day: date, calendar: Calendar) -> datetime:
    """The start of a day in the contact's zone, as UTC."""
    return datetime.combine(day, time(), tzinfo=calendar.zone).astimezone(UTC)


def _paused_by(heard: Heard) -> str:
    words = heard.kind.replace("_", " ")
    return f"they replied ({heard.label or words})" if heard.kind in HUMAN_KINDS else words
