"""The time line of one contact in one sequence, played through the real `decide` on a virtual calendar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sequencer.core import events as e
from sequencer.core.decide import begin, decide, fold, next_position
from sequencer.core.decisions import CreateTask, Decision, End, Facts, Held, MoveOn, SendEmail, Skip, Wait, event_of
from sequencer.core.lines import after_step, locate, start_of
from sequencer.core.model import BACK_OFF, Contact, Enrollment, Fields, Sequence, Span, Thread
from sequencer.core.react import HUMAN_KINDS, Heard, away_until, noticed, react
from sequencer.core.shifts import Cause, Shift, shifted, unbroken, wished
from sequencer.core.timing import Calendar, add_span
from sequencer.core.variants import Splits, choose_variant, shares_of
from sequencer.workspace.source import shown

MOST_ACTIONS: Final = 500
"""A plan that goes on for ever (a loop with waits) is cut here."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a scripted answer turns out to be: `heard` for the rules, the rest for whoever reads the time line."""

    heard: Heard
    words: str = ""
    note: str = ""  # what a reader of the time line should know about it
    evidence: str = ""  # of a notice: why it is one
    ours: bool = False  # a refusal that blames us, not them


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """An answer, of a person or a machine, that arrives `delay` after the touch of `step`.

    Where its words are to be read first, `said` is asked at that moment: it is given the instant (UTC) and what has
    happened so far.
    """

    step: str
    delay: Span
    said: Said | Callable[[datetime, Many[Row]], Said]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a simulation takes for granted beside the sequence."""

    min_gap: Span | None = None
    spread: timedelta | None = None
    task_takes: Span | None = None  # None: the rep does each task at once
    until: datetime | None = None
    tasks: Mapping[str, Span | None] = field(
        default_factory=dict
    )  # by step, over task_takes; None here: the rep never does it
    amiss: Callable[[str], str] | None = None  # why this template cannot be written for them; "" when it can
    splits: Splits = field(default_factory=dict)  # how variants are dealt at present; equally where it is not told


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the time line. `action` is email, task, back_off, move_to, finish, pause, snooze …"""

    at: datetime
    step: str
    action: str
    detail: str  # the template, the kind of task, where to
    reason: str
    due_at: datetime | None = None  # of a step: the instant that its `when:` names, before it was shifted
    shifts: tuple[Shift, ...] = ()  # from there to `at`


Coming = ScriptedReply | e.TaskCreated


@dataclass(slots=True)
class Play:
    """One person on their way. `held` are the shifts since the step that is due fell due; `now` is the virtual time."""

    sequence: Sequence
    facts: Facts
    enrollment: Enrollment
    now: datetime
    script: list[ScriptedReply]
    task_takes: Span | None = None
    until: datetime | None = None
    tasks: Mapping[str, Span | None] = field(default_factory=dict)
    amiss: Callable[[str], str] | None = None
    splits: Splits = field(default_factory=dict)
    expected: list[tuple[datetime, Coming]] = field(default_factory=list)  # replies, tasks being done
    rows: list[Row] = field(default_factory=list)
    held: tuple[Shift, ...] = ()
    turns: int = 0

    @property
    def calendar(self) -> Calendar:
        return self.facts.calendar

    @property
    def earlier(self) -> Sequence | None:
        """The definition that the enrollment's place comes from, when that is not the one that is played."""
        return self.facts.earlier if self.enrollment.definition != self.sequence.version else None


def simulate(
    sequence: Sequence,
    contact: Contact,
    calendar: Calendar,
    start: datetime,
    *,
    fields: Fields | None = None,
    replies: Many[ScriptedReply] = (),
    assumptions: Assumptions | None = None,
) -> tuple[tuple[Row, ...], Enrollment]:
    """The rows and the final enrollment of a contact who enters at `start` (UTC) and answers as scripted.

    Every message is accepted, the inbox is always fresh, limits do not bind. Ends when nothing more would happen.
    """
    return _played(begin_play(sequence, contact, calendar, start, fields=fields, replies=replies, taken=assumptions))


