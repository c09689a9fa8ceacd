"""Many people at once in one sequence, on one virtual calendar: they share the mailboxes, whose limits bind.

Each is played through the real `decide` (`workspace.simulate`), each mailbox sends at its real pace (`core.pace`), the
longest due first, as its worker does. Time jumps from one thing that happens to the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Final

from sequencer.core.decisions import SendEmail
from sequencer.core.model import Contact, Enrollment, Fields, Sequence, Status
from sequencer.core.pace import DAY, Limits, pace
from sequencer.core.shifts import Cause, shifted
from sequencer.core.timing import Calendar
from sequencer.workspace.simulate import MOST_ACTIONS, Assumptions, Play, Row, ScriptedReply, begin_play, happens_next
from sequencer.workspace.simulate import leave as message_leaves

_PERSON: Final = 0  # before the mailbox at the same instant: who is due joins the queue before anybody's turn comes
_MAILBOX: Final = 1


@dataclass(frozen=True, slots=True)
class Entrant:
    """One of the crowd: when they enter (UTC), from which mailbox they hear, and how they answer.

    `amiss` says why a template cannot be written for them, "" when it can; the same whenever it is asked.
    """

    contact: Contact
    enters: datetime
    mailbox: str
    calendar: Calendar
    fields: Fields = field(default_factory=dict)
    replies: tuple[ScriptedReply, ...] = ()
    amiss: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Journey:
    """What became of one of them; `ended` says it in words. `waits_since`: they still wait for their mailbox."""

    entrant: Entrant
    rows: tuple[Row, ...]
    enrollment: Enrollment
    ended: str
    waits_since: datetime | None = None


@dataclass(slots=True)
class _Mailbox:
    """A mailbox and who waits for it. `opens` is when it looks into its queue next, None while nobody waits."""

    limits: Limits
    began: datetime | None
    sent: deque[datetime] = field(default_factory=deque)  # within the last day
    queue: list[tuple[datetime, int]] = field(default_factory=list)  # due time and person, the longest due in front
    opens: datetime | None = None
    shut: tuple[datetime, str] | None = None  # since when, and by which limit
    closed: dict[str, timedelta] = field(default_factory=dict)  # for how long in all each limit did so before


@dataclass(slots=True)
class _Walker:
    """One of the crowd on their way. `wakes` is when to look at them, `due` since when they wait for their mailbox."""

    play: Play
    wakes: datetime | None = None
    due: datetime | None = None
    joined: datetime | None = None  # since when they wait for a limit
    closed: Mapping[str, timedelta] = field(default_factory=dict)  # that of the mailbox, then
    action: SendEmail | None = None  # what they were found ready for at `play.now`


@dataclass(slots=True)
class _Crowd:
    walkers: list[_Walker]
    mailboxes: list[_Mailbox]
    home: list[int]  # the mailbox of each walker
    until: datetime | None
    tell: Callable[[int], None]
    coming: list[tuple[datetime, int, int]] = field(default_factory=list)
    ended: int = 0


def play_crowd(
    sequence: Sequence,
    entrants: Many[Entrant],
    limits: Mapping[str, Limits],
    *,
    assumptions: Assumptions | None = None,
    began: Mapping[str, datetime] | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> tuple[Journey, ...]:
    """What becomes of each, in the order given. Deterministic: the same people, the same journeys.

    `limits` are those of every mailbox that an entrant names; `began` says when a mailbox sent its first message
    ever: one that it does not name begins with this crowd, so that its ramp-up binds. `tell` hears, now and then, how
    many have ended. `assumptions` are as for one person.
    """
    names = list(limits)
    first, taken = began or {}, assumptions or Assumptions()
    walkers = [
        _Walker(
            begin_play(
                sequence,
                entrant.contact,
                entrant.calendar,
                entrant.enters,
                mailbox=entrant.mailbox,
                number=number,
                fields=entrant.fields,
                replies=entrant.replies,
                taken=replace(taken, amiss=entrant.amiss or taken.amiss),
            )
        )
        for number, entrant in enumerate(entrants, 1)
    ]
    mailboxes = [_Mailbox(limits[name], first.get(name)) for name in names]
    until = taken.until
    crowd = _Crowd(walkers, mailboxes, [names.index(entrant.mailbox) for entrant in entrants], until, tell)
    for index, walker in enumerate(walkers):
        _wake(crowd, index, walker.play.now)
    _run(crowd)
    return tuple(
        Journey(entrant, tuple(walker.play.rows), walker.play.enrollment, _ended(walker), _waits_since(walker))
        for entrant, walker in zip(entrants, walkers, strict=True)
    )


def _run(crowd: _Crowd) -> None:
    while crowd.coming:
        at, what, index = heappop(crowd.coming)
        if crowd.until is not None and at > crowd.until:
            return
        if what == _MAILBOX:
            if crowd.mailboxes[index].opens == at:
                _mailbox_turn(crowd, index, at)
        elif crowd.walkers[index].wakes == at:
            crowd.walkers[index].wakes = None
            _walk(crowd, index, at)


def _wake(crowd: _Crowd, index: int, at: datetime) -> None:
    crowd.walkers[index].wakes = at
    heappush(crowd.coming, (at, _PERSON, index))


def _walk(crowd: _Crowd, index: int, now: datetime) -> None:
    """Bring somebody as far as they get at this instant: into the queue of their mailbox, to a wait, or to the end."""
    walker = crowd.walkers[index]
    _note_wait(walker, crowd.mailboxes[crowd.home[index]], now)
    walker.play.now = now
    _go_on(crowd, index, happens_next(walker.play))


def _go_on(crowd: _Crowd, index: int, coming: SendEmail | datetime | None) -> None:
    walker = crowd.walkers[index]
    if isinstance(coming, SendEmail):
        _join(crowd, index, coming)
        if walker.play.expected:
            _wake(crowd, index, walker.play.expected[0][0])
        return
    walker.due = walker.action = walker.joined = walker.wakes = None
    if coming is not None:
        _wake(crowd, index, coming)
        return
    crowd.ended += 1
    crowd.tell(crowd.ended)


def _join(crowd: _Crowd, index: int, action: SendEmail) -> None:
    """Into the queue, at the place that the time since when it is due gives."""
    walker, mailbox = crowd.walkers[index], crowd.mailboxes[crowd.home[index]]
    now = walker.play.now
    walker.action, walker.joined, walker.closed = action, now, _closed(mailbox, now)
    if walker.due != action.due_at:
        walker.due = action.due_at
        heappush(mailbox.queue, (action.due_at, index))
    if mailbox.opens is None:
        mailbox.opens = now
        heappush(crowd.coming, (now, _MAILBOX, crowd.home[index]))


def _mailbox_turn(crowd: _Crowd, number: int, now: datetime) -> None:
    """Let as many leave as the pace allows, the longest due first."""
    mailbox = crowd.mailboxes[number]
    mailbox.closed, mailbox.shut = _closed(mailbox, now), None
    while mailbox.sent and mailbox.sent[0] <= now - DAY:
        mailbox.sent.popleft()
    while mailbox.queue:
        allowed = pace(mailbox.limits, mailbox.sent, mailbox.began, now)
        if allowed.count == 0:
            assert allowed.next_at is not None, "a limit that forbids says until when"
            mailbox.opens, mailbox.shut = allowed.next_at, (now, allowed.reason)
            heappush(crowd.coming, (allowed.next_at, _MAILBOX, number))
            return
        due, index = heappop(mailbox.queue)
        if crowd.walkers[index].due == due:
            _take_turn(crowd, index, mailbox, now)
    mailbox.opens = None


def _take_turn(crowd: _Crowd, index: int, mailbox: _Mailbox, now: datetime) -> None:
    """Whether somebody whose turn has come is still to be written to is decided anew, as the worker does."""
    walker = crowd.walkers[index]
    play, due = walker.play, walker.due
    coming: SendEmail | datetime | None = walker.action
    if play.now != now or walker.action is None:
        _note_wait(walker, mailbox, now)
        play.now = now
        coming = happens_next(play)
    walker.due = None  # out of the queue
    if isinstance(coming, SendEmail) and coming.due_at == due:
        message_leaves(play, coming)
        mailbox.sent.append(now)
        mailbox.began = mailbox.began or now
        coming = happens_next(play)
    _go_on(crowd, index, coming)


def _closed(mailbox: _Mailbox, now: datetime) -> dict[str, timedelta]:
    """For how long each limit has forbidden the next message until now."""
    if mailbox.shut is None:
        return mailbox.closed
    since, reason = mailbox.shut
    return {**mailbox.closed, reason: mailbox.closed.get(reason, timedelta(0)) + (now - since)}


def _note_wait(walker: _Walker, mailbox: _Mailbox, now: datetime) -> None:
    """Who has waited in the queue has done so because of the limit that was in force the longest meanwhile."""
    if walker.joined is None or walker.joined >= now:
        return
    before = walker.closed
    lasted = {reason: total - before.get(reason, timedelta(0)) for reason, total in _closed(mailbox, now).items()}
    reason = max(lasted, key=lambda each: lasted[each])
    walker.play.held = shifted(walker.play.held, Cause.LIMIT, reason, walker.joined, now)
    walker.joined = None


def _waits_since(walker: _Walker) -> datetime | None:
    if walker.due is None:
        return None
    return next((shift.since for shift in walker.play.held if shift.cause is Cause.LIMIT), walker.joined)


def _ended(walker: _Walker) -> str:
    """Why nothing more happens to them, in words."""
    play, enrollment = walker.play, walker.play.enrollment
    match enrollment.status:
        case Status.FINISHED | Status.STOPPED:
            return enrollment.reason or str(enrollment.status)
        case Status.PAUSED:
            return f"paused: {enrollment.reason}"
        case _ if play.turns >= MOST_ACTIONS:
            return f"still going after {MOST_ACTIONS} actions"
        case _ if enrollment.task is not None and not play.expected:
            return f"waiting for the rep: {enrollment.task.kind}"
        case _ if play.rows and play.rows[-1].action == "held":
            return f"held: {play.rows[-1].reason}"
        case _ if walker.due is not None:
            return "waiting for the mailbox when the time was up"
        case _:
            return "on their way when the time was up"
