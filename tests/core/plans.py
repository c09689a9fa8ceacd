"""Sequences for tests of the core, written as values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sequencer.core import events as e
from sequencer.core.decide import begin, decide, fold
from sequencer.core.decisions import Facts, SendEmail
from sequencer.core.hours import parse_hours
from sequencer.core.lines import start_of
from sequencer.core.model import (
    MAIN_LINE,
    BackOff,
    Contact,
    Email,
    Enrollment,
    GoTo,
    MoveTo,
    Pause,
    Sequence,
    Snooze,
    Span,
    Step,
    Task,
    Thread,
    Unit,
)
from sequencer.core.timing import Calendar
from sequencer.core.when import parse_when

MONDAY = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)  # 09:00 in Denver
CARLA = Contact(7, "carla@example.com", {"first_name": "Carla", "phone": "+1 406 555 0100"}, "America/Denver")
ANY_TIME = Calendar(ZoneInfo("America/Denver"))
OFFICE = Calendar(ZoneInfo("America/Denver"), (parse_hours("Mon-Fri 08:30-17:00"),))


def email(step: str, when: str, **more: object) -> Step:
    return Step(step, Email((f"{step}-template",)), parse_when(when), **more)  # type: ignore[arg-type]


def task(step: str, when: str, kind: str = "call", **more: object) -> Step:
    return Step(step, Task(kind), parse_when(when), **more)  # type: ignore[arg-type]


QUOTE = Sequence(
    name="quote",
    version="v1",
    mailboxes=("mark",),
    lines={
        MAIN_LINE: (
            email("thanks", "1 day later"),
            email("article", "5 days later"),
            task("call", "3 days later"),
            email("last", "4 days later", expires=Span(5, Unit.DAYS)),
        ),
        "price": (email("price-answer", "2 hours later"), task("price-call", "2 days later")),
    },
    back_off=BackOff(parse_when("10 days of silence"), Email(("should-i-back-off",)), MoveTo("keep-in-touch")),
    labels={"cost": ("price", "budget")},
    on_reply={
        "interested": Pause(),
        "not_now": Snooze(True, Span(60, Unit.DAYS), "last"),
        "not_interested": MoveTo("keep-in-touch"),
        "cost": GoTo("price"),
        "any": Pause(),
    },
    finally_=MoveTo("keep-in-touch"),
)


def enrolled(sequence: Sequence = QUOTE, at: datetime = MONDAY) -> Enrollment:
    event = e.Enrolled(at=at, contact_id=CARLA.id, sequence=sequence.name, mailbox="mark", position=start_of(sequence))
    return begin(event, 1, sequence.version)


def facts(now: datetime, **more: object) -> Facts:
    return Facts(CARLA, ANY_TIME, inbox_read_at=now, **more)  # type: ignore[arg-type]


def started(step: str, at: datetime, number: int = 1) -> e.AttemptStarted:
    return e.AttemptStarted(
        at=at,
        step=step,
        attempt=number,
        message_id=f"<{number}@example.com>",
        variant="x",
        subject="Hello",
        due_at=at - timedelta(minutes=1),
    )


def sent_by(sequence: Sequence, enrollment: Enrollment, at: datetime, **more: object) -> Enrollment:
    """The enrollment after whatever e-mail is due at `at` was accepted."""
    action = decide(sequence, enrollment, facts(at, **more), at)
    assert isinstance(action, SendEmail), action
    number = enrollment.emails_sent + 1
    attempt = replace(started(action.step, at, number), position=action.position)
    accepted = e.Accepted(at=at, step=action.step, message_id=attempt.message_id, next=action.then, thread=THREAD)
    return fold(enrollment, (attempt, accepted), sequence.version)


THREAD = Thread("<1@example.com>", "Hello", "<1@example.com>", ("<1@example.com>",))
