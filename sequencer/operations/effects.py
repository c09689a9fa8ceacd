"""What a received message has done to an enrollment, read from its log; and how to take that back.

Pure: events in, values out. A person may say later that the message was read wrongly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, assert_never

from sequencer.core import events as e
from sequencer.core.decide import begin, fold
from sequencer.core.decisions import WOKEN
from sequencer.core.model import Away, Enrollment, Status
from sequencer.core.react import FINAL_KINDS, NOTICE_DEFAULTS

Turn = e.Paused | e.Resumed | e.Snoozed | e.Branched | e.Moved | e.Stopped | e.Finished
TURNS: Final = (e.Paused, e.Resumed, e.Snoozed, e.Branched, e.Moved, e.Stopped, e.Finished)

_NOTICES: Final = frozenset({*NOTICE_DEFAULTS, *FINAL_KINDS}) - {"unsubscribe"}


@dataclass(frozen=True, slots=True)
class Effect:
    """What one message did to one enrollment.

    `before` is the enrollment as it stood until then; `heard_at` is when the message came, None when it only concerned
    somebody near; `turn` is the last turn of the plan that it brought about. Since then: `overtaken` when something
    else was heard, `decided` when a person has decided, `moved_on` when the plan has turned in any way.
    """

    before: Enrollment
    heard_at: datetime | None = None
    turn: Turn | None = None
    overtaken: bool = False
    decided: bool = False
    moved_on: bool = False

    @property
    def stands(self) -> bool:
        """Whether what it did still holds, with nothing in the way of taking it back."""
        return self.turn is not None and not (self.overtaken or self.decided or self.moved_on)


def effect_of(log: Sequence[e.Event], present: Enrollment, message: int) -> Effect:
    """What a message did, by the whole log of an enrollment; nothing when the log does not tell of it."""
    told = [index for index, event in enumerate(log) if _tells_of(log, index, message)]
    first = log[0]
    if not told or not isinstance(first, e.Enrolled):
        return Effect(present)
    heard = next((ev for ev in log if isinstance(ev, (e.Replied, e.NoticeReceived)) and ev.message == message), None)
    turns = [index for index in told if isinstance(log[index], TURNS)]
    turn = log[turns[-1]] if turns else None
    since = log[told[0] :]
    return Effect(
        before=fold(begin(first, present.id, present.definition), tuple(log[1 : told[0]])),
        heard_at=heard.at if heard is not None else None,
        turn=turn if isinstance(turn, TURNS) else None,
        overtaken=any(_is_heard(event, message) for event in since),
        decided=any(isinstance(event, TURNS) and event.by not in ("", WOKEN) for event in since),
        moved_on=any(isinstance(event, TURNS) for event in log[turns[-1] + 1 :]) if turns else False,
    )


def _tells_of(log: Sequence[e.Event], index: int, message: int) -> bool:
    """Whether a line of the log is about a message. In old logs, a pause right behind it does not name it."""
    event = log[index]
    if isinstance(event, (e.Paused, e.Snoozed)) and event.message is None and not event.by:
        heard = log[index - 1]
        return isinstance(heard, (e.Replied, e.NoticeReceived)) and heard.message == message
    return getattr(event, "message", None) == message


def _is_heard(event: e.Event, message: int) -> bool:
    """Another reply, what the rep wrote, and what a message did that concerned somebody near."""
    if isinstance(event, (e.Replied, e.HandWritten)):
        return event.message != message
    return isinstance(event, TURNS) and event.message not in (None, message)


# Taking it back -----------------------------------------------------------------------------------


def undone(effect: Effect, present: Enrollment, reason: str, now: datetime) -> tuple[e.Event, ...]:
    """The events that bring an enrollment back to where it stood before the message, as far as that is possible.

    None when something else holds by now, and when the contact has gone on in another sequence.
    """
    before, turn = effect.before, effect.turn
    if not effect.stands or isinstance(turn, (e.Moved, e.Resumed)):
        return ()
    if present.status.ended and before.status.ended:
        return ()
    match before.status:
        case Status.ACTIVE:
            return _going(effect, present, reason, now)
        case Status.SNOOZED:
            awake = before.snoozed_until is None or before.snoozed_until <= now
            if awake:
                return _going(effect, present, reason, now)
            until = before.snoozed_until or now
            return (*_opened(present, reason, now), e.Snoozed(at=now, until=until, reason=before.reason))
        case Status.PAUSED:
            return (e.Paused(at=now, reason=before.reason),)
        case Status.STOPPED:
            return (e.Stopped(at=now, reason=before.reason),)
        case Status.FINISHED:
            outcome = before.reason if before.reason in ("won", "lost") else ""
            return (e.Finished(at=now, reason=before.reason, outcome=outcome),)
        case _:
            assert_never(before.status)


def _going(effect: Effect, present: Enrollment, reason: str, now: datetime) -> tuple[e.Event, ...]:
    """On the way again, at the place where it stood: a snooze or a branch may have led elsewhere."""
    turn, before = effect.turn, effect.before
    led = turn.to if isinstance(turn, (e.Snoozed, e.Branched)) else None
    if led is None or led == before.position:
        return (*_opened(present, reason, now), e.Resumed(at=now)) if present.status is not Status.ACTIVE else ()
    if present.position != led:
        return ()  # it has been gone further
    halted = (e.Paused(at=now, reason=reason),) if present.status is Status.ACTIVE else _opened(present, reason, now)
    return (*halted, e.Resumed(at=now, to=before.position, returns=before.returns))


def _opened(present: Enrollment, reason: str, now: datetime) -> tuple[e.Event, ...]:
    return (e.Paused(at=now, reason=reason),) if present.status.ended else ()


# What is known of the contact ---------------------------------------------------------------------


def is_notice(kind: str) -> bool:
    """Whether a kind is a machine's. The author's own labels are for what people write."""
    return kind in _NOTICES


def put_right(
    log: Sequence[e.Event],
    present: Enrollment,
    effect: Effect,
    *,
    message: int,
    kind: str,
    read_as: str,
    away_until: datetime | None,
    now: datetime,
    by: str,
) -> e.Relabelled:
    """The correction as a fact: the last sign of life, whether they are interested, and when they are away."""
    at = effect.heard_at or now
    kinds = _kinds(log) | {message: kind}
    signs = [ev.at for ev in log if isinstance(ev, (e.Replied, e.NoticeReceived)) and not is_notice(kinds[ev.message])]
    latest = present.last_sign_at
    if not is_notice(kind):
        latest = max(filter(None, (latest, at)))
    elif latest is not None and latest == effect.heard_at:
        latest = max(filter(None, (effect.before.last_sign_at, *signs)), default=None)
    return e.Relabelled(
        at=now,
        message=message,
        kind=kind,
        read_as=read_as,
        last_sign_at=latest,
        interested="interested" in kinds.values(),
        away=_absences(present, effect, at, is_notice(kind), away_until),
        by=by,
    )


def _kinds(log: Sequence[e.Event]) -> dict[int, str]:
    """What each message is taken for, by its last correction."""
    return {ev.message: ev.kind for ev in log if isinstance(ev, (e.Replied, e.NoticeReceived, e.Relabelled))}


def _absences(
    present: Enrollment, effect: Effect, at: datetime, by_machine: bool, away_until: datetime | None
) -> tuple[Away, ...]:
    """The absences without those that this message began or ended wrongly, and with the one it tells of."""
    earlier = {each.since: each for each in effect.before.away}
    others = [each for each in present.away if each.since != at or at in earlier]
    if by_machine:
        others = [earlier.get(each.since, each) if each.until == at else each for each in others]
    else:
        others = [replace(each, until=min(each.until, at)) if each.since < at else each for each in others]
    return (*others, Away(at, away_until)) if away_until is not None else tuple(others)
