"""The report's one pass over everything that happened: each row is looked at once, and added to what it counts for.

Which touch earned a reply: the message that it answers, where the mail says so; else the last touch before it, be it a
message, a call that reached them, or what the rep wrote by hand. A touch earns one reply at most, so that a lively
conversation does not make its step look better than it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sequencer.store.report import Rows
from sequencer.workspace.calendars import UnknownPlace, zone_of

MICROS: Final = 1_000_000
DAY: Final = 86_400 * MICROS
QUARTER: Final = 900 * MICROS
"""Every zone of today is a whole number of quarters of an hour from UTC, and changes its clocks so (IANA tz)."""

CELLS: Final = 7 * 24
EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
BY_HAND: Final = ""
"""The step of what the rep wrote by hand."""


def micros(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - EPOCH) // timedelta(microseconds=1)


def instant(at: int) -> datetime:
    """The instant of so many microseconds since 1970, UTC."""
    return EPOCH + timedelta(microseconds=at)


@dataclass(slots=True)
class StepTally:
    """One step: whom it reached, how many touches it was, how many of them earned a reply, how often it was passed over
    and why. Templates likewise: touches and replies. `bit` is its own among the steps of the sequence."""

    bit: int
    people: int = 0
    touches: int = 0
    answered: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    templates: dict[str, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """What happened in one sequence, or in several together. Times are in days."""

    people: int = 0
    contacts: set[int] = field(default_factory=set)
    touched: int = 0
    replied: int = 0
    interested: int = 0
    won: int = 0
    lost: int = 0
    ended_silent: int = 0
    entered_first: int | None = None
    entered_last: int | None = None
    fresh: int = 0  # touches of the last days: their answers may still come
    steps: dict[str, StepTally] = field(default_factory=dict)
    sent: list[int] = field(default_factory=lambda: [0] * CELLS)  # e-mails, by weekday and hour of the contact
    earned: list[int] = field(default_factory=lambda: [0] * CELLS)  # those of them that earned a reply
    arrived: list[int] = field(default_factory=lambda: [0] * CELLS)  # replies
    to_answer: list[float] = field(default_factory=list)  # from the first touch
    waited: list[float] = field(default_factory=list)  # those who have not answered: since the first touch
    to_won: list[float] = field(default_factory=list)  # from the first touch
    to_decision: list[float] = field(default_factory=list)  # from entering to won
    said: Counter[str] = field(default_factory=Counter)  # people who wrote something of this kind or label
    lost_because: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Count the other one's, too, but for its steps: those belong to their sequence."""
        for name in ("people", "touched", "replied", "interested", "won", "lost", "ended_silent", "fresh"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("sent", "earned", "arrived"):
            setattr(self, name, [a + b for a, b in zip(getattr(self, name), getattr(other, name), strict=True)])
        for name in ("to_answer", "waited", "to_won", "to_decision"):
            getattr(self, name).extend(getattr(other, name))
        self.contacts |= other.contacts
        self.said.update(other.said)
        self.lost_because.update(other.lost_because)
        for entered in (other.entered_first, other.entered_last):
            if entered is not None:
                self._entered(entered)

    def _entered(self, at: int) -> None:
        self.entered_first = at if self.entered_first is None else min(self.entered_first, at)
        self.entered_last = at if self.entered_last is None else max(self.entered_last, at)

    def enter(self, contact: int, at: int) -> None:
        """One more enrollment."""
        self.people += 1
        self.contacts.add(contact)
        self._entered(at)

    def step(self, name: str) -> StepTally:
        """What is counted of a step."""
        figures = self.steps.get(name)
        if figures is None:
            figures = self.steps[name] = StepTally(1 << len(self.steps))
        return figures


@dataclass(frozen=True, slots=True)
class _Touch:
    """Something that reached somebody who has replied at some time. `cell` is None where the hour was the rep's."""

    at: int
    attempt: int
    step: str
    template: str
    cell: int | None


@dataclass(frozen=True, slots=True)
class _Reply:
    at: int
    kind: str
    answers: int | None


@dataclass(slots=True)
class Clock:
    """A zone, and the hour of the week (0 to 167) of every quarter of an hour in which anything happened."""

    zone: ZoneInfo
    hours: dict[int, int] = field(default_factory=dict)

    def hour_of_week(self, at: int) -> int:
        """On that zone's clock."""
        quarter = at // QUARTER
        found = self.hours.get(quarter)
        if found is None:
            local = instant(at).astimezone(self.zone)
            found = self.hours[quarter] = local.weekday() * 24 + local.hour
        return found


@dataclass(slots=True)
class Life:
    """One enrollment: its row of `store.report.people`, and what is known of it so far. `steps` are the bits of those
    that have reached them; `touches` are kept of those who have replied. The lists are made when there is something to
    go into them: most people never answer."""

    row: Any
    tally: Tally
    clock: Clock
    first: int | None = None
    steps: int = 0
    replies: list[_Reply] | None = None
    touches: list[_Touch] | None = None
    outcome: tuple[int, int, str, str] | None = None  # version, at, won or lost, reason

    def reached_by(self, step: str) -> StepTally:
        """One more touch of a step."""
        figures = self.tally.steps.get(step) or self.tally.step(step)
        figures.touches += 1
        if not self.steps & figures.bit:
            self.steps |= figures.bit
            figures.people += 1
        return figures


class Lives:
    """Everybody in the scope, while the rows come in: people first, then replies, then what reached them."""

    def __init__(self, people: Rows, default_zone: str, fresh_since: int) -> None:
        self.tallies: dict[str, Tally] = {}
        self.everybody: dict[int, Life] = {}
        self._fresh_since = fresh_since
        self._default = default_zone
        self._clocks: dict[str | None, Clock] = {}
        for row in people:
            tally = self.tallies.get(row.sequence)
            if tally is None:
                tally = self.tallies[row.sequence] = Tally()
            tally.enter(row.contact_id, row.entered)
            self.everybody[row.id] = Life(row, tally, self._clocks.get(row.zone) or self._clock(row.zone))

    def hear(self, rows: Rows) -> None:
        """The replies, in order."""
        for enrollment, kind, label, received, recorded, answers in rows:
            life = self.everybody.get(enrollment)
            if life is not None:
                at = min(recorded, max(received, life.row.entered))  # as the event has it
                if life.replies is None:
                    life.replies, life.touches = [], []
                life.replies.append(_Reply(at, label or kind, answers))
                life.tally.arrived[life.clock.hour_of_week(at)] += 1

    def take_notice(self, rows: Rows) -> None:
        """What machines wrote that says no for somebody."""
        for enrollment, kind in rows:
            life = self.everybody.get(enrollment)
            if life is not None:
                life.tally.said[kind] += 1

    def send(self, rows: Rows, returned: set[int]) -> None:
        """The messages, but for those that came back."""
        everybody = self.everybody
        for attempt, enrollment, step, variant, at in rows:
            life = everybody.get(enrollment)
            if life is None or attempt in returned:
                continue
            here = life.clock.hour_of_week(at)
            life.tally.sent[here] += 1
            self._touch(life, step, variant, at, attempt, here)

    def write_by_hand(self, rows: Rows) -> None:
        """What the reps wrote themselves: a touch, but none of the plan's."""
        for enrollment, at in rows:
            life = self.everybody.get(enrollment)
            if life is not None:
                life.reached_by(BY_HAND)
                if life.touches is not None:
                    life.touches.append(_Touch(at, 0, BY_HAND, "", None))

    def end(self, rows: Rows) -> None:
        """Tasks, steps passed over, what became known of a lost time, and how it ended."""
        for row in rows:
            life = self.everybody.get(row.enrollment_id)
            if life is None:
                continue
            match row.kind:
                case "TaskDone" if str(row.touched) in ("1", "true"):
                    self._touch(life, row.step, "", row.at, 0, None)
                case "Recovered" if not row.message_id:
                    self._touch(life, row.step, "", micros(datetime.fromisoformat(row.sent_at)), 0, None)
                case "Skipped":
                    life.tally.step(row.step).passed_over[row.reason] += 1
                case "Finished" if row.outcome:
                    if life.outcome is None or row.version > life.outcome[0]:
                        life.outcome = (row.version, row.at, row.outcome, row.reason)
                case _:
                    pass

    def _clock(self, name: str | None) -> Clock:
        try:
            zone = zone_of(name or self._default)
        except UnknownPlace:
            zone = ZoneInfo("UTC")
        self._clocks[name] = Clock(zone)
        return self._clocks[name]

    def _touch(self, life: Life, step: str, template: str, at: int, attempt: int, cell: int | None) -> None:
        figures = life.reached_by(step)
        if template:
            counts = figures.templates.get(template)
            if counts is None:
                counts = figures.templates[template] = [0, 0]
            counts[0] += 1
        if life.first is None or at < life.first:
            life.first = at
        if at >= self._fresh_since:
            life.tally.fresh += 1
        if life.touches is not None:
            life.touches.append(_Touch(at, attempt, step, template, cell))

    def sum_up(self, now: int, bounced: Callable[[Life], bool]) -> None:
        """Once every row has come in: who answered what, and after how long."""
        for life in self.everybody.values():
            if life.replies is not None and life.touches is not None:
                _attribute(life.tally, life.replies, life.touches)
            _count(life, now, bounced)


def _attribute(tally: Tally, replies: list[_Reply], touches: list[_Touch]) -> None:
    touches.sort(key=lambda touch: touch.at)
    by_attempt = {touch.attempt: touch for touch in touches if touch.attempt}
    earned: dict[int, _Touch] = {}
    for reply in replies:
        touch = by_attempt.get(reply.answers or 0)
        if touch is None:
            touch = next((one for one in reversed(touches) if one.at <= reply.at), None)
        if touch is not None:
            earned[id(touch)] = touch
    for touch in earned.values():
        figures = tally.steps[touch.step]
        figures.answered += 1
        if touch.template:
            figures.templates[touch.template][1] += 1
        if touch.cell is not None:
            tally.earned[touch.cell] += 1


def _count(life: Life, now: int, bounced: Callable[[Life], bool]) -> None:
    tally, row, replies = life.tally, life.row, life.replies or []
    kinds = {reply.kind for reply in replies}
    tally.said.update(kinds)
    tally.touched += life.first is not None
    tally.replied += bool(kinds)
    tally.interested += "interested" in kinds
    outcome = life.outcome[2] if life.outcome is not None else ""
    if life.outcome is not None:
        _count_outcome(tally, row.entered, life.first, *life.outcome[1:])
    tally.ended_silent += row.status in ("stopped", "finished") and not kinds and not outcome
    if life.first is None:
        return
    answer = min((reply.at for reply in replies if reply.at >= life.first), default=None)
    if answer is not None:
        tally.to_answer.append((answer - life.first) / DAY)
    else:
        until = row.changed if bounced(life) else now
        tally.waited.append(max(0, until - life.first) / DAY)


def _count_outcome(tally: Tally, entered: int, first: int | None, at: int, outcome: str, reason: str) -> None:
    if outcome != "won":
        tally.lost += 1
        tally.lost_because[" ".join(reason.split())] += 1
        return
    tally.won += 1
    tally.to_decision.append(max(0, at - entered) / DAY)
    if first is not None:
        tally.to_won.append(max(0, at - first) / DAY)


def came_back(endings: Rows) -> set[str]:
    """The Message-IDs, without angle brackets, of what came back or never left; but for what turned up after all."""
    told = [row for row in endings if row.kind in ("NotDelivered", "Recovered") and row.message_id]
    gone: set[str] = set()
    for row in sorted(told, key=lambda row: (row.enrollment_id, row.version)):
        (gone.add if row.kind == "NotDelivered" else gone.discard)(row.message_id.strip("<>"))
    return gone


def merged(tallies: Mapping[str, Tally]) -> Tally:
    """All of them as one, without steps."""
    whole = Tally()
    for tally in tallies.values():
        whole.add(tally)
    return whole