def begin_play(
    sequence: Sequence,
    contact: Contact,
    calendar: Calendar,
    start: datetime,
    *,
    mailbox: str = "",
    number: int = 1,
    fields: Fields | None = None,
    replies: Many[ScriptedReply] = (),
    taken: Assumptions | None = None,
) -> Play:
    """Somebody at the moment (UTC) when they enter; `number` is that of their enrollment, `mailbox` by default the
    first of the sequence."""
    enrolled = e.Enrolled(
        at=start,
        contact_id=contact.id,
        sequence=sequence.name,
        mailbox=mailbox or next(iter(sequence.mailboxes), ""),
        position=start_of(sequence),
        fields=fields or {},
    )
    taken = taken or Assumptions()
    return Play(
        sequence,
        Facts(contact, calendar, start, min_gap=taken.min_gap, spread=taken.spread),
        begin(enrolled, number, sequence.version),
        start,
        list(replies),
        taken.task_takes,
        taken.until,
        taken.tasks,
        taken.amiss,
        taken.splits,
    )


def simulate_from(
    sequence: Sequence,
    enrollment: Enrollment,
    facts: Facts,
    now: datetime,
    *,
    replies: Many[ScriptedReply] = (),
    task_takes: Span | None = None,
    until: datetime | None = None,
    amiss: Callable[[str], str] | None = None,
) -> tuple[tuple[Row, ...], Enrollment]:
    """What happens from `now` (UTC) on to somebody who is in the sequence already, and the final enrollment.

    `sequence` may be another definition than the enrollment was last decided by: `facts.earlier` and
    `facts.edited_at` tell of that one, as for the daemon. What `facts` holds stays held; only the inbox is taken to
    be fresh. A message on its way is accepted at `now`; an open task is done `task_takes` from now (None: at once).
    """
    play = Play(sequence, facts, enrollment, now, list(replies), task_takes, until, amiss=amiss)
    _land(play)
    if (task := enrollment.task) is not None:
        created = e.TaskCreated(at=now, step=task.step, task=task.task, kind=task.kind, note="", position=task.position)
        _expect(play, now if task_takes is None else add_span(now, task_takes, play.calendar), created)
    return _played(play)


def _played(play: Play) -> tuple[tuple[Row, ...], Enrollment]:
    while (coming := happens_next(play)) is not None:
        if isinstance(coming, SendEmail):
            leave(play, coming)
        else:
            play.now = coming
    return tuple(play.rows), play.enrollment


def _land(play: Play) -> None:
    """A message that is in the air arrives."""
    flight = play.enrollment.in_flight
    if flight is None:
        return
    then, _ = locate(play.sequence, flight.position, play.earlier, play.enrollment.taken)
    if flight.step != BACK_OFF and then.step == flight.step:
        then = after_step(play.sequence, then)
    thread = play.enrollment.thread or Thread(
        flight.message_id, flight.variant, flight.message_id, (flight.message_id,)
    )
    thread = replace(thread, last_message_id=flight.message_id)
    _record(play, e.Accepted(at=play.now, step=flight.step, message_id=flight.message_id, next=then, thread=thread))


def happens_next(play: Play) -> SendEmail | datetime | None:
    """Play all that happens at `play.now` up to a message, and return that; or the next instant at which anything
    happens; or None when nothing more would, or it has gone on for too long."""
    while play.turns < MOST_ACTIONS:
        if play.expected and play.expected[0][0] <= play.now:
            _, happening = play.expected.pop(0)
            if isinstance(happening, ScriptedReply):
                _hear(play, happening)
            else:
                _done(play, happening)
            continue
        decision = decide(play.sequence, play.enrollment, _facts(play), play.now)
        match decision:
            case Wait() | Held():
                return _next_moment(play, decision)
            case SendEmail():
                trouble = play.amiss(_template(play, decision)) if play.amiss is not None else ""
                return _hold(play, decision, trouble) if trouble else decision
            case CreateTask():
                _task(play, decision)
            case _:
                play.rows.append(_row_of(play.now, decision, play.held))
                _record(play, event_of(decision, play.now))
    return None


