"""One person's whole life in a file that changes under them, played against the real table, with every promise of the
core watched at every turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sequencer.core import events as e
from sequencer.core.decide import allowed, decide, fold, next_position
from sequencer.core.decisions import (
    CreateTask,
    Decision,
    Facts,
    Held,
    SendEmail,
    Wait,
    event_of,
)
from sequencer.core.due import FRESH_FOR
from sequencer.core.lines import destination, locate, repeated_from
from sequencer.core.model import BACK_OFF, MAIN_LINE, Enrollment, Position, Sequence, Status
from sequencer.core.react import Heard, away_until, react, returned
from sequencer.core.timing import Calendar, Due, next_allowed
from tests.core.plans import CARLA, MONDAY, THREAD, enrolled, started

DAY = timedelta(days=1)
HUMAN = ("reply", "interested", "question", "not_now", "not_interested")


@dataclass
class Turn:
    """What may happen between two looks of the daemon, and how the next messages fare."""

    hours: int = 1
    edit: bool = False
    what: str = ""  # a kind of reply, away, pause, resume, snooze, go to main or branch, soft bounce, absent from Sent
    midair: str = ""  # a reply that comes while the next message is in the air
    outcome: str = "accepted"  # or deferred, doubt
    lazy_rep: bool = False  # to-dos stay open until the next turn


@dataclass
class Life:
    """`files` are the versions of the plan in the order in which they go live; one may come back."""

    files: list[Sequence]
    calendar: Calendar
    now: datetime = MONDAY
    at: int = 0
    edited: datetime | None = None
    taken: list[str] = field(default_factory=list)  # touches of the main line, as they were taken
    ways: list[tuple[int, str]] = field(default_factory=list)  # the same with the file, since the last jump
    number: int = 0
    asked: int = 0  # the file by which the rep was asked to do something
    log: list[tuple[e.Event, str]] = field(default_factory=list)
    ended_in: Sequence | None = None
    suppressed: str = ""
    doubted: e.InDoubt | None = None
    en: Enrollment = field(init=False)
    start: Enrollment = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.en = enrolled(self.live)

    @property
    def live(self) -> Sequence:
        return self.files[self.at]

    @property
    def earlier(self) -> Sequence | None:
        if self.en.definition == self.live.version:
            return None
        return next(file for file in self.files if file.version == self.en.definition)

    def ask(self, at: datetime | None = None) -> Decision:
        now = at or self.now
        edited = self.edited if self.earlier is not None else None
        facts = Facts(CARLA, self.calendar, now, suppressed=self.suppressed, earlier=self.earlier, edited_at=edited)
        return decide(self.live, self.en, facts, now)

    def record(self, *events: e.Event) -> None:
        for event in events:
            self.log.append((event, self.live.version))
            self.en = fold(self.en, (event,), self.live.version)
            if isinstance(event, (e.Branched, e.Snoozed)) and event.to is not None:
                self.jump(event)
        if self.en.status.ended and self.ended_in is None:
            self.ended_in = self.live

    def jump(self, event: e.Branched | e.Snoozed) -> None:
        """Whoever goes somewhere on purpose may have the steps from there on once more."""
        assert event.to is not None
        if event.to.line == MAIN_LINE and event.again != ():
            ids = [step.id for step in self.live.steps]
            onwards = ids[ids.index(event.to.step) :] if event.to.step in ids else []
            self.taken = [step for step in self.taken if step not in onwards]
            self.ways = []

    # What happens to them ---------------------------------------------------------------------------

    def hear(self, kind: str) -> None:
        self.number += 1
        self.record(e.Replied(at=self.now, message=self.number, kind=kind, sender="c@example.com", matched_by=""))
        ended = self.en.status.ended
        self.record(*react(self.live, self.en, Heard(kind), self.calendar, self.now, self.earlier))
        if self.en.status is Status.PAUSED or ended:
            assert self.suppressed or isinstance(self.ask(), (Wait, Held)), "something happens to somebody who wrote"

    def happens(self, what: str) -> None:
        en, now = self.en, self.now
        match what:
            case "reply" | "interested" | "question" | "not_now" | "not_interested" | "unsubscribe":
                self.suppressed = self.suppressed or ("they asked" if what == "unsubscribe" else "")
                self.hear(what)
            case "away":
                back = away_until((now + 9 * DAY).date(), self.calendar, now)
                self.record(e.NoticeReceived(at=now, message=0, kind="out_of_office", away_until=back))
                assert not isinstance(self.ask(), SendEmail), "an e-mail to somebody who is away"
            case "pause" if not en.status.ended:
                self.record(e.Paused(at=now, reason="by hand"))
            case "resume" if allowed(en, e.Resumed):
                self.record(e.Resumed(at=now, by="mark"))
            case "snooze" if not en.status.ended:
                self.record(e.Snoozed(at=now, until=now + 5 * DAY, reason="by hand"))
            case "branch" | "jump" if not en.status.ended:
                self.steer("b" if what == "branch" or not self.live.steps else self.live.steps[-1].id)
            case "soft bounce" if self.taken and en.in_flight is None:
                self.bounces(BACK_OFF if en.backed_off else en.position.after)
            case "absent" if self.doubted is not None and not en.status.ended:
                doubted, self.doubted = self.doubted, None
                self.comes_back(
                    e.NotDelivered(
                        at=now,
                        step=doubted.step,
                        message_id=doubted.message_id,
                        position=Position(MAIN_LINE, doubted.step),
                        reason="absent from Sent",
                        retry_at=now,
                    )
                )
            case _:
                pass

    def steer(self, target: str) -> None:
        if target not in self.live.lines and self.live.find(target) is None:
            return
        stand, _ = locate(self.live, self.en.position, self.earlier, self.en.taken)
        to, returns = destination(self.live, target, stand, self.en.returns)
        again = repeated_from(self.live, to)
        self.record(e.Branched(at=self.now, to=to, returns=returns, reason="by hand", again=again))

    def bounces(self, step: str) -> None:
        home = self.live.find(step)
        if home is None and step != BACK_OFF:
            return
        place = self.en.position if home is None else Position(home[0], step)
        event = returned(self.en, step, place, "mailbox full", self.calendar, self.now)
        if isinstance(event, e.NotDelivered):
            self.comes_back(event)
        elif event is not None:
            self.record(event)

    def comes_back(self, event: e.NotDelivered) -> None:
        stood = self.en.position
        self.record(event)
        if self.en.position != stood and event.step in self.taken:
            self.taken.remove(event.step)
            self.ways = []

    def edit(self) -> None:
        if self.at + 1 < len(self.files):
            self.at, self.edited = self.at + 1, self.now

    # What the plan does -----------------------------------------------------------------------------

    def take(self, step: str, line: str, by: int | None = None) -> None:
        """A touch, decided by the file at this index (None: the live one)."""
        if line != MAIN_LINE or step == BACK_OFF:
            return
        assert step not in self.taken, f"{step} twice: {self.taken}"
        by = self.at if by is None else by
        ids = [each.id for each in self.files[by].steps]
        for at, before in self.ways:
            if at == by and before in ids and step in ids:
                assert ids.index(before) < ids.index(step), f"{before} before {step}, not as in the file"
        self.taken.append(step)
        self.ways.append((by, step))

    def perform(self, action: Decision, turn: Turn) -> None:
        self.number += 1
        match action:
            case SendEmail():
                self.send(action, turn)
            case CreateTask():
                assert self.en.status is Status.ACTIVE
                created = e.TaskCreated(
                    at=self.now, step=action.step, task=self.number, kind="x", note="", position=action.position
                )
                self.record(created)
                self.asked = self.at
                if not turn.lazy_rep:
                    self.work()
            case Wait() | Held():
                raise AssertionError(action)
            case _:
                self.record(event_of(action, self.now))

    def send(self, action: SendEmail, turn: Turn) -> None:
        assert self.en.status is Status.ACTIVE
        assert self.en.in_flight is None
        assert not self.suppressed
        assert action.due_at <= self.now
        assert next_allowed(self.now, self.calendar) == Due(self.now), f"{action.step} leaves at a bad hour"
        stale = Facts(CARLA, self.calendar, self.now - FRESH_FOR - timedelta(seconds=1), earlier=self.earlier)
        assert not isinstance(decide(self.live, self.en, stale, self.now), SendEmail), "the inbox was not read"
        number, message_id, by = self.number, f"<{self.number}@example.com>", self.at
        self.record(replace(started(action.step, self.now, number), position=action.position))
        if turn.edit:
            self.edit()
        if turn.midair:
            self.hear(turn.midair)
            turn.midair = ""
        if turn.outcome == "deferred":
            retry_at = self.now + timedelta(hours=3)
            self.record(e.Deferred(at=self.now, step=action.step, code=451, answer="later", retry_at=retry_at))
            return
        self.take(action.step, action.position.line, by)
        landed = {"at": self.now, "step": action.step, "message_id": message_id, "next": action.then, "thread": THREAD}
        if turn.outcome == "doubt":
            doubt = e.InDoubt(**landed, reason="the connection was lost")  # type: ignore[arg-type]
            self.doubted = doubt if action.position.line == MAIN_LINE and action.step != BACK_OFF else None
            self.record(doubt)
        else:
            self.doubted = None
            self.record(e.Accepted(**landed))  # type: ignore[arg-type]

    def work(self) -> None:
        """The rep does what is asked of them, if anything."""
        task = self.en.task
        if task is None:
            return
        self.take(task.step, task.position.line, self.asked)
        onwards = next_position(self.live, self.en, self.earlier)
        self.record(e.TaskDone(at=self.now, step=task.step, task=task.task, outcome="", next=onwards))

    def goes_on(self, turn: Turn) -> None:
        """Until the plan comes to rest; and while it rests, it says itself when to look again."""
        for _ in range(60):
            action = self.ask()
            if isinstance(action, (Wait, Held)):
                self.rests(action)
                return
            self.perform(action, turn)
            if turn.outcome == "deferred" and isinstance(action, SendEmail):
                return
        raise AssertionError("the plan never comes to rest")

    def rests(self, decision: Wait | Held) -> None:
        if decision.until is None:
            return
        assert decision.until > self.now
        middle = self.now + (decision.until - self.now) / 2
        assert not isinstance(self.ask(middle), (SendEmail, CreateTask)), f"it slept through something: {decision}"

    def live_through(self, script: list[Turn]) -> None:
        for turn in script:
            if turn.edit:
                self.edit()
            self.work()
            self.happens(turn.what)
            self.goes_on(turn)
            self.now += timedelta(hours=turn.hours)
        log = tuple(event for event, _ in self.log)
        folded = self.start
        for event, version in self.log:
            folded = fold(folded, (event,), version)
        assert folded == self.en, "the log alone gives the same enrollment"
        assert tuple(e.event_from_json(type(event).__name__, e.to_json(event)) for event in log) == log

    def ends(self) -> None:
        """Nobody answers any more and the rep resumes whoever is paused: everybody comes to an end."""
        for _ in range(80):
            if self.en.status.ended:
                return
            self.work()
            if self.en.status is Status.PAUSED:
                self.record(e.Resumed(at=self.now))
            self.goes_on(Turn())
            self.now += 20 * DAY + timedelta(hours=7)
        raise AssertionError(f"left behind: {self.en}")
