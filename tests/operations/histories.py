"""Random lives on a real database, and a slow, plain count of what became of them, from the log alone.

The count goes through every event of everybody, one after the other, by the words of docs/reporting.md. It shares
nothing with the report but those words.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select

from sequencer.core import events as e
from sequencer.core.decide import allowed, fold
from sequencer.core.model import BACK_OFF, Enrollment, Position, Thread
from sequencer.operations.live import Live
from sequencer.store import aliases, contacts, enrollments, mailboxes, messages, tables
from sequencer.store.aliases import Alias
from sequencer.store.enrollments import Change
from sequencer.store.messages import Direction, NewMessage

BEGINNING: Final = datetime(2026, 3, 25, 9, 0, tzinfo=UTC)  # summer time begins in between
ZONES: Final = ("America/Denver", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Nowhere/Atall", None)
STEPS: Final = {"thanks": ("thanks", "thanks-b"), "last": ("last",), BACK_OFF: ("back-off",), "gone": ("old",)}
HUMAN: Final = ("interested", "question", "not_now", "not_interested", "unsubscribe", "reply", "wrong_person")


@dataclass
class Teller:
    """Invents one life, event by event; `at` never stands still."""

    chance: random.Random
    en: Enrollment
    at: datetime
    events: list[e.Event] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    new_aliases: list[Alias] = field(default_factory=list)

    def later(self) -> datetime:
        self.at += timedelta(microseconds=self.chance.randrange(1, 4 * 86_400_000_000))
        return self.at

    def happen(self, *events: e.Event) -> bool:
        if not all(allowed(self.en, type(event)) for event in events[:1]):
            return False
        self.en = fold(self.en, events)
        self.events += events
        return True

    def send(self) -> None:
        if self.en.in_flight is not None or not allowed(self.en, e.AttemptStarted):
            return
        step = self.chance.choice(list(STEPS))
        variant = self.chance.choice(STEPS[step])
        message_id = f"<{self.en.id}.{step}.{len(self.events)}@flatheadrv.example>"
        at = self.later()
        here, then = Position(step=step), Position(step="last", after=step)
        self.happen(
            e.AttemptStarted(
                at=at,
                step=step,
                attempt=1,
                message_id=message_id,
                variant=variant,
                subject="Hi",
                due_at=at,
                position=here,
            )
        )
        outcome = self.chance.choice(
            ("accepted",) * 5 + ("in_doubt", "deferred", "rejected", "not_delivered", "returned")
        )
        thread = Thread(message_id, "Hi", message_id, (message_id,))
        landed: dict[str, Any] = {
            "at": self.later(),
            "step": step,
            "message_id": message_id,
            "next": then,
            "thread": thread,
        }
        match outcome:
            case "accepted" | "returned":
                self.happen(e.Accepted(**landed))
            case "in_doubt" | "not_delivered":
                self.happen(e.InDoubt(**landed, reason="the connection was lost"))
            case "deferred":
                self.happen(e.Deferred(at=self.at, step=step, code=451, answer="later", retry_at=self.at))
            case _:
                self.happen(e.Rejected(at=self.at, step=step, code=550, answer="no"))
        if outcome in ("not_delivered", "returned"):
            self.happen(
                e.NotDelivered(at=self.later(), step=step, message_id=message_id, position=here, reason="came back")
            )
        self.note(step, variant, message_id, at, {"returned": "accepted"}.get(outcome, outcome))
        if outcome == "not_delivered" and self.chance.random() < 0.3:
            self.happen(self.recovered(step, at, message_id))
            self.attempts[-1]["state"] = "accepted"

    def recovered(self, step: str, at: datetime, message_id: str = "") -> e.Recovered:
        return e.Recovered(
            at=self.later(),
            step=step,
            sent_at=at,
            next=Position(),
            returns=(),
            line="steps",
            evidence="seen",
            message_id=message_id,
        )

    def note(self, step: str, variant: str, message_id: str, at: datetime, state: str) -> None:
        self.sent.append(message_id)
        self.attempts.append(
            {
                "enrollment_id": self.en.id,
                "mailbox": self.en.mailbox,
                "step": step,
                "variant": variant,
                "template": variant,
                "message_id": message_id.strip("<>"),
                "recipient": "x@example.com",
                "lease_number": 1,
                "state": state,
                "started_at": at,
                "finished_at": self.at,
                "bytes": b"Hello",
            }
        )

    def task(self) -> None:
        if self.en.task is not None or self.en.in_flight is not None or not allowed(self.en, e.TaskCreated):
            return
        self.happen(e.TaskCreated(at=self.later(), step="call", task=1, kind="call", note=""))
        touched = self.chance.random() < 0.7
        done = e.TaskDone(at=self.later(), step="call", task=1, outcome="", next=Position(step="last"), touched=touched)
        self.happen(done)

    def turn(self) -> None:
        at = self.later()
        self.happen(
            self.chance.choice(
                (
                    e.Paused(at=at, reason="by hand"),
                    e.Resumed(at=at),
                    e.Snoozed(at=at, until=at + timedelta(days=30), reason="by hand"),
                    e.Skipped(at=at, step="call", reason="only if contact.phone", next=Position(step="last")),
                    e.Stopped(at=at, reason=self.chance.choice(("enough", "they asked not to be mailed again"))),
                    e.Finished(at=at, reason="", outcome="won"),
                    e.Finished(at=at, reason=self.chance.choice(("price", " too  big ", "")), outcome="lost"),
                    e.Finished(at=at, reason="the steps are used up"),
                    e.Moved(at=at, to="keep", reason="used up"),
                    self.recovered("thanks", at - timedelta(hours=5)),
                )
            )
        )


async def invent(live: Live, seed: int, people: int) -> datetime:
    """So many lives in the shop, written as the daemon writes them. Returns an instant after all that happened."""
    chance, latest = random.Random(seed), BEGINNING
    async with live.database.begin() as conn:
        await mailboxes.register(conn, ["mark", "susan"], BEGINNING)
        for number in range(people):
            zone = chance.choice(ZONES)
            contact = await contacts.upsert(conn, f"p{number}@c{number % 7}.example", {}, zone, None, None, BEGINNING)
            for sequence in chance.sample(("quote", "keep", "vanished"), chance.choice((0, 1, 1, 2))):
                entered = BEGINNING + timedelta(microseconds=chance.randrange(20 * 86_400_000_000))
                box = chance.choice(("mark", "susan"))
                event = e.Enrolled(
                    at=entered, contact_id=contact.id, sequence=sequence, mailbox=box, position=Position()
                )
                begun = await enrollments.create(conn, event, "v1", wake_at=None, alone=False)
                assert isinstance(begun, Enrollment)
                teller = Teller(chance, begun, entered)
                for _ in range(chance.randrange(16)):
                    await live_on(conn, teller)
                latest = max(latest, await written(conn, begun, teller))
    return latest + timedelta(hours=1)


async def live_on(conn: Any, teller: Teller) -> None:
    match teller.chance.choice(("send", "send", "send", "task", "reply", "reply", "notice", "by hand", "turn", "turn")):
        case "send":
            teller.send()
        case "task":
            teller.task()
        case "turn":
            teller.turn()
        case what:
            await mail_comes(conn, teller, what)


async def mail_comes(conn: Any, teller: Teller, what: str) -> None:
    chance, at = teller.chance, teller.later()
    named = chance.choice([*teller.sent, ""]) if teller.sent else ""
    if named and chance.random() < 0.2:
        rewritten = f"ses-{teller.en.id}-{len(teller.events)}@mail.example"
        teller.new_aliases.append(Alias(rewritten, teller.en.id, named.strip("<>")))
        named = rewritten
    kind = (
        chance.choice(HUMAN)
        if what == "reply"
        else chance.choice(("auto_reply", "bounce", "complaint"))
        if what == "notice"
        else ""
    )
    direction = {"reply": Direction.RECEIVED, "notice": Direction.NOTICE}.get(what, Direction.HAND_WRITTEN)
    number = f"{teller.en.id}.{len(teller.events)}"
    message = await messages.record(
        conn,
        NewMessage(
            mailbox=teller.en.mailbox,
            direction=direction,
            content=number,
            received_at=at,
            raw=b"Hello",
            enrollment_id=teller.en.id,
            kind=kind,
            label="price" if what == "reply" and chance.random() < 0.2 else "",
            message_id=f"m{number}@example.com",
            in_reply_to=named,
        ),
        at,
    )
    assert isinstance(message, int)
    if what == "reply":
        teller.happen(e.Replied(at=at, message=message, kind=kind, sender="x@example.com", matched_by=""))
        if chance.random() < 0.2:
            other = chance.choice((*HUMAN, "auto_reply"))
            turned = Direction.NOTICE if other == "auto_reply" else Direction.RECEIVED
            await messages.relabel(conn, message, other, direction=turned)
            teller.happen(e.Relabelled(at=teller.later(), message=message, kind=other, read_as=kind))
    elif what == "notice":
        teller.happen(e.NoticeReceived(at=at, message=message, kind=kind))
    else:
        teller.happen(e.HandWritten(at=at, message=message))


async def written(conn: Any, begun: Enrollment, teller: Teller) -> datetime:
    if teller.events:
        change = Change(begun, teller.en, tuple(teller.events), "v1", None)
        assert not await enrollments.append_many(conn, [change])
    ids: dict[str, int] = {}
    for row in teller.attempts:
        made = await conn.execute(insert(tables.attempts).values(row).returning(tables.attempts.c.id))
        ids[row["message_id"]] = made.scalar_one()
    known = [Alias(one.message_id, one.enrollment_id, "rewritten", ids[one.origin]) for one in teller.new_aliases]
    await aliases.add_many(conn, known)
    return teller.at


# The slow count -----------------------------------------------------------------------------------


@dataclass
class Counted:
    """What the log says of one sequence."""

    entered: int = 0
    touched: int = 0
    replied: int = 0
    interested: int = 0
    won: int = 0
    silent: int = 0
    step_people: Counter[str] = field(default_factory=Counter)
    step_touches: Counter[str] = field(default_factory=Counter)
    step_replies: Counter[str] = field(default_factory=Counter)
    template_touches: Counter[tuple[str, str]] = field(default_factory=Counter)
    template_replies: Counter[tuple[str, str]] = field(default_factory=Counter)
    weekday: Counter[int] = field(default_factory=Counter)
    weekday_replies: Counter[int] = field(default_factory=Counter)
    hour: Counter[int] = field(default_factory=Counter)
    hour_replies: Counter[int] = field(default_factory=Counter)
    arrivals: Counter[tuple[int, int]] = field(default_factory=Counter)
    to_answer: list[float] = field(default_factory=list)
    waited: int = 0
    to_decision: list[float] = field(default_factory=list)
    planned: list[datetime] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[tuple[str, str]] = field(default_factory=Counter)


async def count(live: Live) -> dict[str, Counted]:
    """By sequence."""
    found: dict[str, Counted] = {}
    async with live.database.read() as conn:
        known = (await conn.execute(select(tables.messages))).all()
        alias = {row.message_id: row.attempt_id for row in await conn.execute(select(tables.aliases))}
        tried = {row.id: row.message_id for row in await conn.execute(select(tables.attempts))}
        real = {name: tried[attempt] for name, attempt in alias.items() if attempt is not None}
        for row in (await conn.execute(select(tables.enrollments))).all():
            contact = (await conn.execute(select(tables.contacts).where(tables.contacts.c.id == row.contact_id))).one()
            log = [one.event for one in await enrollments.events_of(conn, row.id)]
            mails = [one for one in known if one.enrollment_id == row.id]
            _one(found.setdefault(row.sequence, Counted()), log, mails, real, zone_of(contact.timezone), row.status)
    return found


def zone_of(name: str | None) -> ZoneInfo:
    return ZoneInfo({None: "America/Denver", "Nowhere/Atall": "UTC"}.get(name, name or ""))


def _one(
    into: Counted, log: list[e.Event], mails: list[Any], real: dict[str, str], zone: ZoneInfo, status: str
) -> None:
    into.entered += 1
    touches: list[tuple[datetime, str, str, str]] = []  # at, step, template, message id
    for index, event in enumerate(log):
        after = log[index + 1 :]
        if isinstance(event, e.AttemptStarted) and _arrived(event.message_id, after):
            touches.append((event.at, event.step, event.variant, event.message_id.strip("<>")))
        elif isinstance(event, e.TaskDone) and event.touched:
            touches.append((event.at, event.step, "", ""))
        elif isinstance(event, e.Recovered) and not event.message_id:
            touches.append((event.sent_at, event.step, "", ""))
        elif isinstance(event, e.Skipped):
            into.passed_over[event.step, event.reason] += 1
    planned = list(touches)
    into.planned += [touch[0] for touch in planned]
    touches += [(one.received_at, "", "", "") for one in mails if one.direction == "hand_written"]
    touches.sort()
    replies = sorted((one for one in mails if one.direction == "received"), key=lambda one: one.received_at)
    earned = set()
    for reply in replies:
        named = real.get(reply.in_reply_to, reply.in_reply_to)
        fits = [touch for touch in touches if touch[3] and touch[3] == named]
        fits = fits or [touch for touch in touches if touch[0] <= reply.received_at][-1:]
        earned |= set(fits)
        local = reply.received_at.astimezone(zone)
        into.arrivals[local.weekday(), local.hour] += 1
    for touch in touches:
        at, step, template, message_id = touch
        hit, local = touch in earned, at.astimezone(zone)
        into.step_touches[step] += 1
        into.step_replies[step] += hit
        if template:
            into.template_touches[step, template] += 1
            into.template_replies[step, template] += hit
        if message_id:
            into.weekday[local.weekday()] += 1
            into.weekday_replies[local.weekday()] += hit
            into.hour[local.hour] += 1
            into.hour_replies[local.hour] += hit
    into.step_people.update({step for _, step, _, _ in touches})
    _ended(into, log, planned, replies, mails, status)


def _arrived(message_id: str, after: list[e.Event]) -> bool:
    state = False
    for event in after:
        if isinstance(event, e.Accepted | e.InDoubt | e.Recovered) and event.message_id == message_id:
            state = True
        elif isinstance(event, e.NotDelivered) and event.message_id == message_id:
            state = False
    return state


def _ended(
    into: Counted, log: list[e.Event], planned: list[Any], replies: list[Any], mails: list[Any], status: str
) -> None:
    kinds = {one.label or one.kind for one in replies}
    into.said.update(kinds)
    into.said.update({one.kind for one in mails if one.direction == "notice" and one.kind == "complaint"})
    into.touched += bool(planned)
    into.replied += bool(kinds)
    into.interested += "interested" in kinds
    outcomes = [event for event in log if isinstance(event, e.Finished) and event.outcome]
    last = outcomes[-1] if outcomes else None
    if last is not None and last.outcome == "won":
        into.won += 1
        into.to_decision.append((last.at - log[0].at) / timedelta(days=1))
    elif last is not None:
        into.lost[" ".join(last.reason.split())] += 1
    into.silent += status in ("stopped", "finished") and not kinds and last is None
    if planned:
        first = min(touch[0] for touch in planned)
        answers = [one.received_at for one in replies if one.received_at >= first]
        if answers:
            into.to_answer.append((min(answers) - first) / timedelta(days=1))
        else:
            into.waited += 1