def _facts(play: Play) -> Facts:
    facts, earlier = play.facts, play.earlier
    touches = [at for at in (facts.last_touch_to_contact, play.enrollment.last_touch_at) if at is not None]
    return replace(
        facts,
        inbox_read_at=play.now,
        last_touch_to_contact=max(touches, default=None),
        earlier=earlier,
        edited_at=facts.edited_at if play.enrollment.definition != play.sequence.version else None,
    )


def _next_moment(play: Play, decision: Wait | Held) -> datetime | None:
    moments = [at for at, _ in play.expected[:1]]
    if decision.until is not None:
        moments.append(decision.until)
    coming = min((at for at in moments if at > play.now), default=None)
    if coming is None or (play.until is not None and coming > play.until):
        if isinstance(decision, Held):
            play.rows.append(Row(play.now, decision.step, "held", "", decision.reason))
        return None
    if isinstance(decision, Held):
        if decision.shifts and coming == decision.until:
            play.held = (*play.held, *decision.shifts)
        else:
            play.held = shifted(play.held, Cause.HELD, decision.reason, play.now, coming)
    return coming


def _record(play: Play, *events: e.Event) -> None:
    play.enrollment = fold(play.enrollment, events, play.sequence.version)
    play.turns += 1
    play.held = ()


def leave(play: Play, action: SendEmail) -> None:
    """The message leaves at `play.now`, and is accepted."""
    number = play.enrollment.emails_sent + 1
    message_id = f"<{number}@simulated.invalid>"
    template = _template(play, action)
    thread = play.enrollment.thread or Thread(message_id, template, message_id, (message_id,))
    started = e.AttemptStarted(
        at=play.now,
        step=action.step,
        attempt=number,
        message_id=message_id,
        variant=template,
        subject=template,
        due_at=action.due_at,
        position=action.position,
    )
    accepted = e.Accepted(
        at=play.now,
        step=action.step,
        message_id=message_id,
        next=action.then,
        thread=replace(thread, last_message_id=message_id),
    )
    kind = "back_off" if action.step == BACK_OFF else "email"
    play.rows.append(_step_row(play, action, kind, template, ""))
    _record(play, started, accepted)
    _expect_replies(play, action.step)


def _template(play: Play, action: SendEmail) -> str:
    """Whoever is known gets what they would be dealt; made-up people get the variants in turn."""
    if play.enrollment.contact_id:
        return choose_variant(action.email, play.enrollment, action.step, play.splits)
    variants = [name for name, share in shares_of(action.email, {}).items() if share]
    return variants[(play.enrollment.emails_sent + 1) % len(variants) - 1]


def _hold(play: Play, action: SendEmail, trouble: str) -> datetime | None:
    """A message that cannot be written is held until it expires, or something else happens. It is told once."""
    if not any((row.action, row.step, row.reason) == ("held", action.step, trouble) for row in play.rows):
        play.rows.append(_step_row(play, action, "held", "", trouble))
    found = play.sequence.find(action.step)
    expires = play.sequence.lines[found[0]][found[1]].expires if found is not None else None
    until = None
    if expires is not None:
        until = add_span(action.due_at, expires, play.calendar) + timedelta(seconds=1)
    return _next_moment(play, Wait(until, trouble, action.step))


def _task(play: Play, action: CreateTask) -> None:
    task = action.task
    created = e.TaskCreated(
        at=play.now,
        step=action.step,
        task=-1 - len(play.rows),  # no number that a real one has
        kind=task.kind,
        note=task.note,
        position=action.position,
    )
    kind = "text" if task.kind == "text" else "task"
    play.rows.append(_step_row(play, action, kind, task.kind, task.note))
    _record(play, created)
    takes = play.tasks.get(action.step, play.task_takes)
    if takes is not None:
        _expect(play, add_span(play.now, takes, play.calendar), created)
    elif action.step not in play.tasks:
        _done(play, created)


def _done(play: Play, task: e.TaskCreated) -> None:
    """The rep has done it, unless a reply has led the plan elsewhere meanwhile."""
    if play.enrollment.task is None or play.enrollment.task.task != task.task:
        return
    onwards = next_position(play.sequence, play.enrollment, play.earlier)
    _record(play, e.TaskDone(at=play.now, step=task.step, task=task.task, outcome="done", next=onwards))
    _expect_replies(play, task.step)


def _expect_replies(play: Play, step: str) -> None:
    for reply in [reply for reply in play.script if reply.step == step]:
        play.script.remove(reply)
        _expect(play, add_span(play.now, reply.delay, play.calendar), reply)


def _expect(play: Play, at: datetime, happening: Coming) -> None:
    play.expected.append((at, happening))
    play.expected.sort(key=lambda item: item[0])


def _hear(play: Play, reply: ScriptedReply) -> None:
    said = reply.said if isinstance(reply.said, Said) else reply.said(play.now, tuple(play.rows))
    heard, here = said.heard, play.enrollment.position.step
    human = heard.kind in HUMAN_KINDS
    reactions = _reactions(play, said)
    words = f" “{shown(said.words)}”" if said.words else ""
    what = f"{'they reply' if human else 'a notice comes'}{words}: {heard.label or heard.kind.replace('_', ' ')}"
    away = _away(play) if heard.kind == "out_of_office" else ""
    why = "; ".join(part for part in (what, away, said.note) if part)
    for event in reactions:
        action, detail = _name_of(event)
        play.rows.append(Row(play.now, here, action, detail, why))
    if not reactions:
        play.rows.append(Row(play.now, here, "reply" if human else "notice", heard.label or heard.kind, why))


def _away(play: Play) -> str:
    until = play.enrollment.away[-1].until.astimezone(play.calendar.zone)
    return f"away until {until:%a} {until.day} {until:%b %Y}"


def _reactions(play: Play, said: Said) -> tuple[e.Event, ...]:
    """Record what has come in, and what follows from it: as `operations.receive` does."""
    heard, now = said.heard, play.now
    if heard.kind in HUMAN_KINDS:
        kind = heard.label or heard.kind
        _record(play, e.Replied(at=now, message=0, kind=kind, sender=play.facts.contact.email, matched_by="simulated"))
        reactions = react(play.sequence, play.enrollment, heard, play.calendar, now, play.earlier)
    else:
        away = away_until(heard.date, play.calendar, now) if heard.kind == "out_of_office" else None
        _record(play, e.NoticeReceived(at=now, message=0, kind=heard.kind, evidence=said.evidence, away_until=away))
        reactions = noticed(
            play.sequence,
            play.enrollment,
            heard,
            play.calendar,
            now,
            play.earlier,
            evidence=said.evidence,
            ours=said.ours,
        )
    _record(play, *reactions)
    return reactions


def _step_row(play: Play, action: SendEmail | CreateTask, kind: str, detail: str, reason: str) -> Row:
    due_at = wished(action.shifts, action.due_at)
    shifts = unbroken((*action.shifts, *play.held), due_at, play.now)
    return Row(play.now, action.step, kind, detail, reason, due_at, shifts)


def _name_of(event: e.Event) -> tuple[str, str]:
    match event:
        case e.Snoozed():
            return "snooze", event.until.isoformat()
        case e.Branched():
            return "go_to", event.to.step or event.to.line
        case e.Moved():
            return "move_to", event.to
        case e.Stopped():
            return "stop", event.reason
        case e.Paused():
            return "pause", "" if event.reason.startswith("they replied (") else event.reason
        case e.NotDelivered():
            return "retry", event.retry_at.isoformat() if event.retry_at is not None else ""
        case _:
            return "pause", ""


def _row_of(now: datetime, decision: Decision, held: tuple[Shift, ...]) -> Row:
    match decision:
        case Skip():
            moved = (*decision.shifts, *held)
            due_at = wished(moved, now)
            return Row(now, decision.step, "skip", "", decision.reason, due_at, unbroken(moved, due_at, now))
        case MoveOn():
            return Row(now, "", "move_to", decision.sequence, decision.reason)
        case End():
            return Row(now, "", "stop" if decision.stopped else "finish", "", decision.reason)
        case _:
            reason = getattr(decision, "reason", "the snooze is over")
            return Row(now, "", "go_on", "", reason)
